//! Halves from wider numbers and back, with the same bits on every machine.
//!
//! What is rounded goes to the nearest number, ties to even: `f16` once, also from `f64`; `bf16` by way of `f32`, from `f64`
//! and integers too, as `ml_dtypes` and XLA do. A NaN keeps its sign; that of `f16` keeps the upper bits of its payload and is
//! made quiet, as processors do, and that of `bf16` has one payload, as `ml_dtypes` has it.
//!
//! Sources: IEEE 754-2019, §4.3 and §5.4; F. Giesen, "float→half variants" (2016), for subnormal numbers; S. Boldo
//! and G. Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd" (2008), §3.

use half::{bf16, f16};

const SIGN: u32 = 1 << 31;
/// The bits of infinity, and of the exponent of every NaN.
const INFINITY: u32 = 0x7F80_0000;

/// The nearest `bf16`.
#[inline(always)]
pub fn bf16_of_f32(x: f32) -> bf16 {
    let bits = x.to_bits();
    // Nearest, ties to even: half of the last place is added, less one unit unless the last place is odd, and the rest cut off.
    let to_even = bits >> 16 & 1;
    // The carry out of the mantissa goes to the exponent, up to that of infinity. A NaN may overflow, and is not used.
    let nearest = bits.wrapping_add(0x7FFF + to_even) >> 16;
    let nan = (bits & SIGN) >> 16 | 0x7FC0;
    bf16::from_bits((if bits & !SIGN > INFINITY { nan } else { nearest }) as u16)
}

/// The same number.
#[inline(always)]
pub fn f32_of_bf16(x: bf16) -> f32 {
    f32::from_bits(u32::from(x.to_bits()) << 16)
}

/// The nearest `f16`.
#[inline(always)]
pub fn f16_of_f32(x: f32) -> f16 {
    /// The least number that is infinite, but for rounding.
    const LIMIT: u32 = (127 + 16) << 23;
    const LEAST_NORMAL: u32 = (127 - 14) << 23;
    /// Adding it leaves the bits that a subnormal number has, rounded by the addition.
    const HALF: f32 = 0.5;
    let magnitude = x.to_bits() & !SIGN;
    let small = (f32::from_bits(magnitude) + HALF).to_bits().wrapping_sub(HALF.to_bits());
    let to_even = magnitude >> 13 & 1;
    let normal = magnitude.wrapping_sub((127 - 15) << 23).wrapping_add(0xFFF + to_even) >> 13;
    let finite = if magnitude < LEAST_NORMAL { small } else { normal };
    let nan = 0x7E00 | magnitude >> 13 & 0x3FF;
    let large = if magnitude > INFINITY { nan } else { 0x7C00 };
    let bits = if magnitude < LIMIT { finite } else { large };
    f16::from_bits((x.to_bits() >> 16 & 0x8000 | bits) as u16)
}

/// The same number.
#[inline(always)]
pub fn f32_of_f16(x: f16) -> f32 {
    /// Exponents are so much larger.
    const BIAS: u32 = (127 - 15) << 23;
    /// The exponent of subnormal numbers, once it is that much larger.
    const SMALL: u32 = BIAS + (1 << 23);
    let bits = u32::from(x.to_bits());
    let magnitude = (bits & 0x7FFF) << 13;
    let small = f32::from_bits(magnitude + SMALL) - f32::from_bits(SMALL);
    let quiet = if bits & 0x7FFF > 0x7C00 { 1 << 22 } else { 0 };
    let wide = if magnitude < 1 << 23 {
        small.to_bits()
    } else if magnitude >= 0x1F << 23 {
        magnitude | INFINITY | quiet
    } else {
        magnitude + BIAS
    };
    f32::from_bits((bits & 0x8000) << 16 | wide)
}

/// The nearest `f16`, rounded once.
#[inline(always)]
pub fn f16_of_f64(x: f64) -> f16 {
    f16_of_f32(to_odd(x))
}

/// The nearest `bf16` to the nearest `f32`.
#[inline(always)]
pub fn bf16_of_f64(x: f64) -> bf16 {
    bf16_of_f32(x as f32)
}

/// The `f32` next to a number, towards zero, whose last bit is set if anything is left: rounding that to fewer bits gives
/// what rounding the number itself would give.
#[inline(always)]
fn to_odd(x: f64) -> f32 {
    let nearest = x as f32;
    let back = f64::from(nearest);
    let is_beyond = back.abs() > x.abs();
    let odd = nearest.to_bits().wrapping_sub(u32::from(is_beyond)) | 1;
    // A NaN is unequal to everything, and none of this is for it.
    f32::from_bits(if (back == x) | x.is_nan() { nearest.to_bits() } else { odd })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::halves::{Half, Narrow};
    use crate::kernels::simd;

    /// What a rounding chooses from: all finite numbers that are not negative in ascending order, and what the first that is
    /// not finite would be.
    fn finite(exponent_bits: u32, mantissa_bits: u32) -> Vec<f64> {
        let bias = (1 << (exponent_bits - 1)) - 1;
        let value = |exponent: i32, mantissa: u32| {
            let (power, whole) = if exponent == 0 { (1, 0.0) } else { (exponent, 1.0) };
            (whole + f64::from(mantissa) / f64::from(1u32 << mantissa_bits)) * 2f64.powi(power - bias)
        };
        let exponents = 0..(1i32 << exponent_bits) - 1;
        let all = exponents.flat_map(|e| (0..1u32 << mantissa_bits).map(move |m| value(e, m)));
        all.chain([2f64.powi(bias + 1)]).collect()
    }

    /// Bits by comparison with the middle of two neighbours, which is exact in `f64`; ties to even.
    fn nearest(numbers: &[f64], x: f64) -> u16 {
        let above = numbers.partition_point(|&y| y < x.abs());
        let sign = u16::from(x.is_sign_negative()) << 15;
        if above == 0 || above == numbers.len() {
            return sign | above.saturating_sub(1).max(if above == 0 { 0 } else { numbers.len() - 1 }) as u16;
        }
        let middle = f64::midpoint(numbers[above - 1], numbers[above]);
        let is_up = x.abs() > middle || (x.abs() == middle && above % 2 == 0);
        sign | (above - usize::from(!is_up)) as u16
    }

    /// Each number, each middle of two, their neighbours in both wider types, and the same with a sign.
    fn boundaries(numbers: &[f64]) -> Vec<f64> {
        let middles = numbers.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
        let all = numbers.iter().copied().chain(middles);
        let near = all.flat_map(|x| {
            let narrow = x as f32;
            let floats = [narrow, narrow.next_up(), narrow.next_down()].map(f64::from);
            floats.into_iter().chain([x, x.next_up(), x.next_down(), x * (1.0 + 1e-11), x * (1.0 - 1e-11)])
        });
        near.chain([f64::MAX, f64::INFINITY, f64::MIN_POSITIVE, 5e-324, 1e-50])
            .flat_map(|x| [x, -x])
            .collect()
    }

    #[test]
    fn doubles_become_the_nearest_f16_in_one_rounding() {
        let numbers = finite(5, 10);
        for x in boundaries(&numbers) {
            assert_eq!(f16_of_f64(x).to_bits(), nearest(&numbers, x), "{x:e}");
        }
    }

    #[test]
    fn floats_become_the_nearest_half_also_in_vectors() {
        let numbers = finite(5, 10);
        let floats: Vec<f32> = boundaries(&numbers).into_iter().map(|x| x as f32).collect();
        let expected: Vec<u16> = floats.iter().map(|&x| nearest(&numbers, x.into())).collect();
        let alone: Vec<u16> = floats.iter().map(|&x| f16_of_f32(x).to_bits()).collect();
        let mut together = vec![f16::ZERO; floats.len()];
        f16::narrow_slice(&floats, &mut together);
        assert!(alone == expected && together.iter().map(|x| x.to_bits()).eq(expected));
    }

    #[test]
    fn floats_become_the_nearest_bf16_on_every_level() {
        let numbers = finite(8, 7);
        let floats: Vec<f32> = boundaries(&numbers).into_iter().map(|x| x as f32).collect();
        let expected: Vec<u16> = floats.iter().map(|&x| nearest(&numbers, x.into())).collect();
        for level in simd::Level::available() {
            let mut out = vec![bf16::ZERO; floats.len()];
            simd::run_at(level, Narrow(&floats, &mut out));
            assert!(out.iter().map(|x| x.to_bits()).eq(expected.iter().copied()), "{level:?}");
        }
    }

    #[test]
    fn doubles_become_bf16_by_way_of_floats_as_in_ml_dtypes() {
        // ml_dtypes 0.5 and JAX 0.10.2: np.float64(1 + 2**-8 + 1e-14).astype(bfloat16), and two that floats hold.
        let cases =
            [(1.0 + 2f64.powi(-8) + 1e-14, 0x3F80), (1.0 + 2f64.powi(-8) + 1e-6, 0x3F81), (-1e-50, 0x8000)];
        for (x, bits) in cases {
            assert_eq!(bf16_of_f64(x).to_bits(), bits);
        }
    }

    #[test]
    fn every_half_is_a_float_and_comes_back_from_it() {
        let (numbers, brains) = (finite(5, 10), finite(8, 7));
        for bits in 0..=u16::MAX {
            let (x, y) = (f16::from_bits(bits), bf16::from_bits(bits));
            let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
            let magnitude = usize::from(bits & 0x7FFF);
            if magnitude < 0x7C00 {
                assert_eq!(f64::from(f32_of_f16(x)).to_bits(), (sign * numbers[magnitude]).to_bits());
            }
            if magnitude < 0x7F80 {
                assert_eq!(f64::from(f32_of_bf16(y)).to_bits(), (sign * brains[magnitude]).to_bits());
            }
            let quiet = if x.is_nan() { bits | 0x0200 } else { bits };
            assert_eq!(
                [f16_of_f32(f32_of_f16(x)), f16_of_f64(f32_of_f16(x).into())].map(f16::to_bits),
                [quiet; 2]
            );
            let canonical = if y.is_nan() { bits & 0x8000 | 0x7FC0 } else { bits };
            assert_eq!(bf16_of_f32(f32_of_bf16(y)).to_bits(), canonical);
        }
        let (all, mut wide) = ((0..=u16::MAX).map(f16::from_bits).collect::<Vec<_>>(), vec![0.0; 1 << 16]);
        f16::widen_slice(&all, &mut wide);
        assert!(all.iter().zip(&wide).all(|(&x, y)| f32_of_f16(x).to_bits() == y.to_bits()));
    }

    #[test]
    fn a_nan_keeps_its_sign() {
        // JAX 0.10.2 on CPU gives these; NumPy's scalar code leaves signalling NaNs of F16 as they are.
        let nans =
            [0x7FC0_0000, 0xFFC0_0000, 0x7F80_0001, 0xFF80_0001, 0x7FA0_0000, 0x7FFF_FFFF, 0x7F80_2000u32];
        let halves = [0x7E00, 0xFE00, 0x7E00, 0xFE00, 0x7F00, 0x7FFF, 0x7E01];
        let brains = [0x7FC0, 0xFFC0, 0x7FC0, 0xFFC0, 0x7FC0, 0x7FC0, 0x7FC0];
        let mut together = [f16::ZERO; 7];
        f16::narrow_slice(&nans.map(f32::from_bits), &mut together);
        assert_eq!(nans.map(|bits| f16_of_f32(f32::from_bits(bits)).to_bits()), halves);
        assert_eq!(together.map(f16::to_bits), halves);
        assert_eq!(nans.map(|bits| bf16_of_f32(f32::from_bits(bits)).to_bits()), brains);
        assert_eq!([f64::NAN, -f64::NAN].map(|x| f16_of_f64(x).to_bits()), [0x7E00, 0xFE00]);
    }
}
