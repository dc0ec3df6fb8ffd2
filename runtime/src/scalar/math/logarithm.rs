//! Single-precision logarithms, without branches.
//!
//! For normal arguments `log` and `log1p` perform the roundings of XLA's CPU kernels, in the same order, because random
//! samples are computed from them. The polynomial of `log` and the rational function of `log1p` are those of Cephes
//! (`logf`, `log1p`). Unlike XLA they do not flush subnormal arguments to zero.

use super::lane::Lane;
use super::polynomial::horner;

/// The high part of ln 2, short enough for its product with an exponent to be exact.
const LN_2_HIGH: f32 = f32::from_bits(0x3F318000);
const LN_2_LOW: f32 = f32::from_bits(0xB95E8083);
const SQRT_HALF: f32 = f32::from_bits(0x3F3504F3);

/// Returns `(e, x)` with `v = 2^e (1 + x)` and `1 + x` between the square roots of 1/2 and 2.
#[inline(always)]
fn split<L: Lane>(v: L) -> (L, L) {
    let least = L::of(f32::MIN_POSITIVE);
    let bits = v.if_less(least, v * L::of(8388608.0), v).bits();
    // Positive numbers have no sign to copy, and what becomes of others is overwritten later.
    let normal = L::from_integer(L::add_int(L::shr(bits, 23), -126));
    let subnormal = L::from_integer(L::add_int(L::shr(bits, 23), -149));
    let e = v.if_less(least, subnormal, normal);
    let m = L::from_bits(L::or(L::and(bits, 0x007F_FFFF), 0x3F00_0000));
    let root = L::of(SQRT_HALF);
    let x = m - L::of(1.0);
    (m.if_less(root, e - L::of(1.0), e), m.if_less(root, x + m, x))
}

/// Returns `log(1 + x) - x + x²/2`, to which `correction` is added where XLA adds it.
#[inline(always)]
fn cubic_rest<L: Lane>(x: L, x2: L, correction: L) -> L {
    let x3 = x2 * x;
    let a = horner(x, [f32::from_bits(0x3D9021BB), f32::from_bits(0xBDEBD1B8), f32::from_bits(0x3DEF251A)]);
    let b = horner(x, [f32::from_bits(0xBDFE5D4F), f32::from_bits(0x3E11E9BF), f32::from_bits(0xBE2AAE50)]);
    let c = horner(x, [f32::from_bits(0x3E4CCEAC), f32::from_bits(0xBE7FFFFC), f32::from_bits(0x3EAAAAAA)]);
    a.mul_add(x3, b).mul_add(x3, c).mul_add(x3, correction)
}

/// Puts the results for zero, negative numbers, infinity and NaN in place of what the polynomial made of them.
#[inline(always)]
fn with_limits<L: Lane>(v: L, y: L) -> L {
    let y = v.if_less(L::of(f32::INFINITY), y, v);
    let y = v.if_less(L::of(0.0), L::of(f32::NAN), y);
    v.if_equal(L::of(0.0), L::of(f32::NEG_INFINITY), y)
}

/// Returns the natural logarithm.
#[inline(always)]
pub fn log<L: Lane>(v: L) -> L {
    let (e, x) = split(v);
    let x2 = x * x;
    let rest = cubic_rest(x, x2, e * L::of(LN_2_LOW));
    let y = x2.mul_add(L::of(-0.5), x) + rest;
    with_limits(v, e.mul_add(L::of(LN_2_HIGH), y))
}

/// Returns the logarithm to base 2, exact for powers of two.
#[inline(always)]
pub fn log2<L: Lane>(v: L) -> L {
    const LOG2_E_REST: f32 = 1.925_963_1e-8;
    let log2_e = L::of(std::f32::consts::LOG2_E);
    let (e, x) = split(v);
    let x2 = x * x;
    let rest = x2.mul_add(L::of(-0.5), cubic_rest(x, x2, L::of(0.0)));
    // log2(e)·(x + rest), with the product that carries most of the value rounded last.
    let small = x.mul_add(L::of(LOG2_E_REST), rest * log2_e);
    let high = x.mul_add(log2_e, small);
    with_limits(v, e + high)
}

/// Returns `log(1 + x)`, precise near zero.
#[inline(always)]
pub fn log1p<L: Lane>(x: L) -> L {
    let x2 = x * x;
    let numerator = horner(
        x,
        [
            4.527e-5,
            f32::from_bits(0x3EFF40C5),
            f32::from_bits(0x40D284FA),
            f32::from_bits(0x41EF4B9C),
            f32::from_bits(0x4273CC76),
            f32::from_bits(0x426473AD),
            f32::from_bits(0x41A05101),
        ],
    );
    let denominator = horner(
        x,
        [
            1.0,
            f32::from_bits(0x417101AD),
            f32::from_bits(0x42A6185B),
            f32::from_bits(0x435DC32D),
            f32::from_bits(0x439A8CA3),
            f32::from_bits(0x43586D8A),
            f32::from_bits(0x42707982),
        ],
    );
    let near = x + x2.mul_add(L::of(-0.5), (x * x2) * (numerator / denominator));
    let far = log(L::of(1.0) + x);
    x.abs().if_less(L::of(f32::from_bits(0x3ED413CD)), near, far)
}
