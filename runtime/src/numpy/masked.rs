//! Reductions of the elements that a mask shows, as `jax.numpy` has them with `where` and `initial`.

use super::segments::{highest, lowest};
use super::statistics::precise;
use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::ops::axes::{IntoAxes, kept_shape, meant, reduced_size};
use crate::ops::{convert, create, reduce};

/// The mask in the shape of the tensor.
#[track_caller]
fn shown(op: &'static str, x: &Tensor, mask: impl TensorLike) -> Result<Tensor> {
    let mask = mask.operand()?;
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype(op, mask.dtype(), "a boolean mask"));
    }
    mask.try_broadcast_to(x.shape()).map_err(|error| error.called(op))
}

#[track_caller]
fn sum(x: &Tensor, axes: &[usize], mask: &Tensor) -> Result<Tensor> {
    reduce::sum_widened(&mask.try_select(x, x.like(0.0))?, axes)
}

#[track_caller]
fn prod(x: &Tensor, axes: &[usize], mask: &Tensor) -> Result<Tensor> {
    reduce::prod_widened(&mask.try_select(x, x.like(1.0))?, axes)
}

#[track_caller]
fn any(x: &Tensor, axes: &[usize], mask: &Tensor) -> Result<Tensor> {
    reduce::any_true(&x.try_cast(DType::Bool)?.try_bitand(mask)?, axes)
}

#[track_caller]
fn all(x: &Tensor, axes: &[usize], mask: &Tensor) -> Result<Tensor> {
    reduce::all_true(&x.try_cast(DType::Bool)?.try_bitor(mask.try_logical_not()?)?, axes)
}

/// How many elements the mask shows, as a number like those of `wide`.
#[track_caller]
fn count(wide: &Tensor, axes: &[usize], mask: &Tensor) -> Result<Tensor> {
    reduce::sum_axes(&mask.try_cast(wide.dtype())?, axes)
}

#[track_caller]
fn mean(x: &Tensor, axes: &[usize], mask: &Tensor) -> Result<Tensor> {
    let (wide, dtype) = precise(x)?;
    convert(&sum(&wide, axes, mask)?.try_div(count(&wide, axes, mask)?)?, dtype, false)
}

#[track_caller]
fn wide_var(x: &Tensor, axes: &[usize], mask: &Tensor, ddof: usize) -> Result<Tensor> {
    let kept = kept_shape(x.shape(), axes);
    let center = sum(x, axes, mask)?.try_div(count(x, axes, mask)?)?.try_reshape(&kept)?;
    let left = count(x, axes, mask)?.try_sub(x.like(ddof as f64))?;
    let spread = sum(&x.try_sub(center)?.try_square()?, axes, mask)?.try_div(&left)?;
    left.try_gt(left.like(0.0))?.try_select(&spread, spread.like(f64::NAN))
}

#[track_caller]
fn var(x: &Tensor, axes: &[usize], mask: &Tensor, ddof: usize) -> Result<Tensor> {
    let (wide, dtype) = precise(x)?;
    convert(&wide_var(&wide, axes, mask, ddof)?, dtype, false)
}

#[track_caller]
fn std(x: &Tensor, axes: &[usize], mask: &Tensor, ddof: usize) -> Result<Tensor> {
    let (wide, dtype) = precise(x)?;
    convert(&wide_var(&wide, axes, mask, ddof)?.try_sqrt()?, dtype, false)
}

/// The result of a reduction to `initial`, for axes without elements.
#[track_caller]
fn nothing(x: &Tensor, axes: &[usize], initial: &Tensor) -> Result<Tensor> {
    let kept = (0..x.rank()).filter(|axis| !axes.contains(axis)).map(|axis| x.shape()[axis]);
    let shape: Vec<usize> = kept.collect();
    create::full(x.aval().with_shape(shape.as_slice()), 0.0)?.try_add(initial)
}

#[track_caller]
fn max(x: &Tensor, axes: &[usize], mask: &Tensor, initial: impl TensorLike) -> Result<Tensor> {
    let initial = initial.operand()?.try_cast(x.dtype())?;
    if reduced_size(x.shape(), axes) == 0 {
        return nothing(x, axes, &initial);
    }
    reduce::max_axes(&mask.try_select(x, x.like(lowest(x.dtype())))?, axes)?.try_maximum(initial)
}

#[track_caller]
fn min(x: &Tensor, axes: &[usize], mask: &Tensor, initial: impl TensorLike) -> Result<Tensor> {
    let initial = initial.operand()?.try_cast(x.dtype())?;
    if reduced_size(x.shape(), axes) == 0 {
        return nothing(x, axes, &initial);
    }
    reduce::min_axes(&mask.try_select(x, x.like(highest(x.dtype())))?, axes)?.try_minimum(initial)
}

#[track_caller]
fn logsumexp(x: &Tensor, axes: &[usize], mask: &Tensor) -> Result<Tensor> {
    let x = convert(x, x.dtype().to_inexact(), x.aval().weak)?;
    let hidden = mask.try_select(&x, x.like(f64::NEG_INFINITY))?;
    if axes.is_empty() {
        return Ok(hidden);
    }
    let axes: Vec<isize> = axes.iter().map(|&axis| axis as isize).collect();
    hidden.try_logsumexp_axes(axes)
}

macro_rules! masked {
    ($($what:literal, $(#[$more:meta])*
        $method:ident $try_method:ident $keep:ident $try_keep:ident ($($arg:ident: $type:ty),*) = $reduce:ident;)*) => {
        /// # Reductions where a mask is true
        impl Tensor { $(
            #[doc = concat!($what, " of the elements where `mask` is true, over some axes or all (`..`), which the result is without.")]
            ///
            /// The mask is boolean and broadcasts.
            $(#[$more])*
            ///
            /// # Panics
            /// If there is no such axis, one is named twice, or the mask is not boolean or does not broadcast.
            #[track_caller]
            pub fn $method(&self, axes: impl IntoAxes, mask: impl TensorLike $(, $arg: $type)*) -> Tensor {
                unwrap(self.$try_method(axes, mask $(, $arg)*))
            }

            #[doc = concat!("As [`", stringify!($method), "`](Tensor::", stringify!($method), ").")]
            ///
            /// # Errors
            /// If there is no such axis, one is named twice, or the mask is not boolean or does not broadcast.
            #[track_caller]
            pub fn $try_method(
                &self,
                axes: impl IntoAxes,
                mask: impl TensorLike
                $(, $arg: $type)*
            ) -> Result<Tensor> {
                let mask = shown(stringify!($method), self, mask)?;
                $reduce(self, &meant(stringify!($method), &axes, self)?, &mask $(, $arg)*)
            }

            #[doc = concat!("As [`", stringify!($method), "`](Tensor::", stringify!($method), "), with axes of size 1 where others were.")]
            ///
            /// # Panics
            /// If there is no such axis, one is named twice, or the mask is not boolean or does not broadcast.
            #[track_caller]
            pub fn $keep(&self, axes: impl IntoAxes, mask: impl TensorLike $(, $arg: $type)*) -> Tensor {
                unwrap(self.$try_keep(axes, mask $(, $arg)*))
            }

            #[doc = concat!("As [`", stringify!($keep), "`](Tensor::", stringify!($keep), ").")]
            ///
            /// # Errors
            /// If there is no such axis, one is named twice, or the mask is not boolean or does not broadcast.
            #[track_caller]
            pub fn $try_keep(
                &self,
                axes: impl IntoAxes,
                mask: impl TensorLike
                $(, $arg: $type)*
            ) -> Result<Tensor> {
                let mask = shown(stringify!($keep), self, mask)?;
                let axes = meant(stringify!($keep), &axes, self)?;
                $reduce(self, &axes, &mask $(, $arg)*)?.try_reshape(&kept_shape(self.shape(), &axes))
            }
        )* }
    };
}

masked! {
    "The sum",
    /// Dtypes as for [`sum`](Tensor::sum); that of nothing is 0. An `initial` of JAX is added to it.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum_where(.., x.gt(1.5)).item::<f32>()?, 9.0);
    /// assert_eq!(x.sum_where(1, [true, false]).to_vec::<f32>()?, [1.0, 3.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    sum_where try_sum_where sum_where_keep try_sum_where_keep () = sum;
    "The product",
    /// Dtypes as for [`prod`](Tensor::prod); that of nothing is 1.
    prod_where try_prod_where prod_where_keep try_prod_where_keep () = prod;
    "The mean",
    /// Dtypes as for [`mean`](Tensor::mean); that of nothing is NaN.
    mean_where try_mean_where mean_where_keep try_mean_where_keep () = mean;
    "The variance",
    /// As [`var`](Tensor::var): the sum of squared deviations by the number of elements less `ddof`; NaN if that is not positive.
    var_where try_var_where var_where_keep try_var_where_keep (ddof: usize) = var;
    "The standard deviation",
    /// The square root of the [variance](Tensor::var_where).
    std_where try_std_where std_where_keep try_std_where_keep (ddof: usize) = std;
    "The maximum",
    /// It is at least `initial`, a number, which is also that of nothing. At a tie with it each gets half of the gradient.
    max_where try_max_where max_where_keep try_max_where_keep (initial: impl TensorLike) = max;
    "The minimum",
    /// It is at most `initial`, a number, which is also that of nothing. At a tie with it each gets half of the gradient.
    min_where try_min_where min_where_keep try_min_where_keep (initial: impl TensorLike) = min;
    "Whether any is not zero,",
    /// Of nothing it is false.
    any_where try_any_where any_where_keep try_any_where_keep () = any;
    "Whether none is zero,",
    /// Of nothing it is true.
    all_where try_all_where all_where_keep try_all_where_keep () = all;
    "The logarithm of the sum of exponentials",
    /// As [`logsumexp`](Tensor::logsumexp); that of nothing is −∞.
    logsumexp_where try_logsumexp_where logsumexp_where_keep try_logsumexp_where_keep () = logsumexp;
}
