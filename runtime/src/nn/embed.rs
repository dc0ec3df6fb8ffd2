//! `Embed`: vectors for integers.

use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::module::{Layer, Module};
use crate::nn::init::{Distribution, FanMode, VarianceScaling};
use crate::scope::Initializer;
use crate::{compact, module};

use super::function::PromoteDtypeFn;
use super::precision::{layer_dtype, promoted};
use crate::ops::byte_dot::{byte_dot, is_exact};
use crate::variables::Quantized;

/// A table of vectors, of which an integer takes one: `y[..] = E[ids[..]]`.
///
/// The input is integers of any shape, the output has their shape and the axis of features. Negative ids count from the
/// end; an id outside of the table gives a vector of NaN, but a table of one vector gives that one for every id, as in Flax.
///
/// # Parameters
/// - `embedding`: `[num_embeddings, features]`, normal with variance `1 / features`.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::Embed;
///
/// let (embed, ids) = (Embed::new(10, 4), Tensor::from([[1, 5, 1]]));
/// let variables = embed.init(key(0)).call(&ids)?;
/// let y = embed.apply(&variables).call(&ids)?;
/// assert_eq!(y.shape(), [1, 3, 4]);
/// let logits = embed.apply(&variables).run(|m| m.attend(&y))?;
/// assert_eq!(logits.shape(), [1, 3, 10]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As `flax.linen.Embed`.
#[module]
pub struct Embed {
    /// The number of vectors.
    pub num_embeddings: usize,
    /// The size of a vector.
    pub features: usize,
    /// The dtype of the output; by default that of the table.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype the table begins with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// How the table begins.
    #[module(into, default = default_embedding_init())]
    pub embedding_init: Initializer,
    /// What brings the table, or query and table, to the dtype of the computation, in place of
    /// [`promote_dtype`](crate::nn::promote_dtype).
    #[module(default)]
    pub promote_dtype: Option<PromoteDtypeFn>,
    /// The table, once the layer is part of a running model.
    #[setup(self.param_of("embedding", &self.embedding_init, [self.num_embeddings, self.features], self.param_dtype))]
    pub embedding: Tensor,
}

fn default_embedding_init() -> Initializer {
    VarianceScaling::new(1.0, FanMode::FanIn, Distribution::Normal).out_axis(0).into()
}

impl Embed {
    /// The table, if it is one in 8 bits with a scale for each vector.
    fn quantized(&self) -> Option<Quantized> {
        let table = self.scope().ok()?.stored("params", "embedding").as_ref().and_then(Quantized::of)?;
        let fits = table.channels() == 0 && table.numbers().shape() == [self.num_embeddings, self.features];
        fits.then_some(table)
    }

    /// The products of a query with all vectors: `q·Eᵀ`, from `[.., features]` to `[.., num_embeddings]`.
    ///
    /// # Errors
    /// If the last axis of the query has another size than a vector.
    #[compact]
    pub fn attend(&self, query: &Tensor) -> Result<Tensor> {
        if query.shape().last() != Some(&self.features) {
            let expected = format!("a query `[.., {}]`, as the embedding has features", self.features);
            return Err(Error::shape(Self::NAME, query.aval().to_string(), expected));
        }
        let table = self.quantized().filter(|_| self.promote_dtype.is_none() && is_exact(self.features));
        if let Some(table) = table {
            let dtype = layer_dtype(Self::NAME, self.dtype, query, std::iter::once(table.scale()))?;
            let scale = table.scale().try_reshape([self.num_embeddings])?;
            return byte_dot(&query.try_cast(DType::F32)?, table.numbers(), &scale, true)?.try_cast(dtype);
        }
        let tensors = (query, &*self.embedding, None);
        let (query, embedding, _) = promoted(Self::NAME, self.promote_dtype.as_ref(), self.dtype, tensors)?;
        query.try_dot(&embedding.try_transpose([1, 0])?)
    }
}

impl Layer for Embed {
    #[compact]
    fn call(&self, ids: &Tensor) -> Result<Tensor> {
        if !ids.dtype().is_integer() {
            return Err(Error::dtype(Self::NAME, ids.dtype(), "integers as ids"));
        }
        let table = self.quantized().filter(|_| self.promote_dtype.is_none() && self.num_embeddings > 1);
        if let Some(table) = table {
            let [numbers, scale] = [table.numbers().try_take(ids, 0)?, table.scale().try_take(ids, 0)?];
            let vectors = numbers.try_cast(DType::F32)?.try_mul(&scale)?;
            return vectors.try_cast(self.dtype.unwrap_or(DType::F32));
        }
        let embedding = match &self.promote_dtype {
            None => self.embedding.try_cast(self.dtype.unwrap_or(self.embedding.dtype()))?,
            Some(promote) => match &promote.call(&[&*self.embedding], self.dtype, false)?[..] {
                [embedding] => embedding.clone(),
                several => {
                    let message = format!("expects one tensor of `promote_dtype`, found {}", several.len());
                    return Err(Error::argument(Self::NAME, message));
                }
            },
        };
        if self.num_embeddings == 1 {
            let shape = ids.shape().iter().copied().chain([self.features]).collect::<Vec<_>>();
            return embedding.try_broadcast_to(shape);
        }
        embedding.try_take(ids, 0)
    }
}
