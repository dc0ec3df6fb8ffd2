//! Single-precision logarithms, without branches.
//!
//! For normal arguments `log` and `log1p` perform the roundings of XLA's CPU kernels, in the same order, because random
//! samples are computed from them. The polynomial of `log` and the rational function of `log1p` are those of Cephes
//! (`logf`, `log1p`). Unlike XLA they do not flush subnormal arguments to zero.

use super::polynomial::horner;

/// The high part of ln 2, short enough for its product with an exponent to be exact.
const LN_2_HIGH: f32 = f32::from_bits(0x3F318000);
const LN_2_LOW: f32 = f32::from_bits(0xB95E8083);
const SQRT_HALF: f32 = f32::from_bits(0x3F3504F3);

/// Returns `(e, x)` with `v = 2^e (1 + x)` and `1 + x` between the square roots of 1/2 and 2.
#[inline(always)]
fn split(v: f32) -> (f32, f32) {
    let subnormal = v < f32::MIN_POSITIVE;
    let v = if subnormal { v * 8388608.0 } else { v };
    let bits = v.to_bits();
    let e = ((bits >> 23) as i32 - 126 - if subnormal { 23 } else { 0 }) as f32;
    let m = f32::from_bits((bits & 0x007F_FFFF) | 0x3F00_0000);
    let low = m < SQRT_HALF;
    let x = m - 1.0;
    (if low { e - 1.0 } else { e }, if low { x + m } else { x })
}

/// Returns `log(1 + x) - x + x²/2`, to which `correction` is added where XLA adds it.
#[inline(always)]
fn cubic_rest(x: f32, x2: f32, correction: f32) -> f32 {
    let x3 = x2 * x;
    let a = horner(x, [f32::from_bits(0x3D9021BB), f32::from_bits(0xBDEBD1B8), f32::from_bits(0x3DEF251A)]);
    let b = horner(x, [f32::from_bits(0xBDFE5D4F), f32::from_bits(0x3E11E9BF), f32::from_bits(0xBE2AAE50)]);
    let c = horner(x, [f32::from_bits(0x3E4CCEAC), f32::from_bits(0xBE7FFFFC), f32::from_bits(0x3EAAAAAA)]);
    a.mul_add(x3, b).mul_add(x3, c).mul_add(x3, correction)
}

/// Puts the results for zero, negative numbers, infinity and NaN in place of what the polynomial made of them.
#[inline(always)]
fn with_limits(v: f32, y: f32) -> f32 {
    let y = if v < f32::INFINITY { y } else { v };
    let y = if v < 0.0 { f32::NAN } else { y };
    if v == 0.0 { f32::NEG_INFINITY } else { y }
}

/// Returns the natural logarithm.
#[inline(always)]
pub fn log(v: f32) -> f32 {
    let (e, x) = split(v);
    let x2 = x * x;
    let rest = cubic_rest(x, x2, e * LN_2_LOW);
    let y = x2.mul_add(-0.5, x) + rest;
    with_limits(v, e.mul_add(LN_2_HIGH, y))
}

/// Returns the logarithm to base 2, exact for powers of two.
#[inline(always)]
pub fn log2(v: f32) -> f32 {
    const LOG2_E_REST: f32 = 1.925_963_1e-8;
    let (e, x) = split(v);
    let x2 = x * x;
    let rest = x2.mul_add(-0.5, cubic_rest(x, x2, 0.0));
    // log2(e)·(x + rest), with the product that carries most of the value rounded last.
    let small = x.mul_add(LOG2_E_REST, rest * std::f32::consts::LOG2_E);
    let high = x.mul_add(std::f32::consts::LOG2_E, small);
    with_limits(v, e + high)
}

/// Returns `log(1 + x)`, precise near zero.
#[inline(always)]
pub fn log1p(x: f32) -> f32 {
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
    let near = x + x2.mul_add(-0.5, (x * x2) * (numerator / denominator));
    let far = log(1.0 + x);
    if x.abs() < f32::from_bits(0x3ED413CD) { near } else { far }
}
