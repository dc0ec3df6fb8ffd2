//! Attention with as many keys as heads of queries share, as `jax.nn.dot_product_attention` has it.

use super::masks::local_window;
use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::numpy::einsum::try_einsum;

const OP: &str = "scaled_dot_product_attention";

/// What [`scaled_dot_product_attention`] is told besides queries, keys and values.
#[derive(Clone)]
pub struct ScaledDotProductAttention<'a> {
    query: &'a Tensor,
    key: &'a Tensor,
    value: &'a Tensor,
    bias: Option<&'a Tensor>,
    mask: Option<&'a Tensor>,
    scale: Option<f64>,
    is_causal: bool,
    query_lengths: Option<&'a Tensor>,
    key_value_lengths: Option<&'a Tensor>,
    window: Option<(usize, usize)>,
}

/// `softmax(query · keyᵀ · scale + bias) · value` for each head, as `jax.nn.dot_product_attention`.
///
/// `query` is `[batch, T, heads, size]`; `key` and `value` are `[batch, S, key heads, size]`, where the number of heads of queries is a
/// multiple of that of keys, and neighbours share one. All may be without a batch axis. The result has the shape of `query`. Logits and
/// their softmax are computed in `F32`, weights in the dtype of the keys.
///
/// [`dot_product_attention`](super::dot_product_attention) is that of Flax.
///
/// ```
/// use flaxen::nn::scaled_dot_product_attention;
/// use flaxen::prelude::*;
///
/// let query = random::normal(&key(0), [2, 5, 4, 8]);
/// let keys = random::normal(&key(1), [2, 5, 2, 8]);
/// let attended = scaled_dot_product_attention(&query, &keys, &keys).causal(true).run()?;
/// assert_eq!(attended.shape(), [2, 5, 4, 8]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[must_use]
pub fn scaled_dot_product_attention<'a>(
    query: &'a Tensor,
    key: &'a Tensor,
    value: &'a Tensor,
) -> ScaledDotProductAttention<'a> {
    ScaledDotProductAttention {
        query,
        key,
        value,
        bias: None,
        mask: None,
        scale: None,
        is_causal: false,
        query_lengths: None,
        key_value_lengths: None,
        window: None,
    }
}

impl<'a> ScaledDotProductAttention<'a> {
    /// What is added to the logits: `[batch, heads, T, S]`, each of which may be 1.
    #[must_use]
    pub fn bias(self, bias: &'a Tensor) -> Self {
        ScaledDotProductAttention { bias: Some(bias), ..self }
    }

    /// A boolean mask that is true where a query sees a key: `[batch, heads, T, S]`, each of which may be 1.
    #[must_use]
    pub fn mask(self, mask: &'a Tensor) -> Self {
        ScaledDotProductAttention { mask: Some(mask), ..self }
    }

    /// What logits are multiplied by; `1/√size` unless told otherwise.
    #[must_use]
    pub fn scale(self, scale: f64) -> Self {
        ScaledDotProductAttention { scale: Some(scale), ..self }
    }

    /// Whether a query sees only keys up to its own place.
    #[must_use]
    pub fn causal(self, is_causal: bool) -> Self {
        ScaledDotProductAttention { is_causal, ..self }
    }

    /// How many queries of each example count: integers `[batch]`. The results of the others are 0.
    #[must_use]
    pub fn query_lengths(self, lengths: &'a Tensor) -> Self {
        ScaledDotProductAttention { query_lengths: Some(lengths), ..self }
    }

    /// How many keys of each example count: integers `[batch]`.
    #[must_use]
    pub fn key_value_lengths(self, lengths: &'a Tensor) -> Self {
        ScaledDotProductAttention { key_value_lengths: Some(lengths), ..self }
    }

    /// How many keys before its own place, and behind it, a query sees.
    #[must_use]
    pub fn local_window(self, left: usize, right: usize) -> Self {
        ScaledDotProductAttention { window: Some((left, right)), ..self }
    }

    /// Computes it.
    ///
    /// # Errors
    /// If the shapes do not fit, the dtypes differ, the mask is not boolean, or lengths are not integers.
    #[track_caller]
    pub fn run(self) -> Result<Tensor> {
        let ScaledDotProductAttention { query, key, value, .. } = self;
        let [q, k, v] = [batched(query)?, batched(key)?, batched(value)?];
        let (&[batch, t, heads, size], &[_, s, shared, _]) = (&q.shape()[..4], &k.shape()[..4]) else {
            unreachable!("four axes each")
        };
        let fits = k.shape() == v.shape()
            && k.shape()[0] == batch
            && k.shape()[3] == size
            && shared > 0
            && heads.is_multiple_of(shared);
        if !fits {
            let found = format!("{:?}, {:?} and {:?}", query.shape(), key.shape(), value.shape());
            let expected = "[batch, T, heads, size] and twice [batch, S, key heads, size], whose heads divide those of queries";
            return Err(Error::shape(OP, found, expected));
        }
        if q.dtype() != k.dtype() || k.dtype() != v.dtype() || !q.dtype().is_float() {
            let found = format!("{}, {} and {}", q.dtype(), k.dtype(), v.dtype());
            return Err(Error::dtype(OP, found, "one float dtype"));
        }
        let group = heads / shared;
        let wide = q.dtype().promote(DType::F32);
        let grouped = q.try_reshape([batch, t, shared, group, size])?.try_cast(wide)?;
        let logits = try_einsum("btkgh,bskh->bkgts", &[&grouped, &k.try_cast(wide)?])?;
        let mut logits = logits.try_mul(logits.like(self.scale.unwrap_or(1.0 / (size as f64).sqrt())))?;
        if let Some(bias) = self.bias {
            logits = logits.try_add(of_groups(bias, shared, group)?)?.try_cast(wide)?;
        }
        if let Some(seen) = self.seen(shared, group, [t, s])? {
            // Far below what a logit is, but finite, so that the softmax of nothing is the mean.
            let hidden = logits.like(-0.7 * f64::from(f32::MAX));
            logits = seen.try_select(&logits, hidden)?;
        }
        let weights = logits.try_cast(DType::F32)?.try_softmax(-1)?.try_cast(k.dtype())?;
        let mut out = try_einsum("bkgts,bskh->btkgh", &[&weights, &v])?.try_reshape(q.shape())?;
        if let Some(lengths) = self.query_lengths {
            let counts = before(lengths, t)?.try_reshape([lengths.size(), t, 1, 1])?;
            out = out.try_mul(counts.try_cast(out.dtype())?)?;
        }
        out.try_reshape(query.shape())
    }

    /// Where queries see keys, `[batch, key heads, group, T, S]` or what broadcasts to it; `None` where all see all.
    #[track_caller]
    fn seen(&self, shared: usize, group: usize, [t, s]: [usize; 2]) -> Result<Option<Tensor>> {
        let mut all: Vec<Tensor> = vec![];
        if let Some(mask) = self.mask {
            if mask.dtype() != DType::Bool {
                return Err(Error::dtype(OP, mask.dtype(), "a boolean mask"));
            }
            all.push(of_groups(mask, shared, group)?);
        }
        if self.is_causal {
            all.push(Tensor::tri(t, s, 0, DType::Bool));
        }
        if let Some(window) = self.window {
            all.push(local_window([t, s], window)?);
        }
        if let Some(lengths) = self.query_lengths {
            all.push(before(lengths, t)?.try_reshape([lengths.size(), 1, 1, t, 1])?);
        }
        if let Some(lengths) = self.key_value_lengths {
            all.push(before(lengths, s)?.try_reshape([lengths.size(), 1, 1, 1, s])?);
        }
        let mut all = all.into_iter();
        let Some(first) = all.next() else { return Ok(None) };
        all.try_fold(first, |seen, next| seen.try_bitand(next)).map(Some)
    }
}

/// With a batch axis.
#[track_caller]
fn batched(x: &Tensor) -> Result<Tensor> {
    match x.rank() {
        3 => x.try_expand_dims([0]),
        4 => Ok(x.clone()),
        _ => Err(Error::shape(OP, format!("{:?}", x.shape()), "three axes, or four with a batch")),
    }
}

/// `[batch, heads, T, S]` with the heads of each key apart.
#[track_caller]
fn of_groups(x: &Tensor, shared: usize, group: usize) -> Result<Tensor> {
    let mut shape = Shape::from_elem(1, 4_usize.saturating_sub(x.rank()));
    shape.extend(x.shape().iter().copied());
    match shape[..] {
        [batch, 1, t, s] => x.try_reshape([batch, 1, 1, t, s]),
        [batch, heads, t, s] if heads == shared * group => x.try_reshape([batch, shared, group, t, s]),
        _ => {
            Err(Error::shape(OP, format!("{:?}", x.shape()), "[batch, heads, T, S], each of which may be 1"))
        }
    }
}

/// For each example where a place is before the end: `[batch, count]`.
#[track_caller]
fn before(lengths: &Tensor, count: usize) -> Result<Tensor> {
    if lengths.rank() != 1 || !lengths.dtype().is_integer() {
        return Err(Error::shape(
            OP,
            format!("lengths {}", lengths.aval()),
            "integers, one for each example",
        ));
    }
    let places = Tensor::try_iota(lengths.dtype(), &[1, count], 1)?;
    places.try_lt(lengths.try_expand_dims([1])?)
}
