//! Samples of gamma distributions, each from a key of its own.
//!
//! Source: G. Marsaglia, W. W. Tsang, "A simple method for generating gamma variables" (ACM TOMS 26, 2000), with the keys and the
//! roundings of `jax.random.gamma` as XLA compiles it for CPUs.

use std::f64::consts::SQRT_2;

use half::{bf16, f16};

use super::threads;
use super::threefry::{self, FromBlock};
use crate::scalar::math::{Real, sampling};

/// The rough cost of one sample, in the units of [`threads::split`]: some twelve blocks of random bits, and logarithms.
const COST: usize = 200;

/// What the method computes in.
trait Precision: Real + FromBlock {
    const ABOVE_MINUS_ONE: Self;
    const LEAST_NORMAL: Self;
    /// `log(1 + x)` with the roundings of XLA.
    fn log1p_of_xla(self) -> Self;
    /// The inverse error function with the roundings of XLA.
    fn erf_inv_of_xla(self) -> Self;
    /// `self^y` with the roundings of XLA, which are those of the C library.
    fn pow_of_xla(self, y: Self) -> Self;
}

impl Precision for f32 {
    const ABOVE_MINUS_ONE: f32 = -1.0 + f32::EPSILON / 2.0;
    const LEAST_NORMAL: f32 = f32::MIN_POSITIVE;

    fn log1p_of_xla(self) -> f32 {
        Real::log1p(self)
    }

    fn erf_inv_of_xla(self) -> f32 {
        Real::erf_inv(self)
    }

    fn pow_of_xla(self, y: f32) -> f32 {
        self.powf(y)
    }
}

impl Precision for f64 {
    const ABOVE_MINUS_ONE: f64 = -1.0 + f64::EPSILON / 2.0;
    const LEAST_NORMAL: f64 = f64::MIN_POSITIVE;

    fn log1p_of_xla(self) -> f64 {
        sampling::log1p_f64(self)
    }

    fn erf_inv_of_xla(self) -> f64 {
        sampling::erf_inv_f64(self)
    }

    fn pow_of_xla(self, y: f64) -> f64 {
        self.powf(y)
    }
}

fn unit<T: Precision>(key: [u32; 2]) -> T {
    T::from_block(threefry::block(key, [0, 0]))
}

fn normal<T: Precision>(key: [u32; 2]) -> T {
    let u = unit::<T>(key).mul_add(T::from_f64(2.0), T::ABOVE_MINUS_ONE);
    u.erf_inv_of_xla() * T::from_f64(SQRT_2)
}

/// One sample of the gamma distribution of a shape, or its logarithm.
///
/// Shapes below 1 are raised by 1, and the sample is multiplied by a power of another uniform number.
fn one<T: Precision>(mut key: [u32; 2], alpha: T, log_space: bool) -> T {
    let [one, zero, third] = [1.0, 0.0, 1.0 / 3.0].map(T::from_f64);
    let is_large = alpha >= one;
    let d = (if is_large { alpha } else { alpha + one }) - third;
    // Rounded once: XLA takes an estimate of the processor, which Newton's method brings near.
    let c = third * T::from_f64(1.0 / d.to_f64().sqrt());

    let boost_key = threefry::fold_in(key, 1);
    key = threefry::fold_in(key, 0);
    let v = loop {
        let mut x_key = threefry::fold_in(key, 1);
        let u_key = threefry::fold_in(key, 2);
        key = threefry::fold_in(key, 0);
        let (mut x, mut v);
        loop {
            x = normal::<T>(threefry::fold_in(x_key, 1));
            x_key = threefry::fold_in(x_key, 0);
            v = x.mul_add(c, one);
            // Not `v > 0`, which NaN would never be.
            let again = v <= zero;
            if !again {
                break;
            }
        }
        let (squared, cubed) = (x * x, v * v * v);
        let u = unit::<T>(u_key);
        let squeeze = (-(squared * squared)).mul_add(T::from_f64(0.0331), one);
        let refused = u >= squeeze && {
            let exponent = d * ((one - cubed) + cubed.log());
            u.log() >= squared.mul_add(T::from_f64(0.5), exponent)
        };
        if !refused {
            break cubed;
        }
    };

    let u = unit::<T>(boost_key);
    if log_space {
        let exponential = (-u).log1p_of_xla();
        let boost = if is_large || exponential == zero { zero } else { exponential * (one / alpha) };
        d.log() + v.log() + boost
    } else {
        let boost = if is_large { one } else { (one - u).pow_of_xla(one / alpha) };
        let sample = d * v * boost;
        // XLA has no subnormal numbers on CPUs.
        if sample < T::LEAST_NORMAL { zero } else { sample }
    }
}

/// A dtype of samples; halves are drawn as `f32` and rounded.
pub trait Sample: Copy + Send + Sync {
    /// Returns one sample of the gamma distribution of a shape, or its logarithm.
    fn sample(key: [u32; 2], alpha: Self, log_space: bool) -> Self;
}

macro_rules! whole {
    ($($t:ty)*) => { $(
        impl Sample for $t {
            fn sample(key: [u32; 2], alpha: $t, log_space: bool) -> $t {
                one(key, alpha, log_space)
            }
        }
    )* };
}
whole!(f32 f64);

macro_rules! half {
    ($($t:ty)*) => { $(
        impl Sample for $t {
            fn sample(key: [u32; 2], alpha: $t, log_space: bool) -> $t {
                <$t>::from_f32(one(key, alpha.to_f32(), log_space))
            }
        }
    )* };
}
half!(f16 bf16);

/// Fills `out` with samples of the gamma distributions of the shapes `alpha`, or their logarithms: equally many for each key, each
/// from a child of it.
///
/// ```
/// use flaxen::kernels::gamma::fill;
///
/// let (mut both, mut first) = ([0f32; 2], [0f32; 1]);
/// fill(&[[0, 42]], &[0.5, 3.0], false, &mut both);
/// fill(&[[0, 42]], &[0.5], false, &mut first);
/// assert!(both[0] == first[0] && both[1] > 0.0);
/// ```
///
/// # Panics
/// If there are no keys for the samples, or `alpha` and `out` differ in size.
pub fn fill<T: Sample>(keys: &[[u32; 2]], alpha: &[T], log_space: bool, out: &mut [T]) {
    assert_eq!(alpha.len(), out.len(), "a shape for each sample");
    let each = out.len() / keys.len().max(1);
    threads::split(out, 1, COST, |first, out| {
        for (i, out) in (first..).zip(out) {
            let index = (i % each) as u64;
            let key = threefry::block(keys[i / each], [(index >> 32) as u32, index as u32]);
            *out = T::sample(key, alpha[i], log_space);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(alpha: f64, log_space: bool) -> Vec<f64> {
        let mut out = vec![0f64; 20_000];
        fill(&[[7, 8]], &vec![alpha; out.len()], log_space, &mut out);
        out
    }

    #[test]
    fn mean_and_variance_are_the_shape() {
        for alpha in [0.1, 0.9, 1.0, 4.0, 300.0] {
            let x = samples(alpha, false);
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
            // Five standard deviations of the mean; the variance of the variance is less known.
            assert!((mean - alpha).abs() < 5.0 * (alpha / x.len() as f64).sqrt(), "{alpha}: {mean}");
            assert!((variance / alpha - 1.0).abs() < 0.2, "{alpha}: {variance}");
        }
    }

    #[test]
    fn logarithms_are_those_of_the_samples_and_do_not_underflow() {
        for (x, log) in samples(0.3, false).into_iter().zip(samples(0.3, true)) {
            assert!((x.ln() - log).abs() < 1e-9 * log.abs().max(1.0), "{x} {log}");
        }
        assert!(samples(1e-5, true).iter().all(|x| x.is_finite()));
    }

    #[test]
    fn every_shape_has_an_end() {
        for alpha in [f64::NAN, -1.0, -0.5, 0.0, f64::INFINITY, f64::MIN_POSITIVE] {
            for log_space in [false, true] {
                let sample = f64::sample([0, 1], alpha, log_space);
                assert_eq!(sample.is_nan(), alpha.is_nan() || alpha == -1.0, "{alpha}: {sample}");
            }
        }
    }

    #[test]
    fn halves_are_rounded_samples_of_single_precision() {
        let wide = f32::sample([0, 3], 2.5, false);
        assert_eq!(f16::sample([0, 3], f16::from_f32(2.5), false), f16::from_f32(wide));
        assert_eq!(bf16::sample([0, 3], bf16::from_f32(2.5), false), bf16::from_f32(wide));
    }
}
