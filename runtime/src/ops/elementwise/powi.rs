//! Powers with a fixed integer exponent as methods.

use super::apply;
use super::unary::inexact;
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Result, unwrap};
use crate::ops::convert;
use crate::scalar::op::ScalarOp;

/// # Whole powers
impl Tensor {
    /// The power with a fixed integer exponent, by repeated squaring; integers wrap around, and 0⁰ is 1.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([2.0f32, -3.0]);
    /// assert_eq!(x.powi(3).to_vec::<f32>()?, [8.0, -27.0]);
    /// assert_eq!(grad(|x: &Tensor| Ok(x.powi(-2)))(&Tensor::from(2.0f32))?.item::<f32>()?, -0.25);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the exponent is negative and this is not a float.
    #[doc(alias = "integer_pow")]
    #[track_caller]
    pub fn powi(&self, exponent: i32) -> Tensor {
        unwrap(self.try_powi(exponent))
    }

    /// As [`powi`](Tensor::powi).
    ///
    /// # Errors
    /// If the exponent is negative and this is not a float.
    #[track_caller]
    pub fn try_powi(&self, exponent: i32) -> Result<Tensor> {
        let x = match self.dtype() {
            DType::Bool => convert(self, DType::I32, self.aval().weak)?,
            _ => self.clone(),
        };
        apply(ScalarOp::Powi(exponent), [x])
    }

    /// The product with itself.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn square(&self) -> Tensor {
        unwrap(self.try_square())
    }

    /// As [`square`](Tensor::square).
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn try_square(&self) -> Result<Tensor> {
        self.try_powi(2)
    }

    /// `1/x`; of integers as `F32`.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn reciprocal(&self) -> Tensor {
        unwrap(self.try_reciprocal())
    }

    /// As [`reciprocal`](Tensor::reciprocal).
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn try_reciprocal(&self) -> Result<Tensor> {
        apply(ScalarOp::Powi(-1), [inexact(self)?])
    }
}
