//! `ConvLstmCell`: long short-term memory by convolutions.

use super::cell::{Cell, remember, state_shape, two_states};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::module::{Layer, Module};
use crate::nn::arguments::{Sizes, Steps};
use crate::nn::conv::{Conv, ConvPadding};
use crate::random::Key;
use crate::scope::Initializer;
use crate::{Padding, compact, init, module};

/// Long short-term memory whose products are convolutions, so that input, state and output have spatial axes.
///
/// With `∗` for a convolution:
///
/// ```text
/// i = σ(x ∗ W_ii + h ∗ W_hi + b_i)
/// f = σ(x ∗ W_if + h ∗ W_hf + b_f + 1)
/// g = tanh(x ∗ W_ig + h ∗ W_hg + b_g)
/// o = σ(x ∗ W_io + h ∗ W_ho + b_o)
/// c' = f·c + i·g
/// h' = o·tanh(c')
/// ```
///
/// The input is `[batch.., spatial.., channels]` with as many spatial axes as `kernel_size` has entries, the carry `(c, h)` of
/// `[batch.., spatial.., features]` each, and the output is `h'`. Convolutions that change the spatial sizes do not fit the state.
/// The 1 keeps the state in the beginning (Jozefowicz et al., 2015).
///
/// # Parameters
/// Both have their outputs in the order `i`, `g`, `f`, `o`.
/// - `ih`: a `kernel` `[kernel_size.., channels, 4·features]` and a `bias` `[4·features]`.
/// - `hh`: a `kernel` `[kernel_size.., features, 4·features]` and a `bias` `[4·features]`.
///
/// No biases if `use_bias` is false.
///
/// ```
/// use flaxen::nn::{ConvLstmCell, Rnn};
/// use flaxen::prelude::*;
///
/// let rnn = Rnn::new(ConvLstmCell::new(6, [3, 3]));
/// let (y, variables) = rnn.init_with_output(key(0)).call(&Tensor::ones([2, 5, 8, 8, 3]))?;
/// assert_eq!(y.shape(), [2, 5, 8, 8, 6]);
/// assert_eq!(variables.tensor("params/cell/ih/kernel")?.shape(), [3, 3, 3, 24]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Shi et al., arXiv:1506.04214; as `flax.linen.ConvLSTMCell`.
#[module(name = "ConvLSTMCell")]
pub struct ConvLstmCell {
    /// The channels of the state.
    pub features: usize,
    /// The size of the kernels along each spatial axis; one number is one axis.
    #[module(into)]
    pub kernel_size: Sizes,
    /// Steps between windows.
    #[module(into, default = Steps::All(1))]
    pub strides: Steps,
    /// What is put around input and state; by default as much as keeps their sizes.
    #[module(into, default = Padding::Same.into())]
    pub padding: ConvPadding,
    /// Whether biases are added.
    #[module(default = true)]
    pub use_bias: bool,
    /// The dtype of the convolutions; by default that of the mixture of input and parameters. States keep theirs.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype that parameters and states begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// How the states begin.
    #[module(into, default = init::zeros())]
    pub carry_init: Initializer,
}

impl Cell for ConvLstmCell {
    type Carry = (Tensor, Tensor);

    #[compact]
    fn call(&self, carry: (Tensor, Tensor), x: &Tensor) -> Result<((Tensor, Tensor), Tensor)> {
        let (c, h) = carry;
        let conv = Conv::new(self.features.saturating_mul(4), self.kernel_size.clone())
            .strides(self.strides.clone())
            .padding(self.padding.clone())
            .use_bias(self.use_bias)
            .dtype(self.dtype)
            .param_dtype(self.param_dtype);
        let from_x = self.child_named("ih", conv.clone()).call(x)?;
        let from_h = self.child_named("hh", conv).call(&h)?;
        let gates = from_x.try_add(from_h)?.try_split(4, -1)?;
        let [i, g, f, o] = &gates[..] else {
            return Err(Error::shape(Self::NAME, format!("{} gates", gates.len()), "4 gates"));
        };
        let gates = [i.try_sigmoid()?, (f + 1.0).try_sigmoid()?, g.try_tanh()?, o.try_sigmoid()?];
        remember(&gates, &c, Tensor::try_tanh)
    }

    fn initial_carry(&self, key: &Key, input: &[usize]) -> Result<(Tensor, Tensor)> {
        let shape = state_shape(Self::NAME, input, self.num_feature_axes(), self.features)?;
        two_states(&self.carry_init, key, &shape, self.param_dtype)
    }

    fn num_feature_axes(&self) -> usize {
        self.kernel_size.len() + 1
    }
}
