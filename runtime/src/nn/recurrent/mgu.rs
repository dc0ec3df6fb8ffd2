//! `MguCell`: the minimal gated unit.

use super::cell::{Cell, interpolate, projections, state_shape};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::nn::function::ActivationFn;
use crate::nn::support::features_of;
use crate::random::Key;
use crate::scope::Initializer;
use crate::{compact, init, module};

/// The minimal gated unit: one gate both resets the state that is read and keeps the state there was.
///
/// With `σ` for `gate_fn` and `a` for `activation_fn`:
///
/// ```text
/// f = σ(x·W_if + b_if + h·W_hf)
/// n = a(x·W_in + b_in + f·(h·W_hn + b_hn))
/// h' = (1 − f)·n + f·h
/// ```
///
/// Unless `reset_gate` is true, `n = a(x·W_in + b_in + h·W_hn)`. The input is `[batch.., inputs]`, the carry `h` is
/// `[batch.., features]`, and the output is `h'`.
///
/// # Parameters
/// - `if`, `in`: a `kernel` `[inputs, features]` and a `bias` `[features]` each.
/// - `hf`: a `kernel` `[features, features]`.
/// - `hn`: a `kernel` `[features, features]`, and a `bias` `[features]` if `reset_gate` is true.
///
/// ```
/// use flaxen::nn::{MguCell, Rnn};
/// use flaxen::prelude::*;
///
/// let (y, variables) = Rnn::new(MguCell::new(4)).init_with_output(key(0)).call(&Tensor::ones([2, 5, 3]))?;
/// assert_eq!(y.shape(), [2, 5, 4]);
/// // The gate is open in the beginning (Jozefowicz et al., 2015).
/// assert_eq!(variables.tensor("params/cell/if/bias")?.to_vec::<f32>()?, [1.0; 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Zhou et al., arXiv:1603.09420; as `flax.linen.MGUCell`.
#[module(name = "MGUCell")]
pub struct MguCell {
    /// The features of the first state; later ones have those of the state before.
    pub features: usize,
    /// What makes the gate of a sum.
    #[module(into, default = ActivationFn::new(Tensor::sigmoid))]
    pub gate_fn: ActivationFn,
    /// What is applied to what is let in.
    #[module(into, default = ActivationFn::new(Tensor::tanh))]
    pub activation_fn: ActivationFn,
    /// How the kernels of the input begin.
    #[module(into, default = init::lecun_normal())]
    pub kernel_init: Initializer,
    /// How the kernels of the state begin.
    #[module(into, default = init::orthogonal(1.0, -1))]
    pub recurrent_kernel_init: Initializer,
    /// How the bias of the gate begins.
    #[module(into, default = init::ones())]
    pub forget_bias_init: Initializer,
    /// How the other biases begin.
    #[module(into, default = init::zeros())]
    pub activation_bias_init: Initializer,
    /// The dtype of the products; by default that of the mixture of input and parameters. The state keeps its own.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype that parameters and state begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// How the state begins.
    #[module(into, default = init::zeros())]
    pub carry_init: Initializer,
    /// Whether the gate resets the state that is read.
    #[module(default = true)]
    pub reset_gate: bool,
}

impl Cell for MguCell {
    type Carry = Tensor;

    #[compact]
    fn call(&self, carry: Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let h = carry;
        let (of_x, of_h) = projections!(self, features_of(Self::NAME, &h)?);
        let from_x = self.child_named("if", of_x.with_bias(&self.forget_bias_init)).call(x)?;
        let from_h = self.child_named("hf", of_h.without_bias()).call(&h)?;
        let f = self.gate_fn.call(&from_x.try_add(from_h)?)?;
        let state = if self.reset_gate {
            // Between the two products there is a gate, so each has a bias of its own.
            self.child_named("hn", of_h.with_bias(&self.activation_bias_init)).call(&h)?.try_mul(&f)?
        } else {
            self.child_named("hn", of_h.without_bias()).call(&h)?
        };
        let new = self.child_named("in", of_x.with_bias(&self.activation_bias_init)).call(x)?;
        let n = self.activation_fn.call(&new.try_add(state)?)?;
        let h = interpolate(&f, &n, &h)?;
        Ok((h.clone(), h))
    }

    fn initial_carry(&self, key: &Key, input: &[usize]) -> Result<Tensor> {
        let shape = state_shape(Self::NAME, input, 1, self.features)?;
        self.carry_init.tensor(key, &shape, self.param_dtype)
    }
}
