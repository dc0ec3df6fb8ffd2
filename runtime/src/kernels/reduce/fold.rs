//! Monoids to reduce with: an associative operation and its neutral element each.

use std::marker::PhantomData;

use crate::scalar::number::Number;

/// A monoid, with what is done to an element before and to the result after.
pub(crate) trait Fold {
    type In: Copy + Sync;
    type Acc: Copy + Send + Sync + 'static;
    type Out: Copy + Send;

    const IDENTITY: Self::Acc;
    fn lift(x: Self::In) -> Self::Acc;
    fn combine(a: Self::Acc, b: Self::Acc) -> Self::Acc;
    fn finish(acc: Self::Acc) -> Self::Out;
}

macro_rules! number_fold {
    ($(#[$doc:meta])* $name:ident, $identity:ident, $combine:ident) => {
        $(#[$doc])*
        pub(crate) struct $name<T>(PhantomData<T>);

        impl<T: Number> Fold for $name<T> {
            type In = T;
            type Acc = T::Acc;
            type Out = T;

            const IDENTITY: T::Acc = T::Acc::$identity;
            #[inline(always)]
            fn lift(x: T) -> T::Acc {
                x.widen()
            }
            #[inline(always)]
            fn combine(a: T::Acc, b: T::Acc) -> T::Acc {
                a.$combine(b)
            }
            #[inline(always)]
            fn finish(acc: T::Acc) -> T {
                T::narrow(acc)
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
            type In = u8;
            type Acc = u8;
            type Out = u8;

            const IDENTITY: u8 = $identity;
            #[inline(always)]
            fn lift(x: u8) -> u8 {
                u8::from(x != 0)
            }
            #[inline(always)]
            fn combine(a: u8, b: u8) -> u8 {
                a $combine b
            }
            #[inline(always)]
            fn finish(acc: u8) -> u8 {
                acc
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
                let max = Number::maximum(self, other);
                if !max.is_finite() {
                    return max;
                }
                max + (-(self - other).abs()).exp().ln_1p()
            }
        }
    )* };
}
log_add_exp!(f32 f64);

/// The logarithm of the sum of exponentials.
pub(crate) struct LogSumExp<T>(PhantomData<T>);

impl<T: Number<Acc: LogAddExp>> Fold for LogSumExp<T> {
    type In = T;
    type Acc = T::Acc;
    type Out = T;

    const IDENTITY: T::Acc = T::Acc::MAX_IDENTITY;
    #[inline]
    fn lift(x: T) -> T::Acc {
        x.widen()
    }
    #[inline]
    fn combine(a: T::Acc, b: T::Acc) -> T::Acc {
        a.log_add_exp(b)
    }
    #[inline]
    fn finish(acc: T::Acc) -> T {
        T::narrow(acc)
    }
}
