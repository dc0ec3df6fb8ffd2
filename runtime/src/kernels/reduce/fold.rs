//! Monoids to reduce with: an associative operation and its neutral element each.

use std::marker::PhantomData;

use crate::scalar::number::Number;

/// A monoid, with what a single element counts as.
pub(crate) trait Fold {
    /// What is folded; `bf16` and `f16` are widened to `f32` before.
    type T: Copy + Send + Sync + 'static;
    /// Whether instances for vectors that not every machine has pay for the time to compile them.
    const VECTORS: bool = true;

    const IDENTITY: Self::T;
    /// What a single element counts as.
    #[inline(always)]
    fn lift(x: Self::T) -> Self::T {
        x
    }
    fn combine(a: Self::T, b: Self::T) -> Self::T;
}

macro_rules! number_fold {
    ($(#[$doc:meta])* $name:ident, $identity:ident, $combine:ident) => {
        $(#[$doc])*
        pub(crate) struct $name<T>(PhantomData<T>);

        impl<T: Number> Fold for $name<T> {
            type T = T;
            const VECTORS: bool = !T::IS_INTEGER;

            const IDENTITY: T = T::$identity;
            #[inline(always)]
            fn combine(a: T, b: T) -> T {
                a.$combine(b)
            }
        }
    };
}

number_fold!(
    /// Sums; integers wrap around.
    Sum, ZERO, add
);
number_fold!(
    /// Products; integers wrap around.
    Prod, ONE, mul
);
number_fold!(
    /// The maximum, NaN if there is one.
    Max, MAX_IDENTITY, maximum
);
number_fold!(
    /// The minimum, NaN if there is one.
    Min, MIN_IDENTITY, minimum
);

macro_rules! bool_fold {
    ($(#[$doc:meta])* $name:ident, $identity:literal, $combine:tt) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl Fold for $name {
            type T = u8;

            const IDENTITY: u8 = $identity;
            #[inline(always)]
            fn lift(x: u8) -> u8 {
                u8::from(x != 0)
            }
            #[inline(always)]
            fn combine(a: u8, b: u8) -> u8 {
                a $combine b
            }
        }
    };
}

bool_fold!(
    /// Whether any is true.
    Any, 0, |
);
bool_fold!(
    /// Whether all are true.
    All, 1, &
);

/// A float type in which exponentials can be added through their logarithms.
pub trait LogAddExp: Number {
    /// Returns `log(exp(self) + exp(other))` without overflow.
    fn log_add_exp(self, other: Self) -> Self;
}

macro_rules! log_add_exp {
    ($($t:ty)*) => { $(
        impl LogAddExp for $t {
            fn log_add_exp(self, other: Self) -> Self {
                let larger = Number::maximum(self, other);
                if !larger.is_finite() {
                    return larger;
                }
                larger + (-(self - other).abs()).exp().ln_1p()
            }
        }
    )* };
}
log_add_exp!(f32 f64);

/// The logarithm of the sum of exponentials.
pub(crate) struct LogSumExp<T>(PhantomData<T>);

impl<T: LogAddExp> Fold for LogSumExp<T> {
    type T = T;

    const IDENTITY: T = T::MAX_IDENTITY;
    #[inline]
    fn combine(a: T, b: T) -> T {
        a.log_add_exp(b)
    }
}
