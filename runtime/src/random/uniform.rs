//! Uniform floats: random mantissas in [1, 2), less 1.

use super::{Key, check_bare, check_parameters, dtype_of_parameters, sampler};
use crate::array::DType;
use crate::core::domain::FINITE;
use crate::core::op::Draw;
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::ops::random_bits::draw;
use crate::ops::{convert, scalar_array};

sampler! {
    /// Samples from [0, 1), `F32` of a shape.
    ///
    /// They are the multiples of 2⁻²³, all equally likely.
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// let x = random::uniform(&random::key(0), [1000]).to_vec::<f32>()?;
    /// assert!(x.iter().all(|x| (0.0..1.0).contains(x)));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn uniform / try_uniform(key: &Key, shape: impl AsRef<[usize]>) {
        unit(key, shape.as_ref(), DType::F32)
    }

    /// Samples from [0, 1), of a shape and a float dtype.
    pub fn uniform_of / try_uniform_of(key: &Key, shape: impl AsRef<[usize]>, dtype: DType) {
        unit(key, shape.as_ref(), dtype)
    }

    /// Samples from `low` (included) to `high` (excluded, up to rounding), both broadcast to the shape; bare numbers are
    /// finite. Where `high` is not above `low`, all are `low`.
    ///
    /// The dtype is that of the bounds, `F32` for bare numbers. The samples are `max(low, u·(high − low) + low)`, with one
    /// rounding of product and sum, and differentiable in the bounds.
    pub fn uniform_in / try_uniform_in(
        key: &Key,
        shape: impl AsRef<[usize]>,
        low: impl TensorLike,
        high: impl TensorLike,
    ) {
        let (low, high) = (low.operand()?, high.operand()?);
        let dtype = dtype_of_parameters([&low, &high]);
        check_bare("uniform_in", "low", FINITE, &low)?;
        check_bare("uniform_in", "high", FINITE, &high)?;
        between("uniform_in", key, shape.as_ref(), dtype, low, high)
    }
}

#[track_caller]
pub(super) fn unit(key: &Key, shape: &[usize], dtype: DType) -> Result<Tensor> {
    draw(key.single("uniform")?, Draw::Unit(dtype), shape)
}

#[track_caller]
pub(super) fn between(
    op: &'static str,
    key: &Key,
    shape: &[usize],
    dtype: DType,
    low: Tensor,
    high: Tensor,
) -> Result<Tensor> {
    check_parameters(op, shape, &[&low, &high])?;
    let (low, high) = (convert(&low, dtype, false)?, convert(&high, dtype, false)?);
    let sample = affine(unit(key, shape, dtype)?, high.try_sub(&low)?, &low)?;
    low.try_maximum(sample)
}

/// Between two values of the dtype, of which the lower one is: rounding is monotone, so no sample falls below it.
#[track_caller]
pub(super) fn between_constants(
    key: &Key,
    shape: &[usize],
    dtype: DType,
    low: f64,
    high: f64,
) -> Result<Tensor> {
    let constant = |value| Tensor::from(scalar_array(value, dtype, false));
    let span = scalar_array(high - low, dtype, false);
    affine(unit(key, shape, dtype)?, span.into(), &constant(low))
}

/// `u·span + low` as the compiler of JAX computes it: rounded once, but for `BF16` twice.
///
/// `F16` is rounded once on CPUs that compute with halves, and twice on others; here it is once everywhere.
#[track_caller]
fn affine(u: Tensor, span: Tensor, low: &Tensor) -> Result<Tensor> {
    match u.dtype() {
        DType::BF16 => u.try_mul(span)?.try_add(low),
        // In double precision products and sums of halves are exact.
        DType::F16 => {
            let wide = |x: &Tensor| convert(x, DType::F64, false);
            convert(&wide(&u)?.try_mul_add(wide(&span)?, wide(low)?)?, DType::F16, false)
        }
        _ => u.try_mul_add(span, low),
    }
}
