//! `OptimizedLstmCell`: long short-term memory in two products.

use super::cell::{Cell, remember, state_shape, two_states};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::Module;
use crate::nn::function::ActivationFn;
use crate::nn::precision::layer_dtype;
use crate::nn::support::{add_bias, bias_param, features_of};
use crate::random::Key;
use crate::scope::Initializer;
use crate::{compact, init, module};

/// The gates in the order of their columns in the products.
const GATES: [&str; 4] = ["i", "f", "g", "o"];

/// [`LstmCell`](crate::nn::LstmCell) with the kernels of its four gates side by side: one product of the input, and one of the
/// state.
///
/// Formulas, shapes and parameters are those of `LstmCell`; its numbers differ by rounding only.
///
/// ```
/// use flaxen::nn::{LstmCell, OptimizedLstmCell, Rnn};
/// use flaxen::prelude::*;
///
/// let x = random::normal(&key(0), [2, 5, 3]);
/// let (y, variables) = Rnn::new(LstmCell::new(4)).init_with_output(key(1)).call(&x)?;
/// let optimized = Rnn::new(OptimizedLstmCell::new(4)).apply(&variables).call(&x)?;
/// assert!(optimized.all_close(&y, 1e-5, 1e-5)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As `flax.linen.OptimizedLSTMCell`.
#[module(name = "OptimizedLSTMCell")]
pub struct OptimizedLstmCell {
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

impl Cell for OptimizedLstmCell {
    type Carry = (Tensor, Tensor);

    #[compact]
    fn call(&self, carry: (Tensor, Tensor), x: &Tensor) -> Result<((Tensor, Tensor), Tensor)> {
        let (c, h) = carry;
        let features = features_of(Self::NAME, &h)?;
        let (mut of_x, mut of_h) = (Vec::with_capacity(4), Vec::with_capacity(4));
        for gate in GATES {
            let params = DenseParams::new(features).param_dtype(self.param_dtype);
            let kernel = params.clone().use_bias(false).kernel_init(&self.kernel_init);
            of_x.push(self.child_named(format!("i{gate}"), kernel).call(x)?);
            let kernel_and_bias = params.kernel_init(&self.recurrent_kernel_init).bias_init(&self.bias_init);
            of_h.push(self.child_named(format!("h{gate}"), kernel_and_bias).call(&h)?);
        }
        // What depends on the input alone is one product, which a loop over time can do for all steps at once.
        let from_h = concatenated(self.dtype, &h, of_h)?.try_split(GATES.len(), -1)?;
        let from_x = concatenated(self.dtype, x, of_x)?.try_split(GATES.len(), -1)?;
        let gate = |at: usize, activation: &ActivationFn| activation.call(&from_h[at].try_add(&from_x[at])?);
        let gates = [
            gate(0, &self.gate_fn)?,
            gate(1, &self.gate_fn)?,
            gate(2, &self.activation_fn)?,
            gate(3, &self.gate_fn)?,
        ];
        remember(&gates, &c, |c| self.activation_fn.call(c))
    }

    fn initial_carry(&self, key: &Key, input: &[usize]) -> Result<(Tensor, Tensor)> {
        let shape = state_shape(Self::NAME, input, 1, self.features)?;
        two_states(&self.carry_init, key, &shape, self.param_dtype)
    }
}

/// `x·[W₀ | W₁ | ..] + [b₀ | b₁ | ..]`.
fn concatenated(dtype: Option<DType>, x: &Tensor, params: Vec<(Tensor, Option<Tensor>)>) -> Result<Tensor> {
    let (kernels, biases): (Vec<Tensor>, Vec<Option<Tensor>>) = params.into_iter().unzip();
    let kernel = Tensor::try_concatenate(&kernels, -1)?;
    let biases: Vec<Tensor> = biases.into_iter().flatten().collect();
    let bias = if biases.is_empty() { None } else { Some(Tensor::try_concatenate(&biases, -1)?) };
    let dtype = layer_dtype("OptimizedLSTMCell", dtype, x, [&kernel].into_iter().chain(&bias))?;
    let y = x.try_cast(dtype)?.try_dot(&kernel.try_cast(dtype)?)?;
    add_bias(y, bias.map(|bias| bias.try_cast(dtype)).transpose()?.as_ref())
}

/// The parameters of a [`Dense`](crate::nn::Dense) without its product.
#[module]
struct DenseParams {
    features: usize,
    #[module(default = true)]
    use_bias: bool,
    #[module(default = DType::F32)]
    param_dtype: DType,
    #[module(into, default = init::lecun_normal())]
    kernel_init: Initializer,
    #[module(into, default = init::zeros())]
    bias_init: Initializer,
}

impl DenseParams {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<(Tensor, Option<Tensor>)> {
        let inputs = features_of("OptimizedLSTMCell", x)?;
        let kernel = self.param_of("kernel", &self.kernel_init, [inputs, self.features], self.param_dtype)?;
        let bias_init = self.use_bias.then_some(&self.bias_init);
        Ok((kernel, bias_param(self, bias_init, [self.features], self.param_dtype)?))
    }
}
