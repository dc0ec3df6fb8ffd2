//! Cumulative sums, products, extremes and logarithms of sums of exponentials along an axis.
//!
//! Products and logarithms have one rule. With `y` the output, `y_k = f(y_before, x_k)` makes the derivative a linear recurrence,
//! `dy_k = α_k · dy_before + β_k · dx_k`, and the gradient its transpose. No quotient is taken, so zeros, infinities and
//! large exponents do no harm.

mod extreme;

use smallvec::smallvec;

use super::recurrence::{opposite, pulled_back, shifted};
use crate::array::dtype::{dispatch_float, dispatch_wide};
use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::{CumulativeOp, Op};
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::reduce::{self, Direction};
use crate::ops::axes::Int;
use crate::ops::complex::of_parts;
use crate::ops::{axis_of, cotangent, in_i64, is_narrow, only, unpack};

#[derive(Clone, Copy, PartialEq)]
struct Cumulative {
    kind: CumulativeOp,
    axis: usize,
    direction: Direction,
}

impl Primitive for Cumulative {
    fn name(&self) -> &'static str {
        match self.kind {
            CumulativeOp::Sum => "cumsum",
            CumulativeOp::Prod => "cumprod",
            CumulativeOp::Max => "cummax",
            CumulativeOp::Min => "cummin",
            CumulativeOp::LogSumExp => "cumlogsumexp",
        }
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let Aval { shape, dtype, .. } = args[0];
        if self.axis >= shape.len() {
            let found = format!("axis {} of shape {shape:?}", self.axis);
            return Err(Error::shape(self.name(), found, "an axis of the shape"));
        }
        let (fits, expected) = match self.kind {
            CumulativeOp::Prod if dtype.is_complex() => (false, "real numbers"),
            CumulativeOp::Sum | CumulativeOp::Prod => {
                (*dtype != DType::Bool, "numbers (cast the booleans first)")
            }
            _ if dtype.is_complex() => (false, "real numbers"),
            CumulativeOp::LogSumExp => (dtype.is_float(), "floats"),
            CumulativeOp::Max | CumulativeOp::Min => (true, ""),
        };
        if fits { Ok(smallvec![args[0].clone()]) } else { Err(Error::dtype(self.name(), dtype, expected)) }
    }

    fn op(&self) -> Op<'_> {
        Op::Cumulative { op: self.kind, axis: self.axis, direction: self.direction }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        if self.kind == CumulativeOp::Sum { ResidualMask::NONE } else { ResidualMask::ALL }
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let (ct, axis, direction) = (cotangent(cts), self.axis, self.direction);
        if self.kind == CumulativeOp::Sum {
            let back = Cumulative { direction: opposite(direction), ..*self };
            return Ok(smallvec![Some(bind1(&back, [ct])?)]);
        }
        let (x, y) = (residuals.arg(0), residuals.out(0));
        let (of_before, of_this) = match self.kind {
            CumulativeOp::Prod => (x.clone(), shifted(y, axis, direction, 1.0)?),
            CumulativeOp::LogSumExp => {
                let before = shifted(y, axis, direction, f64::NEG_INFINITY)?;
                (weight(&before, y)?, weight(x, y)?)
            }
            _ => {
                return Ok(smallvec![Some(extreme::gradient(
                    [x, y, &ct],
                    self.kind == CumulativeOp::Max,
                    axis,
                    direction
                )?)]);
            }
        };
        Ok(smallvec![Some(pulled_back(&of_before, &ct, axis, direction)?.try_mul(of_this)?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(&Cumulative { axis: self.axis + 1, ..*self }, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Cumulative {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        if out.dtype.is_complex() {
            return of_parts(x, out, |x, out| self.eval(smallvec![x], smallvec![out]));
        }
        if is_narrow(out.dtype) {
            return in_i64(&[&x], out, &|args, outs| self.eval(args, outs));
        }
        let (shape, axis, direction) = (x.shape(), self.axis, self.direction);
        Ok(smallvec![match self.kind {
            CumulativeOp::LogSumExp => dispatch_float!(out.dtype, T => Array::build(out, |out| {
                reduce::cum_log_sum_exp::<T>(x.data(), shape, axis, direction, out);
            })),
            CumulativeOp::Sum => dispatch_wide!(out.dtype, T => {
                Array::build(out, |out| reduce::cum_sum::<T>(x.data(), shape, axis, direction, out))
            }),
            CumulativeOp::Prod => dispatch_wide!(out.dtype, T => {
                Array::build(out, |out| reduce::cum_prod::<T>(x.data(), shape, axis, direction, out))
            }),
            kind => dispatch_wide!(out.dtype, T => Array::build(out, |out| match kind {
                CumulativeOp::Max => reduce::cum_max::<T>(x.data(), shape, axis, direction, out),
                _ => reduce::cum_min::<T>(x.data(), shape, axis, direction, out),
            })),
        }])
    }
}

impl std::fmt::Debug for Cumulative {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[axis={} reverse={}]", self.name(), self.axis, self.direction == Direction::Reverse)
    }
}

/// The share of `exp(part)` in `exp(whole)`; that of an infinity in itself is one.
fn weight(part: &Tensor, whole: &Tensor) -> Result<Tensor> {
    let same = part.try_eq(whole)?;
    Ok(same.try_select(part.like(0.0), part.try_sub(whole)?)?.exp())
}

/// For each element of the last axis the product of all others.
#[track_caller]
pub(super) fn product_of_others(x: &Tensor) -> Result<Tensor> {
    let axis = x.rank() - 1;
    let one_side = |direction| {
        let products = bind1(&Cumulative { kind: CumulativeOp::Prod, axis, direction }, [x.clone()])?;
        shifted(&products, axis, direction, 1.0)
    };
    one_side(Direction::Forward)?.try_mul(one_side(Direction::Reverse)?)
}

#[track_caller]
fn along(kind: CumulativeOp, op: &'static str, x: &Tensor, axis: impl Int, reverse: bool) -> Result<Tensor> {
    let axis = axis_of(op, axis, x.rank())?;
    let direction = if reverse { Direction::Reverse } else { Direction::Forward };
    let x = match (kind, x.dtype()) {
        (CumulativeOp::Sum | CumulativeOp::Prod, DType::Bool) => x.try_cast(DType::I32)?,
        (CumulativeOp::LogSumExp, dtype) => super::convert(x, dtype.to_inexact(), x.aval().weak)?,
        _ => x.clone(),
    };
    bind1(&Cumulative { kind, axis, direction }, [x])
}

macro_rules! methods {
    ($($(#[$doc:meta])* $kind:ident $plain:ident $try_plain:ident $reverse:ident $try_reverse:ident;)*) => {
        /// # Running sums and the like
        impl Tensor { $(
            $(#[$doc])*
            ///
            /// # Panics
            /// If there is no such axis.
            #[track_caller]
            pub fn $plain(&self, axis: impl Int) -> Tensor {
                unwrap(self.$try_plain(axis))
            }

            #[doc = concat!("As [`", stringify!($plain), "`](Tensor::", stringify!($plain), ").")]
            ///
            /// # Errors
            /// If there is no such axis.
            #[track_caller]
            pub fn $try_plain(&self, axis: impl Int) -> Result<Tensor> {
                along(CumulativeOp::$kind, stringify!($plain), self, axis, false)
            }

            #[doc = concat!("As [`", stringify!($plain), "`](Tensor::", stringify!($plain), "), from the end of the axis.")]
            ///
            /// # Panics
            /// If there is no such axis.
            #[track_caller]
            pub fn $reverse(&self, axis: impl Int) -> Tensor {
                unwrap(self.$try_reverse(axis))
            }

            #[doc = concat!("As [`", stringify!($reverse), "`](Tensor::", stringify!($reverse), ").")]
            ///
            /// # Errors
            /// If there is no such axis.
            #[track_caller]
            pub fn $try_reverse(&self, axis: impl Int) -> Result<Tensor> {
                along(CumulativeOp::$kind, stringify!($reverse), self, axis, true)
            }
        )* }
    };
}

methods! {
    /// The sums of the elements up to each, along an axis; booleans give `I32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1.0f32, 2.0, 3.0]);
    /// assert_eq!(x.cumsum(0).to_vec::<f32>()?, [1.0, 3.0, 6.0]);
    /// assert_eq!(x.cumsum_reverse(0).to_vec::<f32>()?, [6.0, 5.0, 3.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    Sum cumsum try_cumsum cumsum_reverse try_cumsum_reverse;
    /// The products of the elements up to each, along an axis; booleans give `I32`. Gradients are right for zeros, too.
    Prod cumprod try_cumprod cumprod_reverse try_cumprod_reverse;
    /// The maxima of the elements up to each, along an axis; NaN from the first NaN on.
    ///
    /// Of equal elements each has a share of the gradient, as if the maxima were taken in pairs of pairs (see JAX's
    /// `associative_scan`): the maximum of four equal ones gives each of them a quarter. From the first NaN on there is none.
    Max cummax try_cummax cummax_reverse try_cummax_reverse;
    /// The minima of the elements up to each, along an axis; NaN from the first NaN on.
    ///
    /// Gradients are shared as those of [`cummax`](Tensor::cummax).
    Min cummin try_cummin cummin_reverse try_cummin_reverse;
    /// The logarithms of the sums of the exponentials up to each element, along an axis, without overflow.
    LogSumExp cumlogsumexp try_cumlogsumexp cumlogsumexp_reverse try_cumlogsumexp_reverse;
}
