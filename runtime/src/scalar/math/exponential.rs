//! Single-precision `exp` and what is built from it, without branches.
//!
//! All reduce, as W. J. Cody and W. Waite do ("Software manual for the elementary functions", 1980), to `x = n·ln 2 + r` with `|r| <= ln 2 / 2` and a minimax polynomial for `exp(r) - 1`. Limits are
//! imposed by comparisons that let a NaN through.

use super::lane::Lane;
use super::polynomial::horner;
use std::f32::consts::{LN_2, LOG2_E};

/// Adding this to `|x| < 2^22` leaves `x`, rounded to the nearest integer, in the low bits.
pub(crate) const ROUNDER: f32 = 12_582_912.0;
/// What `LN_2` misses of the logarithm of 2.
const LN_2_REST: f32 = -1.904_654_3e-9;

/// Returns `2^n` for `-126 <= n <= 127`.
#[inline(always)]
fn power_of_two<L: Lane>(n: L::Bits) -> L {
    L::from_bits(L::shl(L::add_int(n, 127), 23))
}

/// Returns the integer that [`ROUNDER`] left in the low bits.
#[inline(always)]
pub(crate) fn rounded<L: Lane>(x_plus_rounder: L) -> L::Bits {
    L::add_int(x_plus_rounder.bits(), -(ROUNDER.to_bits() as i32))
}

/// Returns `exp(r) - 1` for `|r| <= ln 2 / 2`.
#[inline(always)]
fn expm1_near_zero<L: Lane>(r: L) -> L {
    let p = horner(r, [0.0013940668, 0.008366597, 0.041666403, 0.16666543, 0.5]);
    p.mul_add(r * r, r)
}

/// Returns `(n, p)` with `exp(x) = 2^n (1 + p)`.
#[inline(always)]
fn split<L: Lane>(x: L) -> (L::Bits, L) {
    let (n, bits) = x.nearest_of_product(LOG2_E);
    let r = n.mul_add(L::of(-LN_2_REST), n.mul_add(L::of(-LN_2), x));
    (bits, expm1_near_zero(r))
}

/// Multiplies by `2^n` in two steps, so that results overflow and underflow gradually.
#[inline(always)]
fn scale<L: Lane>(x: L, n: L::Bits) -> L {
    let half = L::shr(n, 1);
    x * power_of_two::<L>(half) * power_of_two::<L>(L::sub_int(n, half))
}

/// Returns `exp(x)`.
#[inline(always)]
pub fn exp<L: Lane>(x: L) -> L {
    let (n, p) = split(x.at_least(-104.0).at_most(89.0));
    scale(L::of(1.0) + p, n)
}

/// Returns `exp(x)` for `|x| <= 87`.
#[inline(always)]
pub(crate) fn exp_of_moderate<L: Lane>(x: L) -> L {
    let (n, p) = split(x);
    (L::of(1.0) + p) * power_of_two::<L>(n)
}

/// Returns `2^x`, exact for integers.
#[inline(always)]
pub fn exp2<L: Lane>(x: L) -> L {
    let x = x.at_least(-151.0).at_most(129.0);
    let (n, bits) = x.nearest();
    let r = (x - n) * L::of(LN_2);
    scale(L::of(1.0) + expm1_near_zero(r), bits)
}

/// Returns `exp(x) - 1` without cancellation.
#[inline(always)]
pub fn expm1<L: Lane>(x: L) -> L {
    // Half the scale keeps the largest results from overflowing early.
    let (n, p) = split(x.at_least(-18.0).at_most(89.0));
    let half = power_of_two::<L>(L::add_int(n, -1));
    let y = L::of(2.0) * half.mul_add(p, half - L::of(0.5));
    x.abs().if_less(L::of(2.0e-8), x, y)
}

/// Returns `1 / (1 + exp(-x))` with full relative precision in the tail.
#[inline(always)]
pub fn logistic<L: Lane>(x: L) -> L {
    let tail = exp(-x.abs());
    let numerator = x.if_less(L::of(0.0), tail, L::of(1.0));
    numerator / (L::of(1.0) + tail)
}

/// Returns the hyperbolic tangent.
#[inline(always)]
pub fn tanh<L: Lane>(x: L) -> L {
    let a = x.abs();
    let s = a * a;
    let p = horner(s, [-0.005715499, 0.020649103, -0.053743005, 0.13331485, -0.33333284]);
    let near = p.mul_add(s * a, a);
    // Beyond 9.02 the nearest number is one.
    let bounded = a.at_most(10.0);
    let far = L::of(1.0) - L::of(2.0) / (exp_of_moderate(L::of(2.0) * bounded) + L::of(1.0));
    a.if_less(L::of(0.625), near, far).copysign(x)
}
