//! The innermost interpreter: runs the kernel at once.

use crate::array::{Array, Aval, memory};
use crate::core::Tensor;
use crate::core::decompose;
use crate::core::op::Op;
use crate::core::primitive::{Args, Outs, Primitive};
use crate::core::tensor::Repr;
use crate::error::{Error, Result};

pub(crate) fn process(primitive: &dyn Primitive, args: Args) -> Result<Outs> {
    let outs = super::infer(primitive, &args)?;
    let Some(rules) = primitive.cpu() else { return decompose::run(primitive, &args, &outs) };
    let arrays: Args<Array> = args
        .into_iter()
        .map(|arg| match arg.repr {
            Repr::Array(array) => array,
            Repr::Traced(_) => unreachable!("`bind` sends traced values to their trace"),
        })
        .collect();
    if !arrays.iter().all(Array::is_on_host) {
        check_placement(primitive, &arrays)?;
    }
    let made = outs.clone();
    let outs = memory::or_error(primitive.name(), || list(&made), || rules.eval(arrays, outs))?;
    Ok(outs.into_iter().map(Tensor::from).collect())
}

/// Refuses arguments that are in the memory of a device, but for programs, which know where they run.
#[cold]
fn check_placement(primitive: &dyn Primitive, args: &[Array]) -> Result<()> {
    if matches!(primitive.op(), Op::Call(_)) {
        return Ok(());
    }
    let Some((i, buffer)) = args.iter().enumerate().find_map(|(i, arg)| Some((i, arg.device_buffer()?)))
    else {
        return Ok(());
    };
    Err(Error::Placement {
        op: primitive.name().into(),
        tensor: format!("its argument {i}, {},", args[i].aval()).into(),
        found: buffer.device().into(),
        expected: "the host".into(),
    })
}

/// The outputs of an operation, for people.
pub(crate) fn list(outs: &[Aval]) -> String {
    outs.iter().map(Aval::to_string).collect::<Vec<_>>().join(" and ")
}
