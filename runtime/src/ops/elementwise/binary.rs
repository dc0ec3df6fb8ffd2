//! The elementwise functions of two arguments as methods.

use super::apply;
use crate::core::{Tensor, TensorLike};
use crate::error::{Result, unwrap};
use crate::ops::{convert, promoted, promoted_inexact};
use crate::scalar::op::{ScalarOp, Takes};

/// Applies a function to a pair of one dtype: that of their mixture, of floats where it takes no others.
#[track_caller]
fn of_pair(op: ScalarOp, pair: [Tensor; 2]) -> Result<Tensor> {
    let pair = match op {
        ScalarOp::Div => promoted_inexact(pair)?,
        _ if op.takes() == Takes::Float => promoted_inexact(pair)?,
        // The shifted value decides, not the distance.
        ScalarOp::ShiftLeft | ScalarOp::ShiftRight => {
            let [x, y] = pair;
            let y = if y.dtype().is_integer() { convert(&y, x.dtype(), true)? } else { y };
            [x, y]
        }
        _ => promoted(pair)?,
    };
    apply(op, pair)
}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident $try_method:ident $op:ident;)*) => {
        /// # Elementwise functions of two arguments
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
                of_pair(ScalarOp::$op, [self.clone(), other.operand()?])
                    .map_err(|error| error.called(stringify!($method)))
            })*
        }
    };
}

methods! {
    /// The sum, as `+`.
    add try_add Add;
    /// The difference, as `-`.
    #[doc(alias = "subtract")]
    sub try_sub Sub;
    /// The product, as `*`.
    #[doc(alias = "multiply")]
    mul try_mul Mul;
    /// The quotient, as `/`: integers are divided as `F32`.
    #[doc(alias = "divide")]
    div try_div Div;
    /// What a quotient truncated towards zero leaves, as C's `fmod`: it has the sign of `self`. The remainder of an integer
    /// divided by 0 is 0.
    #[doc(alias = "rem")]
    fmod try_fmod Rem;
    /// `self` to the power of `other`.
    #[doc(alias = "power")]
    pow try_pow Pow;
    /// The larger of the two, 0 of 0 and -0; NaN if either is NaN. At a tie each gets half the gradient.
    maximum try_maximum Max;
    /// The smaller of the two, -0 of 0 and -0; NaN if either is NaN. At a tie each gets half the gradient.
    #[doc(alias = "min")]
    minimum try_minimum Min;
    /// The angle of the point (`other`, `self`), in radians.
    #[doc(alias = "arctan2")]
    atan2 try_atan2 Atan2;
    /// `log(eˣ + eʸ)` without overflow.
    // A function of its own, because a composition would have the wrong second derivative at ties: that of `max` and `|x|` is 0.
    logaddexp try_logaddexp LogAddExp;
    /// And of booleans, or of the bits of integers.
    #[doc(alias = "bitwise_and")]
    #[doc(alias = "logical_and")]
    bitand try_bitand And;
    /// Or of booleans, or of the bits of integers.
    #[doc(alias = "bitwise_or")]
    #[doc(alias = "logical_or")]
    bitor try_bitor Or;
    /// Exclusive or of booleans, or of the bits of integers.
    #[doc(alias = "bitwise_xor")]
    #[doc(alias = "logical_xor")]
    bitxor try_bitxor Xor;
    /// The bits moved left by `other` places; by the width or more gives 0.
    #[doc(alias = "bitwise_left_shift")]
    #[doc(alias = "left_shift")]
    shl try_shl ShiftLeft;
    /// The bits moved right by `other` places; signed integers keep their sign.
    #[doc(alias = "bitwise_right_shift")]
    shr try_shr ShiftRight;
    /// The greatest common divisor of integers, which is not negative; that of 0 and a number is its magnitude.
    gcd try_gcd Gcd;
    /// True where the two are equal; NaN equals nothing.
    #[doc(alias = "equal")]
    eq try_eq Eq;
    /// True where the two differ.
    #[doc(alias = "not_equal")]
    ne try_ne Ne;
    /// True where `self` is less.
    #[doc(alias = "less")]
    lt try_lt Lt;
    /// True where `self` is less or equal.
    #[doc(alias = "less_equal")]
    le try_le Le;
    /// True where `self` is greater.
    #[doc(alias = "greater")]
    gt try_gt Gt;
    /// True where `self` is greater or equal.
    #[doc(alias = "greater_equal")]
    ge try_ge Ge;
}

/// For operators, which own their operands, and are called as the method `name`.
#[track_caller]
pub(crate) fn owned(op: ScalarOp, name: &'static str, x: Tensor, y: Tensor) -> Tensor {
    unwrap(of_pair(op, [x, y]).map_err(|error| error.called(name)))
}
