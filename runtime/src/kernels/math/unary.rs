//! Functions of one number over slices: named at compile time by a type, or at run time by [`UnaryOp`].

use super::Real;
use crate::kernels::simd::{self, Kernel};
use crate::kernels::threads;

/// Describes a function of one real number as a type, so that loops over it are compiled per function.
pub trait UnaryFn {
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

            /// Returns the rough cost for one element, in the units of [`threads::split`].
            pub fn cost(self) -> usize {
                match self {
                    $(UnaryOp::$op => $cost,)*
                }
            }

            /// Returns the value for one number; loops are faster through [`unary`].
            pub fn apply<T: Real>(self, x: T) -> T {
                match self {
                    $(UnaryOp::$op => T::$name(x),)*
                }
            }

            pub(crate) fn map_piece<T: Real>(self, input: &[T], out: &mut [T]) {
                match self {
                    $(UnaryOp::$op => map::<functions::$op, T>(input, out),)*
                }
            }

            pub(crate) fn map_piece_in_place<T: Real>(self, values: &mut [T]) {
                match self {
                    $(UnaryOp::$op => map_in_place::<functions::$op, T>(values),)*
                }
            }
        }

        /// The functions of [`UnaryOp`] as types.
        pub mod functions {
            use super::{Real, UnaryFn};

            $(
                $(#[doc = $doc])+
                pub struct $op;

                impl UnaryFn for $op {
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

/// Elements that are examined together for arguments outside the common range.
const BLOCK: usize = 128;

struct Map<'a, F, T> {
    input: &'a [T],
    out: &'a mut [T],
    function: std::marker::PhantomData<F>,
}

impl<F: UnaryFn, T: Real> Kernel for Map<'_, F, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        if !F::HAS_NEAR {
            for (out, &x) in self.out.iter_mut().zip(self.input) {
                *out = F::apply(x);
            }
            return;
        }
        for (out, input) in self.out.chunks_mut(BLOCK).zip(self.input.chunks(BLOCK)) {
            if input.iter().fold(true, |near, &x| near & F::is_near(x)) {
                for (out, &x) in out.iter_mut().zip(input) {
                    *out = F::near(x);
                }
            } else {
                for (out, &x) in out.iter_mut().zip(input) {
                    *out = F::apply(x);
                }
            }
        }
    }
}

struct MapInPlace<'a, F, T> {
    values: &'a mut [T],
    function: std::marker::PhantomData<F>,
}

impl<F: UnaryFn, T: Real> Kernel for MapInPlace<'_, F, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        if !F::HAS_NEAR {
            for x in self.values {
                *x = F::apply(*x);
            }
            return;
        }
        for values in self.values.chunks_mut(BLOCK) {
            if values.iter().fold(true, |near, &x| near & F::is_near(x)) {
                for x in values {
                    *x = F::near(*x);
                }
            } else {
                for x in values {
                    *x = F::apply(*x);
                }
            }
        }
    }
}

/// Writes `F` of every element of `input` to `out`, on the calling thread.
///
/// # Panics
/// If the lengths differ.
pub fn map<F: UnaryFn, T: Real>(input: &[T], out: &mut [T]) {
    assert_eq!(input.len(), out.len(), "input and output of a map differ in length");
    simd::run(Map { input, out, function: std::marker::PhantomData::<F> });
}

/// Replaces every element by `F` of it, on the calling thread.
pub fn map_in_place<F: UnaryFn, T: Real>(values: &mut [T]) {
    simd::run(MapInPlace { values, function: std::marker::PhantomData::<F> });
}

/// Writes a function of every element of `input` to `out`, on several threads if that is worth it.
///
/// ```
/// use flaxen::kernels::math::{UnaryOp, unary};
///
/// let mut out = [0.0f32; 2];
/// unary(UnaryOp::Exp, &[0.0, f32::NEG_INFINITY], &mut out);
/// assert_eq!(out, [1.0, 0.0]);
/// ```
///
/// # Panics
/// If the lengths differ.
pub fn unary<T: Real>(op: UnaryOp, input: &[T], out: &mut [T]) {
    assert_eq!(input.len(), out.len(), "input and output of `{}` differ in length", op.name());
    threads::split(out, 1, op.cost(), |first, out| op.map_piece(&input[first..][..out.len()], out));
}

/// Replaces every element by a function of it, on several threads if that is worth it.
pub fn unary_in_place<T: Real>(op: UnaryOp, values: &mut [T]) {
    threads::split(values, 1, op.cost(), |_, values| op.map_piece_in_place(values));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::Level;
    use std::marker::PhantomData;

    fn at<F: UnaryFn>(level: Level, input: &[f32]) -> Vec<u32> {
        let mut out = vec![0.0; input.len()];
        simd::run_at(level, Map { input, out: &mut out, function: PhantomData::<F> });
        out.iter().map(|y: &f32| if y.is_nan() { f32::NAN.to_bits() } else { y.to_bits() }).collect()
    }

    macro_rules! levels_agree {
        ($($function:ident)*) => {
            #[test]
            fn all_levels_give_equal_bits() {
                let input: Vec<f32> = (0..u32::MAX).step_by(200_003).map(f32::from_bits).collect();
                for level in Level::available() {
                    $(assert_eq!(
                        at::<functions::$function>(level, &input),
                        at::<functions::$function>(Level::Portable, &input),
                        "{level:?}"
                    );)*
                }
            }
        };
    }
    levels_agree!(Exp Exp2 Expm1 Log Log2 Log1p Sqrt Rsqrt Sin Cos Tanh Logistic Erf Erfc ErfInv Floor Ceil Round Trunc Abs Sign);
}
