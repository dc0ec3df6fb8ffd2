//! `SimpleCell`: the recurrent cell without gates.

use super::cell::{Cell, projections, state_shape};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::nn::function::ActivationFn;
use crate::nn::support::features_of;
use crate::random::Key;
use crate::scope::Initializer;
use crate::{compact, init, module};

/// The recurrent cell without gates: `h' = a(x·W_i + b_i + h·W_h)`, where `a` is `activation_fn`.
///
/// If `residual` is true, `h' = a(x·W_i + b_i + h·W_h + h)`. The input is `[batch.., inputs]`, the carry `h` is
/// `[batch.., features]`, and the output is `h'`.
///
/// # Parameters
/// - `i`: a `kernel` `[inputs, features]` and a `bias` `[features]`.
/// - `h`: a `kernel` `[features, features]`.
///
/// ```
/// use flaxen::nn::{Rnn, SimpleCell};
/// use flaxen::prelude::*;
///
/// let rnn = Rnn::new(SimpleCell::new(4).activation_fn(Tensor::relu));
/// let (y, variables) = rnn.init_with_output(key(0)).call(&Tensor::ones([2, 5, 3]))?;
/// assert_eq!(y.shape(), [2, 5, 4]);
/// assert_eq!(variables.tensor("params/cell/h/kernel")?.shape(), [4, 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// In halves, by `dtype`, the next state is a half, too, unless `residual` adds an `F32` to it: a state that begins as an
/// `F32`, as it does by `param_dtype`, then changes its dtype, which [`Rnn`](crate::nn::Rnn) refuses, as does Flax.
///
/// Elman, *Finding structure in time*, 1990, and for the residual Yue et al., arXiv:1801.06105; as
/// `flax.linen.SimpleCell`.
#[module]
pub struct SimpleCell {
    /// The features of the first state; later ones have those of the state before.
    pub features: usize,
    /// What is applied to the sum.
    #[module(into, default = ActivationFn::new(Tensor::tanh))]
    pub activation_fn: ActivationFn,
    /// How the kernel of the input begins.
    #[module(into, default = init::lecun_normal())]
    pub kernel_init: Initializer,
    /// How the kernel of the state begins.
    #[module(into, default = init::orthogonal(1.0, -1))]
    pub recurrent_kernel_init: Initializer,
    /// How the bias begins.
    #[module(into, default = init::zeros())]
    pub bias_init: Initializer,
    /// The dtype of the products; by default that of the mixture of input and parameters.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype that parameters and state begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// How the state begins.
    #[module(into, default = init::zeros())]
    pub carry_init: Initializer,
    /// Whether the state is added to the sum.
    #[module(default = false)]
    pub residual: bool,
}

impl Cell for SimpleCell {
    type Carry = Tensor;

    #[compact]
    fn call(&self, carry: Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (of_x, of_h) = projections!(self, features_of(Self::NAME, &carry)?);
        let from_x = self.child_named("i", of_x.with_bias(&self.bias_init)).call(x)?;
        let from_h = self.child_named("h", of_h.without_bias()).call(&carry)?;
        let mut sum = from_x.try_add(from_h)?;
        if self.residual {
            sum = sum.try_add(&carry)?;
        }
        let h = self.activation_fn.call(&sum)?;
        Ok((h.clone(), h))
    }

    fn initial_carry(&self, key: &Key, input: &[usize]) -> Result<Tensor> {
        let shape = state_shape(Self::NAME, input, 1, self.features)?;
        self.carry_init.tensor(key, &shape, self.param_dtype)
    }
}
