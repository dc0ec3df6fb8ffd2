//! A tree as one vector, and back (`jax.flatten_util.ravel_pytree`).

use std::marker::PhantomData;

use crate::array::{Aval, DType, promote};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::{convert, saturating_size};
use crate::tree::{self, Structure, Tree};

/// From a vector back to the tree that [`ravel`] made one of.
pub struct Unravel<T> {
    structure: Structure,
    leaves: Vec<Aval>,
    dtype: DType,
    size: usize,
    tree: PhantomData<fn() -> T>,
}

/// The elements of all leaves in one vector, of the dtype of their mixture, and the way back.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tree = (Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]), Tensor::from(5.0f32));
/// let (flat, unravel) = flaxen::ravel(&tree)?;
/// assert_eq!(flat.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0, 5.0]);
/// let (matrix, _) = unravel.call(&(flat * 2.0))?;
/// assert_eq!(matrix.shape(), [2, 2]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If a leaf is a value of a transform that has returned.
#[track_caller]
pub fn ravel<T: Tree>(tree: &T) -> Result<(Tensor, Unravel<T>)> {
    let leaves = tree::leaves(tree);
    let avals: Vec<Aval> = leaves.iter().map(|leaf| leaf.aval().clone()).collect();
    let dtype = if leaves.is_empty() { DType::F32 } else { promote(avals.iter()).0 };
    let flat = |leaf: &&Tensor| convert(leaf, dtype, false)?.try_reshape([leaf.size()]);
    let parts = leaves.iter().map(flat).collect::<Result<Vec<_>>>()?;
    let flat =
        if parts.is_empty() { Tensor::zeros_of([0], dtype) } else { Tensor::try_concatenate(&parts, 0)? };
    let unravel = Unravel {
        structure: Structure::of(tree),
        leaves: avals,
        dtype,
        size: flat.size(),
        tree: PhantomData,
    };
    Ok((flat, unravel))
}

impl<T: Tree> Unravel<T> {
    /// The tree of a vector of the same length and dtype; its leaves have their own dtypes.
    ///
    /// # Errors
    /// If the vector has another length or dtype.
    #[track_caller]
    pub fn call(&self, flat: &Tensor) -> Result<T> {
        if flat.shape() != [self.size] || flat.dtype() != self.dtype {
            let expected = format!("{}[{}], as the tree gave", self.dtype.short_name(), self.size);
            return Err(Error::shape("unravel", flat.aval().to_string(), expected));
        }
        let mut start = 0;
        let mut leaves = Vec::with_capacity(self.leaves.len());
        for aval in &self.leaves {
            let end = start + saturating_size(&aval.shape);
            let leaf = flat.try_slice_axis(0, start..end)?.try_reshape(&aval.shape)?;
            leaves.push(convert(&leaf, aval.dtype, false)?);
            start = end;
        }
        self.structure.try_build(leaves)
    }
}
