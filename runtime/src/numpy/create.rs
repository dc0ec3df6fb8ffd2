//! Tensors of one value.

use crate::array::{Array, Aval, DType, Element};
use crate::core::Tensor;
use crate::core::tensor::untyped_number;
use crate::error::unwrap;
use crate::ops::create::full;
use crate::ops::scalar_array;

/// # Constructors: one value
impl Tensor {
    /// Zeros of dtype `F32`.
    ///
    /// # Panics
    /// If the size overflows the address space.
    #[track_caller]
    pub fn zeros(shape: impl AsRef<[usize]>) -> Tensor {
        Tensor::zeros_of(shape, DType::F32)
    }

    /// Zeros of a dtype.
    ///
    /// # Panics
    /// If the size overflows the address space.
    #[doc(alias = "empty")]
    #[track_caller]
    pub fn zeros_of(shape: impl AsRef<[usize]>, dtype: DType) -> Tensor {
        unwrap(full(Aval::unchecked(shape.as_ref(), dtype), 0.0))
    }

    /// Ones of dtype `F32`.
    ///
    /// # Panics
    /// If the size overflows the address space.
    #[track_caller]
    pub fn ones(shape: impl AsRef<[usize]>) -> Tensor {
        Tensor::ones_of(shape, DType::F32)
    }

    /// Ones of a dtype.
    ///
    /// # Panics
    /// If the size overflows the address space.
    #[track_caller]
    pub fn ones_of(shape: impl AsRef<[usize]>, dtype: DType) -> Tensor {
        unwrap(full(Aval::unchecked(shape.as_ref(), dtype), 1.0))
    }

    /// One number everywhere; `f64` becomes `F32`, and `i64` becomes `I32`, as [Numbers](crate#numbers) says.
    ///
    /// # Panics
    /// If the size overflows the address space, or an `i64` does not fit `I32`.
    #[track_caller]
    pub fn full<T: Element>(shape: impl AsRef<[usize]>, value: T) -> Tensor {
        everywhere(shape.as_ref(), &unwrap(untyped_number(value)))
    }

    /// One number everywhere, of a dtype.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::full_of([2], 0.1, DType::F64).to_vec::<f64>()?, [0.1, 0.1]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the size overflows the address space.
    #[doc(alias = "full_like")]
    #[track_caller]
    pub fn full_of<T: Element>(shape: impl AsRef<[usize]>, value: T, dtype: DType) -> Tensor {
        everywhere(
            shape.as_ref(),
            &crate::kernels::arrays::convert(&Array::scalar(value, false), dtype, false),
        )
    }

    /// Zeros of the shape and dtype of another tensor.
    ///
    /// # Panics
    /// If the other is a value of a transform that has returned.
    #[track_caller]
    pub fn zeros_like(&self) -> Tensor {
        Tensor::zeros_of(self.shape(), self.dtype())
    }

    /// Ones of the shape and dtype of another tensor.
    ///
    /// # Panics
    /// If the other is a value of a transform that has returned.
    #[track_caller]
    pub fn ones_like(&self) -> Tensor {
        Tensor::ones_of(self.shape(), self.dtype())
    }
}

#[track_caller]
fn everywhere(shape: &[usize], number: &Array) -> Tensor {
    let dtype = number.dtype();
    let exact = crate::kernels::arrays::convert(number, DType::F64, false).data::<f64>()[0];
    let back = scalar_array(exact, dtype, false);
    // An i64 beyond 2^53 does not go through an f64.
    if back.bytes() == number.bytes() || exact.is_nan() {
        return unwrap(full(Aval::unchecked(shape, dtype), exact));
    }
    Tensor::from(number.clone()).broadcast_to(shape)
}
