//! Integer powers over slices.

use super::Real;
use crate::kernels::simd::{self, Kernel};
use crate::kernels::threads;

/// Elements whose successive squares are kept at hand.
const BLOCK: usize = 64;

struct IntegerPower<'a, T> {
    input: &'a [T],
    exponent: i32,
    out: &'a mut [T],
}

impl<T: Real> Kernel for IntegerPower<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let one = T::from_f64(1.0);
        for (out, input) in self.out.chunks_mut(BLOCK).zip(self.input.chunks(BLOCK)) {
            let mut squares = [one; BLOCK];
            let squares = &mut squares[..input.len()];
            squares.copy_from_slice(input);
            out.fill(one);
            let mut exponent = self.exponent.unsigned_abs();
            while exponent > 0 {
                if exponent & 1 == 1 {
                    for (out, &x) in out.iter_mut().zip(&*squares) {
                        *out = *out * x;
                    }
                }
                exponent >>= 1;
                if exponent > 0 {
                    for x in &mut *squares {
                        *x = *x * *x;
                    }
                }
            }
            if self.exponent < 0 {
                for x in out {
                    *x = one / *x;
                }
            }
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
