//! `+ - * / %` and `& | ^ << >>` in all forms of ownership, and with bare scalars.

use std::ops;

use super::binary::{Binary, owned};
use crate::tensor::{Array, Aval, DType, Tensor, bare};

/// What can stand to the right of an operator beside tensors: a bare Rust number, as in `&x * 0.5` and `x + 1`, and a
/// `#[setup]` field that holds a tensor, as in `x * &self.scale`.
///
/// A number takes on the tensor's dtype, unless it is of a larger kind: an integer tensor times `0.5` is `F32`. An integer
/// that the dtype does not hold wraps around, as in JAX; one beyond 32 bits is refused. To the left of an operator stand only
/// `f64` and `i32`, the types of bare literals.
// One blanket implementation per operator, not one per type: the type of `x * 0.5` is then known before that of `0.5`.
pub trait Scalar: Copy {
    #[doc(hidden)]
    fn beside(self, aval: &Aval) -> Tensor;
}

fn float(x: f64, aval: &Aval) -> Tensor {
    let dtype = if aval.dtype.is_float() { aval.dtype } else { DType::F64.untyped() };
    super::cast::scalar(&Array::scalar(x, true), dtype, true).into()
}

fn integer(x: i64, aval: &Aval) -> Tensor {
    let dtype = if aval.dtype == DType::Bool { DType::I64.untyped() } else { aval.dtype };
    if !super::holds(dtype, x) {
        // The operation says so.
        return bare(x);
    }
    super::cast::scalar(&Array::scalar(x, true), dtype, true).into()
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
    integer: i32 i64 u32 u8 usize;
}

macro_rules! operator {
    ($trait:ident $method:ident $assign:ident $assign_method:ident = $op:expr; $($scalar:ty)*) => {
        impl ops::$trait<Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                $op(self, other)
            }
        }

        impl ops::$trait<&Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                $op(self, other.clone())
            }
        }

        impl ops::$trait<Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                $op(self.clone(), other)
            }
        }

        impl ops::$trait<&Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                $op(self.clone(), other.clone())
            }
        }

        impl ops::$assign<Tensor> for Tensor {
            #[track_caller]
            fn $assign_method(&mut self, other: Tensor) {
                // Taken out, so that its buffer is held once and may be written into.
                let this = std::mem::replace(self, Tensor::from(false));
                *self = $op(this, other);
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
                let other = other.beside(self.aval());
                $op(self, other)
            }
        }

        impl<S: Scalar> ops::$trait<S> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: S) -> Tensor {
                $op(self.clone(), other.beside(self.aval()))
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
                let this = self.beside(other.aval());
                $op(this, other)
            }
        }

        impl ops::$trait<&Tensor> for $scalar {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                $op(self.beside(other.aval()), other.clone())
            }
        })*
    };
}

macro_rules! operators {
    ($($trait:ident $method:ident $assign:ident $assign_method:ident $op:ident;)* : $scalars:tt) => {
        $(operators! { @one $trait $method $assign $assign_method (|x, y| owned(Binary::$op, x, y)); $scalars })*
    };
    (@one $trait:ident $method:ident $assign:ident $assign_method:ident $op:tt; ($($scalar:ty)*)) => {
        operator! { $trait $method $assign $assign_method = $op; $($scalar)* }
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

/// `%` as on JAX arrays: the result has the sign of the divisor.
#[track_caller]
fn remainder(x: Tensor, y: Tensor) -> Tensor {
    x.remainder(y)
}

operator! { Rem rem RemAssign rem_assign = remainder; f64 i32 }
