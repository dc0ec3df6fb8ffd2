//! Distributions of counts: loops that draw until every sample is accepted, with the keys of `jax.random`.

use super::uniform::unit;
use super::{Key, check_parameters, divided, dtype_of_parameters, sampler};
use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::ops::convert;
use crate::ops::elementwise::sampled;
use crate::transform::{scan, while_loop};

sampler! {
    /// Numbers of Bernoulli trials of probability `p` up to the first success, at least 1: `I32` of a shape, to which `p` broadcasts.
    pub fn geometric / try_geometric(key: &Key, p: impl TensorLike, shape: impl AsRef<[usize]>) {
        let (p, shape) = (p.operand()?, shape.as_ref());
        check_parameters("geometric", shape, &[&p])?;
        let p = convert(&p, dtype_of_parameters([&p]), false)?;
        let u = unit(key, shape, p.dtype())?;
        let log = u.try_eq(0)?.try_select(u.like(1.0), &u)?.try_log()?;
        let trials = divided(&log, &sampled::log1p(&p.try_neg()?)?)?.try_floor()? + 1.0;
        trials.try_cast(DType::I32)
    }

    /// Samples of the Poisson distributions of the means `lam ≥ 0`, `I32` of a shape, to which `lam` broadcasts.
    ///
    /// By multiplying uniform numbers (Knuth) below a mean of 10, and by transformed rejection (W. Hörmann, "The transformed rejection
    /// method for generating Poisson random variables", 1993) from there on; both loops go on until all samples are accepted.
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// let x = random::poisson(&random::key(0), 4.0, [10_000]);
    /// assert!((x.mean().item::<f32>()? - 4.0).abs() < 0.1);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn poisson / try_poisson(key: &Key, lam: impl TensorLike, shape: impl AsRef<[usize]>) {
        let (lam, shape) = (lam.operand()?, shape.as_ref());
        key.single("poisson")?;
        check_parameters("poisson", shape, &[&lam])?;
        let lam = convert(&lam, DType::F32, false)?.try_broadcast_to(shape)?;
        let is_small = lam.try_is_nan()?.try_bitor(lam.try_lt(10.0)?)?;
        let small = poisson_by_products(key, &is_small.try_select(&lam, 0.0)?)?;
        let large = poisson_by_rejection(key, &is_small.try_select(lam.like(1e5), &lam)?)?;
        let sample = is_small.try_select(small, large)?;
        lam.try_eq(0.0)?.try_select(0, sample)
    }

    /// Numbers of successes in `n` trials of probability `p`, of the dtype of `p`, `F32` for a bare number; both broadcast to the shape.
    ///
    /// NaN where `p` is outside of 0 to 1, or `n` negative. Waiting times (L. Devroye, *Non-Uniform Random Variate Generation*, 1986)
    /// below an expectation of 10, and transformed rejection (W. Hörmann, "The generation of binomial random variates", 1993) from
    /// there on; both loops go on until all samples are accepted.
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// let heads = random::binomial(&random::key(0), 100, 0.5, [1000]);
    /// assert!((heads.mean().item::<f32>()? - 50.0).abs() < 1.0);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn binomial / try_binomial(
        key: &Key,
        n: impl TensorLike,
        p: impl TensorLike,
        shape: impl AsRef<[usize]>,
    ) {
        let (n, p) = (n.operand()?, p.operand()?);
        check_parameters("binomial", shape.as_ref(), &[&n, &p])?;
        key.single("binomial")?;
        let p = convert(&p, dtype_of_parameters([&p]), false)?;
        let n = convert(&n, p.dtype(), false)?.try_broadcast_to(&shape)?;
        binomial_samples(key, n, &p.try_broadcast_to(&shape)?)
    }

    /// How often each outcome came in `n` trials: the probabilities of outcomes are along the last axis of `p`, which broadcasts to the
    /// shape of the result, and `n` to that shape without its last axis.
    ///
    /// The dtype is that of `p`, `F32` for bare numbers. Each count is binomial, given those before it.
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// let counts = random::multinomial(&random::key(0), 60, [0.5f32, 0.3, 0.2], [4, 3]);
    /// assert_eq!(counts.sum_axes(-1).to_vec::<f32>()?, [60.0; 4]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn multinomial / try_multinomial(
        key: &Key,
        n: impl TensorLike,
        p: impl TensorLike,
        shape: impl AsRef<[usize]>,
    ) {
        let (n, p, shape) = (n.operand()?, p.operand()?, shape.as_ref());
        let op = "multinomial";
        key.single(op)?;
        let [batch @ .., outcomes] = shape else {
            return Err(Error::shape(op, "samples without axes", "an axis of outcomes"));
        };
        check_parameters(op, shape, &[&p])?;
        check_parameters(op, batch, &[&n])?;
        let p = convert(&p, dtype_of_parameters([&p]), false)?.try_broadcast_to(shape)?.try_move_axis(-1, 0)?;
        let n = convert(&n, p.dtype(), false)?.try_broadcast_to(batch)?;
        let left = p.try_cumsum_reverse(0)?;
        let ratios = p.try_div(left.try_eq(0.0)?.try_select(left.like(1.0), &left)?)?.try_clip(0.0, 1.0)?;
        let keys = key.try_split_n(*outcomes)?;
        let draw = |left: Tensor, (ratio, key): (Tensor, Key)| {
            let count = binomial_samples(&key, left.clone(), &ratio)?;
            Ok((left.try_sub(&count)?, count))
        };
        let (_, counts) = scan(draw).call(n, (ratios, keys))?;
        counts.try_move_axis(0, -1)
    }
}

/// Counts how many uniform numbers have a product above `e^-lam`.
#[track_caller]
fn poisson_by_products(key: &Key, lam: &Tensor) -> Result<Tensor> {
    let shape = lam.shape();
    let least = -lam;
    let goes_on = |(_, _, log): &(Tensor, Key, Tensor)| log.try_gt(&least)?.try_any();
    let step = |(k, key, log): (Tensor, Key, Tensor)| {
        let [key, of_step] = key.try_split()?;
        let k = log.try_gt(&least)?.try_select(&k + 1, &k)?;
        let log = log.try_add(unit(&of_step, shape, DType::F32)?.try_log()?)?;
        Ok((k, key, log))
    };
    let start = (Tensor::zeros_of(shape, DType::I32), key.clone(), lam.zeros_like());
    let (k, ..) = while_loop(goes_on, step)(start)?;
    Ok(k - 1)
}

/// Hörmann's PTRS; the products and sums are rounded as XLA rounds them.
#[track_caller]
fn poisson_by_rejection(key: &Key, lam: &Tensor) -> Result<Tensor> {
    let shape = lam.shape();
    let log_lam = lam.try_log()?;
    let b = lam.try_sqrt()?.try_mul_add(2.53, 0.931)?;
    let a = b.try_mul_add(0.02483, -0.059)?;
    let inverse_alpha = 1.1239 + 1.1328 / (&b - 3.4);
    let greatest_v = 0.9277 - 3.6224 / (&b - 2.0);
    let step = |(k, accepted, key): (Tensor, Tensor, Key)| {
        let [key, key_u, key_v] = key.try_split()?;
        let (u, v) = (unit(&key_u, shape, DType::F32)? - 0.5, unit(&key_v, shape, DType::F32)?);
        let us = 0.5 - u.try_abs()?;
        let candidate = ((2.0 * &a / &us + &b).try_mul_add(&u, lam)? + 0.43).try_floor()?;
        let s = (&v * &inverse_alpha / (&a / (&us * &us) + &b)).try_log()?;
        let t = candidate.try_mul_add(&log_lam, -lam)? - sampled::lgamma(&(&candidate + 1.0))?;
        let at_once = us.try_ge(0.07)?.try_bitand(v.try_le(&greatest_v)?)?;
        let refused = us.try_lt(0.013)?.try_bitand(v.try_gt(&us)?)?.try_bitor(candidate.try_lt(0.0)?)?;
        let accept = at_once.try_bitor(s.try_le(t)?.try_bitand(refused.try_logical_not()?)?)?;
        Ok((accept.try_select(candidate, k)?, accepted.try_bitor(accept)?, key))
    };
    let start = (lam.zeros_like() - 1.0, Tensor::zeros_of(shape, DType::Bool), key.clone());
    until_accepted(step, start)?.try_cast(DType::I32)
}

/// Repeats a step until all candidates are accepted.
#[track_caller]
fn until_accepted(
    step: impl Fn((Tensor, Tensor, Key)) -> Result<(Tensor, Tensor, Key)>,
    start: (Tensor, Tensor, Key),
) -> Result<Tensor> {
    let goes_on = |(_, accepted, _): &(Tensor, Tensor, Key)| accepted.try_logical_not()?.try_any();
    let (k, ..) = while_loop(goes_on, step)(start)?;
    Ok(k)
}

/// Of the less likely of success and failure, by one of two methods; `n` and `p` have the shape and the dtype of the samples.
#[track_caller]
fn binomial_samples(key: &Key, n: Tensor, p: &Tensor) -> Result<Tensor> {
    let is_rare = p.try_lt(0.5)?;
    let q = is_rare.try_select(p, 1.0 - p)?;
    let no_count = n.try_is_nan()?.try_bitor(n.try_lt(0.0)?)?;
    let endless = n.try_is_inf()?;
    let (q_is_nan, q_is_negative) = (q.try_is_nan()?, q.try_lt(0.0)?);
    let no_probability = q_is_nan.try_bitor(q_is_negative)?;
    let q = no_probability.try_select(q.like(0.01), &q)?;
    let by_waiting = no_count.try_bitor((&n * &q).try_le(10.0)?)?;
    let n = n.try_floor()?;
    let waiting = by_waiting_times(key, &by_waiting.try_select(&n, 0.0)?, &q)?;
    // Where the other method has the result, something that is accepted soon.
    let elsewhere = by_waiting.try_bitor(&endless)?;
    let n_large = elsewhere.try_select(n.like(1e4), &n)?;
    let rejection = by_rejection(key, &n_large, &elsewhere.try_select(q.like(0.5), &q)?)?;
    let sample = by_waiting.try_select(waiting, rejection)?;
    let invalid = no_probability.try_bitor(&no_count)?;
    let sample = endless.try_select(n.like(f64::INFINITY), sample)?;
    let sample = invalid.try_select(n.like(f64::NAN), sample)?;
    let as_it_is = is_rare.try_bitor(no_count)?.try_bitor(q_is_nan)?.try_bitor(endless)?;
    as_it_is.try_select(&sample, &n - &sample)
}

/// Counts geometric waiting times until their sum is above `n`.
#[track_caller]
fn by_waiting_times(key: &Key, n: &Tensor, p: &Tensor) -> Result<Tensor> {
    let log_failure = sampled::log1p(&p.try_neg()?)?;
    let goes_on = |(_, sum, _): &(Tensor, Tensor, Key)| sum.try_le(n)?.try_any();
    let step = |(count, sum, key): (Tensor, Tensor, Key)| {
        let [of_step, key] = key.try_split()?;
        let count = sum.try_le(n)?.try_select(&count + 1.0, &count)?;
        let waiting = unit(&of_step, p.shape(), p.dtype())?.try_log()?.try_div(&log_failure)?.try_ceil()?;
        Ok((count, sum.try_add(waiting)?, key))
    };
    let (count, ..) = while_loop(goes_on, step)((p.zeros_like(), p.zeros_like(), key.clone()))?;
    Ok(count - 1.0)
}

/// Hörmann's BTRS; the products and sums are rounded as XLA rounds them.
#[track_caller]
fn by_rejection(key: &Key, n: &Tensor, p: &Tensor) -> Result<Tensor> {
    let failure = 1.0 - p;
    let deviation = (n * p * &failure).try_sqrt()?;
    let b = deviation.try_mul_add(2.53, 1.15)?;
    let a = p.try_mul_add(0.01, b.try_mul_add(0.0248, -0.0873)?)?;
    let c = n.try_mul_add(p, 0.5)?;
    let greatest_v = 0.92 - 4.2 / &b;
    let odds = p / failure;
    let alpha = (2.83 + 5.1 / &b) * deviation;
    let mode = ((n + 1.0) * p).try_floor()?;
    let step = |(k, accepted, key): (Tensor, Tensor, Key)| {
        let [key, key_u, key_v] = key.try_split()?;
        let (u, v) = (unit(&key_u, p.shape(), p.dtype())? - 0.5, unit(&key_v, p.shape(), p.dtype())?);
        let us = 0.5 - u.try_abs()?;
        let at_once = us.try_ge(0.07)?.try_bitand(v.try_le(&greatest_v)?)?;
        let candidate = (2.0 * &a / &us + &b).try_mul_add(u, &c)?.try_floor()?;
        let refused = candidate.try_lt(0.0)?.try_bitor(candidate.try_gt(n)?)?;
        let v = (v * &alpha / (&a / (&us * &us) + &b)).try_log()?;
        let (of_mode, of_rest) = (n - &mode + 1.0, n - &candidate + 1.0);
        // The logarithm of the quotient of the probabilities of the candidate and of the mode.
        let first = (&mode + 0.5).try_mul_add(
            ((&mode + 1.0) / (&odds * &of_mode)).try_log()?,
            (n + 1.0) * (of_mode / &of_rest).try_log()?,
        )?;
        let quotient = (&odds * of_rest / (&candidate + 1.0)).try_log()?;
        let bound = (&candidate + 0.5).try_mul_add(quotient, first)?
            + stirling_tail(&mode)?
            + stirling_tail(&(n - &mode))?
            - stirling_tail(&candidate)?
            - stirling_tail(&(n - &candidate))?;
        let accept = at_once.try_bitor(v.try_le(bound)?.try_bitand(refused.try_logical_not()?)?)?;
        Ok((accept.try_select(candidate, k)?, accepted.try_bitor(accept)?, key))
    };
    let start = (p.zeros_like() - 1.0, Tensor::zeros_of(p.shape(), DType::Bool), key.clone());
    until_accepted(step, start)
}

/// What Stirling's formula leaves of `log k!`, from a table up to 9; beyond it, as in JAX, the first terms of the series at 9.
#[track_caller]
fn stirling_tail(k: &Tensor) -> Result<Tensor> {
    const TABLE: [f64; 10] = [
        0.081_061_466_795_327_2,
        0.041_340_695_955_409_2,
        0.027_677_925_684_998_3,
        0.020_790_672_103_765_09,
        0.016_644_691_189_821_1,
        0.013_876_128_823_070_7,
        0.011_896_709_945_891_7,
        0.010_411_265_261_972,
        0.009_255_462_182_712_73,
        0.008_330_563_433_362_87,
    ];
    let is_in_table = k.try_le(9.0)?;
    let k = k.try_clip(0.0, 9.0)?;
    let next = &k + 1.0;
    let square = &next * &next;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / &square) / &square) / next;
    let table = Tensor::of(TABLE, k.dtype());
    is_in_table.try_select(table.try_take_clip(k.try_floor()?.try_cast(DType::I32)?, 0)?, series)
}
