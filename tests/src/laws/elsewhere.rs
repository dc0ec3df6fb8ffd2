//! Other backends, where there are any, against the CPU: values and gradients of one program, in each dtype.

use flaxen::core::Backend;
use flaxen::{DType, Result, Tensor, jit};

use super::precision::{allowed, cast};
use super::{Law, Outcome, cotangents, gradient, like, say};
use crate::backends;
use crate::data::Data;
use crate::numbers::{Numbers, all_close};

pub(super) fn values_and_gradients(law: &Law) -> Outcome {
    let backends = backends::all();
    if backends.is_empty() {
        return Ok(());
    }
    let args = law.example(1);
    let has_floats = args.iter().any(|arg| arg.dtype().is_float());
    for dtype in std::iter::once(DType::F64).chain(law.dtypes.iter().copied().filter(|_| has_floats)) {
        let args = cast(&args, dtype);
        for &backend in &backends {
            let context = |message: String| format!("{} in {dtype}: {message}", backend.platform());
            of_one(law, backend, args.clone(), dtype).map_err(context)?;
        }
    }
    Ok(())
}

fn of_one(law: &Law, backend: &'static dyn Backend, args: Vec<Tensor>, dtype: DType) -> Outcome {
    let by = law.by_of(&args);
    let outs = (law.f)(&args).map_err(say)?;
    let weights = like(&cotangents(&outs, &mut Data::new(12)), &outs);
    let both = |x: Vec<Tensor>| -> Result<(Vec<Tensor>, Vec<Tensor>)> {
        let values = (law.f)(&x)?;
        if by.is_empty() {
            return Ok((values, Vec::new()));
        }
        Ok((values, gradient(|x| (law.f)(x), &x, &by, &weights)?))
    };
    let (found_values, found_gradients) = jit(both).on(backend).call(args.clone()).map_err(say)?;
    let (values, gradients) = both(args).map_err(say)?;
    for (found, expected) in found_values.iter().zip(&values) {
        if found.aval() != expected.aval() {
            return Err(format!("{} instead of {}", found.aval(), expected.aval()));
        }
    }
    let tolerance = if dtype == DType::F64 { 1e-10 } else { allowed(dtype) * law.low_tolerance };
    let numbers = |tensors: &[Tensor]| Numbers::of_all(tensors).map_err(say);
    all_close(&numbers(&found_values)?, &numbers(&values)?, tolerance)?;
    all_close(&numbers(&found_gradients)?, &numbers(&gradients)?, 4.0 * tolerance)
        .map_err(|message| format!("gradient: {message}"))
}
