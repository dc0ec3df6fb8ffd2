//! What NumPy has names for: `matmul`, `dot`, `tensordot` and others, as methods.

use super::diagonal;
use crate::array::Shape;
use crate::core::Tensor;
use crate::core::op::DotDimensions;
use crate::error::{Error, Result, unwrap};
use crate::ops::dot_general::{DotOptions, SummedIn};
use crate::ops::shape::permuted;
use crate::ops::{axis_of, promoted};

/// Two operands whose axes have labels; axes of size 1 broadcast.
#[track_caller]
fn contract(
    lhs: (&Tensor, &[usize]),
    rhs: (&Tensor, &[usize]),
    out: &[usize],
    options: &DotOptions,
) -> Result<Tensor> {
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
    let product = x.try_dot_general_with(&y, dimensions, options)?;
    let axes: Option<Shape> = out.iter().map(|label| labels.iter().position(|l| l == label)).collect();
    match axes {
        Some(axes) => permuted(&product, axes),
        None => unreachable!("every label of the output is an operand's"),
    }
}

/// # Products
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
    #[doc(alias = "bmm")]
    #[doc(alias = "mm")]
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
        self.try_matmul_with(other, &DotOptions::new())
    }

    /// As [`matmul`](Tensor::matmul), of a precision, and summed in a dtype.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::DotOptions;
    /// let x = Tensor::ones([2, 2]);
    /// assert_eq!(x.matmul_with(&x, &DotOptions::new().precision("highest")).to_vec::<f32>()?, [2.0; 4]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// As [`try_matmul_with`](Tensor::try_matmul_with) fails.
    #[track_caller]
    pub fn matmul_with(&self, other: &Tensor, options: &DotOptions) -> Tensor {
        unwrap(self.try_matmul_with(other, options))
    }

    /// As [`matmul_with`](Tensor::matmul_with).
    ///
    /// # Errors
    /// As [`try_matmul`](Tensor::try_matmul) and [`try_dot_general_with`](Tensor::try_dot_general_with).
    #[track_caller]
    pub fn try_matmul_with(&self, other: &Tensor, options: &DotOptions) -> Result<Tensor> {
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
        contract((&x, &xl), (&y, &yl), &out, options)
    }

    /// The sum over the last axis of `self` and the last but one of `other` (its only one if a vector), as `numpy.dot`.
    ///
    /// # Panics
    /// If the sizes do not fit.
    #[doc(alias = "inner")]
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
        self.try_dot_with(other, &DotOptions::new())
    }

    /// As [`dot`](Tensor::dot), of a precision, and summed in a dtype.
    ///
    /// # Panics
    /// As [`try_dot_with`](Tensor::try_dot_with) fails.
    #[track_caller]
    pub fn dot_with(&self, other: &Tensor, options: &DotOptions) -> Tensor {
        unwrap(self.try_dot_with(other, options))
    }

    /// As [`dot_with`](Tensor::dot_with).
    ///
    /// # Errors
    /// As [`try_dot`](Tensor::try_dot) and [`try_dot_general_with`](Tensor::try_dot_general_with).
    #[track_caller]
    pub fn try_dot_with(&self, other: &Tensor, options: &DotOptions) -> Result<Tensor> {
        if self.rank() == 0 || other.rank() == 0 {
            let dtype = options.preferred_element_type;
            let (summed, [x, y]) = SummedIn::of("dot", dtype, [self.clone(), other.clone()])?;
            return summed.finish(x.try_mul(y)?);
        }
        self.try_tensordot_with(other, &[-1], &[if other.rank() == 1 { -1 } else { -2 }], options)
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
        self.try_tensordot_with(other, axes, other_axes, &DotOptions::new())
    }

    /// As [`tensordot`](Tensor::tensordot), of a precision, and summed in a dtype.
    ///
    /// # Errors
    /// As [`try_tensordot`](Tensor::try_tensordot) and [`try_dot_general_with`](Tensor::try_dot_general_with).
    #[track_caller]
    pub fn try_tensordot_with(
        &self,
        other: &Tensor,
        axes: &[isize],
        other_axes: &[isize],
        options: &DotOptions,
    ) -> Result<Tensor> {
        let [x, y] = promoted([self.clone(), other.clone()])?;
        let axes_in = |axes: &[isize], rank: usize| {
            axes.iter().map(|&axis| axis_of("tensordot", axis, rank)).collect::<Result<Shape>>()
        };
        let contracting = (axes_in(axes, x.rank())?, axes_in(other_axes, y.rank())?);
        let dimensions = DotDimensions { contracting, ..DotDimensions::default() };
        x.try_dot_general_with(&y, dimensions, options).map_err(|error| error.called("tensordot"))
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
