//! Comparisons, which give booleans.

use smallvec::smallvec;

use crate::array::{Array, Aval, DType};
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::error::unwrap;
use crate::kernels::arrays;
use crate::ops::{align, infer_elementwise, only, promoted, unpack};
use crate::scalar::op::ScalarOp;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Compare {
    fn code(self) -> ScalarOp {
        match self {
            Compare::Eq => ScalarOp::Eq,
            Compare::Ne => ScalarOp::Ne,
            Compare::Lt => ScalarOp::Lt,
            Compare::Le => ScalarOp::Le,
            Compare::Gt => ScalarOp::Gt,
            Compare::Ge => ScalarOp::Ge,
        }
    }
}

impl Primitive for Compare {
    fn name(&self) -> &'static str {
        match self {
            Compare::Eq => "eq",
            Compare::Ne => "ne",
            Compare::Lt => "lt",
            Compare::Le => "le",
            Compare::Gt => "gt",
            Compare::Ge => "ge",
        }
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![infer_elementwise(self.name(), args)?.with_dtype(DType::Bool)])
    }

    fn op(&self) -> Op<'_> {
        Op::Elementwise(self.code())
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, _cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![None, None])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, align(args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for Compare {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        Ok(smallvec![arrays::elementwise::<2>(self.code(), unpack(args), only(outs))])
    }
}

impl std::fmt::Debug for Compare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident $try_method:ident $op:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// # Panics
            /// If the shapes do not broadcast.
            #[track_caller]
            pub fn $method(&self, other: impl TensorLike) -> Tensor {
                unwrap(self.$try_method(other))
            }

            #[doc = concat!("As [`", stringify!($method), "`](Tensor::", stringify!($method), ").")]
            ///
            /// # Errors
            /// If the shapes do not broadcast.
            #[track_caller]
            pub fn $try_method(&self, other: impl TensorLike) -> Result<Tensor> {
                bind1(&Compare::$op, promoted([self.clone(), other.operand()?])?)
            })*
        }
    };
}

methods! {
    /// True where the two are equal; NaN equals nothing.
    eq try_eq Eq;
    /// True where the two differ.
    ne try_ne Ne;
    /// True where `self` is less.
    lt try_lt Lt;
    /// True where `self` is less or equal.
    le try_le Le;
    /// True where `self` is greater.
    gt try_gt Gt;
    /// True where `self` is greater or equal.
    ge try_ge Ge;
}
