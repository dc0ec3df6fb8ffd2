//! Arithmetic and bits of two arguments, element by element, with broadcasting.

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
    align, convert, cotangent, infer_elementwise, only, promoted, promoted_inexact, sum_to, unpack,
};
use crate::scalar::op::ScalarOp;

/// Arguments and output have one dtype.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Pow,
    Max,
    Min,
    Atan2,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

use Binary::{Add, And, Atan2, Div, Max, Min, Mul, Or, Pow, Rem, ShiftLeft, ShiftRight, Sub, Xor};

impl Binary {
    /// The name of the method, which a user knows it by.
    fn method(self) -> &'static str {
        match self {
            Rem => "fmod",
            Max => "maximum",
            Min => "minimum",
            And => "bitand",
            Or => "bitor",
            Xor => "bitxor",
            ShiftLeft => "shl",
            ShiftRight => "shr",
            _ => self.name(),
        }
    }

    fn code(self) -> ScalarOp {
        match self {
            Add => ScalarOp::Add,
            Sub => ScalarOp::Sub,
            Mul => ScalarOp::Mul,
            Div => ScalarOp::Div,
            Rem => ScalarOp::Rem,
            Pow => ScalarOp::Pow,
            Max => ScalarOp::Max,
            Min => ScalarOp::Min,
            Atan2 => ScalarOp::Atan2,
            And => ScalarOp::And,
            Or => ScalarOp::Or,
            Xor => ScalarOp::Xor,
            ShiftLeft => ScalarOp::ShiftLeft,
            ShiftRight => ScalarOp::ShiftRight,
        }
    }

    fn check_dtype(self, dtype: DType) -> Result<()> {
        let (fits, expected) = match self {
            Add | Mul | Max | Min => return Ok(()),
            Sub | Div | Rem | Pow => (dtype != DType::Bool, "numbers (cast the booleans first)"),
            Atan2 => (dtype.is_float(), "floats"),
            And | Or | Xor => (!dtype.is_float(), "integers or booleans"),
            ShiftLeft | ShiftRight => (dtype.is_integer(), "integers"),
        };
        if fits { Ok(()) } else { Err(Error::dtype(self.name(), dtype, expected)) }
    }
}

impl Primitive for Binary {
    fn name(&self) -> &'static str {
        match self {
            Add => "add",
            Sub => "sub",
            Mul => "mul",
            Div => "div",
            Rem => "rem",
            Pow => "pow",
            Max => "max",
            Min => "min",
            Atan2 => "atan2",
            And => "and",
            Or => "or",
            Xor => "xor",
            ShiftLeft => "shift_left",
            ShiftRight => "shift_right",
        }
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let out = infer_elementwise(self.name(), args)?;
        self.check_dtype(out.dtype)?;
        Ok(smallvec![out])
    }

    fn op(&self) -> Op<'_> {
        Op::Elementwise(self.code())
    }

    fn residuals(&self, needs_grad: &[bool]) -> ResidualMask {
        match self {
            // The other factor, where it has a use.
            Mul => ResidualMask::args((0..2).filter(|i| needs_grad[1 - i])),
            Div if needs_grad[1] => ResidualMask { args: 0b10, outs: 1 },
            Div => ResidualMask::args([1]),
            Pow if needs_grad[1] => ResidualMask::ALL,
            Rem | Pow | Atan2 => ResidualMask::ARGS,
            Max | Min => ResidualMask::ALL,
            _ => ResidualMask::NONE,
        }
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let ct = cotangent(cts);
        let (x, y) = (|| residuals.arg(0), || residuals.arg(1));
        let [dx, dy] = match self {
            Add => [needs_grad[0].then(|| ct.clone()), needs_grad[1].then_some(ct)],
            Sub => [needs_grad[0].then(|| ct.clone()), needs_grad[1].then(|| -ct)],
            Mul => [needs_grad[0].then(|| &ct * y()), needs_grad[1].then(|| ct * x())],
            Div => {
                let dx = ct / y();
                let dy = needs_grad[1].then(|| -(&dx * residuals.out(0)));
                [needs_grad[0].then_some(dx), dy]
            }
            Rem => {
                let whole = || bind1(&Div, [x().clone(), y().clone()]).map(|quotient| quotient.trunc());
                let dy = if needs_grad[1] { Some(-(&ct * whole()?)) } else { None };
                [needs_grad[0].then_some(ct), dy]
            }
            Pow => {
                let zero = y().eq(0.0);
                // 0⁰ has derivative 0 in the base, where JAX has NaN, and a zero base derivative 0 in the exponent.
                let dx = needs_grad[0].then(|| {
                    let power = x().pow(zero.select(y().like(1.0), y() - 1.0));
                    &ct * zero.select(y().like(0.0), y() * power)
                });
                let dy = needs_grad[1]
                    .then(|| &ct * residuals.out(0) * x().eq(0.0).select(x().like(1.0), x()).log());
                [dx, dy]
            }
            Max | Min => {
                let out = residuals.out(0);
                let back = |this: &Tensor, other: &Tensor| &ct * share(this, other, out);
                [needs_grad[0].then(|| back(x(), y())), needs_grad[1].then(|| back(y(), x()))]
            }
            Atan2 => {
                let ct = ct / (x() * x() + y() * y());
                [needs_grad[0].then(|| &ct * y()), needs_grad[1].then(|| -(&ct * x()))]
            }
            And | Or | Xor | ShiftLeft | ShiftRight => [None, None],
        };
        let back =
            |ct: Option<Tensor>, i: usize| ct.map(|ct| sum_to(ct, &residuals.arg_aval(i).shape)).transpose();
        Ok(smallvec![back(dx, 0)?, back(dy, 1)?])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, align(args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for Binary {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        Ok(smallvec![arrays::elementwise::<2>(self.code(), unpack(args), only(outs))])
    }

    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        let (x, y) = (&args[0], &args[1]);
        // Only where the other operand alone has the shape of the result. Adding 0.0 to -0.0 gives 0.0, so a float sum
        // with zero stays; a difference does not change its sign.
        let keeps_shape = |kept: &Match<'_>, other: &Match<'_>| {
            let (kept, other) = (&kept.aval().shape, &other.aval().shape);
            super::broadcast_shapes("simplify", &[kept, other]).is_ok_and(|shape| shape == *kept)
        };
        let neutral = |unit: f64| {
            if y.splat() == Some(unit) && keeps_shape(x, y) {
                return Some(Rewrite::Value(Operand::Arg(0)));
            }
            let swaps = matches!(self, Add | Mul);
            (swaps && x.splat() == Some(unit) && keeps_shape(y, x)).then_some(Rewrite::Value(Operand::Arg(1)))
        };
        let is_float = x.aval().dtype.is_float();
        match self {
            Add if !is_float => neutral(0.0),
            Sub if y.splat().is_some_and(|y| y.to_bits() == 0) => neutral(0.0),
            Mul | Div | Pow if x.aval().dtype != DType::Bool => neutral(1.0),
            _ => None,
        }
    }
}

/// What one of two numbers has of the derivative of the larger or smaller of them: half at a tie, nothing of NaN.
#[track_caller]
pub(super) fn share(this: &Tensor, other: &Tensor, out: &Tensor) -> Tensor {
    let won = other.eq(out).select(out.like(0.5), out.like(1.0));
    this.eq(out).select(won, out.like(0.0))
}

impl std::fmt::Debug for Binary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[track_caller]
fn apply(op: Binary, x: Tensor, y: Tensor) -> Result<Tensor> {
    apply_unnamed(op, [x, y]).map_err(|error| error.called(op.method()))
}

#[track_caller]
fn apply_unnamed(op: Binary, pair: [Tensor; 2]) -> Result<Tensor> {
    let pair = match op {
        Div | Atan2 => promoted_inexact(pair)?,
        // The shifted value decides, not the distance.
        ShiftLeft | ShiftRight => {
            let [x, y] = pair;
            let y = if y.dtype().is_integer() { convert(&y, x.dtype(), true)? } else { y };
            [x, y]
        }
        _ => promoted(pair)?,
    };
    bind1(&op, pair)
}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident $try_method:ident $op:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// # Panics
            /// If the shapes do not broadcast, or the dtypes do not fit.
            #[track_caller]
            pub fn $method(&self, other: impl TensorLike) -> Tensor {
                unwrap(self.$try_method(other))
            }

            #[doc = concat!("As [`", stringify!($method), "`](Tensor::", stringify!($method), ").")]
            ///
            /// # Errors
            /// If the shapes do not broadcast, or the dtypes do not fit.
            #[track_caller]
            pub fn $try_method(&self, other: impl TensorLike) -> Result<Tensor> {
                apply($op, self.clone(), other.operand()?)
            })*
        }
    };
}

methods! {
    /// The sum, as `+`.
    add try_add Add;
    /// The difference, as `-`.
    sub try_sub Sub;
    /// The product, as `*`.
    mul try_mul Mul;
    /// The quotient, as `/`: integers are divided as `F32`.
    div try_div Div;
    /// What a quotient truncated towards zero leaves, as C's `fmod`: it has the sign of `self`. The remainder of an integer
    /// divided by 0 is 0.
    fmod try_fmod Rem;
    /// `self` to the power of `other`.
    pow try_pow Pow;
    /// The larger of the two, 0 of 0 and -0; NaN if either is NaN. At a tie each gets half the gradient.
    maximum try_maximum Max;
    /// The smaller of the two, -0 of 0 and -0; NaN if either is NaN. At a tie each gets half the gradient.
    minimum try_minimum Min;
    /// The angle of the point (`other`, `self`), in radians.
    atan2 try_atan2 Atan2;
    /// And of booleans, or of the bits of integers.
    bitand try_bitand And;
    /// Or of booleans, or of the bits of integers.
    bitor try_bitor Or;
    /// Exclusive or of booleans, or of the bits of integers.
    bitxor try_bitxor Xor;
    /// The bits moved left by `other` places; by the width or more gives 0.
    shl try_shl ShiftLeft;
    /// The bits moved right by `other` places; signed integers keep their sign.
    shr try_shr ShiftRight;
}

/// For operators, which own their operands.
#[track_caller]
pub(crate) fn owned(op: Binary, x: Tensor, y: Tensor) -> Tensor {
    unwrap(apply(op, x, y))
}
