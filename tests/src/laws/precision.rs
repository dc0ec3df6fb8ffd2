//! The other float dtypes against `F64`.

use flaxen::{DType, Result, Tensor};

use super::{Law, Outcome, cotangents, gradient, like, say};
use crate::data::Data;
use crate::numbers::{Numbers, all_close};

/// What a few roundings may change.
pub(super) fn allowed(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 4e-3,
        DType::BF16 => 3e-2,
        _ => 2e-6,
    }
}

pub(super) fn cast(args: &[Tensor], dtype: DType) -> Vec<Tensor> {
    args.iter().map(|arg| if arg.dtype().is_float() { arg.cast(dtype) } else { arg.clone() }).collect()
}

pub(super) fn dtypes(law: &Law) -> Outcome {
    if !law.example(1).iter().any(|arg| arg.dtype().is_float()) {
        return Ok(());
    }
    law.dtypes
        .iter()
        .try_for_each(|&dtype| in_dtype(law, dtype).map_err(|message| format!("{dtype}: {message}")))
}

fn in_dtype(law: &Law, dtype: DType) -> Outcome {
    let low = cast(&law.example(1), dtype);
    // The same, already rounded arguments.
    let high = cast(&low, DType::F64);
    let tolerance = allowed(dtype) * law.low_tolerance;
    let (found, expected) = ((law.f)(&low).map_err(say)?, (law.f)(&high).map_err(say)?);
    for (found, expected) in found.iter().zip(&expected) {
        let right = if expected.dtype() == DType::F64 { dtype } else { expected.dtype() };
        if found.dtype() != right {
            return Err(format!("the result is {}, not {right}", found.dtype()));
        }
    }
    let numbers = |tensors: &[Tensor]| Numbers::of_all(tensors).map_err(say);
    all_close(&numbers(&found)?, &numbers(&expected)?, tolerance)?;

    let by = law.by_of(&high);
    if by.is_empty() {
        return Ok(());
    }
    let weights = like(&cotangents(&found, &mut Data::new(14)), &found);
    let weighted = |args: &[Tensor], weights: &[Tensor]| -> Result<Vec<Tensor>> {
        gradient(|x| (law.f)(x), args, &by, weights)
    };
    let found = weighted(&low, &weights).map_err(say)?;
    if let Some(wrong) = found.iter().find(|grad| grad.dtype() != dtype) {
        return Err(format!("a gradient is {}, not {dtype}", wrong.dtype()));
    }
    let expected = weighted(&high, &cast(&weights, DType::F64)).map_err(say)?;
    all_close(&numbers(&found)?, &numbers(&expected)?, 4.0 * tolerance)
        .map_err(|message| format!("gradient: {message}"))
}
