//! The functions of one argument as methods and operators.

use std::ops;

use super::apply;
use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::error::unwrap;
use crate::ops::convert;
use crate::scalar::op::ScalarOp;

/// Integers and booleans as `F32`.
pub(crate) fn inexact(x: &Tensor) -> Result<Tensor> {
    convert(x, x.dtype().to_inexact(), x.aval().weak)
}

macro_rules! method {
    ($(#[$doc:meta])* $method:ident $try_method:ident $panics:literal |$x:ident| $value:expr) => {
        $(#[$doc])*
        ///
        /// # Panics
        #[doc = $panics]
        #[track_caller]
        pub fn $method(&self) -> Tensor {
            unwrap(self.$try_method())
        }

        #[doc = concat!("As [`", stringify!($method), "`](Tensor::", stringify!($method), ").")]
        ///
        /// # Errors
        #[doc = $panics]
        #[track_caller]
        pub fn $try_method(&self) -> Result<Tensor> {
            let $x = self;
            let value: Result<Tensor> = $value;
            value.map_err(|error| error.called(stringify!($method)))
        }
    };
}

macro_rules! float_functions {
    ($($(#[$doc:meta])* $method:ident $try_method:ident $op:ident;)*) => {
        /// # Elementwise functions of one argument
        impl Tensor {
            $(method! {
                $(#[$doc])*
                ///
                /// Integers and booleans are converted to `F32`.
                $method $try_method "If this is a value of a transform that has returned."
                |x| apply(ScalarOp::$op, [inexact(x)?])
            })*
        }
    };
}

float_functions! {
    /// `eˣ`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::from([0.0f32, f32::NEG_INFINITY]).exp().to_vec::<f32>()?, [1.0, 0.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    exp try_exp Exp;
    /// `2ˣ`.
    exp2 try_exp2 Exp2;
    /// `eˣ - 1`, precise near 0.
    expm1 try_expm1 Expm1;
    /// The natural logarithm; of 0 it is -∞, of negative numbers NaN.
    log try_log Log;
    /// The logarithm to base 2.
    log2 try_log2 Log2;
    /// `log(1 + x)`, precise near 0.
    log1p try_log1p Log1p;
    /// The square root.
    sqrt try_sqrt Sqrt;
    /// `1/√x`.
    rsqrt try_rsqrt Rsqrt;
    /// The cube root.
    cbrt try_cbrt Cbrt;
    /// The sine of radians.
    sin try_sin Sin;
    /// The cosine of radians.
    cos try_cos Cos;
    /// The tangent of radians.
    tan try_tan Tan;
    /// The inverse sine, in radians.
    #[doc(alias = "arcsin")]
    asin try_asin Asin;
    /// The inverse cosine, in radians.
    #[doc(alias = "arccos")]
    acos try_acos Acos;
    /// The inverse tangent, in radians; [`atan2`](Tensor::atan2) knows the quadrant.
    #[doc(alias = "arctan")]
    atan try_atan Atan;
    /// The hyperbolic sine.
    sinh try_sinh Sinh;
    /// The hyperbolic cosine.
    cosh try_cosh Cosh;
    /// The hyperbolic tangent.
    tanh try_tanh Tanh;
    /// The inverse hyperbolic sine.
    asinh try_asinh Asinh;
    /// The inverse hyperbolic cosine.
    acosh try_acosh Acosh;
    /// The inverse hyperbolic tangent.
    #[doc(alias = "arctanh")]
    atanh try_atanh Atanh;
    /// `1/(1 + e⁻ˣ)`, also called [`sigmoid`](Tensor::sigmoid).
    logistic try_logistic Logistic;
    /// `1/(1 + e⁻ˣ)`, as [`logistic`](Tensor::logistic).
    sigmoid try_sigmoid Logistic;
    /// The error function.
    erf try_erf Erf;
    /// `1 - erf(x)`, precise where that is small.
    erfc try_erfc Erfc;
    /// The inverse of the error function.
    erf_inv try_erf_inv ErfInv;
    /// `log |Γ(x)|`.
    #[doc(alias = "gammaln")]
    lgamma try_lgamma Lgamma;
    /// The derivative of [`lgamma`](Tensor::lgamma).
    digamma try_digamma Digamma;
    /// The derivative of [`digamma`](Tensor::digamma), which itself has no derivative here.
    trigamma try_trigamma Trigamma;
}

macro_rules! roundings {
    ($($(#[$doc:meta])* $method:ident $try_method:ident $op:ident;)*) => {
        impl Tensor {
            $(method! {
                $(#[$doc])*
                ///
                /// Integers and booleans stay as they are. The gradient is 0.
                $method $try_method "If this is a value of a transform that has returned."
                |x| {
                    if x.dtype().is_float() { apply(ScalarOp::$op, [x.clone()]) } else { Ok(x.clone()) }
                }
            })*
        }
    };
}

roundings! {
    /// The greatest integer that is not above.
    floor try_floor Floor;
    /// The least integer that is not below.
    ceil try_ceil Ceil;
    /// The nearest integer, and the even one of two that are equally near.
    #[doc(alias = "rint")]
    round try_round Round;
    /// The nearest integer towards 0.
    trunc try_trunc Trunc;
}

/// A function of numbers; of complex ones where it is made of functions of their parts.
#[track_caller]
fn of_number(op: ScalarOp, x: &Tensor) -> Result<Tensor> {
    if !x.dtype().is_complex() {
        return apply(op, [x.clone()]);
    }
    let of_parts = || Ok([apply(op, [x.try_real()?])?, apply(op, [x.try_imag()?])?]);
    match op {
        ScalarOp::IsFinite => of_parts().and_then(|[re, im]| re.try_bitand(im)),
        ScalarOp::IsNan | ScalarOp::IsInf => of_parts().and_then(|[re, im]| re.try_bitor(im)),
        ScalarOp::Sign => {
            let size = x.try_abs()?;
            let direction = size.try_eq(0.0)?.try_select(x, x.try_div(&size)?)?;
            Ok(direction.stop_gradient())
        }
        _ => apply(op, [x.clone()]),
    }
}

macro_rules! plain {
    ($($(#[$doc:meta])* $method:ident $try_method:ident $panics:literal $op:ident;)*) => {
        impl Tensor {
            $(method! { $(#[$doc])* $method $try_method $panics |x| of_number(ScalarOp::$op, x) })*
        }
    };
}

plain! {
    /// The opposite number, as the operator `-`; unsigned integers wrap around.
    #[doc(alias = "negative")]
    neg try_neg "If this is boolean." Neg;
    /// `not` of booleans, or all bits of integers turned around, as the operator `!`.
    logical_not try_logical_not "If this is a float." Not;
    /// -1, 0 or 1, or the complex number of magnitude 1 in the same direction; NaN stays NaN. The gradient is 0.
    sign try_sign "If this is boolean." Sign;
    /// `max(x, 0)`, with a gradient of 0 at 0; NaN stays NaN.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let layers: [fn(&Tensor) -> Tensor; 2] = [Tensor::relu, Tensor::tanh];
    /// assert_eq!(layers[0](&Tensor::from([-1.0f32, 2.0])).to_vec::<f32>()?, [0.0, 2.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    relu try_relu "If this is boolean." Relu;
    /// True where the number, or each part of it, is neither infinite nor NaN; everywhere for integers.
    #[doc(alias = "isfinite")]
    is_finite try_is_finite "If this is a value of a transform that has returned." IsFinite;
    /// True where there is no number, or one part of it is none; nowhere for integers.
    #[doc(alias = "isnan")]
    is_nan try_is_nan "If this is a value of a transform that has returned." IsNan;
    /// True where the number, or a part of it, is +∞ or -∞; nowhere for integers.
    #[doc(alias = "isinf")]
    is_inf try_is_inf "If this is a value of a transform that has returned." IsInf;
}

impl Tensor {
    method! {
        /// The magnitude, of complex numbers as `F32`.
        ///
        /// Booleans stay as they are, and the least signed integer is its own magnitude.
        #[doc(alias = "absolute")]
        abs try_abs "If this is a value of a transform that has returned."
        |x| {
            if x.dtype() == DType::Bool {
                return Ok(x.clone());
            }
            apply(if x.dtype().is_complex() { ScalarOp::Magnitude } else { ScalarOp::Abs }, [x.clone()])
        }
    }

    method! {
        /// The logarithm to base 10.
        ///
        /// Integers and booleans are converted to `F32`.
        log10 try_log10 "If this is a value of a transform that has returned."
        |x| Ok(x.try_log()? * std::f64::consts::LOG10_E)
    }
}

macro_rules! operator {
    ($trait:ident $method:ident $op:ident) => {
        impl ops::$trait for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self) -> Tensor {
                unwrap(apply(ScalarOp::$op, [self]))
            }
        }

        impl ops::$trait for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self) -> Tensor {
                unwrap(apply(ScalarOp::$op, [self.clone()]))
            }
        }
    };
}

operator! { Neg neg Neg }
operator! { Not not Not }
