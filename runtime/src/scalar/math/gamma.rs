//! The derivatives of the logarithm of the gamma function, in double precision.
//!
//! Sources: Abramowitz & Stegun 6.3.5, 6.3.7 and 6.3.18 (digamma), 6.4.6, 6.4.7 and 6.4.12 (trigamma): recurrence up to
//! an argument of 10, reflection for negative arguments, then the asymptotic series.

use super::polynomial::horner_f64;
use std::f64::consts::PI;

/// From here on the asymptotic series have converged.
const ASYMPTOTIC: f64 = 10.0;

/// Returns `sin(πx)` and `cos(πx)` up to a common sign, from the exactly reduced argument.
fn sin_cos_pi(x: f64) -> (f64, f64) {
    (PI * (x - x.round())).sin_cos()
}

fn is_pole(x: f64) -> bool {
    x <= 0.0 && x == x.floor()
}

/// Returns the digamma function `ψ(x) = d/dx log Γ(x)`; NaN at its poles, the integers below one.
pub fn digamma(x: f64) -> f64 {
    if is_pole(x) || x.is_nan() {
        return f64::NAN;
    }
    if x == f64::INFINITY {
        return x;
    }
    if x < 0.0 {
        let (sin, cos) = sin_cos_pi(x);
        return digamma(1.0 - x) - PI * cos / sin;
    }
    let (mut x, mut shift) = (x, 0.0);
    while x < ASYMPTOTIC {
        shift += 1.0 / x;
        x += 1.0;
    }
    let z = 1.0 / (x * x);
    let series =
        [-1.0 / 12.0, 691.0 / 32760.0, -1.0 / 132.0, 1.0 / 240.0, -1.0 / 252.0, 1.0 / 120.0, -1.0 / 12.0];
    x.ln() - 0.5 / x + z * horner_f64(z, series) - shift
}

/// Returns the trigamma function `ψ'(x)`, which is infinite at its poles, the integers below one.
pub fn trigamma(x: f64) -> f64 {
    if is_pole(x) {
        return f64::INFINITY;
    }
    if x == f64::INFINITY {
        return 0.0;
    }
    if x.is_nan() {
        return x;
    }
    if x < 0.0 {
        let (sin, _) = sin_cos_pi(x);
        return PI * PI / (sin * sin) - trigamma(1.0 - x);
    }
    let (mut x, mut shift) = (x, 0.0);
    while x < ASYMPTOTIC {
        shift += 1.0 / (x * x);
        x += 1.0;
    }
    let y = 1.0 / x;
    let z = y * y;
    let series = [7.0 / 6.0, -691.0 / 2730.0, 5.0 / 66.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 1.0 / 6.0];
    shift + y + 0.5 * z + y * z * horner_f64(z, series)
}
