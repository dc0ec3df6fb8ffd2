//! Random floats from 0 (included) to 1 (excluded), all multiples of the dtype's precision equally likely.
//!
//! Random bits become the mantissa of a number in [1, 2), and 1 is subtracted, as `jax.random.uniform` does.

use half::{bf16, f16};

use super::threefry::FromBlock;

impl FromBlock for f32 {
    #[inline(always)]
    fn from_block(block: [u32; 2]) -> f32 {
        f32::from_bits(u32::from_block(block) >> 9 | 1f32.to_bits()) - 1.0
    }
}

impl FromBlock for f64 {
    #[inline(always)]
    fn from_block(block: [u32; 2]) -> f64 {
        f64::from_bits(u64::from_block(block) >> 12 | 1f64.to_bits()) - 1.0
    }
}

/// From 8 bits, of which the mantissa has room for 7.
impl FromBlock for bf16 {
    #[inline(always)]
    fn from_block(block: [u32; 2]) -> bf16 {
        let x = f32::from(u8::from_block(block) >> 1) / 128.0;
        bf16::from_bits((x.to_bits() >> 16) as u16)
    }
}

/// From 16 bits, of which the mantissa has room for 10.
impl FromBlock for f16 {
    #[inline(always)]
    fn from_block(block: [u32; 2]) -> f16 {
        let x = f32::from(u16::from_block(block) >> 6) / 1024.0;
        // All of them but 0 are normal numbers: only the bias of the exponent differs.
        let bits = (x.to_bits() >> 13).saturating_sub((127 - 15) << 10);
        f16::from_bits(bits as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks() -> impl Iterator<Item = [u32; 2]> {
        (0..=u16::MAX).map(|low| [u32::from(low).wrapping_mul(0x9E37_79B9) << 16, u32::from(low)])
    }

    #[test]
    fn narrow_floats_are_the_leading_bits_over_a_power_of_two() {
        for block in blocks() {
            let word = block[0] ^ block[1];
            assert_eq!(bf16::from_block(block).to_f32(), (word >> 1 & 127) as f32 / 128.0);
            assert_eq!(f16::from_block(block).to_f32(), (word >> 6 & 1023) as f32 / 1024.0);
        }
    }

    #[test]
    fn wide_floats_are_the_leading_bits_over_a_power_of_two() {
        for block in blocks() {
            let word = block[0] ^ block[1];
            assert_eq!(f32::from_block(block), (word >> 9) as f32 / (1u32 << 23) as f32);
            let both = u64::from(block[0]) << 32 | u64::from(block[1]);
            assert_eq!(f64::from_block(block), (both >> 12) as f64 / (1u64 << 52) as f64);
        }
    }

    #[test]
    fn the_largest_is_below_one() {
        let ones = [u32::MAX, 0];
        assert_eq!(f32::from_block(ones), 1.0 - f32::EPSILON);
        assert_eq!(f64::from_block([u32::MAX; 2]), 1.0 - f64::EPSILON);
        assert_eq!(f16::from_block(ones), f16::from_f32(1.0 - 1.0 / 1024.0));
        assert_eq!(bf16::from_block(ones), bf16::from_f32(1.0 - 1.0 / 128.0));
    }
}
