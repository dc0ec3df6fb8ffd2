//! `DenseGeneral`: a linear layer over any axes.

use super::arguments::{AxisList, Sizes};
use super::function::{DotGeneralFn, PromoteDtypeFn};
use super::injected::{DotGeneralCls, product_of};
use super::precision::promoted;
use super::support::{add_bias, bias_param};
use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::core::op::DotDimensions;
use crate::core::precision::OperandPrecision;
use crate::error::{Error, Result};
use crate::module::{Layer, Module};
use crate::ops::dot_general::DotOptions;
use crate::ops::saturating_size;
use crate::scope::Initializer;
use crate::variables::Value;
use crate::{compact, init, module};

/// A linear layer that sums over the axes in `axis` and makes the axes in `features`: `y = x·W + b`.
///
/// The output has the batch axes, then what is left of the input's axes, then `features`. Along `batch_dims`, each index has
/// a kernel and a bias of its own.
///
/// # Parameters
/// - `kernel`: the sizes of the batch axes, then of those summed over, then `features`. It begins as a matrix would that
///   has the batch and the inputs as rows, and the outputs as columns.
/// - `bias`: the sizes of the batch axes, then `features`; unless `use_bias` is false.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::DenseGeneral;
///
/// // The features of 8 heads, out of one axis and back.
/// let x = Tensor::ones([2, 10, 32]);
/// let heads = DenseGeneral::new([8, 4]).init_with_output(key(0)).call(&x)?.0;
/// assert_eq!(heads.shape(), [2, 10, 8, 4]);
/// let y = DenseGeneral::new(32).axis([-2, -1]).init_with_output(key(0)).call(&heads)?.0;
/// assert_eq!(y.shape(), [2, 10, 32]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As `flax.linen.DenseGeneral`.
#[module]
pub struct DenseGeneral {
    /// The sizes of the new axes.
    #[module(into)]
    pub features: Sizes,
    /// The axes that are summed over, in any order; the last one by default.
    #[module(into, default = AxisList::from(-1))]
    pub axis: AxisList,
    /// Axes that are carried along: the first ones, 0, 1, ..; none by default.
    #[module(into, default = AxisList::from([]))]
    pub batch_dims: AxisList,
    /// Whether a bias is added.
    #[module(default = true)]
    pub use_bias: bool,
    /// The dtype of the computation; by default that of the mixture of input and parameters.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype the parameters begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// How the kernel begins.
    #[module(into, default = init::lecun_normal())]
    pub kernel_init: Initializer,
    /// How the bias begins.
    #[module(into, default = init::zeros())]
    pub bias_init: Initializer,
    /// How exactly an accelerator is to compute the product; see [`Precision`](crate::Precision), on which no number depends here.
    #[module(into, default = OperandPrecision::Unsaid)]
    pub precision: OperandPrecision,
    /// What brings input and parameters to the dtype of the computation, in place of [`promote_dtype`](crate::nn::promote_dtype).
    #[module(default)]
    pub promote_dtype: Option<PromoteDtypeFn>,
    /// The product that is computed in place of [`Tensor::try_dot_general_with`], which is what `None` stands for.
    #[module(default)]
    pub dot_general: Option<DotGeneralFn>,
    /// What makes the product for each call, perhaps as a submodule; it goes before `dot_general`.
    #[module(default)]
    pub dot_general_cls: Option<DotGeneralCls>,
}

impl Layer for DenseGeneral {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let axes = self.axis.ascending(Self::NAME, x.rank())?;
        let batch = self.batch_axes(x.rank())?;
        let sizes = |axes: &[usize]| axes.iter().map(|&axis| x.shape()[axis]).collect::<Shape>();
        let (batch_sizes, inputs) = (sizes(&batch), sizes(&axes));
        let (batch_size, units) = (saturating_size(&batch_sizes), saturating_size(&self.features));

        let kernel_shape = [&batch_sizes[..], &inputs, &self.features].concat();
        let flat = [batch_size.saturating_mul(saturating_size(&inputs)), units];
        let kernel =
            self.param_of("kernel", flattened(&self.kernel_init, &flat), kernel_shape, self.param_dtype)?;
        let bias_shape = [&batch_sizes[..], &self.features].concat();
        let flat = [batch_size.saturating_mul(units)];
        let bias_init = self.use_bias.then(|| flattened(&self.bias_init, &flat));
        let bias = bias_param(self, bias_init, bias_shape, self.param_dtype)?;

        let (of_batch, of_inputs) =
            ((0..batch.len()).collect(), (batch.len()..batch.len() + axes.len()).collect());
        let left = (0..x.rank()).filter(|axis| !axes.contains(axis));
        let spread = left.map(|axis| if batch.contains(&axis) { x.shape()[axis] } else { 1 });
        let bias_spread: Vec<usize> = spread.chain(self.features.iter().copied()).collect();
        let dimensions =
            DotDimensions { contracting: (axes.clone(), of_inputs), batch: (batch.clone(), of_batch) };
        let (promote, tensors) = (self.promote_dtype.as_ref(), (x, &kernel, bias.as_ref()));
        let (x, kernel, bias) = promoted(Self::NAME, promote, self.dtype, tensors)?;
        let given = (self.dot_general_cls.as_ref(), self.dot_general.as_ref());
        let options = DotOptions::new().precision(self.precision.clone());
        let y = product_of(self, given, (&x, &kernel), &dimensions, &options)?;
        let bias = bias.map(|bias| bias.try_reshape(bias_spread)).transpose()?;
        add_bias(y, bias.as_ref())
    }
}

impl DenseGeneral {
    fn batch_axes(&self, rank: usize) -> Result<Shape> {
        let axes = self.batch_dims.ascending(Self::NAME, rank)?;
        if axes.iter().copied().eq(0..axes.len()) {
            return Ok(axes);
        }
        let message =
            format!("expects the first axes 0, 1, .. as `batch_dims`, found {:?}", self.batch_dims.0);
        Err(Error::argument(Self::NAME, message))
    }
}

/// An initializer that makes its value under another shape of as many elements.
fn flattened(init: &Initializer, flat: &[usize]) -> Initializer {
    let (init, flat) = (init.clone(), flat.to_vec());
    Initializer::new(move |key, shape, dtype| reshaped(&init.value(key, &flat, dtype)?, shape))
}

/// The tensor with a shape, in the box that it may be in.
fn reshaped(value: &Value, shape: &[usize]) -> Result<Value> {
    match value {
        Value::Boxed(boxed) => Ok(Value::Boxed(boxed.replace(reshaped(boxed.value(), shape)?))),
        value => Ok(value.tensor()?.try_reshape(shape)?.into()),
    }
}
