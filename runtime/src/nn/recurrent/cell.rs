//! `Cell`: one step of a recurrent network, and what the cells have in common.

use std::sync::Arc;

use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::module::Module;
use crate::nn::Dense;
use crate::random::Key;
use crate::scope::Initializer;
use crate::tree::Tree;

/// One step of a recurrent network: of a state and an input it makes the next state and an output.
///
/// [`Rnn`](crate::nn::Rnn) runs any cell over a sequence, also one of your own:
///
/// ```
/// use flaxen::nn::Rnn;
/// use flaxen::prelude::*;
/// use flaxen::random::Key;
///
/// /// Forgets a tenth of its state in each step.
/// #[module]
/// struct Leaky {
///     features: usize,
/// }
///
/// impl Cell for Leaky {
///     type Carry = Tensor;
///
///     #[compact]
///     fn call(&self, h: Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
///         let h = h * 0.9 + Dense::new(self.features).call(x)?.tanh();
///         Ok((h.clone(), h))
///     }
///
///     fn initial_carry(&self, _key: &Key, input: &[usize]) -> Result<Tensor> {
///         Ok(Tensor::zeros([input[0], self.features]))
///     }
/// }
///
/// let (y, variables) = Rnn::new(Leaky::new(4)).init_with_output(key(0)).call(&Tensor::ones([2, 7, 3]))?;
/// assert_eq!(y.shape(), [2, 7, 4]);
/// assert_eq!(variables.tensor("params/cell/Dense_0/kernel")?.shape(), [3, 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As `flax.linen.RNNCellBase`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a cell of a recurrent network",
    label = "not a cell",
    note = "implement it: `impl Cell for {Self}` with the type `Carry`, a `#[compact] fn call(&self, carry: Self::Carry, \
            x: &Tensor) -> Result<(Self::Carry, Tensor)>` and `initial_carry`"
)]
pub trait Cell: Module {
    /// The state: a tensor, a tuple, or any other tree of tensors whose first axes are those of the batch.
    type Carry: Tree + Clone + Send + Sync + 'static;

    /// One step: the next state, and the output.
    ///
    /// `x` is `[batch.., features..]` with as many axes of features as
    /// [`num_feature_axes`](Cell::num_feature_axes) says. The next state has the shapes and dtypes of `carry`.
    ///
    /// # Errors
    /// If state and input do not fit, or the cell is not part of a running model.
    fn call(&self, carry: Self::Carry, x: &Tensor) -> Result<(Self::Carry, Tensor)>;

    /// The state before the first step, for inputs of the shape `input`: `[batch.., features..]`.
    ///
    /// The cell need not be part of a running model.
    ///
    /// # Errors
    /// If the shape has fewer axes than a cell's input.
    fn initial_carry(&self, key: &Key, input: &[usize]) -> Result<Self::Carry>;

    /// How many of the last axes of an input are no axes of the batch; one, unless the input has spatial axes.
    fn num_feature_axes(&self) -> usize {
        1
    }
}

impl<C: Cell> Cell for Arc<C> {
    type Carry = C::Carry;

    fn call(&self, carry: C::Carry, x: &Tensor) -> Result<(C::Carry, Tensor)> {
        (**self).call(carry, x)
    }

    fn initial_carry(&self, key: &Key, input: &[usize]) -> Result<C::Carry> {
        (**self).initial_carry(key, input)
    }

    fn num_feature_axes(&self) -> usize {
        (**self).num_feature_axes()
    }
}

/// The shape of a state of some features for an input, which has at least `axes` axes.
pub(super) fn state_shape(
    class: &'static str,
    input: &[usize],
    axes: usize,
    features: usize,
) -> Result<Shape> {
    match input.split_last() {
        Some((_, leading)) if input.len() >= axes => Ok(leading.iter().copied().chain([features]).collect()),
        _ => {
            let found = format!("an input of shape {input:?}");
            Err(Error::shape(class, found, format!("[batch.., features..] with {axes} axes of features")))
        }
    }
}

/// The states `(c, h)` of cells with two of them, each begun with a key of its own.
pub(super) fn two_states(
    init: &Initializer,
    key: &Key,
    shape: &[usize],
    dtype: DType,
) -> Result<(Tensor, Tensor)> {
    let [of_c, of_h] = key.try_split()?;
    Ok((init.tensor(&of_c, shape, dtype)?, init.tensor(&of_h, shape, dtype)?))
}

/// What the linear layers of a cell that have one input in common share.
#[derive(Clone, Copy)]
pub(super) struct Projection<'a> {
    pub features: usize,
    pub kernel_init: &'a Initializer,
    pub dtype: Option<DType>,
    pub param_dtype: DType,
}

impl Projection<'_> {
    /// `x·W`.
    pub fn without_bias(self) -> Dense {
        Dense::new(self.features)
            .use_bias(false)
            .kernel_init(self.kernel_init)
            .dtype(self.dtype)
            .param_dtype(self.param_dtype)
    }

    /// `x·W + b`.
    pub fn with_bias(self, bias_init: &Initializer) -> Dense {
        self.without_bias().use_bias(true).bias_init(bias_init)
    }
}

/// The projections of the input and of the state of a cell.
macro_rules! projections {
    ($cell:expr, $features:expr) => {{
        let of_x = $crate::nn::recurrent::cell::Projection {
            features: $features,
            kernel_init: &$cell.kernel_init,
            dtype: $cell.dtype,
            param_dtype: $cell.param_dtype,
        };
        (of_x, $crate::nn::recurrent::cell::Projection { kernel_init: &$cell.recurrent_kernel_init, ..of_x })
    }};
}

pub(super) use projections;

/// `(1 − z)·n + z·h`: the gate `z` keeps the state `h`, and lets `n` in.
pub(super) fn interpolate(z: &Tensor, n: &Tensor, h: &Tensor) -> Result<Tensor> {
    (1.0 - z).try_mul(n)?.try_add(z.try_mul(h)?)
}

/// `(c', h')` of the gates of an LSTM: `c' = f·c + i·g` and `h' = o·a(c')`.
pub(super) fn remember(
    [i, f, g, o]: &[Tensor; 4],
    c: &Tensor,
    activation: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<((Tensor, Tensor), Tensor)> {
    let c = f.try_mul(c)?.try_add(i.try_mul(g)?)?;
    let h = o.try_mul(activation(&c)?)?;
    Ok(((c, h.clone()), h))
}
