//! The elementwise functions of three arguments as methods: selections, clamps, and products with sums.

use super::apply;
use crate::core::{Tensor, TensorLike};
use crate::error::{Result, unwrap};
use crate::ops::{convert, promoted};
use crate::scalar::op::ScalarOp;

/// # Selections and clamps
impl Tensor {
    /// `self · factor + summand`, rounded once for `F32` and `F64`, on every machine; all three broadcast.
    ///
    /// Halves compute in `f32`; integers wrap around.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from(1.0f32 + f32::EPSILON);
    /// let square = &x * &x;
    /// // What the rounding of the square lost.
    /// assert_eq!(x.mul_add(&x, -square).item::<f32>()?, f32::EPSILON * f32::EPSILON);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the shapes do not broadcast, or the arguments are boolean.
    #[track_caller]
    pub fn mul_add(&self, factor: impl TensorLike, summand: impl TensorLike) -> Tensor {
        unwrap(self.try_mul_add(factor, summand))
    }

    /// As [`mul_add`](Tensor::mul_add).
    ///
    /// # Errors
    /// If the shapes do not broadcast, or the arguments are boolean.
    #[track_caller]
    pub fn try_mul_add(&self, factor: impl TensorLike, summand: impl TensorLike) -> Result<Tensor> {
        apply(ScalarOp::MulAdd, promoted([self.clone(), factor.operand()?, summand.operand()?])?)
    }

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
    #[doc(alias = "masked_fill")]
    #[doc(alias = "where")]
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
        apply(ScalarOp::Select, [self.clone(), x, y])
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
        apply(ScalarOp::Clamp, promoted([low.operand()?, self.clone(), high.operand()?])?)
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
    #[doc(alias = "clamp")]
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
