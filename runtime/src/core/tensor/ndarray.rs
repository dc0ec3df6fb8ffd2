//! Out to `ndarray`.

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::array::Element;
use crate::core::Tensor;
use crate::error::{Error, Result};

/// # Out to `ndarray`
impl Tensor {
    /// The numbers as an owned `ndarray` array, of the dtype's Rust type or a wider one of its kind.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let x = Tensor::from(&ndarray::arr2(&[[1.0f32, 2.0], [3.0, 4.0]]).t());
    /// assert_eq!(x.to_ndarray::<f32>()?, ndarray::arr2(&[[1.0, 3.0], [2.0, 4.0]]).into_dyn());
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ElementType`] if `T` does not hold every number of the dtype; as [`Tensor::array`].
    pub fn to_ndarray<T: Element>(&self) -> Result<ArrayD<T>> {
        let data = self.to_vec::<T>()?;
        ArrayD::from_shape_vec(IxDyn(self.shape()), data).map_err(Error::other)
    }

    /// The numbers as a borrowed `ndarray` view: nothing is copied.
    ///
    /// # Errors
    /// [`Error::ElementType`] if `T` is not the dtype's type, also for `bool`, which is not stored as itself; as
    /// [`Tensor::array`].
    pub fn view<T: Element<Storage = T> + bytemuck::Pod>(&self) -> Result<ArrayViewD<'_, T>> {
        ArrayViewD::from_shape(IxDyn(self.shape()), self.as_slice::<T>()?).map_err(Error::other)
    }

    /// The numbers as a borrowed slice, row-major.
    ///
    /// # Errors
    /// As [`Tensor::view`].
    pub fn as_slice<T: Element<Storage = T> + bytemuck::Pod>(&self) -> Result<&[T]> {
        let array = self.array()?;
        if array.dtype() != T::DTYPE {
            return Err(Error::ElementType { found: array.dtype().name(), asked: T::DTYPE.name() });
        }
        Ok(array.data())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, s};

    use crate::Tensor;

    #[test]
    fn any_view_comes_in_row_major() {
        let cube = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (100 * i + 10 * j + k) as i32);
        let view = cube.slice(s![.., ..;-1, 1..;2]);
        let tensor = Tensor::from(view);
        assert_eq!(tensor.shape(), [2, 3, 2]);
        assert_eq!(tensor.to_vec::<i32>().unwrap()[..4], [21, 23, 11, 13]);
        assert_eq!(tensor.to_ndarray::<i32>().unwrap(), view.to_owned().into_dyn());
    }

    #[test]
    fn a_view_shares_the_numbers() {
        let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
        let view = x.view::<f32>().unwrap();
        assert_eq!(view.as_ptr().addr(), x.array().unwrap().address());
        assert_eq!(view[[1, 0]], 3.0);
        assert!(x.view::<f64>().is_err());
    }

    #[test]
    fn scalars_and_empty_arrays_go_both_ways() {
        let zero = ndarray::arr0(5u8);
        assert_eq!(Tensor::from(&zero).item::<u8>().unwrap(), 5);
        let none = Array3::<f64>::zeros((2, 0, 3));
        assert_eq!(Tensor::from(&none).to_ndarray::<f32>().unwrap().shape(), [2, 0, 3]);
        assert_eq!(
            Tensor::from([true, false]).to_ndarray::<bool>().unwrap().as_slice(),
            Some(&[true, false][..])
        );
    }
}
