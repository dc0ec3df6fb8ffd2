//! The zeta function of two arguments, in double precision.

/// Returns Hurwitz' zeta function `Σ (q + k)^-x`, `k = 0, 1, …`: infinite at `x = 1`, NaN below.
///
/// A term is infinite where `q` is an integer of at most 0: so is the sum if `x` is even, else NaN, like non-integer powers of negative
/// numbers.
///
/// Source: Cephes' `zeta`, by the Euler-Maclaurin formula: terms up to a base of 9, then an integral and its corrections.
pub fn zeta(x: f64, q: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    if x.is_nan() || q.is_nan() || x < 1.0 {
        return f64::NAN;
    }
    if q <= 0.0 {
        if q == q.floor() {
            return if x % 2.0 == 0.0 { f64::INFINITY } else { f64::NAN };
        }
        if x != x.floor() {
            return f64::NAN;
        }
    }
    let (mut base, mut sum) = (q, q.powf(-x));
    let mut term = sum;
    let mut count = 0;
    while count < 9 || base <= 9.0 {
        count += 1;
        base += 1.0;
        term = base.powf(-x);
        sum += term;
        if (term / sum).abs() < f64::EPSILON {
            return sum;
        }
    }
    sum += term * base / (x - 1.0) - 0.5 * term;
    let (mut factor, mut k) = (1.0, 0.0);
    for coefficient in BERNOULLI {
        factor *= x + k;
        term /= base;
        let correction = factor * term / coefficient;
        sum += correction;
        if (correction / sum).abs() < f64::EPSILON {
            break;
        }
        k += 1.0;
        factor *= x + k;
        term /= base;
        k += 1.0;
    }
    sum
}

/// `(2n)!/B₂ₙ` with the Bernoulli numbers, for n = 1, 2, …
pub(crate) const BERNOULLI: [f64; 12] = [
    12.0,
    -720.0,
    30240.0,
    -1_209_600.0,
    47_900_160.0,
    -1_307_674_368_000.0 / 691.0,
    74_724_249_600.0,
    -10_670_622_842_880_000.0 / 3617.0,
    5_109_094_217_170_944_000.0 / 43867.0,
    -802_857_662_698_291_200_000.0 / 174_611.0,
    14_101_100_039_391_805_440_000.0 / 77683.0,
    -1_693_824_136_731_743_669_452_800_000.0 / 236_364_091.0,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    #[test]
    fn known_sums_are_met() {
        assert!((zeta(2.0, 1.0) - PI * PI / 6.0).abs() < 1e-15);
        assert!((zeta(4.0, 1.0) - PI.powi(4) / 90.0).abs() < 1e-15);
        assert!((zeta(2.0, 0.5) - PI * PI / 2.0).abs() < 1e-14);
        assert!((zeta(3.0, 1.0) - 1.202_056_903_159_594_2).abs() < 1e-15);
    }

    #[test]
    fn a_step_of_the_second_argument_takes_one_term() {
        for q in [-3.25, -0.5, 0.1, 2.0, 30.0] {
            let (whole, rest) = (zeta(3.0, q), zeta(3.0, q + 1.0));
            assert!((whole - q.powi(-3) - rest).abs() < 1e-13 * whole.abs().max(1.0), "{q}");
        }
    }

    #[test]
    fn poles_and_arguments_outside_are_named() {
        assert_eq!(zeta(1.0, 2.0), f64::INFINITY);
        assert_eq!(zeta(2.0, -3.0), f64::INFINITY);
        assert!(
            [zeta(0.5, 2.0), zeta(3.0, 0.0), zeta(2.5, -0.5), zeta(f64::NAN, 1.0)].iter().all(|x| x.is_nan())
        );
    }
}
