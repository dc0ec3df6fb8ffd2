//! What a fused kernel can compute of each element, as data.

use super::math::Real;

/// A function of the elements of up to three arguments.
///
/// Unless said otherwise all arguments and the result have one dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScalarOp {
    /// The element itself.
    Copy,
    /// The element in the dtype of the result.
    Cast,
    /// A function of floats; magnitude and sign are those of integers, too.
    Function(UnaryOp),
    /// The opposite number.
    Neg,
    /// `not` of booleans or of bits.
    Not,
    /// The number, or 0 where that is larger.
    Relu,
    /// Whether it is neither infinite nor NaN; gives booleans.
    IsFinite,
    /// Whether it is NaN; gives booleans.
    IsNan,
    /// Whether it is infinite; gives booleans.
    IsInf,
    /// The power with this exponent.
    Power(i32),
    /// The sum; of booleans, whether any is true.
    Add,
    /// The difference.
    Sub,
    /// The product; of booleans, whether both are true.
    Mul,
    /// The quotient.
    Div,
    /// What a quotient truncated towards zero leaves.
    Rem,
    /// The first to the power of the second.
    Pow,
    /// The larger, NaN if either is.
    Max,
    /// The smaller, NaN if either is.
    Min,
    /// The angle of the point (second, first).
    Atan2,
    /// And of booleans or bits.
    And,
    /// Or of booleans or bits.
    Or,
    /// Exclusive or of booleans or bits.
    Xor,
    /// Bits moved towards the more significant end.
    ShiftLeft,
    /// Bits moved towards the less significant end.
    ShiftRight,
    /// The logarithm of the sum of exponentials.
    LogAddExp,
    /// Whether the two are equal; gives booleans.
    Eq,
    /// Whether the two differ; gives booleans.
    Ne,
    /// Whether the first is less; gives booleans.
    Lt,
    /// Whether the first is less or equal; gives booleans.
    Le,
    /// Whether the first is greater; gives booleans.
    Gt,
    /// Whether the first is greater or equal; gives booleans.
    Ge,
    /// The second where the first, a boolean, is true, else the third.
    Select,
    /// The second, kept between the first and the third.
    Clamp,
    /// The product of the first two, plus the third, in one rounding where the dtype has one.
    MulAdd,
}

impl ScalarOp {
    /// The rough cost for one element, in the units of [`threads::split`](crate::kernels::threads::split).
    pub fn cost(self) -> usize {
        match self {
            ScalarOp::Function(op) => op.cost(),
            ScalarOp::Div => 4,
            ScalarOp::LogAddExp => 10,
            ScalarOp::Rem => 16,
            ScalarOp::Pow | ScalarOp::Atan2 => 32,
            _ => 1,
        }
    }
}

/// Describes a function of one real number as a type, so that loops over it are compiled per function.
pub trait UnaryFn {
    /// The rough cost for one element, as [`UnaryOp::cost`].
    const COST: usize;

    /// Whether [`UnaryFn::near`] is a faster way for the arguments that [`UnaryFn::is_near`] accepts.
    const HAS_NEAR: bool = false;

    /// Returns the value for any argument.
    fn apply<T: Real>(x: T) -> T;

    /// Returns whether [`UnaryFn::near`] is valid for this argument.
    #[inline(always)]
    fn is_near<T: Real>(x: T) -> bool {
        x.is_near()
    }

    /// Returns the value for arguments in the common range, without branches.
    #[inline(always)]
    fn near<T: Real>(x: T) -> T {
        Self::apply(x)
    }
}

macro_rules! unary_ops {
    ($($(#[doc = $doc:literal])+ $op:ident, $name:ident, cost $cost:literal $(, near $near:ident)?;)*) => {
        /// Names a function of one real number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum UnaryOp {
            $($(#[doc = $doc])+ $op,)*
        }

        impl UnaryOp {
            /// Lists every function.
            pub const ALL: &[UnaryOp] = &[$(UnaryOp::$op),*];

            /// Returns the name, that of the method of [`Real`].
            pub fn name(self) -> &'static str {
                match self {
                    $(UnaryOp::$op => stringify!($name),)*
                }
            }

            /// Returns the rough cost for one element, in the units of [`threads::split`](crate::kernels::threads::split).
            pub fn cost(self) -> usize {
                match self {
                    $(UnaryOp::$op => $cost,)*
                }
            }

            /// Returns the value for one number; loops are faster through [`unary`](crate::kernels::unary::unary).
            pub fn apply<T: Real>(self, x: T) -> T {
                match self {
                    $(UnaryOp::$op => T::$name(x),)*
                }
            }
        }

        /// Hands the names of all functions to another macro, which makes something of each.
        macro_rules! for_each_unary_op {
            ($made:ident) => { $made! { $($op)* } };
        }
        pub(crate) use for_each_unary_op;

        /// The functions of [`UnaryOp`] as types.
        pub mod functions {
            use super::{Real, UnaryFn};

            $(
                $(#[doc = $doc])+
                pub struct $op;

                impl UnaryFn for $op {
                    const COST: usize = $cost;

                    #[inline(always)]
                    fn apply<T: Real>(x: T) -> T {
                        T::$name(x)
                    }

                    $(
                        const HAS_NEAR: bool = true;

                        #[inline(always)]
                        fn near<T: Real>(x: T) -> T {
                            T::$near(x)
                        }
                    )?
                }
            )*
        }
    };
}

unary_ops! {
    /// The magnitude.
    Abs, abs, cost 1;
    /// The sign; zeros and NaN are their own.
    Sign, sign, cost 1;
    /// Rounding towards minus infinity.
    Floor, floor, cost 1;
    /// Rounding towards infinity.
    Ceil, ceil, cost 1;
    /// Rounding to nearest, ties to even.
    Round, round, cost 1;
    /// Rounding towards zero.
    Trunc, trunc, cost 1;
    /// `e^x`.
    Exp, exp, cost 3;
    /// `2^x`.
    Exp2, exp2, cost 3;
    /// `e^x - 1`.
    Expm1, expm1, cost 3;
    /// The natural logarithm.
    Log, log, cost 4;
    /// The logarithm to base 2.
    Log2, log2, cost 4;
    /// `log(1 + x)`.
    Log1p, log1p, cost 6;
    /// The square root.
    Sqrt, sqrt, cost 2;
    /// `1/√x`.
    Rsqrt, rsqrt, cost 3;
    /// The cube root.
    Cbrt, cbrt, cost 30;
    /// The sine.
    Sin, sin, cost 4, near sin_near;
    /// The cosine.
    Cos, cos, cost 4, near cos_near;
    /// The tangent.
    Tan, tan, cost 30;
    /// The inverse sine.
    Asin, asin, cost 30;
    /// The inverse cosine.
    Acos, acos, cost 30;
    /// The inverse tangent.
    Atan, atan, cost 30;
    /// The hyperbolic sine.
    Sinh, sinh, cost 30;
    /// The hyperbolic cosine.
    Cosh, cosh, cost 30;
    /// The hyperbolic tangent.
    Tanh, tanh, cost 4;
    /// The inverse hyperbolic sine.
    Asinh, asinh, cost 50;
    /// The inverse hyperbolic cosine.
    Acosh, acosh, cost 50;
    /// The inverse hyperbolic tangent.
    Atanh, atanh, cost 50;
    /// `1/(1 + e^-x)`.
    Logistic, logistic, cost 4;
    /// The error function.
    Erf, erf, cost 4;
    /// `1 - erf(x)`.
    Erfc, erfc, cost 12;
    /// The inverse of the error function.
    ErfInv, erf_inv, cost 12;
    /// `log |Γ(x)|`.
    Lgamma, lgamma, cost 50;
    /// The derivative of `log |Γ(x)|`.
    Digamma, digamma, cost 100;
    /// The second derivative of `log |Γ(x)|`.
    Trigamma, trigamma, cost 100;
}
