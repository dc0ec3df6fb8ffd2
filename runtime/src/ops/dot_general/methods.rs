//! `dot_general` as a method, and what products may be told.

use super::DotGeneral;
use crate::array::DType;
use crate::core::Tensor;
use crate::core::op::DotDimensions;
use crate::core::precision::OperandPrecision;
use crate::core::trace::bind1;
use crate::error::{Error, Result};

/// What products may be told beside their operands, as the keywords of `jax.numpy.dot`, `matmul`, `einsum` and `jax.lax.dot_general`.
///
/// ```
/// use flaxen::DotOptions;
/// use flaxen::prelude::*;
/// let x = Tensor::of([100, 100, 100], DType::I8);
/// let options = DotOptions::new().precision("highest").preferred_element_type(DType::I32);
/// assert_eq!(x.dot_with(&x, &options).item::<i32>()?, 30_000);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct DotOptions {
    /// How exactly an accelerator is to compute it; see [`Precision`](crate::Precision), on which no number depends here.
    pub precision: OperandPrecision,
    /// The dtype that is summed in, and that the result has; by default that of the operands.
    pub preferred_element_type: Option<DType>,
}

impl DotOptions {
    /// Nothing special.
    pub fn new() -> DotOptions {
        DotOptions::default()
    }

    /// Sets how exactly an accelerator is to compute it: a [`Precision`](crate::Precision), one of JAX's names, or a pair of either.
    #[must_use]
    pub fn precision(self, precision: impl Into<OperandPrecision>) -> DotOptions {
        DotOptions { precision: precision.into(), ..self }
    }

    /// Sets the dtype that is summed in, and that the result has.
    #[must_use]
    pub fn preferred_element_type(self, dtype: impl Into<Option<DType>>) -> DotOptions {
        DotOptions { preferred_element_type: dtype.into(), ..self }
    }
}

/// # General products
impl Tensor {
    /// Contracts any dimensions of two tensors of one dtype; see [`DotDimensions`].
    ///
    /// `BF16` and `F16` are summed in `F32` and rounded once. Of booleans it says where any pair is true.
    ///
    /// # Errors
    /// If dimensions are named twice or out of range, sizes or dtypes differ.
    #[track_caller]
    pub fn try_dot_general(&self, other: &Tensor, dimensions: DotDimensions) -> Result<Tensor> {
        product_of(self, other, dimensions, &OperandPrecision::Unsaid)
    }

    /// As [`try_dot_general`](Tensor::try_dot_general), of a precision, and summed in a dtype.
    ///
    /// A dtype to sum in that does not hold all numbers of the operands is what floats are rounded to in the end.
    ///
    /// # Errors
    /// As [`try_dot_general`](Tensor::try_dot_general); if the precision is unknown, or the dtype to sum in neither holds the numbers of
    /// the operands nor is one of floats, as theirs are.
    #[track_caller]
    pub fn try_dot_general_with(
        &self,
        other: &Tensor,
        dimensions: DotDimensions,
        options: &DotOptions,
    ) -> Result<Tensor> {
        let operands = [self.clone(), other.clone()];
        let (summed, [lhs, rhs]) = SummedIn::of("dot_general", options.preferred_element_type, operands)?;
        summed.finish(product_of(&lhs, &rhs, dimensions, &options.precision)?)
    }

    /// As [`try_dot_general`](Tensor::try_dot_general), summed in a dtype that the result then has: `preferred_element_type` in JAX.
    ///
    /// ```
    /// use flaxen::core::op::DotDimensions;
    /// use flaxen::prelude::*;
    /// let x = Tensor::of([100, 100, 100], DType::I8);
    /// let dimensions = DotDimensions { contracting: ([0][..].into(), [0][..].into()), ..Default::default() };
    /// assert_eq!(x.try_dot_general_of(&x, dimensions, DType::I32)?.item::<i32>()?, 30_000);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`try_dot_general_with`](Tensor::try_dot_general_with).
    #[track_caller]
    pub fn try_dot_general_of(
        &self,
        other: &Tensor,
        dimensions: DotDimensions,
        dtype: DType,
    ) -> Result<Tensor> {
        self.try_dot_general_with(other, dimensions, &DotOptions::new().preferred_element_type(dtype))
    }

    /// As [`try_dot_general`](Tensor::try_dot_general).
    ///
    /// # Panics
    /// If dimensions are named twice or out of range, sizes or dtypes differ.
    #[doc(alias = "batch_matmul")]
    #[track_caller]
    pub fn dot_general(&self, other: &Tensor, dimensions: DotDimensions) -> Tensor {
        crate::error::unwrap(self.try_dot_general(other, dimensions))
    }

    /// As [`try_dot_general_with`](Tensor::try_dot_general_with).
    ///
    /// # Panics
    /// As that fails.
    #[track_caller]
    pub fn dot_general_with(
        &self,
        other: &Tensor,
        dimensions: DotDimensions,
        options: &DotOptions,
    ) -> Tensor {
        crate::error::unwrap(self.try_dot_general_with(other, dimensions, options))
    }
}

/// What becomes of a product that is to be summed in a dtype: the one it is rounded to, if it was not computed in that.
pub(crate) struct SummedIn(Option<DType>);

impl SummedIn {
    /// The operands in the dtype that is asked for, or as they are if floats are to be rounded in the end.
    #[track_caller]
    pub fn of<const N: usize>(
        op: &'static str,
        asked: Option<DType>,
        operands: [Tensor; N],
    ) -> Result<(SummedIn, [Tensor; N])> {
        let Some(dtype) = asked else { return Ok((SummedIn(None), operands)) };
        if operands.iter().all(|operand| operand.dtype().promote(dtype) == dtype) {
            let mut wide = operands;
            for operand in &mut wide {
                *operand = operand.try_cast(dtype)?;
            }
            return Ok((SummedIn(None), wide));
        }
        if dtype.is_float() && operands.iter().all(|operand| operand.dtype().is_float()) {
            return Ok((SummedIn(Some(dtype)), operands));
        }
        let dtypes: Vec<String> = operands.iter().map(|operand| operand.dtype().to_string()).collect();
        let found = format!("{} summed in {dtype}", dtypes.join(" and "));
        Err(Error::dtype(op, found, "a dtype that holds the numbers of both"))
    }

    /// The product, rounded if it is to be.
    #[track_caller]
    pub fn finish(self, product: Tensor) -> Result<Tensor> {
        self.0.map_or_else(|| Ok(product.clone()), |dtype| product.try_cast(dtype))
    }
}

/// The product of two tensors of one dtype, of any kind of numbers.
#[track_caller]
pub(in crate::ops) fn product_of(
    lhs: &Tensor,
    rhs: &Tensor,
    dimensions: DotDimensions,
    precision: &OperandPrecision,
) -> Result<Tensor> {
    if (lhs.dtype(), rhs.dtype()) == (DType::Bool, DType::Bool) {
        // Any of the pairs: a sum of ones, which may be rounded, but not to 0.
        let [lhs, rhs] = [lhs.try_cast(DType::F32)?, rhs.try_cast(DType::F32)?];
        let product = product_of(&lhs, &rhs, dimensions, precision)?;
        return product.try_ne(product.like(0.0));
    }
    if lhs.dtype().is_complex() && rhs.dtype().is_complex() {
        return crate::ops::complex::dot_general(lhs, rhs, &dimensions, precision);
    }
    bind1(&DotGeneral(dimensions, precision.resolve("dot_general")?), [lhs.clone(), rhs.clone()])
}
