//! Numbers that come without a dtype: 32 bits, unless 64 are switched on.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::array::dtype::{DType, Element};
use crate::array::{Array, Aval, Shape, memory};
use crate::core::Tensor;
use crate::error::{Error, Result};

static WIDE: AtomicBool = AtomicBool::new(false);

/// Keeps `f64` and `i64` data that come without a dtype as `F64` and `I64`, for the whole process and from now on.
///
/// The setting `jax_enable_x64` of JAX, as far as it is about data and bare numbers: what names its dtype is not concerned,
/// and [`zeros`](Tensor::zeros), parameters and samples stay `F32`. Call it first thing in `main`: functions that
/// [`jit`](crate::jit()) has compiled keep the dtypes they were traced with.
///
/// ```
/// use flaxen::prelude::*;
///
/// flaxen::enable_f64();
/// assert_eq!(Tensor::from([0.5, 1.5]).dtype(), DType::F64);
/// assert_eq!((Tensor::from([1, 2]) * 0.5).dtype(), DType::F64);
/// assert_eq!(Tensor::zeros([2]).dtype(), DType::F32);
/// ```
pub fn enable_f64() {
    WIDE.store(true, Ordering::Relaxed);
}

/// Whether [`enable_f64`] was called.
pub(crate) fn f64_is_enabled() -> bool {
    WIDE.load(Ordering::Relaxed)
}

impl DType {
    /// The dtype of numbers of this dtype that came without one.
    pub(crate) fn untyped(self) -> DType {
        match self {
            DType::F64 if !f64_is_enabled() => DType::F32,
            DType::I64 if !f64_is_enabled() => DType::I32,
            named => named,
        }
    }
}

/// A bare number, which is weak and has all its digits until it meets a tensor.
pub(crate) fn bare<T: Element>(number: T) -> Tensor {
    Array::scalar(number, T::DTYPE != DType::Bool).into()
}

/// Numbers of the dtype of their Rust type; an error if they have too many axes.
pub(crate) fn exact<T: Element>(shape: &[usize], numbers: impl Iterator<Item = T>) -> Result<Array> {
    let aval = Aval::unchecked(shape, T::DTYPE);
    aval.check_rank("from")?;
    let text = aval.clone();
    let mut array = memory::or_error("from", || text.to_string(), || Ok(Array::scratch(aval)))?;
    if let Some(out) = array.unique::<T::Storage>() {
        out.iter_mut().zip(numbers).for_each(|(out, x)| *out = x.store());
    }
    Ok(array)
}

/// Numbers that nobody gave a dtype; an error if one does not fit that of untyped numbers, or as for [`exact`].
pub(crate) fn untyped<T: Element>(shape: &[usize], numbers: impl Iterator<Item = T>) -> Result<Array> {
    if T::DTYPE.untyped() == T::DTYPE {
        return exact(shape, numbers);
    }
    let mut misfit = None;
    let narrowed = numbers.map_while(|x| {
        let narrow = x.narrow();
        if narrow.is_none() {
            misfit = Some(x);
        }
        narrow
    });
    let array = exact(shape, narrowed)?;
    misfit.map_or(Ok(array), |x| Err(does_not_fit(x, shape)))
}

/// As [`untyped`], of one number.
pub(crate) fn untyped_number<T: Element>(number: T) -> Result<Array> {
    untyped(&Shape::new(), std::iter::once(number))
}

/// Integers beyond 32 bits are never cut silently.
pub(crate) fn does_not_fit(number: impl std::fmt::Display, shape: &[usize]) -> Error {
    let message = format!(
        "{number}, of integers of shape {shape:?} without a dtype, does not fit {}: name the dtype, as in \
         `Tensor::of(data, DType::I64)`, or call `flaxen::enable_f64()`",
        DType::I32
    );
    Error::argument("from", message)
}
