//! The incomplete beta function, in double precision.

/// Steps of the continued fraction; far more than it needs where it is used.
const STEPS: usize = 10_000;

/// Returns the regularized incomplete beta function `Iₓ(a, b)`; NaN outside of `a ≥ 0, b ≥ 0, 0 ≤ x ≤ 1`.
///
/// Source: the continued fraction of DLMF 8.17.22, evaluated by Lentz's method as modified by Thompson and Barnett (1986), on the side
/// of the symmetry `Iₓ(a, b) = 1 - I₁₋ₓ(b, a)` (DLMF 8.17.4) where it converges fast.
pub fn betainc(a: f64, b: f64, x: f64) -> f64 {
    let outside = a < 0.0 || b < 0.0 || !(0.0..=1.0).contains(&x) || a.is_nan() || b.is_nan();
    // All of the distribution at 0, or at 1.
    let (at_zero, at_one) = (a == 0.0 || b == f64::INFINITY, b == 0.0 || a == f64::INFINITY);
    match () {
        () if outside || at_zero && at_one => f64::NAN,
        () if at_one => f64::from(u8::from(x == 1.0)),
        () if at_zero => f64::from(u8::from(x != 0.0)),
        () if x < (a + 1.0) / (a + b + 2.0) => by_fraction(a, b, x),
        () => 1.0 - by_fraction(b, a, 1.0 - x),
    }
}

fn by_fraction(a: f64, b: f64, x: f64) -> f64 {
    let log_beta_less_a = libm::lgamma(b) - libm::lgamma(a + b);
    // `a·Γ(a)` is 1 where `a` is too small for `Γ(a)`.
    let factor = if a < 2.0 * f64::MIN_POSITIVE {
        (b * (-x).ln_1p() - log_beta_less_a).exp()
    } else {
        (a * x.ln() + b * (-x).ln_1p() - libm::lgamma(a) - log_beta_less_a).exp() / a
    };
    factor * fraction(a, b, x)
}

fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const SMALL: f64 = f64::EPSILON / 2.0;
    let away_from_zero = |x: f64| if x.abs() < SMALL { SMALL } else { x };
    let (mut c, mut d, mut value) = (SMALL, 0.0, SMALL);
    for step in 1..STEPS {
        let m = ((step - 1) / 2) as f64;
        let numerator = match step {
            1 => 1.0,
            2 => -(a + b) * x / (a + 1.0),
            _ if step % 2 == 0 => -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
            _ => m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
        };
        c = away_from_zero(1.0 + numerator / c);
        d = 1.0 / away_from_zero(1.0 + numerator * d);
        let change = c * d;
        value *= change;
        // NaN ends the loop as well.
        let goes_on = (change - 1.0).abs() >= SMALL;
        if !goes_on {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_cases_have_closed_forms() {
        for x in [0.05, 0.3, 0.5, 0.8, 0.99] {
            let close =
                |found: f64, expected: f64| assert!((found - expected).abs() < 1e-14, "{found} {expected}");
            close(betainc(1.0, 1.0, x), x);
            close(betainc(3.0, 1.0, x), x.powi(3));
            close(betainc(1.0, 4.0, x), 1.0 - (1.0 - x).powi(4));
            close(betainc(2.5, 0.7, x) + betainc(0.7, 2.5, 1.0 - x), 1.0);
        }
    }

    #[test]
    fn limits_are_those_of_the_distribution() {
        const INF: f64 = f64::INFINITY;
        assert_eq!([betainc(2.0, 3.0, 0.0), betainc(2.0, 3.0, 1.0)], [0.0, 1.0]);
        assert_eq!([betainc(0.0, 3.0, 0.0), betainc(0.0, 3.0, 0.1), betainc(2.0, INF, 0.1)], [0.0, 1.0, 1.0]);
        assert_eq!([betainc(3.0, 0.0, 0.9), betainc(3.0, 0.0, 1.0), betainc(INF, 2.0, 0.9)], [0.0, 1.0, 0.0]);
        for (a, b, x) in [(0.0, 0.0, 0.5), (-1.0, 1.0, 0.5), (1.0, 1.0, 1.5), (1.0, 1.0, f64::NAN)] {
            assert!(betainc(a, b, x).is_nan());
        }
    }
}
