//! Whether tensors are the same, and which dtype several have together.

use super::paired::methods;
use crate::array::{DType, promote};
use crate::core::{Tensor, TensorLike};
use crate::ops::broadcast_shapes;

methods! {
    => "Equality";
    /// True, as a boolean number, if shapes and elements are equal; NaN equals nothing.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1i32, 2]);
    /// assert!(x.array_equal([1.0f32, 2.0]).item::<bool>()?);
    /// assert!(!x.array_equal([1i32, 2, 3]).item::<bool>()?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    array_equal try_array_equal(other: impl TensorLike) -> Tensor,
    fails "If this is a value of a transform that has returned."
    |x| {
        let other = other.operand()?;
        if x.shape() != other.shape() {
            return Ok(Tensor::from(false));
        }
        x.try_eq(other)?.try_all()
    };

    /// True, as a boolean number, if the shapes broadcast to one another and the elements are equal then.
    array_equiv try_array_equiv(other: impl TensorLike) -> Tensor,
    fails "If this is a value of a transform that has returned."
    |x| {
        let other = other.operand()?;
        if broadcast_shapes("array_equiv", &[x.shape(), other.shape()]).is_err() {
            return Ok(Tensor::from(false));
        }
        x.try_eq(other)?.try_all()
    };
}

/// # Common dtypes
impl Tensor {
    /// The dtype that a mixture of these tensors has, as `jnp.result_type`; bare numbers are weak.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let mixed = Tensor::result_type(&[Tensor::of([1.0], DType::BF16), Tensor::from([1i32])]);
    /// assert_eq!(mixed, DType::BF16);
    /// ```
    pub fn result_type(tensors: &[Tensor]) -> DType {
        promote(tensors.iter().map(Tensor::aval)).0
    }
}
