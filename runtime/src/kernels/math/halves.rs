//! Functions of `bf16` and `f16`: computed in f32, a block at a time, and rounded once.

use crate::kernels::rounding::Half;
use crate::kernels::threads;

/// Elements that are widened together; they stay in the innermost cache.
const BLOCK: usize = 512;

/// Widens `input` block by block, lets `f` replace the numbers, and rounds them to `out`.
///
/// `work` is the rough cost of one element, in the units of [`threads::split`].
///
/// # Panics
/// If the lengths differ.
pub fn through_f32<H: Half>(input: &[H], out: &mut [H], work: usize, f: impl Fn(&mut [f32]) + Sync) {
    assert_eq!(input.len(), out.len(), "input and output of a function of halves differ in length");
    threads::split(out, 1, work, |first, out| {
        let mut block = [0.0; BLOCK];
        for (out, input) in out.chunks_mut(BLOCK).zip(input[first..].chunks(BLOCK)) {
            let block = &mut block[..out.len()];
            H::widen_slice(&input[..out.len()], block);
            f(block);
            H::narrow_slice(block, out);
        }
    });
}

/// As [`through_f32`], in place.
pub fn through_f32_in_place<H: Half>(values: &mut [H], work: usize, f: impl Fn(&mut [f32]) + Sync) {
    threads::split(values, 1, work, |_, values| {
        let mut block = [0.0; BLOCK];
        for values in values.chunks_mut(BLOCK) {
            let block = &mut block[..values.len()];
            H::widen_slice(values, block);
            f(block);
            H::narrow_slice(block, values);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    #[test]
    fn every_half_is_widened_and_rounded_once() {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        let halves: Vec<f16> = all.iter().map(|&bits| f16::from_bits(bits)).filter(|x| !x.is_nan()).collect();
        let brains: Vec<bf16> =
            all.iter().map(|&bits| bf16::from_bits(bits)).filter(|x| !x.is_nan()).collect();
        let third = |block: &mut [f32]| block.iter_mut().for_each(|x| *x /= 3.0);
        let mut out = vec![f16::ZERO; halves.len()];
        through_f32(&halves, &mut out, 100, third);
        assert!(halves.iter().zip(&out).all(|(x, y)| *y == f16::from_f32(x.to_f32() / 3.0)));
        let mut out = brains.clone();
        through_f32_in_place(&mut out, 1, third);
        assert!(brains.iter().zip(&out).all(|(x, y)| *y == bf16::from_f32(x.to_f32() / 3.0)));
    }
}
