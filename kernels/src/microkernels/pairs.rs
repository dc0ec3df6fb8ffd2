//! Products of `bf16` in pairs (AVX512-BF16): each lane of an instruction multiplies two numbers with two others and adds both
//! products to a sum in `f32`.
//!
//! A *pair* is two terms that follow each other along a sum, in 32 bits. Rows of the left matrix are pairs one after another; the
//! right matrix is packed into panels that hold, for each pair of terms, those of all columns. [`PairTile`] packs either side from
//! either order, and rounds `f32` on the way.
//!
//! Products of two `bf16` are exact in `f32`. `VDPBF16PS` rounds each of its two additions to nearest, and takes subnormal numbers for
//! zeros, among operands and results: a sum of `k` terms differs from the exact one by no more than `k·2⁻²⁴` of the sum of
//! magnitudes (N. J. Higham, "Accuracy and stability of numerical algorithms", 2002, §3.1), and `2k·2⁻¹²⁶` times the greatest operand, or 1.
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, `VDPBF16PS`, `VCVTNE2PS2BF16`.

use crate::simd::Level;

/// Columns of a panel: two vectors of sums.
pub const PAIR_COLUMNS: usize = 32;
/// Rows of a tile of sums at most.
pub const PAIR_ROWS: usize = 12;
/// Lines, and pairs of terms, that are packed together.
pub const PAIR_TILE: usize = 16;

/// A few rows times a panel.
pub struct PairProduct<'a> {
    /// Where each row starts, which need not be aligned.
    pub rows: &'a [*const u32],
    pub pairs: usize,
    /// [`PAIR_COLUMNS`] pairs for each pair of terms.
    pub panel: *const u32,
    /// [`PAIR_COLUMNS`] sums for each row, which are written or added to.
    pub out: *mut f32,
    pub accumulate: bool,
}

/// Up to 16 lines (rows of the left matrix or columns of the right one) of up to 32 terms, to be packed.
pub struct PairTile<T> {
    pub from: *const T,
    /// Elements from one line to the next where terms follow each other, else from one term to the next.
    pub pitch: usize,
    pub lines: usize,
    pub terms: usize,
    /// Rows of [`PAIR_TILE`] pairs, `to_pitch` pairs apart: lines, or pairs of terms. What is not there is 0.
    pub to: *mut u32,
    pub to_pitch: usize,
    /// How many of them are written.
    pub to_rows: usize,
}

/// Sums of a panel, to be rounded to nearest, ties to even; subnormal numbers become 0.
pub struct PairSums {
    /// [`PAIR_COLUMNS`] for each row.
    pub from: *const f32,
    pub rows: usize,
    /// Columns that are there, up to [`PAIR_COLUMNS`].
    pub columns: usize,
    pub to: *mut u16,
    /// Elements from one row to the next.
    pub to_row: usize,
}

/// What packs numbers of one type.
#[derive(Clone, Copy, Debug)]
pub struct PairPacking<T> {
    /// From lines whose terms follow each other, to lines, and to pairs of terms.
    pub along: [unsafe fn(&PairTile<T>); 2],
    /// From terms whose lines follow each other, to lines, and to pairs of terms.
    pub across: [unsafe fn(&PairTile<T>); 2],
}

/// The micro-kernels of products in pairs.
#[derive(Debug)]
pub struct PairKernels {
    /// By vectors of columns and rows, each less one.
    pub product: [[unsafe fn(&PairProduct<'_>); PAIR_ROWS]; 2],
    pub halves: PairPacking<u16>,
    /// Rounds to nearest, ties to even; subnormal numbers become 0.
    pub floats: PairPacking<f32>,
    pub round: unsafe fn(&PairSums),
}

impl PairKernels {
    /// Returns the micro-kernels if `level` allows them, and the machine has the instructions.
    #[inline]
    pub fn of(level: Level) -> Option<&'static PairKernels> {
        #[cfg(target_arch = "x86_64")]
        if level.min(Level::best()) == Level::Avx512 && is_x86_feature_detected!("avx512bf16") {
            return Some(&x86::KERNELS);
        }
        let _ = level;
        None
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512, __m512bh, __m512i, _mm256_maskz_loadu_epi16, _mm512_add_ps, _mm512_castps_si512,
        _mm512_castsi512_ps, _mm512_cvtepu16_epi32, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_loadu_ps,
        _mm512_loadu_si512, _mm512_mask_storeu_epi16, _mm512_maskz_loadu_epi16, _mm512_maskz_loadu_ps,
        _mm512_or_si512, _mm512_permutexvar_epi16, _mm512_set1_epi32, _mm512_setzero_ps,
        _mm512_setzero_si512, _mm512_shuffle_f32x4, _mm512_slli_epi32, _mm512_storeu_ps, _mm512_storeu_si512,
        _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };

    use super::{PAIR_COLUMNS, PAIR_TILE, PairKernels, PairPacking, PairProduct, PairSums, PairTile};
    use crate::simd;

    macro_rules! by_rows {
        ($vectors:literal, $($rows:literal)*) => { [$(product::<$rows, $vectors>),*] };
    }

    pub(super) static KERNELS: PairKernels = PairKernels {
        product: [by_rows!(1, 1 2 3 4 5 6 7 8 9 10 11 12), by_rows!(2, 1 2 3 4 5 6 7 8 9 10 11 12)],
        halves: PairPacking {
            along: [pack::<Along, u16, false>, pack::<Along, u16, true>],
            across: [pack::<Across, u16, true>, pack::<Across, u16, false>],
        },
        floats: PairPacking {
            along: [pack::<Along, f32, false>, pack::<Along, f32, true>],
            across: [pack::<Across, f32, true>, pack::<Across, f32, false>],
        },
        round,
    };

    const LANES: usize = 16;

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn pairs(vector: __m512i) -> __m512bh {
        // SAFETY: both are 512 bits without a meaning of their own.
        unsafe { std::mem::transmute::<__m512i, __m512bh>(vector) }
    }

    /// # Safety
    /// The machine has AVX512-BF16; there are `M` rows of so many pairs, and panel and output are as [`PairProduct`] says.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
    unsafe fn product<const M: usize, const N: usize>(job: &PairProduct<'_>) {
        let rows: &[*const u32; M] = job.rows.try_into().expect("a pointer per row");
        let mut panel = job.panel;
        let mut sums: [[__m512; N]; M] = [[_mm512_setzero_ps(); N]; M];
        // SAFETY: the caller's promise.
        unsafe {
            let mut p = 0;
            // Two pairs at a time: there are fewer registers than pointers, and each is loaded once for both.
            while p + 2 <= job.pairs {
                let mut w = [[pairs(_mm512_setzero_si512()); N]; 2];
                for u in 0..2 {
                    for v in 0..N {
                        w[u][v] = pairs(_mm512_loadu_si512(panel.add(u * PAIR_COLUMNS + v * LANES).cast()));
                    }
                }
                for i in 0..M {
                    for u in 0..2 {
                        let x = rows[i].add(p + u).cast::<i32>().read_unaligned();
                        let x = pairs(_mm512_set1_epi32(x));
                        for v in 0..N {
                            sums[i][v] = _mm512_dpbf16_ps(sums[i][v], x, w[u][v]);
                        }
                    }
                }
                panel = panel.add(2 * PAIR_COLUMNS);
                p += 2;
            }
            if p < job.pairs {
                for i in 0..M {
                    let x = pairs(_mm512_set1_epi32(rows[i].add(p).cast::<i32>().read_unaligned()));
                    for v in 0..N {
                        let w = pairs(_mm512_loadu_si512(panel.add(v * LANES).cast()));
                        sums[i][v] = _mm512_dpbf16_ps(sums[i][v], x, w);
                    }
                }
            }
            for i in 0..M {
                for v in 0..N {
                    let to = job.out.add(i * PAIR_COLUMNS + v * LANES);
                    if job.accumulate {
                        sums[i][v] = _mm512_add_ps(_mm512_loadu_ps(to), sums[i][v]);
                    }
                    _mm512_storeu_ps(to, sums[i][v]);
                }
            }
        }
    }

    /// # Safety
    /// The machine has AVX512-BF16; what is described is readable or writable.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn round(sums: &PairSums) {
        let mask = first(sums.columns);
        for row in 0..sums.rows {
            // SAFETY: the caller's promise; numbers that are not there are not touched.
            unsafe {
                let from = sums.from.add(row * PAIR_COLUMNS);
                let (low, high) = (_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(LANES)));
                let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
                _mm512_mask_storeu_epi16(sums.to.add(row * sums.to_row).cast(), mask, both);
            }
        }
    }

    /// Terms from what is packed to what is prefetched: of a line, so many cache lines; else the next tile.
    const AHEAD: usize = 256;
    const AHEAD_ACROSS: usize = 2 * PAIR_TILE;

    /// How the numbers of a tile lie.
    trait Order<T> {
        /// One of the rows that a tile has in this order, of 16 pairs: a line, or a pair of terms.
        ///
        /// # Safety
        /// The machine has AVX512-BF16, the tile is readable, and the mask is that of its terms or lines, whatever follows each other.
        unsafe fn row(tile: &PairTile<T>, mask: u32, row: usize) -> __m512i;

        /// How many numbers follow each other.
        fn count(tile: &PairTile<T>) -> usize;
    }

    /// Terms follow each other.
    struct Along;
    /// Lines follow each other.
    struct Across;

    /// The lowest so many bits.
    #[inline]
    fn first(count: usize) -> u32 {
        if count >= 32 { u32::MAX } else { (1 << count) - 1 }
    }

    impl Order<u16> for Along {
        #[inline]
        fn count(tile: &PairTile<u16>) -> usize {
            tile.terms
        }

        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
        unsafe fn row(tile: &PairTile<u16>, mask: u32, line: usize) -> __m512i {
            let mask = if line < tile.lines { mask } else { 0 };
            let from = tile.from.wrapping_add(line * tile.pitch);
            simd::prefetch(from.wrapping_add(AHEAD));
            // SAFETY: the terms of a line; others are not touched.
            unsafe { _mm512_maskz_loadu_epi16(mask, from.cast()) }
        }
    }

    impl Order<f32> for Along {
        #[inline]
        fn count(tile: &PairTile<f32>) -> usize {
            tile.terms
        }

        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
        unsafe fn row(tile: &PairTile<f32>, mask: u32, line: usize) -> __m512i {
            let mask = if line < tile.lines { mask } else { 0 };
            let from = tile.from.wrapping_add(line * tile.pitch);
            simd::prefetch(from.wrapping_add(AHEAD));
            simd::prefetch(from.wrapping_add(AHEAD + LANES));
            // SAFETY: the terms of a line; others are not touched.
            let (low, high) = unsafe {
                (
                    _mm512_maskz_loadu_ps(mask as u16, from),
                    _mm512_maskz_loadu_ps((mask >> 16) as u16, from.wrapping_add(LANES)),
                )
            };
            // SAFETY: both are 512 bits without a meaning of their own.
            unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
        }
    }

    impl Order<u16> for Across {
        #[inline]
        fn count(tile: &PairTile<u16>) -> usize {
            tile.lines
        }

        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
        unsafe fn row(tile: &PairTile<u16>, mask: u32, pair: usize) -> __m512i {
            let term = |term: usize| {
                let mask = if term < tile.terms { mask as u16 } else { 0 };
                let from = tile.from.wrapping_add(term * tile.pitch);
                simd::prefetch(from.wrapping_add(AHEAD_ACROSS * tile.pitch));
                // SAFETY: the lines of a term; others are not touched.
                let numbers = unsafe { _mm256_maskz_loadu_epi16(mask, from.cast()) };
                _mm512_cvtepu16_epi32(numbers)
            };
            _mm512_or_si512(term(2 * pair), _mm512_slli_epi32::<16>(term(2 * pair + 1)))
        }
    }

    /// Numbers 0 and 16, 1 and 17, and so on.
    const INTERLEAVED: [u16; 32] = {
        let mut order = [0; 32];
        let mut at = 0;
        while at < 32 {
            order[at] = (at / 2 + at % 2 * 16) as u16;
            at += 1;
        }
        order
    };

    impl Order<f32> for Across {
        #[inline]
        fn count(tile: &PairTile<f32>) -> usize {
            tile.lines
        }

        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
        unsafe fn row(tile: &PairTile<f32>, mask: u32, pair: usize) -> __m512i {
            let term = |term: usize| {
                let mask = if term < tile.terms { mask as u16 } else { 0 };
                let from = tile.from.wrapping_add(term * tile.pitch);
                simd::prefetch(from.wrapping_add(AHEAD_ACROSS * tile.pitch));
                // SAFETY: the lines of a term; others are not touched.
                unsafe { _mm512_maskz_loadu_ps(mask, from) }
            };
            let both = _mm512_cvtne2ps_pbh(term(2 * pair + 1), term(2 * pair));
            // SAFETY: all of them are 512 bits without a meaning of their own.
            unsafe {
                let order = std::mem::transmute::<[u16; 32], __m512i>(INTERLEAVED);
                _mm512_permutexvar_epi16(order, std::mem::transmute::<__m512bh, __m512i>(both))
            }
        }
    }

    /// Packs a tile in its own order, or transposed.
    ///
    /// # Safety
    /// The machine has AVX512-BF16; the tile is readable, and so many rows are writable.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    #[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
    unsafe fn pack<O: Order<T>, T, const IS_TRANSPOSED: bool>(tile: &PairTile<T>) {
        // SAFETY: the caller's promise.
        unsafe {
            let store = |row: usize, vector| {
                _mm512_storeu_si512(tile.to.add(row * tile.to_pitch).cast(), vector);
            };
            let mask = first(O::count(tile));
            if !IS_TRANSPOSED {
                for row in 0..tile.to_rows {
                    store(row, O::row(tile, mask, row));
                }
                return;
            }
            let mut rows = [_mm512_setzero_si512(); PAIR_TILE];
            for r in 0..PAIR_TILE {
                rows[r] = O::row(tile, mask, r);
            }
            let columns = transposed(rows);
            for r in 0..PAIR_TILE {
                if r < tile.to_rows {
                    store(r, columns[r]);
                }
            }
        }
    }

    /// The columns of 16 rows, by unpacks and shuffles of ever wider parts of a register.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transposed(mut rows: [__m512i; 16]) -> [__m512i; 16] {
        // Of four rows: the quarters of the registers hold one column each.
        for four in rows.as_chunks_mut::<4>().0 {
            let [a, b, c, d] = *four;
            let (ab, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let (cd, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            *four = [
                _mm512_unpacklo_epi64(ab, cd),
                _mm512_unpackhi_epi64(ab, cd),
                _mm512_unpacklo_epi64(ab_high, cd_high),
                _mm512_unpackhi_epi64(ab_high, cd_high),
            ];
        }
        let mut columns = rows;
        for c in 0..4 {
            let even = |x, y| _mm512_shuffle_f32x4::<0x88>(x, y);
            let odd = |x, y| _mm512_shuffle_f32x4::<0xdd>(x, y);
            let [w, x, y, z] = [0, 4, 8, 12].map(|r| _mm512_castsi512_ps(rows[r + c]));
            let (wx, wx_odd, yz, yz_odd) = (even(w, x), odd(w, x), even(y, z), odd(y, z));
            let four = [even(wx, yz), even(wx_odd, yz_odd), odd(wx, yz), odd(wx_odd, yz_odd)];
            for (q, column) in four.into_iter().enumerate() {
                columns[4 * q + c] = _mm512_castps_si512(column);
            }
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, as `bf16` and `f32`, with something else around the tile.
    fn numbers(count: usize) -> (Vec<u16>, Vec<f32>) {
        let floats: Vec<f32> = (0..count).map(|i| (i * 7 % 23) as f32 - 11.0).collect();
        (floats.iter().map(|x| (x.to_bits() >> 16) as u16).collect(), floats)
    }

    fn packs<T: Copy>(packing: &PairPacking<T>, from: &[T], bits: &[u16], [lines, terms]: [usize; 2]) {
        const UNTOUCHED: u32 = 0x1234_5678;
        for (kernels, line, term) in [(packing.along, terms + 3, 1), (packing.across, 1, lines + 2)] {
            let pitch = line.max(term);
            let pairs = terms.div_ceil(2);
            for (kernel, rows, by_lines) in [(kernels[0], lines, true), (kernels[1], pairs, false)] {
                let mut to = vec![UNTOUCHED; 20 * (rows + 1)];
                let tile = PairTile {
                    from: from.as_ptr(),
                    pitch,
                    lines,
                    terms,
                    to: to.as_mut_ptr(),
                    to_pitch: 20,
                    to_rows: rows,
                };
                // SAFETY: the vectors are long enough, and the kernels are those of this machine.
                unsafe { kernel(&tile) };
                for (at, &pair) in to.iter().enumerate() {
                    let (row, column) = (at / 20, at % 20);
                    let (i, p) = if by_lines { (row, column) } else { (column, row) };
                    let number = |t: usize| {
                        if i < lines && t < terms { u32::from(bits[i * line + t * term]) } else { 0 }
                    };
                    let expected = number(2 * p) | number(2 * p + 1) << 16;
                    let expected = if row < rows && column < PAIR_TILE { expected } else { UNTOUCHED };
                    assert_eq!(pair, expected, "{lines}×{terms} {by_lines} at {row}, {column}");
                }
            }
        }
    }

    #[test]
    fn tiles_of_either_order_are_packed_to_either_order_and_nothing_else_is_touched() {
        let Some(kernels) = PairKernels::of(Level::best()) else { return };
        for lines in 1..=PAIR_TILE {
            for terms in [1, 2, 3, 15, 16, 17, 18, 31, 32] {
                // As long as the last element that is there.
                let (bits, floats) = numbers(lines.max(terms) * 40);
                packs(&kernels.halves, &bits, &bits, [lines, terms]);
                packs(&kernels.floats, &floats, &bits, [lines, terms]);
            }
        }
    }

    #[test]
    fn what_is_packed_is_rounded_to_nearest_and_ties_go_to_even() {
        let Some(kernels) = PairKernels::of(Level::best()) else { return };
        let (one, half) = (0x3F80_0000u32, 0x8000);
        let cases = [
            (one + half, 0x3F80),
            (one + half + 1, 0x3F81),
            (one + 3 * half, 0x3F82),
            (one | half >> 1, 0x3F80),
        ];
        let from = cases.map(|(bits, _)| f32::from_bits(bits));
        let mut to = [0; PAIR_TILE];
        let tile = PairTile {
            from: from.as_ptr(),
            pitch: 0,
            lines: 1,
            terms: 4,
            to: to.as_mut_ptr(),
            to_pitch: 0,
            to_rows: 1,
        };
        // SAFETY: a line of four terms, and room for a row.
        unsafe { kernels.floats.along[0](&tile) };
        let rounded = [to[0] & 0xFFFF, to[0] >> 16, to[1] & 0xFFFF, to[1] >> 16];
        assert_eq!(rounded, cases.map(|(_, expected)| expected));
    }

    #[test]
    fn sums_are_rounded_to_rows_and_nothing_else_is_touched() {
        let Some(kernels) = PairKernels::of(Level::best()) else { return };
        let (bits, floats) = numbers(3 * PAIR_COLUMNS);
        for columns in [1, 2, 15, 16, 17, 31, 32] {
            // The last row ends where the output does.
            let mut to = vec![7u16; 2 * 40 + columns];
            let sums = PairSums { from: floats.as_ptr(), rows: 3, columns, to: to.as_mut_ptr(), to_row: 40 };
            // SAFETY: three rows of sums, and of the output.
            unsafe { (kernels.round)(&sums) };
            for (at, &y) in to.iter().enumerate() {
                let expected = if at % 40 < columns { bits[at / 40 * PAIR_COLUMNS + at % 40] } else { 7 };
                assert_eq!(y, expected, "{columns} columns at {at}");
            }
        }
    }

    #[test]
    fn a_tile_of_sums_follows_the_definition() {
        let Some(kernels) = PairKernels::of(Level::best()) else { return };
        for (vectors, by_rows) in (1..).zip(&kernels.product) {
            for (rows, product) in (1..).zip(by_rows) {
                for pairs in [0, 1, 2, 7, 16] {
                    let (lhs, left) = numbers(2 * pairs * rows + 1);
                    let (rhs, right) = numbers(2 * pairs * PAIR_COLUMNS);
                    let panel: Vec<u32> =
                        rhs.chunks(2).map(|two| u32::from(two[0]) | u32::from(two[1]) << 16).collect();
                    // One number after the start, so that pairs are not aligned.
                    let starts: Vec<*const u32> =
                        (0..rows).map(|i| lhs[1 + 2 * pairs * i..].as_ptr().cast()).collect();
                    let mut out = vec![0.5; rows * PAIR_COLUMNS];
                    for accumulate in [false, true] {
                        let (panel, out) = (panel.as_ptr(), out.as_mut_ptr());
                        let job = PairProduct { rows: &starts, pairs, panel, out, accumulate };
                        // SAFETY: the vectors have what the job says.
                        unsafe { product(&job) };
                    }
                    for (at, &y) in out.iter().enumerate() {
                        let (i, j) = (at / PAIR_COLUMNS, at % PAIR_COLUMNS);
                        let term = |t: usize| {
                            left[1 + 2 * pairs * i + t] * right[(t / 2 * PAIR_COLUMNS + j) * 2 + t % 2]
                        };
                        let sum = 2.0 * (0..2 * pairs).map(term).sum::<f32>();
                        let expected = if j < vectors * 16 { sum } else { 0.5 };
                        assert_eq!(y, expected, "{rows} rows, {pairs} pairs at {i}, {j}");
                    }
                }
            }
        }
    }
}
