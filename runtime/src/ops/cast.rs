//! Conversions between dtypes, `bitcast`, and `stop_gradient`.

use smallvec::smallvec;

use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::rewrite::{Match, Operand, Rewrite};
use crate::core::trace::{Axis, bind1};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::arrays;
use crate::ops::{convert, cotangent, only, unpack};
use crate::scalar::op::ScalarOp;

#[derive(Clone, PartialEq)]
pub(super) struct Cast {
    dtype: DType,
    weak: bool,
}

impl Primitive for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![Aval { shape: args[0].shape.clone(), dtype: self.dtype, weak: self.weak }])
    }

    fn op(&self) -> Op<'_> {
        Op::Cast
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![Some(convert(&cotangent(cts), residuals.arg_aval(0).dtype, false)?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Cast {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        Ok(smallvec![arrays::elementwise::<1>(ScalarOp::Cast, unpack(args), only(outs))])
    }

    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        (args[0].aval().dtype == self.dtype).then_some(Rewrite::Value(Operand::Arg(0)))
    }

    fn splat(&self, args: &[Match<'_>]) -> Option<f64> {
        // Only where the number is the same in both.
        let exact =
            self.dtype == DType::F64 || (self.dtype == DType::F32 && args[0].aval().dtype != DType::F64);
        args[0].splat().filter(|_| exact)
    }
}

impl std::fmt::Debug for Cast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cast[dtype={}]", self.dtype.short_name())
    }
}

#[track_caller]
pub(crate) fn cast_to(x: &Tensor, dtype: DType, weak: bool) -> Result<Tensor> {
    bind1(&Cast { dtype, weak }, [x.clone()])
}

/// The same bytes read as another dtype of the same width.
#[derive(Clone, PartialEq)]
struct Bitcast(DType);

impl Primitive for Bitcast {
    fn name(&self) -> &'static str {
        "bitcast"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let found = || format!("{} to {}", args[0].dtype, self.0);
        if self.0 == DType::Bool && args[0].dtype != DType::Bool {
            // A byte may be neither 0 nor 1, which no boolean is.
            return Err(Error::dtype(
                "bitcast",
                found(),
                "a dtype that any bits are numbers of (use `ne(0)`)",
            ));
        }
        if args[0].dtype.size() != self.0.size() {
            let found = found();
            return Err(Error::dtype("bitcast", found, "dtypes of one width"));
        }
        Ok(smallvec![args[0].with_dtype(self.0)])
    }

    fn op(&self) -> Op<'_> {
        Op::Bitcast
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    // Bits have no gradient.
    fn vjp(&self, _residuals: &Residuals, _cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![None])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Bitcast {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [x] = unpack(args);
        Ok(smallvec![x.with_aval(only(outs))])
    }
}

impl std::fmt::Debug for Bitcast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bitcast[dtype={}]", self.0.short_name())
    }
}

/// Itself forward, nothing backward.
#[derive(Clone, PartialEq)]
struct StopGradient;

impl Primitive for StopGradient {
    fn name(&self) -> &'static str {
        "stop_gradient"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![args[0].clone()])
    }

    fn op(&self) -> Op<'_> {
        Op::StopGradient
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, _cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![None])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for StopGradient {
    fn eval(&self, args: Args<Array>, _outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [x] = unpack(args);
        Ok(smallvec![x])
    }
}

impl std::fmt::Debug for StopGradient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// # Dtypes
impl Tensor {
    /// Converts the elements to another dtype: floats round to nearest, floats to integers truncate towards zero and
    /// saturate (NaN becomes 0), integers to narrower ones wrap around, and to `Bool` everything but zero is true.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1.7f32, -1.7]).cast(DType::I32);
    /// assert_eq!(x.to_vec::<i32>()?, [1, -1]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[doc(alias = "astype")]
    #[doc(alias = "convert_element_type")]
    #[doc(alias = "to")]
    #[doc(alias = "type_as")]
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Tensor {
        unwrap(self.try_cast(dtype))
    }

    /// As [`cast`](Tensor::cast).
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn try_cast(&self, dtype: DType) -> Result<Tensor> {
        if self.dtype() == dtype && !self.aval().weak {
            return Ok(self.clone());
        }
        cast_to(self, dtype, false)
    }

    /// Reads the bytes of each element as another dtype of the same width.
    ///
    /// # Panics
    /// If the dtypes differ in width, or other bytes are to become booleans.
    #[doc(alias = "bitcast_convert_type")]
    #[track_caller]
    pub fn bitcast(&self, dtype: DType) -> Tensor {
        unwrap(self.try_bitcast(dtype))
    }

    /// As [`bitcast`](Tensor::bitcast).
    ///
    /// # Errors
    /// If the dtypes differ in width, or other bytes are to become booleans.
    #[track_caller]
    pub fn try_bitcast(&self, dtype: DType) -> Result<Tensor> {
        bind1(&Bitcast(dtype), [self.clone()])
    }

    /// The same value, through which no gradient flows.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[doc(alias = "detach")]
    #[track_caller]
    pub fn stop_gradient(&self) -> Tensor {
        unwrap(bind1(&StopGradient, [self.clone()]))
    }
}
