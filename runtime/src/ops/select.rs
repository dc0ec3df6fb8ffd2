//! Choosing element by element: select and clamp.

use smallvec::smallvec;

use crate::array::{Array, Aval, DType};
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::rewrite::{Match, Operand, Rewrite};
use crate::core::trace::{Axis, bind1};
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::arrays;
use crate::ops::{
    align, broadcast_shapes, convert, cotangent, infer_elementwise, only, promoted, sum_to, unpack,
};
use crate::scalar::op::ScalarOp;

#[derive(Clone, PartialEq)]
struct Select;

impl Primitive for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        if args[0].dtype != DType::Bool {
            return Err(Error::dtype("select", args[0].dtype, "a condition of booleans"));
        }
        let value = infer_elementwise("select", &args[1..])?;
        Ok(smallvec![Aval { shape: broadcast_shapes("select", &[&args[0].shape, &value.shape])?, ..value }])
    }

    fn op(&self) -> Op<'_> {
        Op::Elementwise(ScalarOp::Select)
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::args([0])
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let (ct, c) = (cotangent(cts), residuals.arg(0));
        let zero = ct.like(0.0);
        let side = |i: usize, x: &Tensor, y: &Tensor| -> Result<Option<Tensor>> {
            needs_grad[i].then(|| sum_to(c.try_select(x, y)?, &residuals.arg_aval(i).shape)).transpose()
        };
        Ok(smallvec![None, side(1, &ct, &zero)?, side(2, &zero, &ct)?])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, align(args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for Select {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        Ok(smallvec![arrays::elementwise::<3>(ScalarOp::Select, unpack(args), only(outs))])
    }

    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        let chosen = if args[0].splat()? == 0.0 { 2 } else { 1 };
        let shapes = [&args[0].aval().shape[..], &args[1].aval().shape, &args[2].aval().shape];
        let out = broadcast_shapes("select", &shapes).ok()?;
        (args[chosen].aval().shape == out).then_some(Rewrite::Value(Operand::Arg(chosen)))
    }
}

/// `min(max(x, low), high)` with a gradient of 1 from `low` to `high` and 0 outside, as `lax.clamp`.
#[derive(Clone, PartialEq)]
struct Clamp;

impl Primitive for Clamp {
    fn name(&self) -> &'static str {
        "clamp"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        if args[0].dtype == DType::Bool {
            return Err(Error::dtype("clamp", args[0].dtype, "numbers"));
        }
        Ok(smallvec![infer_elementwise("clamp", args)?])
    }

    fn op(&self) -> Op<'_> {
        Op::Elementwise(ScalarOp::Clamp)
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::ARGS
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let (ct, low, x, high) = (cotangent(cts), residuals.arg(0), residuals.arg(1), residuals.arg(2));
        let zero = ct.like(0.0);
        let side = |i: usize, here: &dyn Fn() -> Tensor| -> Result<Option<Tensor>> {
            needs_grad[i]
                .then(|| sum_to(here().try_select(&ct, &zero)?, &residuals.arg_aval(i).shape))
                .transpose()
        };
        Ok(smallvec![
            side(0, &|| low.gt(x) & low.lt(high))?,
            side(1, &|| x.gt(low) & x.lt(high))?,
            side(2, &|| high.lt(x))?,
        ])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, align(args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for Clamp {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        Ok(smallvec![arrays::elementwise::<3>(ScalarOp::Clamp, unpack(args), only(outs))])
    }
}

impl std::fmt::Debug for Select {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::fmt::Debug for Clamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Tensor {
    /// `x` where this boolean tensor is true, else `y`; all three broadcast.
    ///
    /// The gradient flows to the chosen side only.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([-1.0f32, 2.0]);
    /// assert_eq!(x.gt(0.0).select(&x, 0.0).to_vec::<f32>()?, [0.0, 2.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If this is not boolean, or the shapes do not broadcast.
    #[track_caller]
    pub fn select(&self, x: impl TensorLike, y: impl TensorLike) -> Tensor {
        unwrap(self.try_select(x, y))
    }

    /// As [`select`](Tensor::select).
    ///
    /// # Errors
    /// If this is not boolean, or the shapes do not broadcast.
    #[track_caller]
    pub fn try_select(&self, x: impl TensorLike, y: impl TensorLike) -> Result<Tensor> {
        let [x, y] = promoted([x.operand()?, y.operand()?])?;
        // Two bare numbers, of which neither meets a tensor that has a dtype.
        let dtype = x.dtype().untyped();
        let [x, y] = if x.aval().weak && y.aval().weak && dtype != x.dtype() {
            [convert(&x, dtype, true)?, convert(&y, dtype, true)?]
        } else {
            [x, y]
        };
        bind1(&Select, [self.clone(), x, y])
    }

    /// `self` kept between `low` and `high`; NaN stays NaN.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn clamp(&self, low: impl TensorLike, high: impl TensorLike) -> Tensor {
        unwrap(self.try_clamp(low, high))
    }

    /// As [`clamp`](Tensor::clamp).
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn try_clamp(&self, low: impl TensorLike, high: impl TensorLike) -> Result<Tensor> {
        bind1(&Clamp, promoted([low.operand()?, self.clone(), high.operand()?])?)
    }

    /// `self` kept between `low` and `high`, either of which may be `None`; NaN stays NaN.
    ///
    /// It is `minimum(maximum(self, low), high)`, with their dtypes and gradients, as `jnp.clip`: where `self` equals a
    /// bound, each gets half of the gradient. [`clamp`](Tensor::clamp) keeps the dtype of the mixture, and gives nothing to
    /// what is not strictly inside. Where `low` is above `high`, the result is `high`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([-1.0f32, 0.0, 2.0]);
    /// assert_eq!(x.clip(0, 1).to_vec::<f32>()?, [0.0, 0.0, 1.0]);
    /// assert_eq!(x.clip(None, 1).to_vec::<f32>()?, [-1.0, 0.0, 1.0]);
    /// let gradient = grad(|x: &Tensor| x.clip(0, 1).try_sum())(&x)?;
    /// assert_eq!(gradient.to_vec::<f32>()?, [0.0, 0.5, 0.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn clip(&self, low: impl ClipBound, high: impl ClipBound) -> Tensor {
        unwrap(self.try_clip(low, high))
    }

    /// As [`clip`](Tensor::clip).
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn try_clip(&self, low: impl ClipBound, high: impl ClipBound) -> Result<Tensor> {
        let x = match low.bound()? {
            Some(low) => self.try_maximum(low)?,
            None => self.clone(),
        };
        match high.bound()? {
            Some(high) => x.try_minimum(high),
            None => Ok(x),
        }
    }
}

/// A bound of [`Tensor::clip`]: anything that becomes a tensor, or `None`.
pub trait ClipBound {
    /// The bound, if there is one.
    ///
    /// # Errors
    /// If it does not become a tensor: an integer beyond 32 bits without a dtype.
    fn bound(self) -> Result<Option<Tensor>>;
}

impl<T: TensorLike> ClipBound for T {
    fn bound(self) -> Result<Option<Tensor>> {
        self.operand().map(Some)
    }
}

impl ClipBound for Option<Tensor> {
    fn bound(self) -> Result<Option<Tensor>> {
        Ok(self)
    }
}
