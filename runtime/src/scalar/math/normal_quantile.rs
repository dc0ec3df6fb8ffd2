//! The quantiles of the normal distribution, and the logarithm of its distribution function, in double precision.

use std::f64::consts::{PI, SQRT_2};

use super::polynomial::horner_f64;

/// Returns where the standard normal distribution function is `p`; infinite at 0 and 1, NaN outside.
///
/// Source: the rational functions of Cephes' `ndtri` (S. Moshier, *Methods and Programs for Mathematical Functions*, 1989).
pub fn ndtri(p: f64) -> f64 {
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    if !(0.0..1.0).contains(&p) {
        return f64::NAN;
    }
    let edge = (-2f64).exp();
    // The greater tail is the mirror image of the lesser one.
    let (tail, is_lower) = if p > 1.0 - edge { (1.0 - p, false) } else { (p, true) };
    if tail > edge {
        let w = tail - 0.5;
        let ww = w * w;
        return (w + w * ww * (horner_f64(ww, MIDDLE_P) / horner_f64(ww, MIDDLE_Q))) * (2.0 * PI).sqrt();
    }
    let z = (-2.0 * tail.ln()).sqrt();
    let inverse = 1.0 / z;
    let rest = if z < 8.0 {
        horner_f64(inverse, TAIL_P) / horner_f64(inverse, TAIL_Q)
    } else {
        horner_f64(inverse, FAR_P) / horner_f64(inverse, FAR_Q)
    };
    let x = z - z.ln() / z - rest * inverse;
    if is_lower { -x } else { x }
}

/// Returns the logarithm of the standard normal distribution function.
///
/// Far below 0 it is `-x²/2 - log(-x·√(2π))` plus the logarithm of the asymptotic series `Σ (-1)ⁿ(2n - 1)!!/x²ⁿ` (Abramowitz & Stegun
/// 26.2.12).
pub fn log_ndtr(x: f64) -> f64 {
    if x > 0.0 {
        return (-0.5 * libm::erfc(x / SQRT_2)).ln_1p();
    }
    if x > -15.0 {
        return (0.5 * libm::erfc(-x / SQRT_2)).ln();
    }
    let inverse = 1.0 / (x * x);
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..20 {
        term *= -f64::from(2 * n - 1) * inverse;
        sum += term;
    }
    -0.5 * x * x - (-x * (2.0 * PI).sqrt()).ln() + f64::ln(sum)
}

pub(crate) const MIDDLE_P: [f64; 5] = [
    -59.963_350_101_410_79,
    98.001_075_418_599_97,
    -56.676_285_746_907_03,
    13.931_260_938_727_968,
    -1.239_165_838_673_812_5,
];
pub(crate) const MIDDLE_Q: [f64; 9] = [
    1.0,
    1.954_488_583_381_417_6,
    4.676_279_128_988_815,
    86.360_242_139_089_05,
    -225.462_687_854_119_37,
    200.260_212_380_060_66,
    -82.037_225_616_833_34,
    15.905_622_512_621_17,
    -1.183_316_211_213_3,
];
pub(crate) const TAIL_P: [f64; 9] = [
    4.055_448_923_059_624_5,
    31.525_109_459_989_388,
    57.162_819_224_642_13,
    44.080_507_389_320_08,
    14.684_956_192_885_803,
    2.186_633_068_507_902_5,
    -0.140_256_079_171_354_5,
    -0.035_042_462_682_784_82,
    -0.000_857_456_785_154_685_4,
];
pub(crate) const TAIL_Q: [f64; 9] = [
    1.0,
    15.779_988_325_646_675,
    45.390_763_512_887_92,
    41.317_203_825_467_2,
    15.042_538_569_290_75,
    2.504_649_462_083_094,
    -0.142_182_922_854_787_79,
    -0.038_080_640_769_157_83,
    -0.000_933_259_480_895_457_4,
];
pub(crate) const FAR_P: [f64; 9] = [
    3.237_748_917_769_460_3,
    6.915_228_890_689_842,
    3.938_810_252_924_744_4,
    1.333_034_608_158_075_5,
    0.201_485_389_549_179_08,
    0.012_371_663_481_782_003,
    0.000_301_581_553_508_235_43,
    2.658_069_746_867_375_5e-6,
    6.239_745_391_849_833e-9,
];
pub(crate) const FAR_Q: [f64; 9] = [
    1.0,
    6.024_270_393_647_42,
    3.679_835_638_561_608_7,
    1.377_020_994_890_813_2,
    0.216_236_993_594_496_63,
    0.013_420_400_608_854_318,
    0.000_328_014_464_682_127_74,
    2.892_478_647_453_806_8e-6,
    6.790_194_080_099_813e-9,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_inverse_of_the_distribution_function() {
        for p in [1e-300, 1e-20, 1e-5, 0.1, 0.135, 0.136, 0.4, 0.5] {
            let x = ndtri(p);
            assert!((log_ndtr(x) - f64::ln(p)).abs() < 1e-12 * f64::ln(p).abs(), "{p}");
        }
        for p in [0.1, 0.135, 0.136, 0.4] {
            assert!((ndtri(p) + ndtri(1.0 - p)).abs() < 1e-14, "{p}");
        }
        assert_eq!((ndtri(0.0), ndtri(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!([ndtri(-0.1), ndtri(1.1), ndtri(f64::NAN)].iter().all(|x| x.is_nan()));
    }

    #[test]
    fn both_expressions_of_the_tail_agree_where_they_meet() {
        let (above, below) = (-15.0 + 1e-9, -15.0 - 1e-9);
        // The slope there is about 15.
        assert!((log_ndtr(above) - log_ndtr(below) - 30.13e-9).abs() < 1e-9);
    }

    #[test]
    fn limits_are_those_of_the_distribution() {
        assert_eq!(log_ndtr(f64::INFINITY), 0.0);
        assert_eq!(log_ndtr(f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert!(log_ndtr(f64::NAN).is_nan());
        assert!((log_ndtr(0.0) + 2f64.ln()).abs() < 1e-15);
        assert!((log_ndtr(30.0) / -4.906_713_927_148_187e-198 - 1.0).abs() < 1e-12);
    }
}
