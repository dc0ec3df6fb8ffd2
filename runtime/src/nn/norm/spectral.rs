//! `SpectralNorm`: weights divided by their largest singular value, by power iteration.

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::NOT_NEGATIVE;
use crate::error::{Error, Result};
use crate::module::lift::with_mapped_params;
use crate::module::{Layer, Module};
use crate::nn::precision::compute_dtype;
use crate::tree::{Path, map_with_path};
use crate::{compact, module, random};

/// Divides the weights of a layer by their largest singular value: `W / σ`, `σ = v·W·uᵀ`.
///
/// `u` and `v` come from `n_steps` of power iteration, `v = normalize(u·Wᵀ)`, `u = normalize(v·W)`, starting from the `u` of
/// the last call that updated it. Parameters of one axis or none are left as they are; those of more than two axes are taken
/// as matrices with their last axis as columns.
///
/// # Parameters and variables
/// - Those of the layer. `init` stores the divided weights in place of those that the layer began with, as Flax does.
/// - In the collection `collection_name`, for each matrix at a path: `NAME/PATH/u`, `[1, columns]`, normal to begin with, and
///   `NAME/PATH/sigma`, a scalar that begins as 1; `NAME` is the layer's name. These are names with slashes in them.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::SpectralNorm;
///
/// let (layer, x) = (SpectralNorm::new(Dense::new(4)), Tensor::ones([2, 3]));
/// let variables = layer.init(key(0)).run(|m| m.call(&x, true))?;
/// let (y, updates) = layer.apply(&variables).mutable("batch_stats").run(|m| m.call(&x, true))?;
/// assert_eq!(y.shape(), [2, 4]);
/// assert_eq!(updates.tensor(["batch_stats", "layer_instance/kernel/u"])?.shape(), [1, 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Miyato et al., arXiv:1802.05957; as `flax.linen.SpectralNorm`.
#[module]
pub struct SpectralNorm<L: Module> {
    /// The layer.
    #[submodule]
    pub layer_instance: L,
    /// How many steps of power iteration a call does, at most 10,000; with 0, weights stay as they are.
    #[module(default = 1)]
    pub n_steps: usize,
    /// Keeps divisors away from 0: at least 0 itself.
    #[module(into, default = 1e-12)]
    pub epsilon: f64,
    /// The dtype of the divided weights; by default that of the mixture of weights and variables.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype the variables begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// Whether weights of more than two axes are an error.
    #[module(default = false)]
    pub error_on_non_matrix: bool,
    /// The collection of the variables.
    #[module(default = "batch_stats")]
    pub collection_name: String,
}

impl<L: Layer> SpectralNorm<L> {
    /// The layer's output with the divided weights.
    ///
    /// # Errors
    /// What the layer returns; if `update_stats` is true and the collection is not mutable.
    #[compact]
    pub fn call(&self, x: &Tensor, update_stats: bool) -> Result<Tensor> {
        self.normalized(update_stats, |layer| layer.call(x))
    }
}

impl<L: Module> SpectralNorm<L> {
    /// What a function of the layer returns, with the divided weights; `init` calls it twice.
    ///
    /// # Errors
    /// What the function returns; if `update_stats` is true and the collection is not mutable.
    #[compact]
    pub fn call_with<T>(&self, update_stats: bool, f: impl Fn(&L) -> Result<T>) -> Result<T> {
        self.normalized(update_stats, f)
    }

    fn normalized<T>(&self, update_stats: bool, f: impl Fn(&L) -> Result<T>) -> Result<T> {
        NOT_NEGATIVE.check(Self::NAME, "epsilon", self.epsilon)?;
        if self.n_steps > MOST_STEPS {
            let message = format!("expects at most {MOST_STEPS} as `n_steps`, found {}", self.n_steps);
            return Err(Error::argument(Self::NAME, message));
        }
        let name = self.layer_instance.name().unwrap_or_default();
        let divide = |path: &Path, weights: &Tensor| {
            self.divided(weights, &format!("{name}/{}", path.join("/")), update_stats)
        };
        with_mapped_params(&self.layer_instance, true, |params| map_with_path(params, divide), f)
    }

    fn divided(&self, weights: &Tensor, path: &str, update_stats: bool) -> Result<Tensor> {
        if weights.rank() < 2 || self.n_steps == 0 {
            return Ok(weights.clone());
        }
        if weights.rank() > 2 && self.error_on_non_matrix {
            return Err(Error::shape(
                Self::NAME,
                format!("`{path}` {}", weights.aval()),
                "weights of two axes",
            ));
        }
        let columns = weights.shape()[weights.rank() - 1];
        let matrix =
            weights.try_reshape([weights.shape()[..weights.rank() - 1].iter().product(), columns])?;
        let start = || random::try_normal_of(&self.make_rng("params")?, [1, columns], self.param_dtype);
        let average_u = self.variable(&self.collection_name, &format!("{path}/u"), start)?;
        let one = || Ok::<_, Error>(Tensor::ones_of([], self.param_dtype));
        let average_sigma = self.variable(&self.collection_name, &format!("{path}/sigma"), one)?;

        // Power iteration on WᵀW: u comes nearer to the first right singular vector with each step, v = W·u to the left one.
        let transposed = matrix.try_transpose([1, 0])?;
        let (mut u, mut v) = (average_u.try_get()?, None);
        for _ in 0..self.n_steps {
            let next = l2_normalized(&u.try_dot(&transposed)?, self.epsilon)?;
            u = l2_normalized(&next.try_dot(&matrix)?, self.epsilon)?;
            v = Some(next);
        }
        let (u, v) = (u.stop_gradient(), v.unwrap_or(u).stop_gradient());
        let sigma = v.try_dot(&matrix)?.try_dot(&u.try_transpose([1, 0])?)?.try_reshape(())?;
        // A matrix of zeros stays one.
        let divisor = sigma.try_ne(sigma.like(0.0))?.try_select(&sigma, sigma.like(1.0))?;
        if update_stats {
            average_u.set(&u)?;
            average_sigma.set(&sigma)?;
        }
        let dtype = compute_dtype(Self::NAME, self.dtype, [weights, &u, &v, &sigma])?;
        matrix.try_div(divisor)?.try_reshape(weights.shape())?.try_cast(dtype)
    }
}

/// More than any matrix needs: each step is two products, and part of a compiled program.
const MOST_STEPS: usize = 10_000;

/// A vector of length 1.
fn l2_normalized(x: &Tensor, epsilon: f64) -> Result<Tensor> {
    x.try_mul((x.try_square()?.try_sum()? + epsilon).try_rsqrt()?)
}
