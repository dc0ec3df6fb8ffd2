//! `GruCell`: the gated recurrent unit.

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

/// The gated recurrent unit: one gate resets the state that is read, another one keeps the state there was.
///
/// With `σ` for `gate_fn` and `a` for `activation_fn`:
///
/// ```text
/// r = σ(x·W_ir + b_ir + h·W_hr)
/// z = σ(x·W_iz + b_iz + h·W_hz)
/// n = a(x·W_in + b_in + r·(h·W_hn + b_hn))
/// h' = (1 − z)·n + z·h
/// ```
///
/// The input is `[batch.., inputs]`, the carry `h` is `[batch.., features]`, and the output is `h'`.
///
/// # Parameters
/// - `ir`, `iz`, `in`: a `kernel` `[inputs, features]` and a `bias` `[features]` each.
/// - `hr`, `hz`: a `kernel` `[features, features]` each.
/// - `hn`: a `kernel` `[features, features]` and a `bias` `[features]`.
///
/// ```
/// use flaxen::nn::{GruCell, Rnn};
/// use flaxen::prelude::*;
///
/// let (y, variables) = Rnn::new(GruCell::new(4)).init_with_output(key(0)).call(&Tensor::ones([2, 5, 3]))?;
/// assert_eq!(y.shape(), [2, 5, 4]);
/// assert_eq!(variables.tensor("params/cell/hn/bias")?.shape(), [4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Cho et al., arXiv:1406.1078, with the reset gate behind the product; as `flax.linen.GRUCell`.
#[module(name = "GRUCell")]
pub struct GruCell {
    /// The features of the first state; later ones have those of the state before.
    pub features: usize,
    /// What makes gates of sums.
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
    /// How the biases begin.
    #[module(into, default = init::zeros())]
    pub bias_init: Initializer,
    /// The dtype of the products; by default that of the mixture of input and parameters. The state keeps its own.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype that parameters and state begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// How the state begins.
    #[module(into, default = init::zeros())]
    pub carry_init: Initializer,
}

impl Cell for GruCell {
    type Carry = Tensor;

    #[compact]
    fn call(&self, carry: Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let h = carry;
        let (of_x, of_h) = projections!(self, features_of(Self::NAME, &h)?);
        let from_x = |name: &str| self.child_named(name, of_x.with_bias(&self.bias_init)).call(x);
        let gate = |of_x: &str, of_state: &str| {
            let from_x = from_x(of_x)?;
            let from_h = self.child_named(of_state, of_h.without_bias()).call(&h)?;
            self.gate_fn.call(&from_x.try_add(from_h)?)
        };
        let (r, z) = (gate("ir", "hr")?, gate("iz", "hz")?);
        let new = from_x("in")?;
        // Between the two products there is a gate, so each has a bias of its own.
        let state = self.child_named("hn", of_h.with_bias(&self.bias_init)).call(&h)?;
        let n = self.activation_fn.call(&new.try_add(r.try_mul(state)?)?)?;
        let h = interpolate(&z, &n, &h)?;
        Ok((h.clone(), h))
    }

    fn initial_carry(&self, key: &Key, input: &[usize]) -> Result<Tensor> {
        let shape = state_shape(Self::NAME, input, 1, self.features)?;
        self.carry_init.tensor(key, &shape, self.param_dtype)
    }
}
