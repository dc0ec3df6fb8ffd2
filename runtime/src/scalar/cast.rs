//! Conversions between dtypes.

use half::{bf16, f16};

use super::number::Number;

/// A number that can become a `T`: floats round to nearest, floats to integers truncate and saturate, integers wrap.
///
/// See [`rounding`](super::rounding) for halves.
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
            fn cast(self) -> $int { self.widen() as $int }
        }
        impl CastTo<$half> for $int {
            // By way of f32, as XLA and ml_dtypes do: all that an f16 can hold is exact there.
            #[inline(always)]
            fn cast(self) -> $half { <$half>::narrow(self as f32) }
        })*
        impl CastTo<f32> for $half {
            #[inline(always)]
            fn cast(self) -> f32 { self.widen() }
        }
        impl CastTo<f64> for $half {
            #[inline(always)]
            fn cast(self) -> f64 { self.widen().into() }
        }
        impl CastTo<$half> for f32 {
            #[inline(always)]
            fn cast(self) -> $half { <$half>::narrow(self) }
        }
        impl CastTo<$half> for f64 {
            #[inline(always)]
            fn cast(self) -> $half { <$half as Number>::from_f64(self) }
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
        bf16::narrow(self.widen())
    }
}

impl CastTo<f16> for bf16 {
    #[inline(always)]
    fn cast(self) -> f16 {
        f16::narrow(self.widen())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_become_halves_as_in_jax() {
        // jnp.array(x).astype(float16) and bfloat16 of JAX 0.10.2, of every integer type that holds the number.
        let cases: [(i64, u16, u16); 9] = [
            (257, 0x5C04, 0x4380),
            (2051, 0x6802, 0x4500),
            (65519, 0x7BFF, 0x4780),
            (65520, 0x7C00, 0x4780),
            ((1 << 24) + (1 << 16) + 1, 0x7C00, 0x4B80),
            ((1 << 30) + (1 << 22) + 1, 0x7C00, 0x4E80),
            ((1 << 30) + 3 * (1 << 22) - 1, 0x7C00, 0x4E82),
            ((1 << 62) + 3 * (1 << 54) - 1, 0x7C00, 0x5E82),
            (i64::MAX, 0x7C00, 0x5F00),
        ];
        for (x, half, brain) in cases {
            let (positive, negative) = (CastTo::<f16>::cast(x), CastTo::<bf16>::cast(-x));
            assert_eq!((positive.to_bits(), negative.to_bits()), (half, brain | 0x8000), "{x}");
            if let Ok(x) = i32::try_from(x) {
                assert_eq!(
                    (CastTo::<f16>::cast(-x).to_bits(), CastTo::<bf16>::cast(x).to_bits()),
                    (half | 0x8000, brain)
                );
            }
            if let Ok(x) = u32::try_from(x) {
                assert_eq!(
                    (CastTo::<f16>::cast(x).to_bits(), CastTo::<bf16>::cast(x).to_bits()),
                    (half, brain)
                );
            }
        }
    }
}
