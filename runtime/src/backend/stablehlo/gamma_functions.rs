//! The logarithm of the gamma function and its derivatives, in double precision.

use std::f64::consts::PI;

use super::special::horner;
use super::value::Value;

/// C. Lanczos, "A precision approximation of the gamma function" (1964), with a shift of 7 and 8 terms.
const LANCZOS: [f64; 8] = [
    676.520_368_121_885_1,
    -1_259.139_216_722_402_8,
    771.323_428_777_653_1,
    -176.615_029_162_140_6,
    12.507_343_278_686_905,
    -0.138_571_095_265_720_12,
    9.984_369_578_019_572e-6,
    1.505_632_735_149_311_6e-7,
];
const LANCZOS_BASE: f64 = 0.999_999_999_999_809_9;

/// `log |Γ(x)|`, of arguments below ½ by reflection.
pub(super) fn lgamma(x: Value<'_>) -> Value<'_> {
    let is_low = x.lt(x.like(0.5));
    let z = is_low.select(-x, x - 1.0);
    let mut sum = z.like(LANCZOS_BASE);
    for (at, &c) in LANCZOS.iter().enumerate() {
        sum = sum + z.like(c) / (z + (at as f64 + 1.0));
    }
    let t = z + 7.5;
    let log_t = (z * (1.0 / 7.5)).unary("log_plus_one") + 7.5f64.ln();
    let half_log_tau = 0.5 * (2.0 * PI).ln();
    let above = (z + 0.5 - t / log_t) * log_t + half_log_tau + sum.unary("log");
    // `|sin(πx)|` from the distance to the nearest whole number.
    let distance = (x - x.unary("round_nearest_even")).unary("abs");
    let sine = (distance * PI).unary("sine");
    let below = -sine.unary("log") + PI.ln() - above;
    let is_infinite = x.unary("abs").eq(x.like(f64::INFINITY));
    is_infinite.select(x.like(f64::INFINITY), is_low.select(below, above))
}

/// From here on the asymptotic series have converged.
const ASYMPTOTIC: usize = 10;

/// `sin(πx)` and `cos(πx)` up to a common sign.
fn sin_cos_pi(x: Value<'_>) -> [Value<'_>; 2] {
    let angle = (x - x.unary("round_nearest_even")) * PI;
    [angle.unary("sine"), angle.unary("cosine")]
}

/// Whether there is a pole: at whole numbers below one.
fn is_pole(x: Value<'_>) -> Value<'_> {
    x.le(x.like(0.0)) & x.eq(x.unary("floor"))
}

/// An argument that is not negative, raised by the recurrence to the range of the series, and the sum of `term` of those on the way.
fn raised<'b>(x: Value<'b>, term: impl Fn(Value<'b>) -> Value<'b>) -> [Value<'b>; 2] {
    let (mut x, mut shift) = (x, x.like(0.0));
    for _ in 0..ASYMPTOTIC {
        let is_small = x.lt(x.like(ASYMPTOTIC));
        shift = is_small.select(shift + term(x), shift);
        x = is_small.select(x + 1.0, x);
    }
    [x, shift]
}

/// The derivative of `log |Γ(x)|` (Abramowitz & Stegun 6.3.5, 6.3.7 and 6.3.18); NaN at its poles.
pub(super) fn digamma(x: Value<'_>) -> Value<'_> {
    let is_negative = x.lt(x.like(0.0));
    let [y, shift] = raised(is_negative.select(x.like(1.0) - x, x), |x| x.like(1.0) / x);
    let z = y.like(1.0) / (y * y);
    let series =
        [-1.0 / 12.0, 691.0 / 32760.0, -1.0 / 132.0, 1.0 / 240.0, -1.0 / 252.0, 1.0 / 120.0, -1.0 / 12.0];
    let above = y.unary("log") - y.like(0.5) / y + z * horner(z, &series) - shift;
    let [sine, cosine] = sin_cos_pi(x);
    let inside = is_negative.select(above - cosine * PI / sine, above);
    let finite = is_pole(x).select(x.like(f64::NAN), inside);
    x.eq(x.like(f64::INFINITY)).select(x, finite)
}

/// The second derivative of `log |Γ(x)|` (Abramowitz & Stegun 6.4.6, 6.4.7 and 6.4.12); infinite at its poles.
pub(super) fn trigamma(x: Value<'_>) -> Value<'_> {
    let is_negative = x.lt(x.like(0.0));
    let [big, shift] = raised(is_negative.select(x.like(1.0) - x, x), |x| x.like(1.0) / (x * x));
    let y = big.like(1.0) / big;
    let z = y * y;
    let series = [7.0 / 6.0, -691.0 / 2730.0, 5.0 / 66.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 1.0 / 6.0];
    let above = shift + y + z * 0.5 + y * z * horner(z, &series);
    let [sine, _] = sin_cos_pi(x);
    let inside = is_negative.select(sine.like(PI * PI) / (sine * sine) - above, above);
    is_pole(x).select(x.like(f64::INFINITY), inside)
}
