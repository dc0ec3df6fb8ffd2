//! Horner's rule with one rounding per step.

use super::lane::Lane;

/// Evaluates a polynomial whose coefficients are given from the highest power down.
#[inline(always)]
pub fn horner<L: Lane, const N: usize>(x: L, coefficients: [f32; N]) -> L {
    let mut sum = L::of(coefficients[0]);
    for &c in &coefficients[1..] {
        sum = sum.mul_add(x, L::of(c));
    }
    sum
}

/// Evaluates a polynomial in double precision, like [`horner`].
#[inline(always)]
pub fn horner_f64<const N: usize>(x: f64, coefficients: [f64; N]) -> f64 {
    let mut sum = coefficients[0];
    for &c in &coefficients[1..] {
        sum = sum.mul_add(x, c);
    }
    sum
}
