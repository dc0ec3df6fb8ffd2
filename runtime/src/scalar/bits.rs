//! Shifts of integers by any distance.

/// Shifts by the width or more give 0, or the sign to the right; negative shifts count as such.
pub trait Bits:
    bytemuck::Pod
    + Send
    + Sync
    + std::ops::BitAnd<Output = Self>
    + std::ops::BitOr<Output = Self>
    + std::ops::BitXor<Output = Self>
{
    /// Moves all bits towards the more significant end.
    fn shl(self, by: Self) -> Self;
    /// Moves all bits towards the less significant end; the sign stays.
    fn shr(self, by: Self) -> Self;
    /// The greatest common divisor, which is not negative.
    fn gcd(self, other: Self) -> Self;
}

macro_rules! bits {
    ($($t:ty, $over:expr;)*) => { $(
        impl Bits for $t {
            #[inline(always)]
            fn shl(self, by: $t) -> $t {
                u32::try_from(by).ok().and_then(|by| self.checked_shl(by)).unwrap_or(0)
            }
            #[inline(always)]
            fn shr(self, by: $t) -> $t {
                let over: fn($t) -> $t = $over;
                u32::try_from(by).ok().and_then(|by| self.checked_shr(by)).unwrap_or_else(|| over(self))
            }
            // Euclid's algorithm.
            fn gcd(self, other: $t) -> $t {
                let (mut x, mut y) = (i128::from(self).unsigned_abs() as u64, i128::from(other).unsigned_abs() as u64);
                while y != 0 {
                    (x, y) = (y, x % y);
                }
                x as $t
            }
        }
    )* };
}

bits! {
    u8, |_| 0;
    u32, |_| 0;
    i32, |x| x >> 31;
    i64, |x| x >> 63;
}
