//! Products in the notation of sums: `einsum`, and what NumPy has names for.

mod contraction;
mod methods;
mod order;
mod parse;
#[cfg(test)]
mod tests;

use crate::array::{DType, Shape, promote};
use crate::core::Tensor;
use crate::core::op::DotDimensions;
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::numpy::einsum::contraction::{Label, Plan};
use crate::ops::dot_general::DotOptions;
use crate::ops::shape::{moved, permuted};
use crate::ops::slice;
use contraction::plan;

/// Sums products of the operands over the labels that the output does not have.
///
/// The notation is that of `numpy.einsum`: `"bij,bjk->bik"`, implicit outputs, `...` and repeated labels included. Any
/// number of operands; pairs are contracted in the order that needs the fewest operations. Booleans are joined by "or" and
/// "and" instead of sums and products.
///
/// ```
/// use flaxen::prelude::*;
///
/// let a = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(einsum("ij->j", &[&a]).to_vec::<f32>()?, [4.0, 6.0]);
/// assert_eq!(einsum("ij,kj->ik", &[&a, &a]).to_vec::<f32>()?, [5.0, 11.0, 11.0, 25.0]);
/// assert_eq!(einsum("ii", &[&a]).item::<f32>()?, 5.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Panics
/// If the string is malformed or does not fit the shapes.
#[track_caller]
pub fn einsum(subscripts: &str, operands: &[&Tensor]) -> Tensor {
    unwrap(try_einsum(subscripts, operands))
}

/// As [`einsum`].
///
/// # Errors
/// If the string is malformed or does not fit the shapes.
#[track_caller]
pub fn try_einsum(subscripts: &str, operands: &[&Tensor]) -> Result<Tensor> {
    try_einsum_with(subscripts, operands, &DotOptions::new())
}

/// As [`einsum`], of products that are told more: their precision, and the dtype they are summed in.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::{DotOptions, einsum_with};
/// let a = Tensor::ones([2, 3]);
/// let y = einsum_with("ij,kj->ik", &[&a, &a], &DotOptions::new().precision(("high", "default")));
/// assert_eq!(y.to_vec::<f32>()?, [3.0; 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Panics
/// As [`try_einsum_with`] fails.
#[track_caller]
pub fn einsum_with(subscripts: &str, operands: &[&Tensor], options: &DotOptions) -> Tensor {
    unwrap(try_einsum_with(subscripts, operands, options))
}

/// As [`einsum_with`].
///
/// # Errors
/// As [`try_einsum`]; if the precision is unknown, or the dtype to sum in neither holds the numbers of the operands nor is one of floats, as
/// theirs are.
#[track_caller]
pub fn try_einsum_with(subscripts: &str, operands: &[&Tensor], options: &DotOptions) -> Result<Tensor> {
    try_einsum_by(subscripts, operands, options, &|lhs, rhs, dimensions, options| {
        lhs.try_dot_general_with(rhs, dimensions.clone(), options)
    })
}

/// What computes a product of two operands.
pub(crate) type Product<'a> = &'a dyn Fn(&Tensor, &Tensor, &DotDimensions, &DotOptions) -> Result<Tensor>;

/// As [`try_einsum_with`], by a product of one's own.
#[track_caller]
pub(crate) fn try_einsum_by(
    subscripts: &str,
    operands: &[&Tensor],
    options: &DotOptions,
    product: Product<'_>,
) -> Result<Tensor> {
    let shapes: Vec<&[usize]> = operands.iter().map(|operand| operand.shape()).collect();
    let plan = plan(subscripts, &shapes).map_err(|error| Error::argument("einsum", error.to_string()))?;
    let (dtype, weak) = promote(operands.iter().map(|operand| operand.aval()));
    let rounded = options.preferred_element_type.unwrap_or(dtype);
    let mut values = Vec::with_capacity(plan.operands.len() + plan.steps.len());
    for (operand, tensor) in plan.operands.iter().zip(operands) {
        let tensor = crate::ops::convert(tensor, dtype, weak)?;
        values.push(Some(prepare(&tensor, operand)?));
    }
    for step in &plan.steps {
        let (Some(lhs), Some(rhs)) = (values[step.lhs].take(), values[step.rhs].take()) else {
            unreachable!("a value is used once")
        };
        let place =
            |labels: &[Label], label: Label| labels.iter().position(|&l| l == label).unwrap_or(labels.len());
        let sides =
            |of: &[Label], labels: Vec<Label>| labels.into_iter().map(|l| place(of, l)).collect::<Shape>();
        let (batch, contracted): (Vec<Label>, Vec<Label>) =
            (step.batch().collect(), step.contracted().collect());
        let dimensions = DotDimensions {
            contracting: (sides(&step.lhs_labels, contracted.clone()), sides(&step.rhs_labels, contracted)),
            batch: (sides(&step.lhs_labels, batch.clone()), sides(&step.rhs_labels, batch)),
        };
        values.push(Some(product(&lhs, &rhs, &dimensions, options)?));
    }
    match values.pop().flatten() {
        // Products may be of a dtype of their own; a single operand is no product.
        Some(result) if plan.steps.is_empty() => arranged(&result, &plan)?.try_cast(rounded),
        Some(result) => arranged(&result, &plan),
        None => unreachable!("the last step has a value"),
    }
}

/// Drops axes that broadcast, takes diagonals, sums what nobody else has.
#[track_caller]
fn prepare(tensor: &Tensor, operand: &contraction::Operand) -> Result<Tensor> {
    let kept = |axis: &usize| !operand.squeeze.contains(axis);
    let shape: Shape = (0..tensor.rank()).filter(kept).map(|axis| tensor.shape()[axis]).collect();
    let (mut x, mut labels) = (tensor.try_reshape(&shape)?, operand.axes.clone());
    while let Some((first, again)) = repeated(&labels) {
        x = diagonal(&x, first, again)?;
        labels.remove(again);
    }
    let summed: Shape = (0..labels.len()).filter(|&axis| operand.sum.contains(&labels[axis])).collect();
    total(&x, &summed)
}

fn repeated(labels: &[Label]) -> Option<(usize, usize)> {
    let later =
        |(i, label): (usize, &Label)| Some((i, i + 1 + labels[i + 1..].iter().position(|l| l == label)?));
    labels.iter().enumerate().find_map(later)
}

/// The sum, or of booleans whether any is true.
#[track_caller]
fn total(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    if x.dtype() != DType::Bool || axes.is_empty() {
        return crate::ops::reduce::sum_axes(x, axes);
    }
    x.try_any_axes(axes.iter().map(|&axis| axis as isize).collect::<Vec<_>>())
}

/// What two axes of one size have in common, along the first; the second is gone.
#[track_caller]
fn diagonal(x: &Tensor, first: usize, second: usize) -> Result<Tensor> {
    let (rank, size) = (x.rank(), x.shape()[first]);
    let others = (0..rank).filter(|&axis| axis != first && axis != second);
    let x = permuted(x, others.chain([first, second]).collect())?;
    // In a row of all elements those on the diagonal have the same distance.
    let mut shape: Shape = x.shape()[..rank - 2].into();
    shape.push(size * size);
    let diagonal = slice::every(&x.try_reshape(&shape)?, rank - 2, 0, size, size + 1)?;
    permuted(&diagonal, moved(rank - 1, rank - 2, first - usize::from(second < first)))
}

/// The result's axes in the order of the output.
#[track_caller]
fn arranged(result: &Tensor, plan: &Plan) -> Result<Tensor> {
    let place = |label: &Label| plan.result.iter().position(|l| l == label);
    let axes: Option<Shape> = plan.output.iter().map(place).collect();
    match axes {
        Some(axes) => permuted(result, axes),
        None => unreachable!("the result has the labels of the output"),
    }
}
