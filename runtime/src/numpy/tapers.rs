//! Window functions: weights that fade out at both ends of a piece of a signal.

use std::f64::consts::PI;

use crate::core::Tensor;

/// `count` weights, symmetric about the middle one, as `F32`; a single one is 1. `f` is given the position from 0 to 1.
fn symmetric(count: usize, f: impl Fn(f64) -> f64) -> Tensor {
    weights(count, count.saturating_sub(1), f)
}

/// The weights at positions `i/period`.
pub(super) fn weights(count: usize, period: usize, f: impl Fn(f64) -> f64) -> Tensor {
    let weight = |i: usize| if count == 1 { 1.0 } else { f(i as f64 / period as f64) as f32 };
    Tensor::from((0..count).map(weight).collect::<Vec<f32>>())
}

/// A sum of cosines of whole periods, whose factors alternate in sign.
pub(super) fn cosines(t: f64, factors: &[f64]) -> f64 {
    let term = |(k, a): (usize, &f64)| if k % 2 == 0 { *a } else { -a } * (2.0 * PI * k as f64 * t).cos();
    factors.iter().enumerate().map(term).sum()
}

pub(super) const HANN: &[f64] = &[0.5, 0.5];
pub(super) const HAMMING: &[f64] = &[0.54, 0.46];
pub(super) const BLACKMAN: &[f64] = &[0.42, 0.5, 0.08];

/// The modified Bessel function of the first kind and order 0, by its power series, all of whose terms are positive.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > sum * f64::EPSILON {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

/// The Kaiser window at a position from 0 to 1.
pub(super) fn kaiser_at(t: f64, beta: f64) -> f64 {
    let inside = (1.0 - (2.0 * t - 1.0).powi(2)).max(0.0).sqrt();
    // With exponents taken out, as the function overflows from 710 on.
    if beta.abs() > 700.0 {
        return (beta.abs() * (inside - 1.0)).exp() / inside.max(1.0 / beta.abs()).sqrt();
    }
    bessel_i0(beta * inside) / bessel_i0(beta)
}

/// # Window functions
impl Tensor {
    /// The Hann window of `count` weights, `1/2 − 1/2 cos(2πi/(count − 1))`, as `jnp.hanning`; `F32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let middle = Tensor::hanning(5).to_vec::<f32>()?[2];
    /// assert_eq!(middle, 1.0);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn hanning(count: usize) -> Tensor {
        symmetric(count, |t| cosines(t, HANN))
    }

    /// The Hamming window of `count` weights, `0.54 − 0.46 cos(2πi/(count − 1))`, as `jnp.hamming`; `F32`.
    pub fn hamming(count: usize) -> Tensor {
        symmetric(count, |t| cosines(t, HAMMING))
    }

    /// The Blackman window of `count` weights, `0.42 − 0.5 cos(2πt) + 0.08 cos(4πt)` with `t = i/(count − 1)`, as `jnp.blackman`; `F32`.
    pub fn blackman(count: usize) -> Tensor {
        symmetric(count, |t| cosines(t, BLACKMAN))
    }

    /// The Bartlett window of `count` weights, a triangle from 0 to 1 and back, as `jnp.bartlett`; `F32`.
    pub fn bartlett(count: usize) -> Tensor {
        symmetric(count, triangle)
    }

    /// The Kaiser window of `count` weights, `I₀(β √(1 − (2t − 1)²)) / I₀(β)` with `t = i/(count − 1)`, as `jnp.kaiser`; `F32`.
    ///
    /// The greater `beta`, the narrower it is; 0 gives ones.
    pub fn kaiser(count: usize, beta: f64) -> Tensor {
        symmetric(count, |t| kaiser_at(t, beta))
    }
}

pub(super) fn triangle(t: f64) -> f64 {
    1.0 - (2.0 * t - 1.0).abs()
}
