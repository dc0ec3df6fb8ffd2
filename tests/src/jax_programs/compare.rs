//! When two tensors are the same, up to rounding.

use flaxen::{DType, Tensor};

/// How many steps of the dtype rounding may add up to.
const STEPS: f64 = 40.0;

/// The distance from 1 to the next number.
pub(crate) fn step(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 2f64.powi(-11),
        DType::BF16 => 2f64.powi(-8),
        _ => f32::EPSILON.into(),
    }
}

/// What is not the same, if anything: dtype, shape, or the first element that is farther away than rounding explains.
///
/// # Panics
/// If a tensor has no values.
pub fn difference(ours: &Tensor, theirs: &Tensor, step: f64) -> Option<String> {
    if ours.dtype() != theirs.dtype() || ours.shape() != theirs.shape() {
        return Some(format!("JAX has {}, ours is {}", theirs.aval(), ours.aval()));
    }
    if !ours.dtype().is_float() {
        let (a, b) = (crate::jax::bits(ours), crate::jax::bits(theirs));
        let at = (0..a.len()).find(|&i| a[i] != b[i])?;
        return Some(format!("at {at}: JAX has bits {:x}, ours are {:x}", b[at], a[at]));
    }
    let wide = |x: &Tensor| x.cast(DType::F64).to_vec::<f64>().expect("values");
    let (a, b) = (wide(ours), wide(theirs));
    let largest = b.iter().filter(|b| b.is_finite()).fold(0f64, |largest, b| largest.max(b.abs()));
    // Sums of numbers that cancel are as inexact as the largest of them.
    let scale = largest.max(1e-3) * 0.25;
    let same = |a: f64, b: f64| {
        a == b
            || (a.is_nan() && b.is_nan())
            || (a.is_finite() && b.is_finite() && (a - b).abs() <= step * STEPS * (b.abs() + scale))
    };
    let at = (0..a.len()).find(|&i| !same(a[i], b[i]))?;
    Some(format!("at {at}: JAX has {}, ours is {}", b[at], a[at]))
}
