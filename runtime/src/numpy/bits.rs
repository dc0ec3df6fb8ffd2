//! Integers by their bits and divisors.

use super::paired::methods;
use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::ops::promoted;

/// A bare number of 64 bits in a narrower dtype, from its low bits.
#[track_caller]
fn low_bits(x: &Tensor, bits: u64) -> Result<Tensor> {
    let width = 8 * x.dtype().size() as u32;
    let kept = if width == 64 { bits } else { bits & ((1 << width) - 1) };
    Tensor::from_vec_of([kept as i64], [0usize; 0], DType::I64).try_cast(x.dtype())
}

fn integers(op: &'static str, x: &Tensor) -> Result<()> {
    if x.dtype().is_integer() { Ok(()) } else { Err(Error::dtype(op, x.dtype(), "integers")) }
}

/// The bits that are set, counted in pairs, in fours, and so on.
#[track_caller]
fn population_count(x: &Tensor) -> Result<Tensor> {
    const EVERY: [u64; 6] = [
        0x5555_5555_5555_5555,
        0x3333_3333_3333_3333,
        0x0f0f_0f0f_0f0f_0f0f,
        0x00ff_00ff_00ff_00ff,
        0x0000_ffff_0000_ffff,
        0x0000_0000_ffff_ffff,
    ];
    let (width, mut counts) = (8 * x.dtype().size(), x.clone());
    for (at, &every) in EVERY.iter().enumerate().take_while(|(at, _)| 1 << at < width) {
        let mask = low_bits(x, every)?;
        // The mask also removes copies of the sign that a shift brings.
        let upper = counts.try_shr(1 << at)?.try_bitand(&mask)?;
        counts = counts.try_bitand(mask)?.try_add(upper)?;
    }
    Ok(counts)
}

methods! {
    => "Bits";
    /// How many bits of each integer are set, in its own dtype, as `lax.population_count`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::from([7i32, -1, 0]).population_count().to_vec::<i32>()?, [3, 32, 0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    population_count try_population_count() -> Tensor, fails "If these are no integers."
    |x| {
        integers("population_count", x)?;
        population_count(x)
    };

    /// How many bits of the magnitude of each integer are set, as `U8`, as `jnp.bitwise_count`.
    bitwise_count try_bitwise_count() -> Tensor, fails "If these are no integers."
    |x| {
        integers("bitwise_count", x)?;
        population_count(&x.try_abs()?)?.try_cast(DType::U8)
    };

    /// The least common multiple of integers, which is not negative; 0 where one is 0. What is too large wraps around.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::from([4i32, -6, 0]).lcm(10).to_vec::<i32>()?, [20, 30, 0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    lcm try_lcm(other: impl TensorLike) -> Tensor,
    fails "If these are no integers, or the shapes do not broadcast."
    |x| {
        let [x, y] = promoted([x.clone(), other.operand()?])?;
        integers("lcm", &x)?;
        let (x, y) = (x.try_abs()?, y.try_abs()?);
        let divisor = x.try_gcd(&y)?;
        let none = divisor.try_eq(divisor.like(0.0))?;
        let multiple = x.try_mul(y.try_floor_divide(none.try_select(divisor.like(1.0), &divisor)?)?)?;
        none.try_select(multiple.like(0.0), multiple)
    };

    /// How many bits in front of the first one that is set are not, in the dtype of the integers, as `lax.clz`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::from([1i32, -1, 0]).leading_zeros().to_vec::<i32>()?, [31, 0, 32]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    #[doc(alias = "clz")]
    leading_zeros try_leading_zeros() -> Tensor, fails "If these are no integers."
    |x| {
        integers("leading_zeros", x)?;
        // All bits behind the first one are set.
        let (width, mut filled) = (8 * x.dtype().size() as i32, x.clone());
        let mut shift = 1;
        while shift < width {
            filled = filled.try_bitor(filled.try_shr(shift)?)?;
            shift *= 2;
        }
        population_count(&filled.try_logical_not()?)
    };
}
