//! Ranges and identity matrices, as steps of a program rather than captured arrays.

use crate::array::{Array, Aval, DType, Element};
use crate::core::Tensor;
use crate::core::tensor::does_not_fit;
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::ops::axes::Int;
use crate::ops::{addressable, create, scalar_array};

/// # Constructors: ranges and identities
impl Tensor {
    /// `start`, `start + step`, `start + 2·step`, … up to, without, `stop`; `f64` becomes `F32`, and `i64` becomes `I32`, as
    /// [Numbers](crate#numbers) says.
    ///
    /// Computed as by `jnp.arange`: how many they are, in the precision of the arguments; then `start + step · i`, for `bf16`
    /// and `f16` in `F32`, rounded once.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::arange(5, 0, -2).to_vec::<i32>()?, [5, 3, 1]);
    /// assert_eq!(Tensor::arange(0, vec![7, 8].len(), 1).to_vec::<i32>()?, [0, 1]);
    /// assert_eq!(Tensor::arange(0.0, 1.0, 0.25).to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.75]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the step is zero or NaN, the type is `bool`, the range is too long, or an `i64` does not fit `I32`.
    #[doc(alias = "range")]
    #[track_caller]
    pub fn arange<T: RangeNumber>(start: T, stop: T, step: T) -> Tensor {
        unwrap(Tensor::try_arange(start, stop, step))
    }

    /// As [`arange`](Tensor::arange).
    ///
    /// # Errors
    /// If the step is zero or NaN, the type is `bool`, the range is too long, or an `i64` does not fit `I32`.
    #[track_caller]
    pub fn try_arange<T: RangeNumber>(start: T, stop: T, step: T) -> Result<Tensor> {
        let range = Range::of(start, stop, step)?;
        let dtype = T::Number::DTYPE.untyped();
        if dtype == DType::I32
            && let Some(outside) = range.ends().into_iter().find(|&end| i32::try_from(end).is_err())
        {
            return Err(does_not_fit(outside, &[range.size]));
        }
        range.numbers(dtype)
    }

    /// As [`arange`](Tensor::arange), of a dtype.
    ///
    /// # Panics
    /// If the step is zero or NaN, the type or dtype is `bool`, or the range is too long.
    #[track_caller]
    pub fn arange_of<T: RangeNumber>(start: T, stop: T, step: T, dtype: DType) -> Tensor {
        unwrap(Tensor::try_arange_of(start, stop, step, dtype))
    }

    /// As [`arange_of`](Tensor::arange_of).
    ///
    /// # Errors
    /// If the step is zero or NaN, the type or dtype is `bool`, or the range is too long.
    #[track_caller]
    pub fn try_arange_of<T: RangeNumber>(start: T, stop: T, step: T, dtype: DType) -> Result<Tensor> {
        Range::of(start, stop, step)?.numbers(dtype)
    }

    /// `count` numbers from `start` to `stop`, both included, at equal distances; `F32`, as [Numbers](crate#numbers) says.
    ///
    /// Computed as by `jnp.linspace`: `start · (1 − t) + stop · t` with `t = i / (count − 1)`, and `stop` itself at the end.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::linspace(0.0, 1.0, 5).to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.75, 1.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the range is too long.
    #[track_caller]
    pub fn linspace(start: f64, stop: f64, count: usize) -> Tensor {
        unwrap(Tensor::try_linspace(start, stop, count, DType::F64.untyped()))
    }

    /// As [`linspace`](Tensor::linspace), of a float dtype.
    ///
    /// # Panics
    /// If the dtype is no float, or the range is too long.
    #[track_caller]
    pub fn linspace_of(start: f64, stop: f64, count: usize, dtype: DType) -> Tensor {
        unwrap(Tensor::try_linspace(start, stop, count, dtype))
    }

    /// As [`linspace_of`](Tensor::linspace_of).
    ///
    /// # Errors
    /// If the dtype is no float, or the range is too long.
    #[track_caller]
    pub fn try_linspace(start: f64, stop: f64, count: usize, dtype: DType) -> Result<Tensor> {
        if !dtype.is_float() {
            return Err(Error::dtype("linspace", dtype, "a float dtype"));
        }
        let scalar = |value: f64| Tensor::from(scalar_array(value, dtype, false));
        let (start, stop) = (scalar(start), scalar(stop));
        let Some(steps) = count.checked_sub(1).filter(|&steps| steps > 0) else {
            return start.try_broadcast_to([count]);
        };
        let t = create::iota([steps], dtype, 0)?.try_div(scalar(steps as f64))?;
        let rest = scalar(1.0).try_sub(&t)?;
        let inner = start.try_mul(rest)?.try_add(stop.try_mul(t)?)?;
        Tensor::try_concatenate(&[inner, stop.try_reshape([1])?], 0)
    }

    /// The identity matrix of this size and dtype `F32`.
    ///
    /// # Panics
    /// If the size overflows the address space.
    #[doc(alias = "identity")]
    #[track_caller]
    pub fn eye(size: usize) -> Tensor {
        Tensor::eye_of(size, size, 0, DType::F32)
    }

    /// A matrix with ones on its `k`-th diagonal, counted upwards from the main one, and zeros elsewhere.
    ///
    /// # Panics
    /// If the size overflows the address space.
    #[track_caller]
    pub fn eye_of(rows: usize, columns: usize, k: isize, dtype: DType) -> Tensor {
        let (rows, columns) = unwrap(super::tile::numbers(rows, columns, k));
        unwrap(rows.try_eq(columns)).cast(dtype)
    }

    /// Rows with a one at the index each integer names, and zeros elsewhere, along a new last axis; `F32`.
    ///
    /// A number outside of `0..size`, also a negative one, gives zeros only, as in JAX.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let labels = Tensor::from([1i32, 0, 5]);
    /// assert_eq!(labels.one_hot(2).to_vec::<f32>()?, [0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the dtype is no integer.
    #[track_caller]
    pub fn one_hot(&self, size: usize) -> Tensor {
        unwrap(self.try_one_hot(size, -1, DType::F32))
    }

    /// As [`one_hot`](Tensor::one_hot), along a new axis at this position of the result, and of any dtype.
    ///
    /// # Panics
    /// If the dtype is no integer, or the position is out of range.
    #[track_caller]
    pub fn one_hot_of(&self, size: usize, axis: impl Int, dtype: DType) -> Tensor {
        unwrap(self.try_one_hot(size, axis, dtype))
    }

    /// As [`one_hot_of`](Tensor::one_hot_of).
    ///
    /// # Errors
    /// If the dtype is no integer, or the position is out of range.
    #[track_caller]
    pub fn try_one_hot(&self, size: usize, axis: impl Int, dtype: DType) -> Result<Tensor> {
        if !self.dtype().is_integer() {
            return Err(Error::dtype("one_hot", self.dtype(), "integers"));
        }
        let axis = crate::ops::axis_of("one_hot", axis, self.rank() + 1)?;
        let wide = if self.dtype() == DType::I32 || self.dtype().is_short_integer() {
            DType::I32
        } else {
            DType::I64
        };
        let mut shape = vec![1; self.rank() + 1];
        shape[axis] = size;
        let indices = create::iota(shape, wide, axis)?;
        self.try_expand_dims([axis as isize])?.try_cast(wide)?.try_eq(indices)?.try_cast(dtype)
    }
}

/// What a range is made of: any number that a tensor may have, and `usize`, so that `arange(0, x.shape()[0], 1)` needs no cast.
pub trait RangeNumber: Copy {
    /// The number as tensors have it.
    #[doc(hidden)]
    type Number: Element;

    #[doc(hidden)]
    fn number(self) -> Result<Self::Number>;
}

impl<T: Element> RangeNumber for T {
    type Number = T;

    fn number(self) -> Result<T> {
        Ok(self)
    }
}

impl RangeNumber for usize {
    type Number = i64;

    fn number(self) -> Result<i64> {
        i64::try_from(self).map_err(|_| Error::argument("arange", format!("{self} is beyond 64 bits")))
    }
}

/// A range of numbers, before they have a dtype.
struct Range<T> {
    start: T,
    step: T,
    size: usize,
}

impl<T: Element> Range<T> {
    fn of(
        start: impl RangeNumber<Number = T>,
        stop: impl RangeNumber<Number = T>,
        step: impl RangeNumber<Number = T>,
    ) -> Result<Range<T>> {
        Range::new(start.number()?, stop.number()?, step.number()?)
    }

    fn new(start: T, stop: T, step: T) -> Result<Range<T>> {
        let wrong =
            |message: &str| Error::argument("arange", format!("{start} to {stop} by {step}: {message}"));
        if T::DTYPE == DType::Bool {
            return Err(Error::dtype("arange", T::DTYPE, "a number type"));
        }
        let size = if T::DTYPE.is_integer() {
            let [first, end, by] = [start, stop, step].map(whole);
            let count = |span: i128, by: i128| (span.max(0) + by - 1) / by;
            match by {
                0 => return Err(wrong("the step must not be zero")),
                1.. => count(end - first, by),
                _ => count(first - end, -by),
            }
        } else {
            let [first, end, by] = [start, stop, step].map(|x| read::<T, f64>(x));
            // The size is that of JAX, which divides in the precision of the numbers.
            let steps = if T::DTYPE == DType::F64 { (end - first) / by } else { f32_steps(first, end, by) };
            if steps.is_nan() || by == 0.0 {
                return Err(wrong("the step must not be zero, and no number NaN"));
            }
            steps.ceil().max(0.0) as i128
        };
        let size = usize::try_from(size).map_err(|_| wrong("too many numbers"))?;
        Ok(Range { start, step, size })
    }

    /// The first and the last of a range of integers, and the step.
    fn ends(&self) -> Vec<i128> {
        let Some(steps) = self.size.checked_sub(1) else { return Vec::new() };
        let (first, by) = (whole(self.start), whole(self.step));
        if steps == 0 { vec![first] } else { vec![first, by, first + by * steps as i128] }
    }

    #[track_caller]
    fn numbers(&self, dtype: DType) -> Result<Tensor> {
        let working = if dtype.is_float() && dtype.size() == 2 { DType::F32 } else { dtype };
        addressable("arange", Aval::unchecked([self.size], working))?;
        let strong = |x: T| crate::ops::convert(&Array::scalar(x, false).into(), working, false);
        let numbers = create::iota([self.size], working, 0)?;
        strong(self.start)?.try_add(strong(self.step)?.try_mul(numbers)?)?.try_cast(dtype)
    }
}

fn whole<T: Element>(x: T) -> i128 {
    i128::from(read::<T, i64>(x))
}

/// A number as another type.
fn read<T: Element, U: Element>(x: T) -> U {
    let as_u = crate::kernels::arrays::convert(&Array::scalar(x, false), U::DTYPE, false);
    U::load(as_u.data::<U::Storage>()[0])
}

fn f32_steps(first: f64, end: f64, by: f64) -> f64 {
    f64::from((end as f32 - first as f32) / by as f32)
}
