//! The error function, its complement and its inverse.

use super::exponential::exp_of_moderate;
use super::lane::Lane;
use super::logarithm::log1p;
use super::polynomial::{horner, horner_f64};

/// Returns `erf(x)` in single precision, without branches.
#[inline(always)]
pub fn erf<L: Lane>(x: L) -> L {
    let a = x.abs();
    let s = a * a;
    let p =
        horner(s, [7.9431e-05, -0.0008039753, 0.005191753, -0.02685556, 0.11283624, -0.3761263, 0.12837917]);
    let near = p.mul_add(a, a);
    // Beyond 3.92 the nearest number is one. The polynomial is that of -log(erfc(a)).
    let bounded = a.at_most(4.0);
    let q = horner(
        bounded,
        [-0.00019828574, 0.0030663502, -0.022319531, 0.10412455, 0.63696146, 1.1278073, 0.00016370422],
    );
    let far = L::of(1.0) - exp_of_moderate(-q);
    a.if_less(L::of(0.9), near, far).copysign(x)
}

/// Returns `1 - erf(x)` in single precision with full relative precision in the tail, without branches.
///
/// The whole computation is in double precision: `exp(-x²)` magnifies a rounding of `x²` a hundredfold.
#[inline(always)]
pub fn erfc(x: f32) -> f32 {
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    let a = f64::from(if x.abs() > 10.2 { 10.2 } else { x.abs() });
    // exp(-a²) = 2^n exp(r)
    let t = (a * a).mul_add(-std::f64::consts::LOG2_E, ROUNDER);
    let r = (t - ROUNDER).mul_add(-std::f64::consts::LN_2, -(a * a));
    let gauss =
        horner_f64(r, EXPM1_OVER_R).mul_add(r, 1.0) * f64::from_bits(t.to_bits().wrapping_add(1023) << 52);
    // (1 + 2a) exp(a²) erfc(a) varies little, and does so smoothly in (a - 3)/(a + 3).
    let scaled = horner_f64((a - 3.0) / (a + 3.0), SCALED_ERFC);
    let tail = gauss * scaled / (1.0 + 2.0 * a);
    (if x < 0.0 { 2.0 - tail } else { tail }) as f32
}

/// `(exp(r) - 1) / r` for `|r| <= ln 2 / 2`, from the highest power down.
const EXPM1_OVER_R: [f64; 7] = [
    0.00019922360640008,
    0.0013946331913340456,
    0.008333253416127118,
    0.0416662656589971,
    0.16666666956939621,
    0.500000007955644,
    0.9999999999733992,
];

/// The polynomial in `(a - 3)/(a + 3)`, from the highest power down.
const SCALED_ERFC: [f64; 13] = [
    3.310265723105596e-05,
    0.00012670312013922798,
    -0.0001267465094352759,
    -0.0007900112945370803,
    0.0018942906117798233,
    0.0025335512925936743,
    -0.023771055881114576,
    0.06830736471819554,
    -0.1192736530080566,
    0.12964520133565577,
    -0.04756229390281974,
    -0.135621106903664,
    1.2530080582663914,
];

/// Returns the inverse of `erf` in single precision, without branches.
///
/// Source: M. Giles, "Approximating the erfinv function" (GPU Computing Gems, 2011). The roundings are those of XLA's
/// CPU kernel, because normal samples are computed from it.
#[inline(always)]
pub fn erf_inv(x: f32) -> f32 {
    let w = -log1p(x * -x);
    let central = w < 5.0;
    let w = if central { w - 2.5 } else { w.sqrt() - 3.0 };
    let (centre, tail) = (horner(w, GILES_CENTRE), horner(w, GILES_TAIL));
    let p = if central { centre } else { tail };
    if x.abs() == 1.0 { x * f32::INFINITY } else { p * x }
}

pub(crate) const GILES_CENTRE: [f32; 9] = [
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
];
pub(crate) const GILES_TAIL: [f32; 9] = [
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
];

/// Returns the inverse of `erf` in double precision.
///
/// A first guess is refined by Halley's method on `erf` (on `erfc` in the tail, where `1 - |y|` is exact).
pub fn erf_inv_f64(y: f64) -> f64 {
    let a = y.abs();
    if a >= 1.0 || a.is_nan() {
        return if a == 1.0 { y * f64::INFINITY } else { f64::NAN };
    }
    if a < 1e-9 {
        return y / std::f64::consts::FRAC_2_SQRT_PI;
    }
    let mut x = if a < 0.999 {
        f64::from(erf_inv(a as f32))
    } else {
        // erfc(x) ~ exp(-x²) / (x √π)
        let l = -((1.0 - a) * std::f64::consts::PI.sqrt()).ln();
        (l - 0.5 * l.ln()).sqrt()
    };
    for _ in 0..4 {
        let error = if a < 0.5 { libm::erf(x) - a } else { (1.0 - a) - libm::erfc(x) };
        let newton = error / (std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp());
        let step = newton / (1.0 + x * newton);
        x -= step;
        if step.abs() < 1e-9 * x {
            break;
        }
    }
    x.copysign(y)
}
