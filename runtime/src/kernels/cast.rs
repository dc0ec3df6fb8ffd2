//! Conversions between dtypes.

use half::{bf16, f16};

/// A number that can become a `T`: floats round to nearest, floats to integers truncate and saturate, integers wrap.
pub trait CastTo<T>: Copy {
    /// Converts.
    fn cast(self) -> T;
}

macro_rules! primitive {
    ($($from:ty => $($to:ty)*;)*) => { $($(
        impl CastTo<$to> for $from {
            #[inline(always)]
            fn cast(self) -> $to { self as $to }
        }
    )*)* };
}

primitive! {
    u8 => u8 u32 i32 i64 f32 f64;
    u32 => u8 u32 i32 i64 f32 f64;
    i32 => u8 u32 i32 i64 f32 f64;
    i64 => u8 u32 i32 i64 f32 f64;
    f32 => u8 u32 i32 i64 f32 f64;
    f64 => u8 u32 i32 i64 f32 f64;
}

macro_rules! half {
    ($($half:ty: $($int:ty)*;)*) => { $(
        $(impl CastTo<$int> for $half {
            #[inline(always)]
            fn cast(self) -> $int { self.to_f32() as $int }
        }
        impl CastTo<$half> for $int {
            // Through f64, where 32-bit integers are exact, so that rounding happens once.
            #[inline(always)]
            fn cast(self) -> $half { <$half>::from_f64(self as f64) }
        })*
        impl CastTo<f32> for $half {
            #[inline(always)]
            fn cast(self) -> f32 { self.to_f32() }
        }
        impl CastTo<f64> for $half {
            #[inline(always)]
            fn cast(self) -> f64 { self.to_f64() }
        }
        impl CastTo<$half> for f32 {
            #[inline(always)]
            fn cast(self) -> $half { <$half>::from_f32(self) }
        }
        impl CastTo<$half> for f64 {
            #[inline(always)]
            fn cast(self) -> $half { <$half>::from_f64(self) }
        }
        impl CastTo<$half> for $half {
            #[inline(always)]
            fn cast(self) -> $half { self }
        }
    )* };
}

half! {
    f16: u8 u32 i32 i64;
    bf16: u8 u32 i32 i64;
}

impl CastTo<bf16> for f16 {
    #[inline(always)]
    fn cast(self) -> bf16 {
        bf16::from_f32(self.to_f32())
    }
}

impl CastTo<f16> for bf16 {
    #[inline(always)]
    fn cast(self) -> f16 {
        f16::from_f32(self.to_f32())
    }
}
