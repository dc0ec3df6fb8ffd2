//! Bits, integers, booleans and classes.

use super::continuous::gumbel_samples;
use super::uniform::unit;
use super::{Key, check_bare, check_parameters, dtype_of_parameters, sampler};
use crate::array::{DType, Shape};
use crate::core::domain::PROBABILITY;
use crate::core::op::Draw;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::ops::axes::Int;
use crate::ops::random_below::random_below;
use crate::ops::random_bits::draw;
use crate::ops::{axis_of, convert, saturating_size};

sampler! {
    /// Integers of `width` random bits: 8 as `U8`, 16 as `U16`, 32 as `U32`, and 64 as the `I64` of these bits.
    pub fn bits / try_bits(key: &Key, shape: impl AsRef<[usize]>, width: u32) {
        draw(key.single("bits")?, Draw::Bits(width), shape.as_ref())
    }

    /// Booleans that are true with probability `p`, which broadcasts to the shape; a bare number is from 0 to 1.
    ///
    /// They are `u < p` for `u` uniform in [0, 1) of the dtype of `p`, `F32` for a bare number.
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// let kept = random::bernoulli(&random::key(0), 0.9, [10_000]).to_vec::<bool>()?;
    /// let rate = kept.iter().filter(|&&kept| kept).count() as f32 / 10_000.0;
    /// assert!((rate - 0.9).abs() < 0.01);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn bernoulli / try_bernoulli(key: &Key, p: impl TensorLike, shape: impl AsRef<[usize]>) {
        let (p, shape) = (p.operand()?, shape.as_ref());
        if !p.dtype().is_float() {
            return Err(Error::dtype("bernoulli", p.dtype(), "a probability of a float dtype"));
        }
        check_parameters("bernoulli", shape, &[&p])?;
        check_bare("bernoulli", "p", PROBABILITY, &p)?;
        let dtype = dtype_of_parameters([&p]);
        unit(key, shape, dtype)?.try_lt(convert(&p, dtype, false)?)
    }

    /// Integers from `low` (included) to `high` (excluded), both broadcast to the shape; `I32` of a shape.
    ///
    /// Where `high` is not above `low`, all are `low`.
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// let dice = random::randint(&random::key(0), [100], 1, 7).to_vec::<i32>()?;
    /// assert!(dice.iter().all(|x| (1..=6).contains(x)));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn randint / try_randint(
        key: &Key,
        shape: impl AsRef<[usize]>,
        low: impl TensorLike,
        high: impl TensorLike,
    ) {
        integers(key, shape.as_ref(), low.operand()?, high.operand()?, DType::I32)
    }

    /// As [`randint`], of any integer dtype; bounds that it cannot represent become the nearest ones.
    pub fn randint_of / try_randint_of(
        key: &Key,
        shape: impl AsRef<[usize]>,
        low: impl TensorLike,
        high: impl TensorLike,
        dtype: DType,
    ) {
        integers(key, shape.as_ref(), low.operand()?, high.operand()?, dtype)
    }

    /// Signs, −1 or 1 with equal probability: `I32` of a shape.
    pub fn rademacher / try_rademacher(key: &Key, shape: impl AsRef<[usize]>) {
        let positive = unit(key, shape.as_ref(), DType::F32)?.try_lt(0.5)?;
        positive.try_select(1, -1)?.try_cast(DType::I32)
    }

    /// Classes with probabilities proportional to `exp(logits)` along an axis: `I32` of the other axes' shape.
    ///
    /// They are where `logits` plus a [`gumbel`](super::gumbel) sample of the same dtype is greatest.
    ///
    /// ```
    /// use flaxen::Tensor;
    /// use flaxen::random;
    ///
    /// let logits = Tensor::from([[0.0f32, -1e9, -1e9], [-1e9, -1e9, 0.0]]);
    /// assert_eq!(random::categorical(&random::key(0), &logits, -1).to_vec::<i32>()?, [0, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn categorical / try_categorical(key: &Key, logits: impl TensorLike, axis: impl Int) {
        let logits = logits.operand()?;
        let at = axis_of("categorical", axis, logits.rank())?;
        let mut shape: Shape = logits.shape().into();
        shape.remove(at);
        classes(key, &logits, at, &shape)
    }

    /// As [`categorical`], of a larger shape, to which the shape of the other axes broadcasts.
    pub fn categorical_of / try_categorical_of(
        key: &Key,
        logits: impl TensorLike,
        axis: impl Int,
        shape: impl AsRef<[usize]>,
    ) {
        let logits = logits.operand()?;
        let at = axis_of("categorical", axis, logits.rank())?;
        classes(key, &logits, at, shape.as_ref())
    }

    /// As [`categorical_of`], but no class is drawn twice: those along the axes of the shape that stand in front of the shape of the other
    /// axes are distinct, and in order of falling logits plus noise.
    ///
    /// By the Gumbel-top-k trick. The shape ends with that of the other axes, and its axes in front have no more elements than there
    /// are classes.
    pub fn categorical_without_replacement / try_categorical_without_replacement(
        key: &Key,
        logits: impl TensorLike,
        axis: impl Int,
        shape: impl AsRef<[usize]>,
    ) {
        let (op, logits, shape) = ("categorical_without_replacement", logits.operand()?, shape.as_ref());
        if !logits.dtype().is_float() {
            return Err(Error::dtype(op, logits.dtype(), "logits of a float dtype"));
        }
        let at = axis_of(op, axis, logits.rank())?;
        let mut others: Shape = logits.shape().into();
        let classes = others.remove(at);
        let Some(front) = shape.len().checked_sub(others.len()).filter(|&front| shape[front..] == others[..])
        else {
            let found = format!("logits of shape {:?} for samples of shape {shape:?}", logits.shape());
            return Err(Error::shape(op, found, "samples whose last axes are those of the logits but one"));
        };
        let draws = saturating_size(&shape[..front]);
        if draws > classes {
            let message = format!("a sample of {draws} without replacement from {classes} classes");
            return Err(Error::argument(op, message));
        }
        let dtype = dtype_of_parameters([&logits]);
        let noise = gumbel_samples(key, logits.shape(), dtype)?;
        let noisy = noise.try_add(convert(&logits, dtype, false)?)?.try_move_axis(at as isize, -1)?;
        noisy.try_top_k(draws)?.1.try_move_axis(-1, 0)?.try_reshape(shape)
    }
}

#[track_caller]
fn classes(key: &Key, logits: &Tensor, axis: usize, shape: &[usize]) -> Result<Tensor> {
    let op = "categorical";
    if !logits.dtype().is_float() {
        return Err(Error::dtype(op, logits.dtype(), "logits of a float dtype"));
    }
    let others = logits.rank() - 1;
    let fits = shape.len() >= others && {
        let mut own: Shape = logits.shape().into();
        own.remove(axis);
        super::broadcast_shapes(op, &[shape, &own]).is_ok_and(|out| out[..] == *shape)
    };
    if !fits {
        let found = format!("logits of shape {:?} for samples of shape {shape:?}", logits.shape());
        return Err(Error::shape(op, found, "logits that broadcast to the samples, but for their axis"));
    }
    let at = shape.len() - others + axis;
    let mut noisy: Shape = shape.into();
    noisy.insert(at, logits.shape()[axis]);
    let dtype = dtype_of_parameters([logits]);
    let noise = gumbel_samples(key, &noisy, dtype)?;
    noise.try_add(convert(logits, dtype, false)?)?.try_argmax(at as isize)
}

#[track_caller]
fn integers(key: &Key, shape: &[usize], low: Tensor, high: Tensor, dtype: DType) -> Result<Tensor> {
    let op = "randint";
    key.single(op)?;
    check_parameters(op, shape, &[&low, &high])?;
    if let Some(bound) = [&low, &high].into_iter().find(|bound| bound.dtype().is_float()) {
        return Err(Error::dtype(op, bound.dtype(), "bounds of an integer dtype"));
    }
    // Fewer than 32 bits are drawn as 32.
    let (least, greatest, width) = match (dtype, dtype.narrow_range()) {
        (_, Some([least, greatest])) => (least, greatest, 32),
        (DType::I64, _) => (i64::MIN, i64::MAX, 64),
        (other, _) => return Err(Error::dtype(op, other, "an integer dtype")),
    };
    let wide = |x: &Tensor| convert(x, DType::I64, false);
    let inside = |x: &Tensor| x.try_clamp(constant(least), constant(greatest));
    let (low, asked) = (inside(&wide(&low)?)?, wide(&high)?);
    let high = inside(&asked)?;
    // A bound beyond the greatest number includes that one; a span of 2^width wraps to 0, which stands for it.
    let beyond = asked.try_gt(constant(greatest))?.try_cast(DType::I64)?;
    let span = high.try_sub(&low)?.try_add(beyond)?;
    let span = high.try_gt(&low)?.try_select(span, constant(1))?;
    let [first, second] = key.try_split()?;
    let (more, less) =
        (draw(first.data(), Draw::Bits(width), shape)?, draw(second.data(), Draw::Bits(width), shape)?);
    let unsigned = if width == 64 { DType::I64 } else { DType::U32 };
    let offset = random_below(more, less, convert(&span, unsigned, false)?)?;
    if width == 64 {
        return offset.try_add(low);
    }
    // Sums of 32 bits wrap around alike with and without a sign.
    convert(&low, DType::U32, false)?.try_add(offset)?.try_cast(dtype)
}

fn constant(value: i64) -> Tensor {
    crate::array::Array::scalar(value, false).into()
}
