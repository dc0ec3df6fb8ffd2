//! The innermost interpreter: runs the kernel at once.

use crate::error::Result;
use crate::primitive::{Args, Outs, Primitive};
use crate::tensor::{Repr, Tensor};

pub(super) fn process(primitive: &dyn Primitive, args: Args) -> Result<Outs> {
    let outs = super::infer(primitive, &args)?;
    let arrays = args
        .into_iter()
        .map(|arg| match arg.repr {
            Repr::Array(array) => array,
            Repr::Traced(_) => unreachable!("`bind` sends traced values to their trace"),
        })
        .collect();
    Ok(primitive.eval(arrays, outs)?.into_iter().map(Tensor::from).collect())
}
