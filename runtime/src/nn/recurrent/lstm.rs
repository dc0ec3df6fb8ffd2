//! `LstmCell`: long short-term memory.

use super::cell::{Cell, projections, remember, state_shape, two_states};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::nn::function::ActivationFn;
use crate::nn::support::features_of;
use crate::random::Key;
use crate::scope::Initializer;
use crate::{compact, init, module};

/// Long short-term memory: a state `c` that three gates let in, keep and let out.
///
/// With `σ` for `gate_fn` and `a` for `activation_fn`:
///
/// ```text
/// i = σ(x·W_ii + h·W_hi + b_hi)
/// f = σ(x·W_if + h·W_hf + b_hf)
/// g = a(x·W_ig + h·W_hg + b_hg)
/// o = σ(x·W_io + h·W_ho + b_ho)
/// c' = f·c + i·g
/// h' = o·a(c')
/// ```
///
/// The input is `[batch.., inputs]`, the carry `(c, h)` of `[batch.., features]` each, and the output is `h'`.
/// [`OptimizedLstmCell`](crate::nn::OptimizedLstmCell) computes the same from the same parameters with two products in place
/// of eight.
///
/// # Parameters
/// - `ii`, `if`, `ig`, `io`: a `kernel` `[inputs, features]` each.
/// - `hi`, `hf`, `hg`, `ho`: a `kernel` `[features, features]` and a `bias` `[features]` each.
///
/// ```
/// use flaxen::nn::LstmCell;
/// use flaxen::prelude::*;
///
/// let (cell, x) = (LstmCell::new(4), Tensor::ones([2, 3]));
/// let carry = cell.initial_carry(&key(1), x.shape())?;
/// let variables = cell.init(key(0)).run(|cell| cell.call(carry.clone(), &x))?;
/// let ((c, h), y) = cell.apply(&variables).run(|cell| cell.call(carry.clone(), &x))?;
/// assert_eq!((c.shape(), h.shape(), y.shape()), (&[2, 4][..], &[2, 4][..], &[2, 4][..]));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Hochreiter and Schmidhuber, *Long short-term memory*, 1997; as `flax.linen.LSTMCell`.
#[module(name = "LSTMCell")]
pub struct LstmCell {
    /// The features of the first state; later ones have those of the state before.
    pub features: usize,
    /// What makes gates of sums.
    #[module(into, default = ActivationFn::new(Tensor::sigmoid))]
    pub gate_fn: ActivationFn,
    /// What is applied to what is let in, and to what is let out.
    #[module(into, default = ActivationFn::new(Tensor::tanh))]
    pub activation_fn: ActivationFn,
    /// How the kernels of the input begin.
    #[module(into, default = init::lecun_normal())]
    pub kernel_init: Initializer,
    /// How the kernels of the state begin.
    #[module(into, default = init::orthogonal(1.0, -1))]
    pub recurrent_kernel_init: Initializer,
    /// How the biases begin.
    #[module(into, default = init::zeros())]
    pub bias_init: Initializer,
    /// The dtype of the products; by default that of the mixture of input and parameters. States keep theirs.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype that parameters and states begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// How the states begin.
    #[module(into, default = init::zeros())]
    pub carry_init: Initializer,
}

impl Cell for LstmCell {
    type Carry = (Tensor, Tensor);

    #[compact]
    fn call(&self, carry: (Tensor, Tensor), x: &Tensor) -> Result<((Tensor, Tensor), Tensor)> {
        let (c, h) = carry;
        let (of_x, of_h) = projections!(self, features_of(Self::NAME, &h)?);
        let gate = |name: &str, activation: &ActivationFn| {
            let from_x = self.child_named(format!("i{name}"), of_x.without_bias()).call(x)?;
            let from_h = self.child_named(format!("h{name}"), of_h.with_bias(&self.bias_init)).call(&h)?;
            activation.call(&from_x.try_add(from_h)?)
        };
        let gates = [
            gate("i", &self.gate_fn)?,
            gate("f", &self.gate_fn)?,
            gate("g", &self.activation_fn)?,
            gate("o", &self.gate_fn)?,
        ];
        remember(&gates, &c, |c| self.activation_fn.call(c))
    }

    fn initial_carry(&self, key: &Key, input: &[usize]) -> Result<(Tensor, Tensor)> {
        let shape = state_shape(Self::NAME, input, 1, self.features)?;
        two_states(&self.carry_init, key, &shape, self.param_dtype)
    }
}
