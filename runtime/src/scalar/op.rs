//! The table of scalar functions: what can be computed of each element, one line a function.
//!
//! Everything that knows these functions reads it: the operations of [`ops`](crate::Tensor), fusion, the loops of the interpreter, the
//! assembler's lowering, printed graphs, and the laws that tests check of each.

use std::fmt;

use super::arith::Arith;
use super::bits::Bits;
use super::math::{Real, log_add_exp, special, x_log};
use super::number::Number;
use super::signed::Signed;
use crate::array::DType;

/// Which dtypes a function takes: of all its arguments, but for the condition of a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Every dtype.
    Any,
    /// All but booleans.
    Number,
    /// Floats.
    Float,
    /// Integers.
    Integer,
    /// Integers and booleans.
    Bits,
    /// `F32`, the parts of complex numbers.
    Single,
    /// Complex numbers.
    Complex,
}

impl Takes {
    /// Tells whether a dtype is among them; complex numbers only where nothing else is: see [`ScalarOp::accepts`].
    pub fn contains(self, dtype: DType) -> bool {
        match self {
            Takes::Complex => dtype.is_complex(),
            _ if dtype.is_complex() => false,
            Takes::Any => true,
            Takes::Number => dtype != DType::Bool,
            Takes::Single => dtype == DType::F32,
            Takes::Float => dtype.is_float(),
            Takes::Integer => dtype.is_integer(),
            Takes::Bits => !dtype.is_float(),
        }
    }

    /// Returns what an error says was expected.
    pub fn expected(self) -> &'static str {
        match self {
            Takes::Any => "any dtype",
            Takes::Number => "numbers (cast the booleans first)",
            Takes::Float => "floats",
            Takes::Integer => "integers",
            Takes::Bits => "integers or booleans",
            Takes::Single => "F32",
            Takes::Complex => "complex numbers",
        }
    }
}

/// Which dtype a function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// That of its arguments; of the chosen ones, for a selection.
    Same,
    /// Booleans.
    Bool,
    /// Any that is asked for.
    Asked,
    /// Complex numbers, of their parts.
    Complex,
    /// A part of complex numbers.
    Part,
}

/// A function of one element, named by a type so that it has a loop of its own.
pub trait One<T> {
    /// The type of its values.
    type Out: bytemuck::Pod;
    /// The rough cost for one element, as [`ScalarOp::cost`].
    const COST: usize;
    /// Whether [`near`](One::near) is a faster way for the arguments that [`is_near`](One::is_near) accepts.
    const HAS_NEAR: bool = false;

    /// Returns the value for any argument.
    fn of(x: T) -> Self::Out;

    /// Returns whether [`near`](One::near) is valid for this argument.
    #[inline(always)]
    fn is_near(_x: T) -> bool {
        false
    }

    /// Returns the value for arguments in the common range, without branches.
    #[inline(always)]
    fn near(x: T) -> Self::Out {
        Self::of(x)
    }
}

/// A function of two elements, named by a type so that it has a loop of its own.
pub trait Two<T> {
    /// The type of its values.
    type Out: bytemuck::Pod;

    /// Returns the value.
    fn of(x: T, y: T) -> Self::Out;
}

/// A function of three elements, named by a type so that it has a loop of its own.
pub trait Three<T> {
    /// Returns the value.
    fn of(x: T, y: T, z: T) -> T;
}

/// The type that a loop writes for what a function gives.
macro_rules! out {
    (Same $T:ident) => {
        $T
    };
    (Bool $T:ident) => {
        u8
    };
}

/// The value that a loop writes: booleans are bytes of 0 and 1.
macro_rules! value {
    (Same $value:expr) => {
        $value
    };
    (Bool $value:expr) => {
        u8::from($value)
    };
}

/// The type named as a function, and its meaning.
macro_rules! function {
    ($Op:ident 1 $gives:ident cost $cost:literal $T:ident : ($($Bound:ident)+) |$x:ident| $value:expr
        $(, near $is_near:expr, $near:expr)?) => {
        #[doc = concat!("[`ScalarOp::", stringify!($Op), "`](super::ScalarOp) as a type.")]
        pub struct $Op;

        impl<$T: bytemuck::Pod $(+ $Bound)+> One<$T> for $Op {
            type Out = out!($gives $T);
            const COST: usize = $cost;

            #[inline(always)]
            fn of($x: $T) -> Self::Out {
                value!($gives $value)
            }

            $(
                const HAS_NEAR: bool = true;

                #[inline(always)]
                fn is_near($x: $T) -> bool {
                    $is_near
                }

                #[inline(always)]
                fn near($x: $T) -> $T {
                    $near
                }
            )?
        }
    };
    ($Op:ident 2 $gives:ident cost $cost:literal $T:ident : ($($Bound:ident)+) |$x:ident, $y:ident| $value:expr) => {
        #[doc = concat!("[`ScalarOp::", stringify!($Op), "`](super::ScalarOp) as a type.")]
        pub struct $Op;

        impl<$T: bytemuck::Pod $(+ $Bound)+> Two<$T> for $Op {
            type Out = out!($gives $T);

            #[inline(always)]
            fn of($x: $T, $y: $T) -> Self::Out {
                value!($gives $value)
            }
        }
    };
    ($Op:ident 3 Same cost $cost:literal $T:ident : ($($Bound:ident)+) |$x:ident, $y:ident, $z:ident| $value:expr) => {
        #[doc = concat!("[`ScalarOp::", stringify!($Op), "`](super::ScalarOp) as a type.")]
        pub struct $Op;

        impl<$T: bytemuck::Pod $(+ $Bound)+> Three<$T> for $Op {
            #[inline(always)]
            fn of($x: $T, $y: $T, $z: $T) -> $T {
                $value
            }
        }
    };
}

macro_rules! scalar_ops {
    ($(
        $(#[doc = $doc:literal])+
        $Op:ident $(($parameter:ty = $example:literal))?:
        $name:literal, $arity:tt $takes:ident -> $gives:ident, cost $cost:literal
        $({ $T:ident: $($Bound:ident)+ $(, $modular:ident)? => |$($x:ident),+| $value:expr $(, near $is_near:expr, $near:expr)? })?
        $(swapped $swapped:ident)?
        $(or of booleans $bool:ident)?;
    )*) => {
        /// A function of the elements of up to three arguments.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ScalarOp {
            $($(#[doc = $doc])+ $Op $(($parameter))?,)*
        }

        impl ScalarOp {
            /// Lists every function; one with a parameter is there with an example of that.
            pub const ALL: &[ScalarOp] = &[$(ScalarOp::$Op $(($example))?),*];

            /// Returns where it is in [`ALL`](Self::ALL).
            pub(crate) fn index(self) -> usize {
                enum Index {
                    $($Op,)*
                }
                match self {
                    $(ScalarOp::$Op { .. } => Index::$Op as usize,)*
                }
            }

            /// Returns the name in printed graphs and in errors.
            pub fn name(self) -> &'static str {
                match self {
                    $(ScalarOp::$Op { .. } => $name,)*
                }
            }

            /// Returns the number of arguments.
            pub fn arity(self) -> usize {
                match self {
                    $(ScalarOp::$Op { .. } => $arity,)*
                }
            }

            /// Returns which dtypes it takes.
            pub fn takes(self) -> Takes {
                match self {
                    $(ScalarOp::$Op { .. } => Takes::$takes,)*
                }
            }

            /// Returns which dtype it gives.
            pub fn gives(self) -> Gives {
                match self {
                    $(ScalarOp::$Op { .. } => Gives::$gives,)*
                }
            }

            /// Returns the rough cost for one element, in the units of [`threads::split`](crate::kernels::threads::split).
            pub fn cost(self) -> usize {
                match self {
                    $(ScalarOp::$Op { .. } => $cost,)*
                }
            }

            /// Returns the function that it is of booleans, which are bytes of 0 and 1: a sum is "or", and a product "and".
            pub fn of_booleans(self) -> ScalarOp {
                match self {
                    $($(ScalarOp::$Op { .. } => ScalarOp::$bool,)?)*
                    _ => self,
                }
            }
        }

        /// Hands the lines of the table to another macro, which makes something of each: name, number of arguments, what it takes, what
        /// it gives, and whether it has a meaning here, the same for signed and unsigned integers, or that of another with its arguments
        /// exchanged.
        macro_rules! for_each_scalar_op {
            ($made:ident) => { $made! { $($Op $arity $takes $gives [$($T)?] [$($($modular)?)?] [$($swapped)?];)* } };
        }
        pub(crate) use for_each_scalar_op;

        /// The functions of [`ScalarOp`] as types, but for those whose loops depend on more than the dtype of the arguments.
        pub mod functions {
            use super::{Arith, Bits, Number, One, Real, Signed, Three, Two, log_add_exp, special, x_log};

            $($(function! {
                $Op $arity $gives cost $cost $T: ($($Bound)+) |$($x),+| $value $(, near $is_near, $near)?
            })?)*
        }
    };
}

// Where no meaning is given, the loops are by hand: see the table of `kernels::blocks`. Modular functions have the same bits of signed
// integers as of unsigned ones, and one loop for both.
scalar_ops! {
    /// The element itself.
    Copy: "copy", 1 Any -> Same, cost 1;
    /// The element in another dtype.
    Cast: "cast", 1 Any -> Asked, cost 1;
    /// The opposite number; unsigned integers wrap around.
    Neg: "neg", 1 Number -> Same, cost 1 { T: Signed => |x| x.neg() };
    /// `not` of booleans, or of all bits of integers.
    Not: "not", 1 Bits -> Same, cost 1;
    /// The number, or 0 where that is larger.
    Relu: "relu", 1 Number -> Same, cost 1 { T: Number => |x| x.relu() };
    /// The magnitude.
    Abs: "abs", 1 Number -> Same, cost 1 { T: Signed => |x| x.abs() };
    /// The sign; zeros and NaN are their own.
    Sign: "sign", 1 Number -> Same, cost 1 { T: Signed => |x| x.sign() };
    /// Whether it is neither infinite nor NaN.
    IsFinite: "is_finite", 1 Any -> Bool, cost 1 { T: Signed => |x| !Number::is_nan(x) & !x.is_infinite() };
    /// Whether it is NaN.
    IsNan: "is_nan", 1 Any -> Bool, cost 1 { T: Number => |x| Number::is_nan(x) };
    /// Whether it is infinite.
    IsInf: "is_inf", 1 Any -> Bool, cost 1 { T: Signed => |x| x.is_infinite() };
    /// The power with this exponent, by repeated squaring; integers wrap around.
    Powi(i32 = 3): "powi", 1 Number -> Same, cost 1;
    /// Rounding towards minus infinity.
    Floor: "floor", 1 Float -> Same, cost 1 { T: Real => |x| x.floor() };
    /// Rounding towards infinity.
    Ceil: "ceil", 1 Float -> Same, cost 1 { T: Real => |x| x.ceil() };
    /// Rounding to nearest, ties to even.
    Round: "round", 1 Float -> Same, cost 1 { T: Real => |x| x.round() };
    /// Rounding towards zero.
    Trunc: "trunc", 1 Float -> Same, cost 1 { T: Real => |x| x.trunc() };
    /// `e^x`.
    Exp: "exp", 1 Float -> Same, cost 3 { T: Real => |x| x.exp() };
    /// `2^x`.
    Exp2: "exp2", 1 Float -> Same, cost 3 { T: Real => |x| x.exp2() };
    /// `e^x - 1`.
    Expm1: "expm1", 1 Float -> Same, cost 3 { T: Real => |x| x.expm1() };
    /// The natural logarithm.
    Log: "log", 1 Float -> Same, cost 4 { T: Real => |x| x.log() };
    /// The logarithm to base 2.
    Log2: "log2", 1 Float -> Same, cost 4 { T: Real => |x| x.log2() };
    /// `log(1 + x)`.
    Log1p: "log1p", 1 Float -> Same, cost 6 { T: Real => |x| x.log1p() };
    /// The square root.
    Sqrt: "sqrt", 1 Float -> Same, cost 2 { T: Real => |x| x.sqrt() };
    /// `1/√x`.
    Rsqrt: "rsqrt", 1 Float -> Same, cost 3 { T: Real => |x| x.rsqrt() };
    /// The cube root.
    Cbrt: "cbrt", 1 Float -> Same, cost 30 { T: Real => |x| x.cbrt() };
    /// The sine.
    Sin: "sin", 1 Float -> Same, cost 4 { T: Real => |x| x.sin(), near x.is_near(), x.sin_near() };
    /// The cosine.
    Cos: "cos", 1 Float -> Same, cost 4 { T: Real => |x| x.cos(), near x.is_near(), x.cos_near() };
    /// The tangent.
    Tan: "tan", 1 Float -> Same, cost 30 { T: Real => |x| x.tan() };
    /// The inverse sine.
    Asin: "asin", 1 Float -> Same, cost 30 { T: Real => |x| x.asin() };
    /// The inverse cosine.
    Acos: "acos", 1 Float -> Same, cost 30 { T: Real => |x| x.acos() };
    /// The inverse tangent.
    Atan: "atan", 1 Float -> Same, cost 30 { T: Real => |x| x.atan() };
    /// The hyperbolic sine.
    Sinh: "sinh", 1 Float -> Same, cost 30 { T: Real => |x| x.sinh() };
    /// The hyperbolic cosine.
    Cosh: "cosh", 1 Float -> Same, cost 30 { T: Real => |x| x.cosh() };
    /// The hyperbolic tangent.
    Tanh: "tanh", 1 Float -> Same, cost 4 { T: Real => |x| x.tanh() };
    /// The inverse hyperbolic sine.
    Asinh: "asinh", 1 Float -> Same, cost 50 { T: Real => |x| x.asinh() };
    /// The inverse hyperbolic cosine.
    Acosh: "acosh", 1 Float -> Same, cost 50 { T: Real => |x| x.acosh() };
    /// The inverse hyperbolic tangent.
    Atanh: "atanh", 1 Float -> Same, cost 50 { T: Real => |x| x.atanh() };
    /// `1/(1 + e^-x)`.
    Logistic: "logistic", 1 Float -> Same, cost 4 { T: Real => |x| x.logistic() };
    /// The error function.
    Erf: "erf", 1 Float -> Same, cost 4 { T: Real => |x| x.erf() };
    /// `1 - erf(x)`.
    Erfc: "erfc", 1 Float -> Same, cost 12 { T: Real => |x| x.erfc() };
    /// The inverse of the error function.
    ErfInv: "erf_inv", 1 Float -> Same, cost 12 { T: Real => |x| x.erf_inv() };
    /// `log |Γ(x)|`.
    Lgamma: "lgamma", 1 Float -> Same, cost 50 { T: Real => |x| x.lgamma() };
    /// The derivative of `log |Γ(x)|`.
    Digamma: "digamma", 1 Float -> Same, cost 100 { T: Real => |x| x.digamma() };
    /// The second derivative of `log |Γ(x)|`.
    Trigamma: "trigamma", 1 Float -> Same, cost 100 { T: Real => |x| x.trigamma() };
    /// `-x·log(x)`: 0 at 0, and minus infinity below.
    Entr: "entr", 1 Float -> Same, cost 6 { T: Real => |x| special::entr(x) };
    /// `e^-|x|·I₀(x)`, with a modified Bessel function.
    BesselI0e: "bessel_i0e", 1 Float -> Same, cost 50 { T: Real => |x| special::bessel_i0e(x) };
    /// `e^-|x|·I₁(x)`, with a modified Bessel function.
    BesselI1e: "bessel_i1e", 1 Float -> Same, cost 50 { T: Real => |x| special::bessel_i1e(x) };
    /// Where the standard normal distribution function is `x`.
    Ndtri: "ndtri", 1 Float -> Same, cost 50 { T: Real => |x| special::ndtri(x) };
    /// The logarithm of the standard normal distribution function.
    LogNdtr: "log_ndtr", 1 Float -> Same, cost 50 { T: Real => |x| special::log_ndtr(x) };

    /// The magnitude of a complex number.
    Magnitude: "magnitude", 1 Complex -> Part, cost 8;
    /// The imaginary part of a complex number.
    Imag: "imag", 1 Complex -> Part, cost 1;
    /// The conjugate of a complex number.
    Conj: "conj", 1 Complex -> Same, cost 1;
    /// The complex number of a real and an imaginary part.
    Complex: "complex", 2 Single -> Complex, cost 1;

    /// The sum; of booleans, whether any is true.
    Add: "add", 2 Any -> Same, cost 1 { T: Number, modular => |x, y| x.add(y) } or of booleans Or;
    /// The difference.
    Sub: "sub", 2 Number -> Same, cost 1 { T: Number, modular => |x, y| x.sub(y) };
    /// The product; of booleans, whether both are true.
    Mul: "mul", 2 Any -> Same, cost 1 { T: Number, modular => |x, y| x.mul(y) } or of booleans And;
    /// The quotient; that of integers is truncated towards zero.
    Div: "div", 2 Number -> Same, cost 4 { T: Arith => |x, y| x.div(y) };
    /// What a quotient truncated towards zero leaves.
    Rem: "rem", 2 Number -> Same, cost 16 { T: Arith => |x, y| x.rem(y) };
    /// The first to the power of the second.
    Pow: "pow", 2 Number -> Same, cost 32 { T: Arith => |x, y| x.pow(y) };
    /// The maximum, NaN if either is.
    Max: "max", 2 Any -> Same, cost 1 { T: Number => |x, y| x.maximum(y) } or of booleans Or;
    /// The minimum, NaN if either is.
    Min: "min", 2 Any -> Same, cost 1 { T: Number => |x, y| x.minimum(y) } or of booleans And;
    /// The angle of the point (second, first).
    Atan2: "atan2", 2 Float -> Same, cost 32 { T: Arith => |x, y| x.atan2(y) };
    /// The logarithm of the sum of exponentials.
    LogAddExp: "logaddexp", 2 Float -> Same, cost 10 { T: Real Number => |x, y| log_add_exp(x, y) };
    /// The first times the logarithm of the second; 0 where the first is 0 and the second a number.
    Xlogy: "xlogy", 2 Float -> Same, cost 6 { T: Real Number => |x, y| x_log(x, y, Real::log(y)) };
    /// The first times `log(1 + y)` of the second; 0 where the first is 0 and the second a number.
    Xlog1py: "xlog1py", 2 Float -> Same, cost 8 { T: Real Number => |x, y| x_log(x, y, Real::log1p(y)) };
    /// The regularized lower incomplete gamma function of a shape and an argument.
    Igamma: "igamma", 2 Float -> Same, cost 400 { T: Real => |x, y| special::igamma(x, y) };
    /// The regularized upper incomplete gamma function of a shape and an argument.
    Igammac: "igammac", 2 Float -> Same, cost 400 { T: Real => |x, y| special::igammac(x, y) };
    /// The derivative of the lower incomplete gamma function by its shape.
    IgammaGradA: "igamma_grad_a", 2 Float -> Same, cost 800 { T: Real => |x, y| special::igamma_grad_a(x, y) };
    /// The derivative by the shape, the first, of a sample of the gamma distribution, the second.
    RandomGammaGrad: "random_gamma_grad", 2 Float -> Same, cost 800 { T: Real => |x, y| special::random_gamma_grad(x, y) };
    /// Hurwitz' zeta function.
    Zeta: "zeta", 2 Float -> Same, cost 400 { T: Real => |x, y| special::zeta(x, y) };
    /// And of booleans or bits.
    And: "and", 2 Bits -> Same, cost 1 { T: Bits, modular => |x, y| x & y };
    /// Or of booleans or bits.
    Or: "or", 2 Bits -> Same, cost 1 { T: Bits, modular => |x, y| x | y };
    /// Exclusive or of booleans or bits.
    Xor: "xor", 2 Bits -> Same, cost 1 { T: Bits, modular => |x, y| x ^ y };
    /// Bits moved towards the more significant end.
    ShiftLeft: "shift_left", 2 Integer -> Same, cost 1 { T: Bits => |x, y| x.shl(y) };
    /// Bits moved towards the less significant end.
    ShiftRight: "shift_right", 2 Integer -> Same, cost 1 { T: Bits => |x, y| x.shr(y) };
    /// The greatest common divisor, which wraps around where it is the magnitude of the least number.
    Gcd: "gcd", 2 Integer -> Same, cost 60 { T: Bits => |x, y| x.gcd(y) };
    /// Whether the two are equal.
    Eq: "eq", 2 Any -> Bool, cost 1 { T: PartialEq, modular => |x, y| x == y };
    /// Whether the two differ.
    Ne: "ne", 2 Any -> Bool, cost 1 { T: PartialEq, modular => |x, y| x != y };
    /// Whether the first is less.
    Lt: "lt", 2 Any -> Bool, cost 1 { T: PartialOrd => |x, y| x < y };
    /// Whether the first is less or equal.
    Le: "le", 2 Any -> Bool, cost 1 { T: PartialOrd => |x, y| x <= y };
    /// Whether the first is greater.
    Gt: "gt", 2 Any -> Bool, cost 1 swapped Lt;
    /// Whether the first is greater or equal.
    Ge: "ge", 2 Any -> Bool, cost 1 swapped Le;

    /// The second where the first, a boolean, is true, else the third.
    Select: "select", 3 Any -> Same, cost 1;
    /// The second, kept between the first and the third.
    Clamp: "clamp", 3 Number -> Same, cost 1 { T: Number => |low, x, high| x.maximum(low).minimum(high) };
    /// The regularized incomplete beta function of two shapes and an argument.
    Betainc: "betainc", 3 Float -> Same, cost 400 { T: Real => |x, y, z| special::betainc(x, y, z) };
    /// The product of the first two, plus the third, in one rounding where the dtype has one.
    MulAdd: "mul_add", 3 Number -> Same, cost 1;
}

impl ScalarOp {
    /// Tells whether there is a derivative to compute: a function of floats that gives floats.
    pub(crate) fn is_of_floats(self) -> bool {
        self.gives() != Gives::Bool && (self.takes().contains(DType::F32) || self.takes() == Takes::Complex)
    }

    /// Tells whether it takes arguments of a dtype: all that [`takes`](ScalarOp::takes) says, and what there is of complex numbers.
    ///
    /// They have no order, no roundings, and no bits; of special functions only those of `exp`, `log` and trigonometry.
    pub fn accepts(self, dtype: DType) -> bool {
        if !dtype.is_complex() {
            return self.takes().contains(dtype);
        }
        matches!(
            self,
            ScalarOp::Copy
                | ScalarOp::Cast
                | ScalarOp::Select
                | ScalarOp::Eq
                | ScalarOp::Ne
                | ScalarOp::Add
                | ScalarOp::Sub
                | ScalarOp::Mul
                | ScalarOp::Div
                | ScalarOp::MulAdd
                | ScalarOp::Neg
                | ScalarOp::Conj
                | ScalarOp::Imag
                | ScalarOp::Magnitude
                | ScalarOp::Pow
                | ScalarOp::Powi(_)
                | ScalarOp::Exp
                | ScalarOp::Log
                | ScalarOp::Sqrt
                | ScalarOp::Rsqrt
                | ScalarOp::Sin
                | ScalarOp::Cos
                | ScalarOp::Tan
                | ScalarOp::Sinh
                | ScalarOp::Cosh
                | ScalarOp::Tanh
                | ScalarOp::Logistic
        )
    }

    /// Tells whether the result is an integer, which all roundings leave as it is.
    pub(crate) fn rounds(self) -> bool {
        matches!(self, ScalarOp::Floor | ScalarOp::Ceil | ScalarOp::Round | ScalarOp::Trunc)
    }
}

/// As in printed graphs: the name, and the parameter if there is one.
impl fmt::Display for ScalarOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScalarOp::Powi(exponent) => write!(f, "powi[exponent={exponent}]"),
            _ => f.write_str(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_positions_right() {
        for (at, op) in ScalarOp::ALL.iter().enumerate() {
            assert_eq!(op.index(), at);
            assert!(ScalarOp::ALL[..at].iter().all(|other| other.name() != op.name()), "{op}");
        }
        assert_eq!(ScalarOp::Powi(-7).index(), ScalarOp::Powi(2).index());
    }
}
