//! Single-precision `exp` and what is built from it, without branches.
//!
//! All reduce to `x = n·ln 2 + r` with `|r| <= ln 2 / 2` and a minimax polynomial for `exp(r) - 1`. Limits are
//! imposed by comparisons that let a NaN through.

use super::polynomial::horner;
use std::f32::consts::{LN_2, LOG2_E};

/// Adding this to `|x| < 2^22` leaves `x`, rounded to the nearest integer, in the low bits.
pub(super) const ROUNDER: f32 = 12_582_912.0;
/// What `LN_2` misses of the logarithm of 2.
const LN_2_REST: f32 = -1.904_654_3e-9;

/// Returns `2^n` for `-126 <= n <= 127`.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// Returns the integer that [`ROUNDER`] left in the low bits.
#[inline(always)]
pub(super) fn rounded(x_plus_rounder: f32) -> i32 {
    (x_plus_rounder.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32)
}

/// Returns `exp(r) - 1` for `|r| <= ln 2 / 2`.
#[inline(always)]
fn expm1_near_zero(r: f32) -> f32 {
    let p = horner(r, [0.0013940668, 0.008366597, 0.041666403, 0.16666543, 0.5]);
    p.mul_add(r * r, r)
}

/// Returns `(n, p)` with `exp(x) = 2^n (1 + p)`.
#[inline(always)]
fn split(x: f32) -> (i32, f32) {
    let t = x.mul_add(LOG2_E, ROUNDER);
    let n = t - ROUNDER;
    let r = n.mul_add(-LN_2_REST, n.mul_add(-LN_2, x));
    (rounded(t), expm1_near_zero(r))
}

/// Multiplies by `2^n` in two steps, so that results overflow and underflow gradually.
#[inline(always)]
fn scale(x: f32, n: i32) -> f32 {
    let half = n >> 1;
    x * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// Returns `exp(x)`.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let (n, p) = split(x.clamp(-104.0, 89.0));
    scale(1.0 + p, n)
}

/// Returns `exp(x)` for `|x| <= 87`.
#[inline(always)]
pub(super) fn exp_of_moderate(x: f32) -> f32 {
    let (n, p) = split(x);
    (1.0 + p) * power_of_two(n)
}

/// Returns `2^x`, exact for integers.
#[inline(always)]
pub fn exp2(x: f32) -> f32 {
    let x = x.clamp(-151.0, 129.0);
    let t = x + ROUNDER;
    let r = (x - (t - ROUNDER)) * LN_2;
    scale(1.0 + expm1_near_zero(r), rounded(t))
}

/// Returns `exp(x) - 1` without cancellation.
#[inline(always)]
pub fn expm1(x: f32) -> f32 {
    // Half the scale keeps the largest results from overflowing early.
    let (n, p) = split(x.clamp(-18.0, 89.0));
    let half = power_of_two(n.wrapping_sub(1));
    let y = 2.0 * half.mul_add(p, half - 0.5);
    if x.abs() < 2.0e-8 { x } else { y }
}

/// Returns `1 / (1 + exp(-x))` with full relative precision in the tail.
#[inline(always)]
pub fn logistic(x: f32) -> f32 {
    let tail = exp(-x.abs());
    let numerator = if x < 0.0 { tail } else { 1.0 };
    numerator / (1.0 + tail)
}

/// Returns the hyperbolic tangent.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let s = a * a;
    let p = horner(s, [-0.005715499, 0.020649103, -0.053743005, 0.13331485, -0.33333284]);
    let near = p.mul_add(s * a, a);
    // Beyond 9.02 the nearest number is one.
    let bounded = if a > 10.0 { 10.0 } else { a };
    let far = 1.0 - 2.0 / (exp_of_moderate(2.0 * bounded) + 1.0);
    (if a < 0.625 { near } else { far }).copysign(x)
}
