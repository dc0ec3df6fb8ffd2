//! `Einsum`: a linear layer by an einsum equation.

use super::arguments::Sizes;
use super::function::PromoteDtypeFn;
use super::precision::promoted;
use super::support::{add_bias, bias_param, merge_param};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::precision::OperandPrecision;
use crate::error::{Error, Result};
use crate::module::{Layer, Module};
use crate::ops::dot_general::DotOptions;
use crate::scope::Initializer;
use crate::{compact, init, module, try_einsum_with};

/// A linear layer by an einsum equation of the input and a kernel: `y = einsum(equation, x, W) + b`.
///
/// # Parameters
/// - `kernel`: `shape`.
/// - `bias`: the axes of the kernel that the result has, too, in the order they have there; unless `use_bias` is false.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::Einsum;
///
/// let layer = Einsum::new([32, 8, 4]).einsum_str("btd,dhk->bthk");
/// let (y, variables) = layer.init_with_output(key(0)).call(&Tensor::ones([2, 10, 32]))?;
/// assert_eq!(y.shape(), [2, 10, 8, 4]);
/// assert_eq!(variables.tensor("params/bias")?.shape(), [8, 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As `flax.linen.Einsum`.
#[module]
pub struct Einsum {
    /// The shape of the kernel.
    #[module(into)]
    pub shape: Sizes,
    /// The equation, for calls that do not give one: `inputs,kernel->result`.
    #[module(default)]
    pub einsum_str: Option<String>,
    /// Whether a bias is added.
    #[module(default = true)]
    pub use_bias: bool,
    /// The dtype of the computation; by default that of the mixture of input and parameters.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype the parameters begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// How exactly an accelerator is to compute the product; see [`Precision`](crate::Precision), on which no number depends here.
    #[module(into, default = OperandPrecision::Unsaid)]
    pub precision: OperandPrecision,
    /// How the kernel begins.
    #[module(into, default = init::lecun_normal())]
    pub kernel_init: Initializer,
    /// How the bias begins.
    #[module(into, default = init::zeros())]
    pub bias_init: Initializer,
    /// What brings input and parameters to the dtype of the computation, in place of [`promote_dtype`](crate::nn::promote_dtype).
    #[module(default)]
    pub promote_dtype: Option<PromoteDtypeFn>,
    /// The dtype that products are summed in; by default the dtype of the computation.
    #[module(default)]
    pub preferred_element_type: Option<DType>,
}

impl Einsum {
    /// As [`call`](Layer::call), with an equation that the constructor was not given.
    ///
    /// # Errors
    /// If the equation is not one of two operands and a result, or does not fit; if the constructor was given one, too.
    #[compact]
    pub fn call_with(&self, x: &Tensor, einsum_str: &str) -> Result<Tensor> {
        self.einsum(x, Some(einsum_str))
    }

    fn einsum(&self, x: &Tensor, equation: Option<&str>) -> Result<Tensor> {
        let equation = merge_param("einsum_str", self.einsum_str.as_deref(), equation)?.replace(' ', "");
        let parts = equation.split_once("->").and_then(|(operands, result)| {
            let (input, kernel) = operands.split_once(',').filter(|(_, kernel)| !kernel.contains(','))?;
            Some((input, kernel, result))
        });
        let Some((input, kernel_labels, result)) = parts else {
            let message =
                format!("expects an equation `inputs,kernel->result` of two operands, found {equation:?}");
            return Err(Error::argument(Self::NAME, message));
        };
        let kernel = self.param_of("kernel", &self.kernel_init, &*self.shape, self.param_dtype)?;
        let spread = bias_sizes(result, (input, x.rank()), (kernel_labels, &self.shape));
        let sizes: Vec<usize> = spread.iter().flatten().copied().collect();
        let bias_init = self.use_bias.then_some(&self.bias_init);
        let bias = bias_param(self, bias_init, sizes, self.param_dtype)?;

        let (promote, tensors) = (self.promote_dtype.as_ref(), (x, &kernel, bias.as_ref()));
        let (x, kernel, bias) = promoted(Self::NAME, promote, self.dtype, tensors)?;
        let options = DotOptions::new()
            .precision(self.precision.clone())
            .preferred_element_type(self.preferred_element_type);
        let y = try_einsum_with(&equation, &[&x, &kernel], &options)?;
        let spread: Vec<usize> = spread.into_iter().map(|size| size.unwrap_or(1)).collect();
        let bias = bias.map(|bias| bias.try_reshape(spread)).transpose()?;
        add_bias(y, bias.as_ref())
    }
}

impl Layer for Einsum {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.einsum(x, None)
    }
}

/// An axis of an operand: a letter's, or one of an ellipsis, counted from its end.
#[derive(Clone, Copy, PartialEq)]
enum AxisLabel {
    Letter(char),
    Ellipsis(usize),
}

/// The sizes of the result's axes that the kernel has, too.
fn bias_sizes(
    result: &str,
    (input, rank): (&str, usize),
    (kernel, shape): (&str, &[usize]),
) -> Vec<Option<usize>> {
    let kernel_dots = dots(kernel, shape.len());
    let kernel = labels(kernel, kernel_dots);
    let result = labels(result, dots(input, rank).max(kernel_dots));
    let size = |label: &AxisLabel| shape.get(kernel.iter().position(|other| other == label)?).copied();
    result.iter().map(size).collect()
}

/// How many axes the ellipsis of an operand stands for.
fn dots(operand: &str, rank: usize) -> usize {
    rank.saturating_sub(operand.chars().filter(|&letter| letter != '.').count())
}

fn labels(operand: &str, dots: usize) -> Vec<AxisLabel> {
    let letters = |text: &str| text.chars().map(AxisLabel::Letter).collect::<Vec<_>>();
    match operand.split_once("...") {
        None => letters(operand),
        Some((before, after)) => {
            let middle = (0..dots).rev().map(AxisLabel::Ellipsis).collect();
            [letters(before), middle, letters(after)].concat()
        }
    }
}
