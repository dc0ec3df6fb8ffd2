//! The innermost interpreter: runs the kernel at once.

use crate::array::{Aval, memory};
use crate::core::Tensor;
use crate::core::decompose;
use crate::core::primitive::{Args, Outs, Primitive};
use crate::core::tensor::Repr;
use crate::error::Result;

pub(crate) fn process(primitive: &dyn Primitive, args: Args) -> Result<Outs> {
    let outs = super::infer(primitive, &args)?;
    let Some(rules) = primitive.cpu() else { return decompose::run(primitive, &args, &outs) };
    let arrays = args
        .into_iter()
        .map(|arg| match arg.repr {
            Repr::Array(array) => array,
            Repr::Traced(_) => unreachable!("`bind` sends traced values to their trace"),
        })
        .collect();
    let made = outs.clone();
    let outs = memory::or_error(primitive.name(), || list(&made), || rules.eval(arrays, outs))?;
    Ok(outs.into_iter().map(Tensor::from).collect())
}

/// The outputs of an operation, for people.
pub(crate) fn list(outs: &[Aval]) -> String {
    outs.iter().map(Aval::to_string).collect::<Vec<_>>().join(" and ")
}
