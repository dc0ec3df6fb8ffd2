//! Integer powers over slices.

use crate::kernels::simd::{self, SimdKernel};
use crate::kernels::threads;
use crate::scalar::math::Real;

/// Elements whose successive squares are kept at hand.
const BLOCK: usize = 64;

struct IntegerPower<'a, T> {
    input: &'a [T],
    exponent: i32,
    out: &'a mut [T],
}

impl<T: Real> SimdKernel for IntegerPower<'_, T> {
    type Output = ();
    const WIDEST: bool = size_of::<T>() == 4;

    #[inline(always)]
    fn run(self) {
        for (out, input) in self.out.chunks_mut(BLOCK).zip(self.input.chunks(BLOCK)) {
            out.copy_from_slice(input);
            power_of_block(out, self.exponent);
        }
    }
}

/// Raises up to [`BLOCK`] values to a power.
#[inline(always)]
fn power_of_block<T: Real>(values: &mut [T], exponent: i32) {
    let one = T::from_f64(1.0);
    let mut squares = [one; BLOCK];
    let squares = &mut squares[..values.len()];
    squares.copy_from_slice(values);
    values.fill(one);
    let mut left = exponent.unsigned_abs();
    while left > 0 {
        if left & 1 == 1 {
            for (value, &x) in values.iter_mut().zip(&*squares) {
                *value = *value * x;
            }
        }
        left >>= 1;
        if left > 0 {
            for x in &mut *squares {
                *x = *x * *x;
            }
        }
    }
    if exponent < 0 {
        for value in values {
            *value = one / *value;
        }
    }
}

/// Writes the `exponent`-th power of every element to `out`, equal to [`Real::powi`], on several threads if worth it.
///
/// # Panics
/// If the lengths differ.
pub fn integer_power<T: Real>(input: &[T], exponent: i32, out: &mut [T]) {
    assert_eq!(input.len(), out.len(), "input and output of an integer power differ in length");
    threads::split(out, 1, 2, |first, out| {
        simd::run(IntegerPower { input: &input[first..][..out.len()], exponent, out });
    });
}
