//! Dense linear algebra on one row-major matrix at a time, for `f32` and `f64`: QR, LU, Cholesky, eigenvalue and singular value
//! decompositions, and triangular solves.
//!
//! All inner loops run along rows, which are contiguous. Signs and roundings follow LAPACK, so that factors agree
//! with those of `jax.numpy.linalg` and not only up to the signs of columns.

mod cholesky;
mod eigh;
mod lu;
mod qr;
mod reflections;
mod rotations;
mod svd;
mod triangular;

use std::ops::{Add, Div, Mul, Neg, Sub};

pub use cholesky::{NotPositiveDefinite, cholesky};
pub use eigh::eigh;
pub use lu::lu;
pub use qr::{QrMode, qr};
pub use svd::{SvdFactors, svd};
pub use triangular::{Side, Triangle, triangular_solve};

use crate::scalar::number::Number;

/// A float type that matrices can be factorised in: `f32` or `f64`.
pub trait LinalgFloat:
    Number<Acc = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The smallest normal number, whose reciprocal is still finite.
    const TINY: Self;
    /// The distance from one to the next larger number.
    const EPSILON: f64;

    /// Returns the square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// Returns the absolute value.
    fn abs(self) -> Self;
    /// Returns this magnitude with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// Returns `self · factor + summand`, in one rounding for `f32` and in two for `f64`.
    fn fused(self, factor: Self, summand: Self) -> Self;
    /// Returns the Euclidean norm, without overflow on the way.
    fn norm(xs: &[Self]) -> Self;
}

impl LinalgFloat for f32 {
    const TINY: Self = f32::MIN_POSITIVE;
    const EPSILON: f64 = f32::EPSILON as f64;

    fn sqrt(self) -> Self {
        self.sqrt()
    }
    fn abs(self) -> Self {
        self.abs()
    }
    fn copysign(self, sign: Self) -> Self {
        self.copysign(sign)
    }
    // The product is exact in `f64`: this is a fused multiply-add that needs no such instruction.
    #[inline(always)]
    fn fused(self, factor: Self, summand: Self) -> Self {
        (self as f64 * factor as f64 + summand as f64) as f32
    }
    fn norm(xs: &[Self]) -> Self {
        xs.iter().map(|&x| x as f64 * x as f64).sum::<f64>().sqrt() as f32
    }
}

impl LinalgFloat for f64 {
    const TINY: Self = f64::MIN_POSITIVE;
    const EPSILON: f64 = f64::EPSILON;

    fn sqrt(self) -> Self {
        self.sqrt()
    }
    fn abs(self) -> Self {
        self.abs()
    }
    fn copysign(self, sign: Self) -> Self {
        self.copysign(sign)
    }
    #[inline(always)]
    fn fused(self, factor: Self, summand: Self) -> Self {
        self * factor + summand
    }
    fn norm(xs: &[Self]) -> Self {
        let plain = dot(xs, xs);
        if plain.is_finite() && (plain > 1e-280 || plain == 0.0 && xs.iter().all(|&x| x == 0.0)) {
            return plain.sqrt();
        }
        // Scaled by the greatest magnitude, as LAPACK's `lassq` does, where squares would overflow or vanish.
        let max = xs.iter().fold(0.0, |a, &x| Number::maximum(a, x.abs()));
        if max == 0.0 || !max.is_finite() {
            return max;
        }
        max * xs.iter().map(|&x| (x / max) * (x / max)).sum::<f64>().sqrt()
    }
}

/// Independent partial sums of a dot product: as many as two vectors of 512 bits hold.
const LANES: usize = 16;

/// Returns the dot product, summed in lanes whose order does not depend on the machine.
#[inline(always)]
pub(super) fn dot<T: LinalgFloat>(x: &[T], y: &[T]) -> T {
    let n = x.len().min(y.len());
    let (x_blocks, x_rest) = x[..n].as_chunks::<LANES>();
    let (y_blocks, y_rest) = y[..n].as_chunks::<LANES>();
    let mut lanes = [T::ZERO; LANES];
    for (a, b) in x_blocks.iter().zip(y_blocks) {
        for i in 0..LANES {
            lanes[i] = lanes[i] + a[i] * b[i];
        }
    }
    for (i, (&a, &b)) in x_rest.iter().zip(y_rest).enumerate() {
        lanes[i] = lanes[i] + a * b;
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            lanes[i] = lanes[i] + lanes[i + width];
        }
    }
    lanes[0]
}

/// What to divide numbers by, so that their squares neither overflow nor vanish; none if some are not finite.
pub(super) fn scale<T: LinalgFloat>(numbers: impl Iterator<Item = T>) -> Option<T> {
    let mut largest = 0.0;
    for x in numbers {
        let x = x.to_f64().abs();
        if !x.is_finite() {
            return None;
        }
        largest = f64::max(largest, x);
    }
    // The root of the smallest normal number, times what is left of the type's precision.
    let small = (T::TINY.to_f64() / T::EPSILON).sqrt();
    let is_safe = largest == 0.0 || (small..=1.0 / small).contains(&largest);
    Some(if is_safe { T::ONE } else { T::from_f64(largest) })
}

/// Adds `factor · x` to `y`.
#[inline(always)]
pub(super) fn add_scaled<T: LinalgFloat>(y: &mut [T], factor: T, x: &[T]) {
    // By number, which needs nothing that might not be inlined.
    let count = y.len().min(x.len());
    let (y, x) = (&mut y[..count], &x[..count]);
    for k in 0..count {
        y[k] = y[k] + factor * x[k];
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Returns reproducible values in (-1, 1).
    pub fn noise<T: LinalgFloat>(seed: u64, n: usize) -> Vec<T> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..8 {
            next();
        }
        (0..n).map(|_| T::from_f64((next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0)).collect()
    }

    /// Returns `a · b` for `a` of shape `[m, k]` and `b` of shape `[k, n]`.
    pub fn product<T: LinalgFloat>(a: &[T], b: &[T], m: usize, k: usize, n: usize) -> Vec<f64> {
        let mut c = vec![0.0; m * n];
        for i in 0..m {
            for p in 0..k {
                for j in 0..n {
                    c[i * n + j] += a[i * k + p].to_f64() * b[p * n + j].to_f64();
                }
            }
        }
        c
    }

    pub fn transposed<T: Copy>(a: &[T], m: usize, n: usize) -> Vec<T> {
        (0..n * m).map(|i| a[i % m * n + i / m]).collect()
    }

    pub fn largest_difference<T: LinalgFloat>(a: &[f64], b: &[T]) -> f64 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b.to_f64()).abs()).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::noise;
    use super::*;

    #[test]
    fn dots_of_every_length_agree_with_a_plain_sum() {
        for n in 0..70 {
            let (x, y) = (noise::<f64>(1, n), noise::<f64>(2, n));
            let plain: f64 = x.iter().zip(&y).map(|(a, b)| a * b).sum();
            assert!((dot(&x, &y) - plain).abs() < 1e-14);
        }
    }

    #[test]
    fn norms_neither_overflow_nor_underflow() {
        for scale in [1e-300, 1e-160, 1.0, 1e160, 1e300] {
            let norm = LinalgFloat::norm(&[3.0 * scale, -4.0 * scale]);
            assert!((norm / scale - 5.0).abs() < 1e-14, "{norm:e} at {scale:e}");
        }
        assert_eq!(<f64 as LinalgFloat>::norm(&[0.0, 0.0]), 0.0);
        assert_eq!(<f32 as LinalgFloat>::norm(&[3e30, 4e30]), 5e30);
        assert!(<f64 as LinalgFloat>::norm(&[f64::NAN, 1.0]).is_nan());
    }
}
