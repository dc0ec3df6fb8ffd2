//! Products in the notation of sums: `einsum`, and what NumPy has names for.

mod contraction;
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
use crate::ops::shape::{moved, permuted};
use crate::ops::{axis_of, promoted, slice};
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
    let shapes: Vec<&[usize]> = operands.iter().map(|operand| operand.shape()).collect();
    let plan = plan(subscripts, &shapes).map_err(|error| Error::argument("einsum", error.to_string()))?;
    let (dtype, weak) = promote(operands.iter().map(|operand| operand.aval()));
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
        values.push(Some(lhs.try_dot_general(&rhs, dimensions)?));
    }
    match values.pop().flatten() {
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

/// Two operands whose axes have labels; axes of size 1 broadcast.
#[track_caller]
fn contract(lhs: (&Tensor, &[usize]), rhs: (&Tensor, &[usize]), out: &[usize]) -> Result<Tensor> {
    // An axis of size 1 opposite a larger one is left out: the other side keeps it alone.
    let squeezed =
        |(x, labels): (&Tensor, &[usize]), (y, others): (&Tensor, &[usize])| -> (Shape, Vec<usize>) {
            let dropped = |axis: usize| {
                let opposite = others.iter().position(|l| *l == labels[axis]);
                x.shape()[axis] == 1 && opposite.is_some_and(|other| y.shape()[other] != 1)
            };
            let kept: Vec<usize> = (0..x.rank()).filter(|&axis| !dropped(axis)).collect();
            let shape: Shape = kept.iter().map(|&axis| x.shape()[axis]).collect();
            (shape, kept.into_iter().map(|axis| labels[axis]).collect())
        };
    let ((x, xl), (y, yl)) = (squeezed(lhs, rhs), squeezed(rhs, lhs));
    let (x, y) = (lhs.0.try_reshape(&x)?, rhs.0.try_reshape(&y)?);
    let mut dimensions = DotDimensions::default();
    for (i, label) in xl.iter().enumerate() {
        let Some(j) = yl.iter().position(|l| l == label) else { continue };
        let pair = if out.contains(label) { &mut dimensions.batch } else { &mut dimensions.contracting };
        pair.0.push(i);
        pair.1.push(j);
    }
    let mut labels: Vec<usize> = dimensions.batch.0.iter().map(|&i| xl[i]).collect();
    labels.extend(xl.iter().filter(|label| !yl.contains(label)));
    labels.extend(yl.iter().filter(|label| !xl.contains(label)));
    let product = x.try_dot_general(&y, dimensions)?;
    let axes: Option<Shape> = out.iter().map(|label| labels.iter().position(|l| l == label)).collect();
    match axes {
        Some(axes) => permuted(&product, axes),
        None => unreachable!("every label of the output is an operand's"),
    }
}

impl Tensor {
    /// The matrix product of the last two axes, as NumPy's `@`.
    ///
    /// A vector on the left is a row, on the right a column, and that axis is dropped from the result. The axes before
    /// the last two broadcast.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::ones([5, 1, 2, 3]).matmul(&Tensor::ones([7, 3, 4])).shape(), [5, 7, 2, 4]);
    /// ```
    ///
    /// # Panics
    /// If an operand is a scalar, or the sizes do not fit.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        unwrap(self.try_matmul(other))
    }

    /// As [`matmul`](Tensor::matmul).
    ///
    /// # Errors
    /// If an operand is a scalar, or the sizes do not fit.
    #[track_caller]
    pub fn try_matmul(&self, other: &Tensor) -> Result<Tensor> {
        let wrong = |expected: &str| {
            Err(Error::shape("matmul", format!("{:?} and {:?}", self.shape(), other.shape()), expected))
        };
        if self.rank() == 0 || other.rank() == 0 {
            return wrong("operands with at least one axis (use `*` for scalars)");
        }
        let inner = other.shape()[other.rank().saturating_sub(2)];
        if self.shape()[self.rank() - 1] != inner {
            return wrong("as many columns on the left as rows on the right");
        }
        let [x, y] = promoted([self.clone(), other.clone()])?;
        let (batch_x, batch_y) = (&x.shape()[..x.rank().max(2) - 2], &y.shape()[..y.rank().max(2) - 2]);
        let batch_x = if x.rank() > 2 { batch_x } else { &[] };
        let batch_y = if y.rank() > 2 { batch_y } else { &[] };
        if crate::ops::broadcast_shapes("matmul", &[batch_x, batch_y]).is_err() {
            return wrong("leading axes that broadcast");
        }
        // Labels: the batch axes from the last one back, then row, inner and column.
        let batch = batch_x.len().max(batch_y.len());
        let (row, middle, column) = (batch, batch + 1, batch + 2);
        let leading = |own: &[usize]| (batch - own.len()..batch).collect::<Vec<usize>>();
        let (mut xl, mut yl, mut out) =
            (leading(batch_x), leading(batch_y), (0..batch).collect::<Vec<usize>>());
        if x.rank() > 1 {
            xl.push(row);
            out.push(row);
        }
        xl.push(middle);
        yl.push(middle);
        if y.rank() > 1 {
            yl.push(column);
            out.push(column);
        }
        contract((&x, &xl), (&y, &yl), &out)
    }

    /// The sum over the last axis of `self` and the last but one of `other` (its only one if a vector), as `numpy.dot`.
    ///
    /// # Panics
    /// If the sizes do not fit.
    #[track_caller]
    pub fn dot(&self, other: &Tensor) -> Tensor {
        unwrap(self.try_dot(other))
    }

    /// As [`dot`](Tensor::dot).
    ///
    /// # Errors
    /// If the sizes do not fit.
    #[track_caller]
    pub fn try_dot(&self, other: &Tensor) -> Result<Tensor> {
        if self.rank() == 0 || other.rank() == 0 {
            return self.try_mul(other);
        }
        self.try_tensordot(other, &[-1], &[if other.rank() == 1 { -1 } else { -2 }])
            .map_err(|error| error.called("dot"))
    }

    /// The sum over the named pairs of axes; the result has what is left of `self`, then of `other`.
    ///
    /// # Panics
    /// If the sizes do not fit.
    #[track_caller]
    pub fn tensordot(&self, other: &Tensor, axes: &[isize], other_axes: &[isize]) -> Tensor {
        unwrap(self.try_tensordot(other, axes, other_axes))
    }

    /// As [`tensordot`](Tensor::tensordot).
    ///
    /// # Errors
    /// If the sizes do not fit.
    #[track_caller]
    pub fn try_tensordot(&self, other: &Tensor, axes: &[isize], other_axes: &[isize]) -> Result<Tensor> {
        let [x, y] = promoted([self.clone(), other.clone()])?;
        let axes_in = |axes: &[isize], rank: usize| {
            axes.iter().map(|&axis| axis_of("tensordot", axis, rank)).collect::<Result<Shape>>()
        };
        let contracting = (axes_in(axes, x.rank())?, axes_in(other_axes, y.rank())?);
        x.try_dot_general(&y, DotDimensions { contracting, ..DotDimensions::default() })
            .map_err(|error| error.called("tensordot"))
    }

    /// All products of an element of `self` and one of `other`, both flattened.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn outer(&self, other: &Tensor) -> Tensor {
        unwrap(self.try_outer(other))
    }

    /// As [`outer`](Tensor::outer).
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn try_outer(&self, other: &Tensor) -> Result<Tensor> {
        self.try_reshape([self.size(), 1])?.try_mul(other.try_reshape([1, other.size()])?)
    }

    /// The diagonal of the last two axes.
    ///
    /// # Panics
    /// If there are less than two axes, or they differ in size.
    #[track_caller]
    pub fn diagonal(&self) -> Tensor {
        unwrap(self.try_diagonal())
    }

    /// As [`diagonal`](Tensor::diagonal).
    ///
    /// # Errors
    /// If there are less than two axes, or they differ in size.
    #[track_caller]
    pub fn try_diagonal(&self) -> Result<Tensor> {
        let shape = self.shape();
        match shape {
            [.., rows, columns] if rows == columns => diagonal(self, self.rank() - 2, self.rank() - 1),
            _ => Err(Error::shape("diagonal", format!("{shape:?}"), "two last axes of one size")),
        }
    }

    /// The sum of the diagonal of the last two axes; booleans are counted as `I32`.
    ///
    /// # Panics
    /// If there are less than two axes, or they differ in size.
    #[track_caller]
    pub fn trace(&self) -> Tensor {
        unwrap(self.try_trace())
    }

    /// As [`trace`](Tensor::trace).
    ///
    /// # Errors
    /// If there are less than two axes, or they differ in size.
    #[track_caller]
    pub fn try_trace(&self) -> Result<Tensor> {
        let diagonal = self.try_diagonal().map_err(|error| error.called("trace"))?;
        crate::ops::reduce::sum_widened(&diagonal, &[diagonal.rank() - 1])
    }
}
