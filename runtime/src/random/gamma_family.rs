//! The gamma distribution, and those that are made of it.

use super::{Key, check_parameters, divided, dtype_of_parameters, sampler};
use crate::array::{DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::ops::convert;
use crate::ops::elementwise::sampled;
use crate::ops::random_gamma::random_gamma;

sampler! {
    /// Samples of the gamma distributions of the shapes `a > 0` and scale 1, which broadcast to the shape of the samples.
    ///
    /// The dtype is that of `a`, `F32` for a bare number. The method is that of Marsaglia and Tsang (2000). Samples are differentiable
    /// in `a`, by implicit reparameterization.
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// let x = random::gamma(&random::key(0), 3.0, [10_000]);
    /// assert!((x.mean().item::<f32>()? - 3.0).abs() < 0.1);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn gamma / try_gamma(key: &Key, a: impl TensorLike, shape: impl AsRef<[usize]>) {
        gamma_samples("gamma", key, &a.operand()?, shape.as_ref(), false)
    }

    /// The logarithms of [`gamma`](super::gamma) samples, precise also where those would underflow, for small `a`.
    pub fn loggamma / try_loggamma(key: &Key, a: impl TensorLike, shape: impl AsRef<[usize]>) {
        gamma_samples("loggamma", key, &a.operand()?, shape.as_ref(), true)
    }

    /// Samples of the beta distributions of `a > 0` and `b > 0`, which broadcast to the shape of the samples; differentiable in both.
    ///
    /// The dtype is that of the parameters, `F32` for bare numbers.
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// // How much of each of two pictures is in their mixture (mixup).
    /// let share = random::beta(&random::key(0), 0.2, 0.2, [8]).to_vec::<f32>()?;
    /// assert!(share.iter().all(|x| (0.0..=1.0).contains(x)));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn beta / try_beta(key: &Key, a: impl TensorLike, b: impl TensorLike, shape: impl AsRef<[usize]>) {
        let (a, b, shape) = (a.operand()?, b.operand()?, shape.as_ref());
        let dtype = dtype_of_parameters([&a, &b]);
        let [key_a, key_b] = key.try_split()?;
        let log_a = gamma_samples("beta", &key_a, &convert(&a, dtype, false)?, shape, true)?;
        let log_b = gamma_samples("beta", &key_b, &convert(&b, dtype, false)?, shape, true)?;
        let greater = log_a.try_maximum(&log_b)?;
        let (a, b) = (sampled::exp(&(log_a - &greater))?, sampled::exp(&(log_b - greater))?);
        a.try_div(&a + b)
    }

    /// Samples of the Dirichlet distributions whose parameters are along the last axis of `alpha`; in the result, of the shape asked
    /// for and that axis, numbers along it sum to 1.
    ///
    /// The shape of `alpha` without its last axis broadcasts to the shape asked for. Samples are differentiable in `alpha`.
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// let x = random::dirichlet(&random::key(0), [1.0f32, 2.0, 3.0], [5]);
    /// assert_eq!(x.shape(), [5, 3]);
    /// ```
    pub fn dirichlet / try_dirichlet(key: &Key, alpha: impl TensorLike, shape: impl AsRef<[usize]>) {
        let alpha = alpha.operand()?;
        let Some(&last) = alpha.shape().last() else {
            return Err(Error::shape("dirichlet", "a scalar", "an axis of parameters"));
        };
        let shape: Shape = shape.as_ref().iter().copied().chain([last]).collect();
        let log = gamma_samples("dirichlet", key, &alpha, &shape, true)?;
        let greatest = log.try_max_keep(-1)?.stop_gradient();
        let parts = sampled::exp(&log.try_sub(greatest)?)?;
        divided(&parts, &sum_of_last(&parts)?)
    }

    /// Samples of the χ² distributions of `df > 0` degrees of freedom, which broadcast to the shape of the samples.
    pub fn chisquare / try_chisquare(key: &Key, df: impl TensorLike, shape: impl AsRef<[usize]>) {
        chisquare_samples("chisquare", key, &parameter(&df.operand()?)?, shape.as_ref())
    }

    /// Samples of the F distributions of `dfnum` and `dfden` degrees of freedom, which broadcast to the shape of the samples.
    pub fn f / try_f(key: &Key, dfnum: impl TensorLike, dfden: impl TensorLike, shape: impl AsRef<[usize]>) {
        let (dfnum, dfden, shape) = (dfnum.operand()?, dfden.operand()?, shape.as_ref());
        let dtype = dtype_of_parameters([&dfnum, &dfden]);
        let (dfnum, dfden) = (convert(&dfnum, dtype, false)?, convert(&dfden, dtype, false)?);
        let [key_den, key_num] = key.try_split()?;
        let numerator = chisquare_samples("f", &key_num, &dfnum, shape)?;
        let denominator = chisquare_samples("f", &key_den, &dfden, shape)?;
        // As XLA puts the quotient of two quotients.
        numerator.try_mul(&dfden)?.try_div(dfnum.try_mul(denominator)?)
    }

    /// Samples of Student's t distributions of `df > 0` degrees of freedom, which broadcast to the shape of the samples.
    pub fn t / try_t(key: &Key, df: impl TensorLike, shape: impl AsRef<[usize]>) {
        let (df, shape) = (parameter(&df.operand()?)?, shape.as_ref());
        let [key_normal, key_gamma] = key.try_split()?;
        let half = df.try_mul(df.like(0.5))?;
        let g = gamma_samples("t", &key_gamma, &half, shape, false)?;
        super::try_normal_of(&key_normal, shape, df.dtype())?.try_mul(half.try_div(g)?.try_sqrt()?)
    }

    /// Samples of the generalized normal distribution with density proportional to `exp(−|x|ᵖ)`: `F32` of a shape.
    pub fn generalized_normal / try_generalized_normal(key: &Key, p: f64, shape: impl AsRef<[usize]>) {
        generalized_normal_samples(key, p, shape.as_ref())
    }

    /// Uniform samples of the unit ball of the `p`-norm in `d` dimensions: `F32` of the shape and an axis of `d`.
    pub fn ball / try_ball(key: &Key, d: usize, p: f64, shape: impl AsRef<[usize]>) {
        let shape = shape.as_ref();
        let [key_direction, key_radius] = key.try_split()?;
        let points: Shape = shape.iter().copied().chain([d]).collect();
        let g = generalized_normal_samples(&key_direction, p, &points)?;
        let e = super::try_exponential(&key_radius, shape)?;
        let norm = sum_of_last(&sampled::pow(&g.try_abs()?, &g.like(p))?)?.try_add(e.try_expand_dims([-1])?)?;
        g.try_mul(sampled::pow(&norm, &g.like(-1.0 / p))?)
    }
}

/// The sum along the last axis, which stays: one number after the other, as XLA adds them.
#[track_caller]
fn sum_of_last(x: &Tensor) -> Result<Tensor> {
    x.try_cumsum(-1)?.try_slice_axis(-1, -1..isize::MAX)
}

/// A parameter in the dtype of its samples.
#[track_caller]
fn parameter(x: &Tensor) -> Result<Tensor> {
    convert(x, dtype_of_parameters([x]), false)
}

#[track_caller]
fn gamma_samples(op: &'static str, key: &Key, a: &Tensor, shape: &[usize], log: bool) -> Result<Tensor> {
    key.single(op)?;
    check_parameters(op, shape, &[a])?;
    random_gamma(key.data(), parameter(a)?.try_broadcast_to(shape)?, log)
}

#[track_caller]
fn chisquare_samples(op: &'static str, key: &Key, df: &Tensor, shape: &[usize]) -> Result<Tensor> {
    check_parameters(op, shape, &[df])?;
    let half = df.try_mul(df.like(0.5))?;
    Ok(sampled::exp(&gamma_samples(op, key, &half, shape, true)?)? * 2.0)
}

#[track_caller]
fn generalized_normal_samples(key: &Key, p: f64, shape: &[usize]) -> Result<Tensor> {
    let [key_gamma, key_sign] = key.try_split()?;
    let inverse = Tensor::of(1.0 / p, DType::F32);
    let g = gamma_samples("generalized_normal", &key_gamma, &inverse, shape, false)?;
    super::try_rademacher(&key_sign, shape)?.try_cast(DType::F32)?.try_mul(sampled::pow(&g, &inverse)?)
}
