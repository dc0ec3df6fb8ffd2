//! The Threefry-2x32 counter-based generator, 20 rounds, and the random bits that `jax.random` derives from it.
//!
//! A key is two words; a value depends on the key and its own 64-bit index only, so any part of a sequence can be
//! computed by itself, in any order, on any thread.
//!
//! Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
//! Indices become counters, and the two output words become bits, as JAX does with `jax_threefry_partitionable`.

use super::simd::{self, SimdKernel};
use super::threads;
use crate::array::memory;

/// The words that a key and the parity constant are permuted into, and the rotations of the rounds.
const PARITY: u32 = 0x1BD1_1BDA;
const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];

/// The rough cost of one block, in the units of [`threads::split`].
const COST: usize = 8;

/// Returns the block for a key and a counter.
#[inline(always)]
pub fn block(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    let schedule = [key[0], key[1], key[0] ^ key[1] ^ PARITY];
    let mut a = counter[0].wrapping_add(schedule[0]);
    let mut b = counter[1].wrapping_add(schedule[1]);
    for group in 0..5 {
        for rotation in ROTATIONS[group % 2] {
            a = a.wrapping_add(b);
            b = b.rotate_left(rotation) ^ a;
        }
        a = a.wrapping_add(schedule[(group + 1) % 3]);
        b = b.wrapping_add(schedule[(group + 2) % 3]).wrapping_add(group as u32 + 1);
    }
    [a, b]
}

/// Returns the key for a word of data, for instance the index of a layer or of a step.
pub fn fold_in(key: [u32; 2], data: u32) -> [u32; 2] {
    block(key, [0, data])
}

/// Returns `n` new keys; the first ones do not depend on `n`.
pub fn split(key: [u32; 2], n: usize) -> Vec<[u32; 2]> {
    let mut keys = memory::zeroed(n);
    fill(key, 0, &mut keys);
    keys
}

/// Describes what becomes of a block: an unsigned integer of random bits, or the next key.
pub trait FromBlock: Copy + Send {
    /// Converts the two words of a block.
    fn from_block(block: [u32; 2]) -> Self;
}

impl FromBlock for [u32; 2] {
    #[inline(always)]
    fn from_block(block: [u32; 2]) -> Self {
        block
    }
}

impl FromBlock for u64 {
    #[inline(always)]
    fn from_block([a, b]: [u32; 2]) -> Self {
        u64::from(a) << 32 | u64::from(b)
    }
}

macro_rules! from_exclusive_or {
    ($($type:ty)*) => {
        $(
            impl FromBlock for $type {
                #[inline(always)]
                fn from_block([a, b]: [u32; 2]) -> Self {
                    (a ^ b) as $type
                }
            }
        )*
    };
}
from_exclusive_or!(u8 u16 u32);

/// Fills `out` with the random bits of the indices `first_index`, `first_index + 1`, …
///
/// Bits of 32 or fewer come from the exclusive or of a block's words, bits of 64 from both.
///
/// ```
/// use flaxen::kernels::threefry::bits;
///
/// let (mut whole, mut part) = ([0u32; 5], [0u32; 2]);
/// bits([0, 42], 0, &mut whole);
/// bits([0, 42], 3, &mut part);
/// assert_eq!(whole[3..], part);
/// ```
pub fn bits<B: FromBlock>(key: [u32; 2], first_index: u64, out: &mut [B]) {
    fill(key, first_index, out);
}

fn fill<B: FromBlock>(key: [u32; 2], first_index: u64, out: &mut [B]) {
    threads::split(out, 1, COST, |first, out| {
        let mut index = first_index.wrapping_add(first as u64);
        let mut rest = out;
        // The high word of the counter is constant up to the next multiple of 2^32.
        while !rest.is_empty() {
            let up_to_carry = (1u64 << 32) - (index & u64::from(u32::MAX));
            let length = rest.len().min(usize::try_from(up_to_carry).unwrap_or(usize::MAX));
            let (run, after) = rest.split_at_mut(length);
            simd::run(Run { key, high: (index >> 32) as u32, low: index as u32, out: run });
            index = index.wrapping_add(length as u64);
            rest = after;
        }
    });
}

/// Consecutive indices with one high word.
struct Run<'a, B> {
    key: [u32; 2],
    high: u32,
    low: u32,
    out: &'a mut [B],
}

impl<B: FromBlock> SimdKernel for Run<'_, B> {
    type Output = ();
    const WIDEST: bool = size_of::<B>() == 4;

    #[inline(always)]
    fn run(self) {
        for (i, out) in self.out.iter_mut().enumerate() {
            *out = B::from_block(block(self.key, [self.high, self.low.wrapping_add(i as u32)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_agree_with_the_published_vectors() {
        assert_eq!(block([0, 0], [0, 0]), [0x6b200159, 0x99ba4efe]);
        assert_eq!(block([u32::MAX; 2], [u32::MAX; 2]), [0x1cb996fc, 0xbb002be7]);
        assert_eq!(block([0x13198a2e, 0x03707344], [0x243f6a88, 0x85a308d3]), [0xc4923a9c, 0x483df7a0]);
    }

    #[test]
    fn splitting_gives_a_prefix_of_splitting_into_more_and_equals_folding_in_the_number() {
        let key = [7, 0xdead_beef];
        let keys = split(key, 300);
        assert_eq!(split(key, 3), keys[..3]);
        assert!(keys.iter().enumerate().all(|(i, &k)| k == fold_in(key, i as u32)));
    }

    #[test]
    fn bits_depend_on_their_own_index_only_and_carry_into_the_high_word() {
        let key = [1, 2];
        for first in [0, 5, u64::from(u32::MAX) - 20, (9 << 32) - 1, u64::MAX - 3] {
            let mut out = [0u32; 77];
            bits(key, first, &mut out);
            for (i, &x) in out.iter().enumerate() {
                let index = first.wrapping_add(i as u64);
                let [a, b] = block(key, [(index >> 32) as u32, index as u32]);
                assert_eq!(x, a ^ b);
            }
        }
    }

    #[test]
    fn widths_are_taken_from_one_block() {
        let key = [3, 4];
        let (mut eight, mut sixteen, mut wide, mut widest) = ([0u8; 40], [0u16; 40], [0u32; 40], [0u64; 40]);
        bits(key, 6, &mut eight);
        bits(key, 6, &mut sixteen);
        bits(key, 6, &mut wide);
        bits(key, 6, &mut widest);
        for i in 0..40 {
            assert_eq!((widest[i] >> 32) as u32 ^ widest[i] as u32, wide[i]);
            assert_eq!((sixteen[i], eight[i]), (wide[i] as u16, wide[i] as u8));
        }
    }

    #[test]
    fn a_sequence_on_several_threads_is_the_one_on_a_single_thread() {
        let mut out = vec![0u32; threads::THRESHOLD];
        bits([0, 1], 0, &mut out);
        for (i, piece) in out.chunks(1000).enumerate() {
            let mut alone = vec![0u32; piece.len()];
            bits([0, 1], i as u64 * 1000, &mut alone);
            assert_eq!(alone, piece);
        }
    }

    #[test]
    fn all_levels_give_the_same_bits() {
        let at = |level| {
            let mut out = vec![0u32; 333];
            simd::run_at(level, Run { key: [5, 6], high: 1, low: u32::MAX, out: &mut out });
            out
        };
        let portable = at(simd::Level::Portable);
        assert!(simd::Level::available().into_iter().all(|level| at(level) == portable));
    }
}
