//! The incomplete gamma functions and their derivatives by the shape, in double precision.
//!
//! Source: the power series below `a` and the continued fraction above it, as in Cephes' `igam` and `igamc` (S. Moshier, *Methods and
//! Programs for Mathematical Functions*, 1989), each differentiated term by term, as in JAX's `igamma_grad_a` and
//! `random_gamma_grad`: the derivative of a sample of a gamma distribution by its shape is `-(∂P/∂a)/(∂P/∂x)`
//! (M. Figurnov, S. Mohamed, A. Mnih, "Implicit Reparameterization Gradients", 2018).

use super::gamma::digamma;

/// Far more steps than convergence needs, so that no argument can make a loop endless.
const STEPS: usize = 100_000;

/// `x^a·e^-x/Γ(a)`, the common factor of both expansions.
fn prefactor(a: f64, x: f64) -> f64 {
    (a * x.ln() - x - libm::lgamma(a)).exp()
}

/// Arguments that are no numbers, or outside of `a ≥ 0, x ≥ 0`.
fn is_outside(a: f64, x: f64) -> bool {
    a.is_nan() || x.is_nan() || x < 0.0 || a < 0.0
}

/// A sum, and its derivative by `a`; [`prefactor`] makes the function of it.
struct Expansion {
    value: f64,
    derivative: f64,
}

/// `Σ xⁿ/((a + 1)…(a + n))`, of which `P(a, x)` is a multiple.
fn series(a: f64, x: f64, with_derivative: bool) -> Expansion {
    let (mut denominator, mut term, mut value) = (a, 1.0, 1.0);
    let (mut term_derivative, mut derivative) = (0.0, 0.0);
    for _ in 0..STEPS {
        denominator += 1.0;
        let ratio = x / denominator;
        term_derivative = term_derivative * ratio - term * x / (denominator * denominator);
        derivative += term_derivative;
        term *= ratio;
        value += term;
        // A comparison with NaN is false, and ends the loop.
        let goes_on = term / value > f64::EPSILON
            || with_derivative && (term_derivative / derivative).abs() > f64::EPSILON;
        if !goes_on {
            break;
        }
    }
    Expansion { value, derivative }
}

/// The continued fraction of which `1 - P(a, x)` is a multiple: quotients of numerators `p` and denominators `q`, which are scaled
/// down together when they grow.
fn fraction(a: f64, x: f64, with_derivative: bool) -> Expansion {
    let (mut y, mut z) = (1.0 - a, x + (1.0 - a) + 1.0);
    let (mut p, mut q) = ([1.0, x + 1.0], [x, z * x]);
    let (mut dp, mut dq) = ([0.0, 0.0], [0.0, -x]);
    let mut value = p[1] / q[1];
    let mut derivative = (dp[1] - value * dq[1]) / q[1];
    for step in 1..=STEPS {
        let c = step as f64;
        y += 1.0;
        z += 2.0;
        let yc = y * c;
        let (next_p, next_q) = (p[1] * z - p[0] * yc, q[1] * z - q[0] * yc);
        let next_dp = dp[1] * z - p[1] - dp[0] * yc + p[0] * c;
        let next_dq = dq[1] * z - q[1] - dq[0] * yc + q[0] * c;
        let (mut change, mut derivative_change) = (1.0, 1.0);
        if next_q != 0.0 {
            let next = next_p / next_q;
            change = ((value - next) / next).abs();
            value = next;
            let next = (next_dp - value * next_dq) / next_q;
            derivative_change = (next - derivative).abs();
            derivative = next;
        }
        (p, q, dp, dq) = ([p[1], next_p], [q[1], next_q], [dp[1], next_dp], [dq[1], next_dq]);
        if next_p.abs() > 1.0 / f64::EPSILON {
            for pair in [&mut p, &mut q, &mut dp, &mut dq] {
                *pair = pair.map(|x| x * f64::EPSILON);
            }
        }
        // A comparison with NaN is false, and ends the loop.
        if !(change > f64::EPSILON || with_derivative && derivative_change > f64::EPSILON) {
            break;
        }
    }
    Expansion { value, derivative }
}

/// Returns the regularized lower incomplete gamma function `P(a, x)`; NaN outside of `a ≥ 0, x ≥ 0`, and at (0, 0).
pub fn igamma(a: f64, x: f64) -> f64 {
    match () {
        () if is_outside(a, x) || a == 0.0 && x == 0.0 => f64::NAN,
        () if x == 0.0 => 0.0,
        () if x == f64::INFINITY => 1.0,
        () if x >= 1.0 && x > a => 1.0 - fraction(a, x, false).value * prefactor(a, x),
        () => series(a, x, false).value * prefactor(a, x) / a,
    }
}

/// Returns the regularized upper incomplete gamma function `Q(a, x) = 1 - P(a, x)`, precise where that is small.
pub fn igammac(a: f64, x: f64) -> f64 {
    match () {
        () if is_outside(a, x) || a == 0.0 && x == 0.0 => f64::NAN,
        () if x == f64::INFINITY || a == 0.0 => 0.0,
        () if x == 0.0 => 1.0,
        () if x < 1.0 || x < a => 1.0 - series(a, x, false).value * prefactor(a, x) / a,
        () => fraction(a, x, false).value * prefactor(a, x),
    }
}

/// Returns `∂P(a, x)/∂a`; NaN outside of `a > 0, x ≥ 0`.
pub fn igamma_grad_a(a: f64, x: f64) -> f64 {
    if is_outside(a, x) || a == 0.0 {
        return f64::NAN;
    }
    if x == 0.0 || x == f64::INFINITY {
        return 0.0;
    }
    if x > 1.0 && x > a {
        let Expansion { value, derivative } = fraction(a, x, true);
        return -prefactor(a, x) * (value * (x.ln() - digamma(a)) + derivative);
    }
    let Expansion { value, derivative } = series(a, x, true);
    prefactor(a, x) * (value * (x.ln() - digamma(a + 1.0)) + derivative) / a
}

/// Returns the derivative by `a` of a sample `x` of the gamma distribution with that shape; NaN outside of `a > 0, x ≥ 0`.
pub fn random_gamma_grad(a: f64, x: f64) -> f64 {
    if is_outside(a, x) || a == 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return 0.0;
    }
    if x > 1.0 && x > a {
        let Expansion { value, derivative } = fraction(a, x, true);
        return (derivative + value * (x.ln() - digamma(a))) * x;
    }
    let Expansion { value, derivative } = series(a, x, true);
    -(derivative + value * (x.ln() - digamma(a + 1.0))) * x / a
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where both expansions are used.
    const POINTS: [(f64, f64); 7] =
        [(0.3, 0.01), (0.3, 4.0), (1.0, 1.5), (2.5, 2.0), (7.0, 3.0), (7.0, 20.0), (40.0, 41.0)];

    #[test]
    fn both_tails_make_one() {
        for (a, x) in POINTS {
            assert!((igamma(a, x) + igammac(a, x) - 1.0).abs() < 1e-14, "{a} {x}");
        }
    }

    #[test]
    fn shape_one_is_the_exponential_distribution() {
        for x in [0.2, 1.0, 3.0, 30.0] {
            assert!((igamma(1.0, x) + (-x).exp_m1()).abs() < 1e-15);
            assert!((igammac(1.0, x) / (-x).exp() - 1.0).abs() < 1e-13);
        }
    }

    #[test]
    fn derivatives_are_those_of_the_function() {
        for (a, x) in POINTS {
            let step = 1e-5;
            let difference = (igamma(a + step, x) - igamma(a - step, x)) / (2.0 * step);
            assert!((igamma_grad_a(a, x) - difference).abs() < 1e-8, "{a} {x}");
            let density = prefactor(a, x) / x;
            let implicit = -igamma_grad_a(a, x) / density;
            let found = random_gamma_grad(a, x);
            assert!((found - implicit).abs() < 1e-9 * implicit.abs(), "{a} {x}: {found}, not {implicit}");
        }
    }

    #[test]
    fn every_argument_gives_an_answer() {
        let numbers = [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e300, 1.0];
        for a in numbers {
            for x in numbers {
                for f in [igamma, igammac, igamma_grad_a, random_gamma_grad] {
                    let y = f(a, x);
                    assert!(!(a.is_nan() || x.is_nan()) || y.is_nan());
                }
            }
        }
        assert!(igamma(0.0, 0.0).is_nan() && igamma(-1.0, 1.0).is_nan());
        assert_eq!((igamma(2.0, 0.0), igamma(2.0, f64::INFINITY), igamma(0.0, 1.0)), (0.0, 1.0, 1.0));
    }
}
