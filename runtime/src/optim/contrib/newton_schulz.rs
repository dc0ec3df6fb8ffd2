//! Orthogonal matrices near a matrix, by products alone.

use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::optim::moments::safe_divide;

/// Which axes of a parameter are the rows of a matrix, and which the columns; the others are a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MuonDimensionNumbers {
    /// The axes that are summed over, of inputs.
    pub reduction_axis: Vec<isize>,
    /// The axes of outputs.
    pub output_axis: Vec<isize>,
}

impl Default for MuonDimensionNumbers {
    /// A kernel of `[in, out]`.
    fn default() -> MuonDimensionNumbers {
        MuonDimensionNumbers { reduction_axis: vec![0], output_axis: vec![1] }
    }
}

/// What a matrix is divided by first, so that its singular values are at most 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preconditioning {
    /// The root of the sum of squares of its elements, optax's `"frobenius"`.
    #[default]
    Frobenius,
    /// Of each row, the root of the sum of magnitudes of its inner products with all rows, optax's `"aol"`.
    Aol,
    /// The root of the Frobenius norm of the product with its transpose, optax's `"schatten"`.
    Schatten,
}

/// How the matrices of a parameter lie.
pub(super) struct Layout {
    order: Vec<isize>,
    inverse: Vec<isize>,
    shape: Vec<usize>,
    flat: [usize; 3],
}

impl Layout {
    pub(super) fn of(x: &Tensor, numbers: &MuonDimensionNumbers) -> Result<Layout> {
        const OP: &str = "muon";
        let rank = x.rank();
        if rank < 2 {
            return Err(Error::shape(
                OP,
                format!("a parameter of shape {:?}", x.shape()),
                "two axes or more",
            ));
        }
        let axes = |axes: &[isize]| -> Result<Vec<usize>> {
            axes.iter().map(|&axis| crate::ops::axis_of(OP, axis, rank)).collect()
        };
        let (rows, columns) = (axes(&numbers.reduction_axis)?, axes(&numbers.output_axis)?);
        let named: Vec<usize> = rows.iter().chain(&columns).copied().collect();
        if (0..rank).any(|axis| named.iter().filter(|&&other| other == axis).count() > 1) {
            let message =
                format!("{numbers:?} names an axis twice, for a parameter of shape {:?}", x.shape());
            return Err(Error::argument(OP, message));
        }
        let batch: Vec<usize> = (0..rank).filter(|axis| !named.contains(axis)).collect();
        let order: Vec<usize> = batch.iter().chain(&named).copied().collect();
        let mut inverse = vec![0; rank];
        order.iter().enumerate().for_each(|(at, &axis)| inverse[axis] = at as isize);
        let size = |axes: &[usize]| axes.iter().map(|&axis| x.shape()[axis]).product();
        Ok(Layout {
            shape: order.iter().map(|&axis| x.shape()[axis]).collect(),
            order: order.iter().map(|&axis| axis as isize).collect(),
            inverse,
            flat: [size(&batch), size(&rows), size(&columns)],
        })
    }

    /// The sizes of inputs and of outputs.
    pub(super) fn fans(&self) -> (usize, usize) {
        (self.flat[1], self.flat[2])
    }

    fn matrices(&self, x: &Tensor) -> Result<Tensor> {
        x.try_transpose(&self.order)?.try_reshape(self.flat)
    }

    fn parameter(&self, x: &Tensor) -> Result<Tensor> {
        x.try_reshape(&self.shape)?.try_transpose(&self.inverse)
    }
}

/// Matrices with the singular vectors of those of a parameter, and singular values near 1.
///
/// An iteration is `c₀·x + (c₁·a + c₂·a²)·x` with `a = x·xᵀ`; `coefficients` has three for all, or a row of three for each.
///
/// Source: Jordan, *Muon: An optimizer for hidden layers in neural networks*, 2024.
pub(super) fn orthogonalize(
    x: &Tensor,
    layout: &Layout,
    coefficients: &Tensor,
    steps: usize,
    preconditioning: Preconditioning,
    eps: &Tensor,
) -> Result<Tensor> {
    let mut x = layout.matrices(x)?;
    let tall = layout.flat[1] > layout.flat[2];
    let turned = |x: &Tensor| x.try_transpose([0, 2, 1]);
    if tall {
        x = turned(&x)?;
    }
    let eps = eps.try_cast(x.dtype())?;
    if preconditioning == Preconditioning::Frobenius {
        let norm = x.try_square()?.try_sum_keep([1, 2])?.try_sqrt()?;
        x = safe_divide(&x, &(norm + &eps), true)?;
    }
    let coefficients = coefficients.try_cast(x.dtype())?;
    let count = if coefficients.rank() == 1 { steps } else { coefficients.shape()[0] };
    for step in 0..count {
        let row = if coefficients.rank() == 1 {
            coefficients.clone()
        } else {
            coefficients.try_get(step as isize)?
        };
        let [c0, c1, c2] = [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?];
        let mut a = x.try_matmul(&turned(&x)?)?;
        if step == 0 && preconditioning != Preconditioning::Frobenius {
            let size = match preconditioning {
                Preconditioning::Aol => a.try_abs()?.try_sum_keep(-1)?,
                _ => a.try_square()?.try_sum_keep([1, 2])?.try_sqrt()?,
            };
            let size = size.try_maximum(&eps)?;
            let scale = size.try_eq(0.0)?.try_select(size.like(0.0), size.try_rsqrt()?)?;
            x = x.try_mul(&scale)?;
            a = a.try_mul(&scale)?.try_mul(turned(&scale)?)?;
        }
        let b = &a * c1 + (&a * c2).try_matmul(&a)?;
        x = &x * c0 + b.try_matmul(&x)?;
    }
    layout.parameter(&if tall { turned(&x)? } else { x })
}
