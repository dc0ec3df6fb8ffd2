//! `+ - * / %` and `& | ^ << >>` in all forms of ownership, and with bare scalars.

use std::ops;

use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::tensor::bare;
use crate::ops::elementwise::owned;
use crate::scalar::op::ScalarOp;

/// What can stand to the right of an operator beside tensors: a bare Rust number, as in `&x * 0.5` and `x + 1`, and a
/// `#[setup]` field that holds a tensor, as in `x * &self.scale`.
///
/// A number takes on the tensor's dtype, unless it is of a larger kind: an integer tensor times `0.5` is `F32`. An integer
/// that the dtype does not hold wraps around, as in JAX; one beyond 32 bits is refused. To the left of an operator stand only
/// `f64` and `i32`, the types of bare literals: with `f32` as well, `(2.0 * &x).sum()` would have no known type. A variable of
/// another type stands to the right, `&x * a`.
// One blanket implementation per operator, not one per type: the type of `x * 0.5` is then known before that of `0.5`.
pub trait Scalar: Copy {
    #[doc(hidden)]
    fn beside(self, aval: &Aval) -> Tensor;
}

fn float(x: f64, aval: &Aval) -> Tensor {
    let dtype = if aval.dtype.is_float() { aval.dtype } else { DType::F64.untyped() };
    crate::kernels::arrays::convert(&Array::scalar(x, true), dtype, true).into()
}

fn integer(x: i64, aval: &Aval) -> Tensor {
    let dtype = if aval.dtype == DType::Bool { DType::I64.untyped() } else { aval.dtype };
    if !crate::ops::holds(dtype, x) {
        // The operation says so.
        return bare(x);
    }
    crate::kernels::arrays::convert(&Array::scalar(x, true), dtype, true).into()
}

macro_rules! scalars {
    ($($make:ident: $($t:ty)*;)*) => {
        $($(impl Scalar for $t {
            fn beside(self, aval: &Aval) -> Tensor {
                $make(self as _, aval)
            }
        })*)*
    };
}

scalars! {
    float: f32 f64;
    integer: i32 i64 u32 i16 u16 i8 u8 usize;
}

/// A larger kind than all others: the result is `C64`.
impl Scalar for num_complex::Complex32 {
    fn beside(self, _aval: &Aval) -> Tensor {
        Array::scalar(self, true).into()
    }
}

// What it does is written out in every form: a closure would be the caller that a panic names.
macro_rules! operator {
    (
        $trait:ident $method:ident $assign:ident $assign_method:ident = |$x:ident, $y:ident| $op:expr;
        $($scalar:ty)*
    ) => {
        impl ops::$trait<Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                let ($x, $y) = (self, other);
                $op
            }
        }

        impl ops::$trait<&Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                let ($x, $y) = (self, other.clone());
                $op
            }
        }

        impl ops::$trait<Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                let ($x, $y) = (self.clone(), other);
                $op
            }
        }

        impl ops::$trait<&Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                let ($x, $y) = (self.clone(), other.clone());
                $op
            }
        }

        impl ops::$assign<Tensor> for Tensor {
            #[track_caller]
            fn $assign_method(&mut self, other: Tensor) {
                // Taken out, so that its buffer is held once and may be written into.
                let ($x, $y) = (std::mem::replace(self, Tensor::from(false)), other);
                *self = $op;
            }
        }

        impl ops::$assign<&Tensor> for Tensor {
            #[track_caller]
            fn $assign_method(&mut self, other: &Tensor) {
                ops::$assign::$assign_method(self, other.clone());
            }
        }

        impl<S: Scalar> ops::$trait<S> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: S) -> Tensor {
                let $y = other.beside(self.aval());
                let $x = self;
                $op
            }
        }

        impl<S: Scalar> ops::$trait<S> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: S) -> Tensor {
                let ($x, $y) = (self.clone(), other.beside(self.aval()));
                $op
            }
        }

        impl<S: Scalar> ops::$assign<S> for Tensor {
            #[track_caller]
            fn $assign_method(&mut self, other: S) {
                let other = other.beside(self.aval());
                ops::$assign::$assign_method(self, other);
            }
        }

        $(impl ops::$trait<Tensor> for $scalar {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                let $x = self.beside(other.aval());
                let $y = other;
                $op
            }
        }

        impl ops::$trait<&Tensor> for $scalar {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                let ($x, $y) = (self.beside(other.aval()), other.clone());
                $op
            }
        })*
    };
}

macro_rules! operators {
    ($($trait:ident $method:ident $assign:ident $assign_method:ident $op:ident;)* : $scalars:tt) => {
        $(operators! { @one $trait $method $assign $assign_method $op $scalars })*
    };
    (@one $trait:ident $method:ident $assign:ident $assign_method:ident $op:ident ($($scalar:ty)*)) => {
        operator! { $trait $method $assign $assign_method = |x, y| owned(ScalarOp::$op, stringify!($method), x, y); $($scalar)* }
    };
}

operators! {
    Add add AddAssign add_assign Add;
    Sub sub SubAssign sub_assign Sub;
    Mul mul MulAssign mul_assign Mul;
    Div div DivAssign div_assign Div;
    : (f64 i32)
}

operators! {
    BitAnd bitand BitAndAssign bitand_assign And;
    BitOr bitor BitOrAssign bitor_assign Or;
    BitXor bitxor BitXorAssign bitxor_assign Xor;
    Shl shl ShlAssign shl_assign ShiftLeft;
    Shr shr ShrAssign shr_assign ShiftRight;
    : (i32)
}

// As on JAX arrays: the result has the sign of the divisor.
operator! { Rem rem RemAssign rem_assign = |x, y| x.remainder(y); f64 i32 }
