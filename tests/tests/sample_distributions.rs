//! A million samples of what JAX draws by rejection have the distribution that they should have, whatever the last bits of JAX are.

use flaxen::prelude::*;
use flaxen::{random, special, stats};

const COUNT: usize = 1_000_000;

/// The share of samples up to each point is that of the distribution, within five standard deviations.
fn follows(name: &str, samples: &Tensor, points: &[f32], cdf: impl Fn(&Tensor) -> Result<Tensor>) {
    let mut samples: Vec<f32> = samples.cast(DType::F32).to_vec().unwrap();
    assert_eq!(samples.len(), COUNT);
    samples.sort_by(f32::total_cmp);
    let expected: Vec<f64> = cdf(&Tensor::from(points)).unwrap().to_vec().unwrap();
    for (&point, expected) in points.iter().zip(expected) {
        let found = samples.partition_point(|&x| x <= point) as f64 / COUNT as f64;
        let deviation = (expected * (1.0 - expected) / COUNT as f64).sqrt();
        assert!(
            (found - expected).abs() <= 5.0 * deviation + 1e-6,
            "{name} at {point}: {found}, not {expected}"
        );
    }
}

fn points(low: f32, high: f32) -> Vec<f32> {
    (0..=60).map(|i| low + (high - low) * i as f32 / 60.0).collect()
}

#[test]
fn gamma() {
    for (seed, a, high) in [(0, 0.7, 5.0), (1, 4.0, 15.0)] {
        let samples = random::gamma(&random::key(seed), a, [COUNT]);
        follows("gamma", &samples, &points(0.001, high), |x| special::try_gammainc(a, x));
    }
}

#[test]
fn loggamma_of_a_small_shape() {
    let samples = random::loggamma(&random::key(2), 0.1, [COUNT]);
    follows("loggamma", &samples, &points(-40.0, 1.0), |x| special::try_gammainc(0.1, x.try_exp()?));
}

#[test]
fn beta() {
    let samples = random::beta(&random::key(3), 0.7, 2.5, [COUNT]);
    follows("beta", &samples, &points(0.001, 0.999), |x| special::try_betainc(0.7, 2.5, x));
}

#[test]
fn poisson() {
    for (seed, mean) in [(4, 3.0), (5, 40.0)] {
        let samples = random::poisson(&random::key(seed), mean, [COUNT]);
        let counts: Vec<f32> = (0..80).map(|k| k as f32).collect();
        follows("poisson", &samples, &counts, |k| stats::poisson::try_cdf(k, mean, 0.0));
    }
}

#[test]
fn binomial() {
    for (seed, n, p) in [(6, 12.0, 0.3), (7, 100.0, 0.6)] {
        let samples = random::binomial(&random::key(seed), n, p, [COUNT]);
        let counts: Vec<f32> = (0..100).map(|k| k as f32).filter(|&k| f64::from(k) < n).collect();
        // The probability of more than k successes is that of the beta distribution (DLMF 8.17.5).
        follows("binomial", &samples, &counts, |k| Ok(1.0 - special::try_betainc(k + 1.0, n - k, p)?));
    }
}
