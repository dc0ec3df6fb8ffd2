//! Tensors from Rust's own numbers, arrays and slices, and from those of `ndarray`.

use ndarray::{ArrayBase, Data, Dimension};

use super::untyped::{bare, exact, untyped, untyped_number};
use crate::array::{Array, DType, Element};
use crate::core::Tensor;
use crate::core::tensor::Repr;
use crate::error::Result;
use crate::error::unwrap;

/// What operations take for a tensor, as JAX's `ArrayLike`: tensors, bare numbers, and arrays of numbers.
///
/// A bare number is *weak*: it takes on the dtype of what it meets, unless it is of a larger kind (`I32` with `0.5` is
/// `F32`). The numbers of an array are 32 bits wide, as [`Tensor::from`] makes them.
///
/// ```
/// use flaxen::prelude::*;
///
/// fn distance(x: &Tensor, y: impl TensorLike) -> Result<Tensor> {
///     Ok(x.try_sub(y)?.abs())
/// }
///
/// let x = Tensor::of([1.0, 2.0], DType::BF16);
/// assert_eq!(distance(&x, 0.5)?.dtype(), DType::BF16);
/// assert_eq!(distance(&x, [0.5, 1.0])?.dtype(), DType::F32);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub trait TensorLike: Sized {
    /// Beside tensors.
    #[doc(hidden)]
    fn operand(self) -> Result<Tensor>;

    /// With all digits, to be given a dtype.
    #[doc(hidden)]
    fn exact(self) -> Result<Tensor>;
}

impl TensorLike for Tensor {
    fn operand(self) -> Result<Tensor> {
        Ok(self)
    }

    fn exact(self) -> Result<Tensor> {
        Ok(self)
    }
}

impl TensorLike for &Tensor {
    fn operand(self) -> Result<Tensor> {
        Ok(self.clone())
    }

    fn exact(self) -> Result<Tensor> {
        Ok(self.clone())
    }
}

impl TensorLike for Array {
    fn operand(self) -> Result<Tensor> {
        Ok(self.into())
    }

    fn exact(self) -> Result<Tensor> {
        Ok(self.into())
    }
}

impl<T: Element> TensorLike for T {
    fn operand(self) -> Result<Tensor> {
        Ok(bare(self))
    }

    fn exact(self) -> Result<Tensor> {
        Ok(bare(self))
    }
}

/// Sizes and positions are weak whole numbers, as bare literals are.
macro_rules! sizes {
    ($($size:ty)*) => {
        $(impl TensorLike for $size {
            fn operand(self) -> Result<Tensor> {
                // No memory is as large as what does not fit.
                Ok(bare(i64::try_from(self).unwrap_or(i64::MAX)))
            }

            fn exact(self) -> Result<Tensor> {
                self.operand()
            }
        })*
    };
}

sizes! { usize isize }

/// A tensor of one number and no axes; `f64` becomes `F32`, and `i64` becomes `I32`, as [Numbers](crate#numbers) says.
///
/// # Panics
/// If an `i64` does not fit `I32`.
impl<T: Element> From<T> for Tensor {
    #[track_caller]
    fn from(number: T) -> Tensor {
        unwrap(untyped_number(number)).into()
    }
}

macro_rules! arrays {
    ($([$($generics:tt)*] $type:ty: $data:ident => $shape:expr, $numbers:expr;)*) => {
        $(impl<T: Element, $($generics)*> TensorLike for $type {
            fn operand(self) -> Result<Tensor> {
                let $data = self;
                untyped($shape, $numbers).map(Tensor::from)
            }

            fn exact(self) -> Result<Tensor> {
                let $data = self;
                exact($shape, $numbers).map(Tensor::from)
            }
        }

        /// A copy; `f64` becomes `F32`, and `i64` becomes `I32`, as [Numbers](crate#numbers) says.
        ///
        /// # Panics
        /// If an `i64` does not fit `I32`, or there are more than [`Aval::MAX_RANK`](crate::Aval::MAX_RANK) axes.
        impl<T: Element, $($generics)*> From<$type> for Tensor {
            #[track_caller]
            fn from(data: $type) -> Tensor {
                unwrap(data.operand())
            }
        })*
    };
}

arrays! {
    [] &[T]: data => &[data.len()], data.iter().copied();
    [] &Vec<T>: data => &[data.len()], data.iter().copied();
    [] Vec<T>: data => &[data.len()], data.iter().copied();
    [const A: usize] [T; A]: data => &[A], data.into_iter();
    [const A: usize, const B: usize] [[T; B]; A]: data => &[A, B], data.as_flattened().iter().copied();
    [const A: usize, const B: usize, const C: usize] [[[T; C]; B]; A]:
        data => &[A, B, C], data.as_flattened().as_flattened().iter().copied();
    [const A: usize, const B: usize, const C: usize, const D: usize] [[[[T; D]; C]; B]; A]:
        data => &[A, B, C, D], data.as_flattened().as_flattened().as_flattened().iter().copied();
    // Also of a view that is strided or reversed.
    [S: Data<Elem = T>, D: Dimension] &ArrayBase<S, D>: data => data.shape(), data.iter().copied();
    [S: Data<Elem = T>, D: Dimension] ArrayBase<S, D>: data => data.shape(), data.iter().copied();
}

/// # Constructors: from Rust values
impl Tensor {
    #[doc(alias = "array")]
    #[doc(alias = "asarray")]
    #[doc(alias = "tensor")]
    /// Numbers of a dtype: how `f64` and `i64` data keep all their bits.
    ///
    /// What is a tensor already is cast, as by [`cast`](Tensor::cast).
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let x = Tensor::of([[0.1, 0.2], [0.3, 0.4]], DType::F64);
    /// assert_eq!(x.to_vec::<f64>()?, [0.1, 0.2, 0.3, 0.4]);
    /// let y = Tensor::of([1, 2, 3], DType::U8);
    /// assert_eq!(y.dtype(), DType::U8);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the data are a value of a transform that has returned, or have more than [`Aval::MAX_RANK`](crate::Aval::MAX_RANK) axes.
    #[track_caller]
    pub fn of(data: impl TensorLike, dtype: DType) -> Tensor {
        unwrap(data.exact().and_then(|tensor| tensor.try_cast(dtype)))
    }

    /// A copy of `data` under a shape; `f64` becomes `F32`, and `i64` becomes `I32`, as [Numbers](crate#numbers) says.
    ///
    /// # Errors
    /// If `data` does not fill the shape, or an `i64` does not fit `I32`.
    pub fn try_from_vec<T: Element>(data: impl AsRef<[T]>, shape: impl AsRef<[usize]>) -> Result<Tensor> {
        let (data, shape) = (data.as_ref(), shape.as_ref());
        super::check_fills::<T>("from_vec", data.len(), shape)?;
        untyped(shape, data.iter().copied()).map(Tensor::from)
    }

    /// A copy of `data` under a shape; `f64` becomes `F32`, and `i64` becomes `I32`, as [Numbers](crate#numbers) says.
    ///
    /// # Panics
    /// If `data` does not fill the shape, or an `i64` does not fit `I32`.
    #[doc(alias = "as_tensor")]
    #[doc(alias = "from_numpy")]
    #[track_caller]
    pub fn from_vec<T: Element>(data: impl AsRef<[T]>, shape: impl AsRef<[usize]>) -> Tensor {
        unwrap(Tensor::try_from_vec(data, shape))
    }

    /// As [`from_vec`](Tensor::from_vec), of a dtype.
    ///
    /// # Errors
    /// If `data` does not fill the shape.
    pub fn try_from_vec_of<T: Element>(
        data: impl AsRef<[T]>,
        shape: impl AsRef<[usize]>,
        dtype: DType,
    ) -> Result<Tensor> {
        let (data, shape) = (data.as_ref(), shape.as_ref());
        super::check_fills::<T>("from_vec_of", data.len(), shape)?;
        let array = exact(shape, data.iter().copied())?;
        Tensor { repr: Repr::Array(array) }.try_cast(dtype)
    }

    /// As [`from_vec`](Tensor::from_vec), of a dtype.
    ///
    /// # Panics
    /// If `data` does not fill the shape.
    #[track_caller]
    pub fn from_vec_of<T: Element>(
        data: impl AsRef<[T]>,
        shape: impl AsRef<[usize]>,
        dtype: DType,
    ) -> Tensor {
        unwrap(Tensor::try_from_vec_of(data, shape, dtype))
    }
}
