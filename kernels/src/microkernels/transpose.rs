//! Transposes of a square tile in registers, by unpacks and shuffles of ever wider parts of a register.

use crate::simd::Level;

/// Rows and columns of a tile: both sides of it fit L1.
pub const TILE: usize = 16;

/// Transposes a tile of `TILE` rows of as many elements, which are so many elements apart on either side.
pub type TransposeTile = unsafe fn(from: *const u8, from_pitch: usize, to: *mut u8, to_pitch: usize);

/// The best way to transpose a tile of elements of so many bytes in registers, if there is one.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn transpose_tile(width: usize, level: Level) -> Option<TransposeTile> {
    match (width, level) {
        (4, Level::Avx512) => Some(x86::whole_lines),
        (8, Level::Avx512) => Some(x86::eights),
        (4, Level::Avx2) => Some(x86::quarters),
        _ => None,
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub fn transpose_tile(_width: usize, _level: Level) -> Option<TransposeTile> {
    None
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, __m512d, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps,
        _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps, _mm512_castpd_ps, _mm512_castps_pd,
        _mm512_loadu_pd, _mm512_loadu_ps, _mm512_setzero_pd, _mm512_setzero_ps, _mm512_shuffle_f32x4,
        _mm512_shuffle_f64x2, _mm512_storeu_pd, _mm512_storeu_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps,
        _mm512_unpacklo_pd, _mm512_unpacklo_ps,
    };

    use super::TILE;

    /// Elements of four bytes, a cache line at a time on both sides: rows whose distance is a power of two would drive the
    /// halves of each other's lines out of the cache.
    ///
    /// # Safety
    /// The machine has AVX-512; all rows are readable and writable.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn whole_lines(from: *const u8, from_pitch: usize, to: *mut u8, to_pitch: usize) {
        let (from, to): (*const f32, *mut f32) = (from.cast(), to.cast());
        let mut rows: [__m512; TILE] = [_mm512_setzero_ps(); TILE];
        for (r, row) in rows.iter_mut().enumerate() {
            // SAFETY: a row of the tile.
            *row = unsafe { _mm512_loadu_ps(from.add(r * from_pitch)) };
        }
        // Of four rows: the quarters of the registers hold one column each.
        for four in rows.as_chunks_mut::<4>().0 {
            let [a, b, c, d] = *four;
            let low = |x, y| _mm512_castps_pd(_mm512_unpacklo_ps(x, y));
            let high = |x, y| _mm512_castps_pd(_mm512_unpackhi_ps(x, y));
            let (ab, ab_high, cd, cd_high) = (low(a, b), high(a, b), low(c, d), high(c, d));
            *four = [
                _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)),
                _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high)),
            ];
        }
        for c in 0..4 {
            let even = |x, y| _mm512_shuffle_f32x4::<0x88>(x, y);
            let odd = |x, y| _mm512_shuffle_f32x4::<0xdd>(x, y);
            let [w, x, y, z] = [rows[c], rows[4 + c], rows[8 + c], rows[12 + c]];
            let (wx, wx_odd, yz, yz_odd) = (even(w, x), odd(w, x), even(y, z), odd(y, z));
            let columns = [even(wx, yz), even(wx_odd, yz_odd), odd(wx, yz), odd(wx_odd, yz_odd)];
            for (q, column) in columns.into_iter().enumerate() {
                // SAFETY: a row of the result.
                unsafe { _mm512_storeu_ps(to.add((4 * q + c) * to_pitch), column) };
            }
        }
    }

    /// Elements of eight bytes, eight by eight.
    ///
    /// # Safety
    /// As [`whole_lines`].
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn eights(from: *const u8, from_pitch: usize, to: *mut u8, to_pitch: usize) {
        let (from, to): (*const f64, *mut f64) = (from.cast(), to.cast());
        for (i, j) in [(0, 0), (0, 8), (8, 0), (8, 8)] {
            let mut rows: [__m512d; 8] = [_mm512_setzero_pd(); 8];
            for (r, row) in rows.iter_mut().enumerate() {
                // SAFETY: half a row of the tile.
                *row = unsafe { _mm512_loadu_pd(from.add((j + r) * from_pitch + i)) };
            }
            for two in rows.as_chunks_mut::<2>().0 {
                let [a, b] = *two;
                *two = [_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)];
            }
            for c in 0..2 {
                let even = |x, y| _mm512_shuffle_f64x2::<0x88>(x, y);
                let odd = |x, y| _mm512_shuffle_f64x2::<0xdd>(x, y);
                let [w, x, y, z] = [rows[c], rows[2 + c], rows[4 + c], rows[6 + c]];
                let (wx, wx_odd, yz, yz_odd) = (even(w, x), odd(w, x), even(y, z), odd(y, z));
                let columns = [even(wx, yz), even(wx_odd, yz_odd), odd(wx, yz), odd(wx_odd, yz_odd)];
                for (q, column) in columns.into_iter().enumerate() {
                    // SAFETY: half a row of the result.
                    unsafe { _mm512_storeu_pd(to.add((i + 2 * q + c) * to_pitch + j), column) };
                }
            }
        }
    }

    /// Elements of four bytes, eight by eight.
    ///
    /// # Safety
    /// The machine has AVX2; all rows are readable and writable.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn quarters(from: *const u8, from_pitch: usize, to: *mut u8, to_pitch: usize) {
        let (from, to): (*const f32, *mut f32) = (from.cast(), to.cast());
        for i in (0..TILE).step_by(8) {
            for j in (0..TILE).step_by(8) {
                // SAFETY: eight rows of eight elements inside of the tile.
                unsafe {
                    let rows: [__m256; 8] =
                        std::array::from_fn(|r| _mm256_loadu_ps(from.add((j + r) * from_pitch + i)));
                    for (r, row) in columns(rows).into_iter().enumerate() {
                        _mm256_storeu_ps(to.add((i + r) * to_pitch + j), row);
                    }
                }
            }
        }
    }

    /// The columns of eight rows.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn columns([a, b, c, d, e, f, g, h]: [__m256; 8]) -> [__m256; 8] {
        // Pairs of rows, then fours, each in both halves of a register; then the halves.
        let pairs = |x, y| (_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
        let fours = |x, y| (_mm256_shuffle_ps::<0x44>(x, y), _mm256_shuffle_ps::<0xee>(x, y));
        let ((ab, ab_high), (cd, cd_high)) = (pairs(a, b), pairs(c, d));
        let ((ef, ef_high), (gh, gh_high)) = (pairs(e, f), pairs(g, h));
        let ((p0, p1), (p2, p3)) = (fours(ab, cd), fours(ab_high, cd_high));
        let ((q0, q1), (q2, q3)) = (fours(ef, gh), fours(ef_high, gh_high));
        let low = |x, y| _mm256_permute2f128_ps::<0x20>(x, y);
        let high = |x, y| _mm256_permute2f128_ps::<0x31>(x, y);
        [
            low(p0, q0),
            low(p1, q1),
            low(p2, q2),
            low(p3, q3),
            high(p0, q0),
            high(p1, q1),
            high(p2, q2),
            high(p3, q3),
        ]
    }
}
