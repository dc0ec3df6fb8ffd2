//! Which elements a loss is the sum over, as the arguments `axis` and `where` of optax's losses.

use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::ops::axes::IntoAxes;
use crate::ops::{axes_of, axis_of, broadcast_shapes};

/// The axes that a loss sums over, and which of the elements there count: optax's `axis` and `where`.
///
/// The last axis and all of its elements, by default. One axis or several are such a choice by themselves:
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::losses::{Over, softmax_cross_entropy_over};
///
/// let (logits, labels) = (Tensor::zeros([3, 2]), Tensor::from([[1.0f32, 0.0], [0.0, 1.0], [0.0, 0.0]]));
/// assert_eq!(softmax_cross_entropy_over(&logits, &labels, 0).shape(), [2]);
/// assert_eq!(softmax_cross_entropy_over(&logits, &labels, [0, 1]).shape(), [0usize; 0]);
/// // Classes that are not there are as if they had logits of −∞ and no label.
/// let mask = Tensor::from([[true, true], [true, true], [false, false]]);
/// let losses = softmax_cross_entropy_over(&logits, &labels, Over::axis(0).mask(&mask));
/// assert!(losses.all_close(2f32.ln(), 1e-6, 0.0)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Over {
    axes: Option<Vec<isize>>,
    mask: Option<Tensor>,
}

impl Default for Over {
    fn default() -> Over {
        Over::axis(-1)
    }
}

impl From<isize> for Over {
    fn from(axis: isize) -> Over {
        Over::axis(axis)
    }
}

impl<const N: usize> From<[isize; N]> for Over {
    fn from(axes: [isize; N]) -> Over {
        Over::axes(axes)
    }
}

impl Over {
    /// The elements along one axis; negative ones count from the end.
    pub fn axis(axis: isize) -> Over {
        Over { axes: Some(vec![axis]), mask: None }
    }

    /// The elements along several axes together.
    pub fn axes(axes: impl IntoAxes) -> Over {
        Over { axes: Some(axes.axes().to_vec()), mask: None }
    }

    /// All elements, as optax's `axis=None`.
    pub fn all() -> Over {
        Over { axes: None, mask: None }
    }

    /// Which elements count: a mask that broadcasts to the shape of the predictions, or that is without the axes which are summed
    /// over.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[must_use]
    #[track_caller]
    pub fn mask(self, mask: impl TensorLike) -> Over {
        Over { mask: Some(unwrap(mask.operand())), ..self }
    }

    /// The axes among those of a tensor, in the order they were written.
    fn positions(&self, op: &'static str, rank: usize) -> Result<Vec<usize>> {
        let Some(axes) = &self.axes else { return Ok((0..rank).collect()) };
        axes_of(op, axes, rank)?;
        axes.iter().map(|&axis| axis_of(op, axis, rank)).collect()
    }

    /// The tensors, broadcast to one shape, with the axes as their last one, in which they are in the order they were written; and
    /// which elements of that count.
    #[track_caller]
    pub(super) fn rows<const N: usize>(
        &self,
        op: &'static str,
        tensors: [&Tensor; N],
    ) -> Result<([Tensor; N], Option<Tensor>)> {
        let shape = broadcast_shapes(op, &tensors.map(Tensor::shape))?;
        let axes = self.positions(op, shape.len())?;
        let mask = match &self.mask {
            None => None,
            Some(mask) => Some(last_together(&spread(op, mask, &axes, shape.len())?, &shape, &axes)?),
        };
        let mut rows = Vec::with_capacity(N);
        for x in tensors {
            rows.push(last_together(x, &shape, &axes)?);
        }
        let rows = rows.try_into().map_err(|_| Error::argument(op, "as many rows as tensors".to_owned()))?;
        Ok((rows, mask))
    }

    /// How many elements are summed, for each sum, in a shape that broadcasts.
    #[track_caller]
    pub(super) fn count(&self, op: &'static str, x: &Tensor) -> Result<Tensor> {
        let axes = self.positions(op, x.rank())?;
        let kept: Vec<isize> = axes.iter().map(|&axis| axis as isize).collect();
        match &self.mask {
            None => Ok(x.like(axes.iter().map(|&axis| x.shape()[axis]).product::<usize>() as f64)),
            Some(mask) => spread(op, mask, &axes, x.rank())?
                .try_broadcast_to(x.shape())?
                .try_sum_keep(kept)?
                .try_cast(x.dtype()),
        }
    }
}

/// A mask as booleans with all axes.
#[track_caller]
fn spread(op: &'static str, mask: &Tensor, axes: &[usize], rank: usize) -> Result<Tensor> {
    let mask = if mask.dtype() == DType::Bool { mask.clone() } else { mask.try_ne(0)? };
    if mask.rank() == rank {
        return Ok(mask);
    }
    if mask.rank() + axes.len() != rank {
        let found = format!("a mask of shape {:?}", mask.shape());
        let expected = format!("{rank} axes, or {} without those that are summed over", rank - axes.len());
        return Err(Error::shape(op, found, expected));
    }
    mask.try_expand_dims(axes.iter().map(|&axis| axis as isize).collect::<Vec<_>>())
}

/// A tensor, broadcast to a shape, with some axes as its last one.
#[track_caller]
fn last_together(x: &Tensor, shape: &[usize], axes: &[usize]) -> Result<Tensor> {
    let x = &if x.shape() == shape { x.clone() } else { x.try_broadcast_to(shape)? };
    if axes.len() == 1 && axes[0] + 1 == x.rank() {
        return Ok(x.clone());
    }
    let batch: Vec<usize> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
    let order: Vec<isize> = batch.iter().chain(axes).map(|&axis| axis as isize).collect();
    let mut shape: Vec<usize> = batch.iter().map(|&axis| x.shape()[axis]).collect();
    shape.push(axes.iter().map(|&axis| x.shape()[axis]).product());
    x.try_transpose(order)?.try_reshape(shape)
}

/// `x` where the mask is true, otherwise a number.
#[track_caller]
pub(super) fn only(mask: Option<&Tensor>, x: &Tensor, otherwise: f64) -> Result<Tensor> {
    match mask {
        None => Ok(x.clone()),
        Some(mask) => mask.try_select(x, x.like(otherwise)),
    }
}

/// Logits, with −∞ where the mask is false; where it is so for a whole row, nothing is changed, and no label counts.
#[track_caller]
pub(super) fn possible(mask: Option<&Tensor>, logits: &Tensor) -> Result<Tensor> {
    let Some(mask) = mask else { return Ok(logits.clone()) };
    let counts = mask.try_bitor(mask.try_any_keep(-1)?.try_logical_not()?)?;
    counts.try_select(logits, logits.like(f64::NEG_INFINITY))
}
