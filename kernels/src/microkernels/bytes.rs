//! Products of bytes in fours (AVX512-VNNI): each lane multiplies four numbers without a sign with four that have one, and adds the
//! products to a sum in `i32`.
//!
//! All of it is exact, so that the portable loop gives the same numbers.
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, `VPDPBUSD`.

use crate::simd::Level;

/// Columns of a panel: two vectors of sums.
pub const BYTE_COLUMNS: usize = 32;
/// Rows of a tile of sums at most.
pub const BYTE_ROWS: usize = 12;

/// A few rows of numbers without a sign times a panel of numbers with one.
pub struct ByteProduct<'a> {
    /// Where each row starts: four terms in 32 bits, the first in the lowest.
    pub rows: &'a [*const u32],
    pub fours: usize,
    /// [`BYTE_COLUMNS`] fours for each four terms.
    pub panel: *const u32,
    /// [`BYTE_COLUMNS`] sums for each row, which are written.
    pub out: *mut i32,
}

/// Whether the processor has the instructions and `level` allows them.
#[inline]
fn has_instructions(level: Level) -> bool {
    #[cfg(target_arch = "x86_64")]
    if level.min(Level::best()) == Level::Avx512 && is_x86_feature_detected!("avx512vnni") {
        return true;
    }
    let _ = level;
    false
}

/// Computes a tile; sums wrap around.
///
/// # Safety
/// There are up to [`BYTE_ROWS`] rows of so many fours, and panel and output are as [`ByteProduct`] says.
pub unsafe fn byte_product(level: Level, job: &ByteProduct<'_>) {
    // SAFETY: the caller's promise, and the machine has what was asked for.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if has_instructions(level) {
            return x86::BY_ROWS[job.rows.len() - 1](job);
        }
        let _ = has_instructions(level);
        portable(job);
    }
}

/// # Safety
/// As [`byte_product`].
unsafe fn portable(job: &ByteProduct<'_>) {
    for (i, row) in job.rows.iter().enumerate() {
        let mut sums = [0i32; BYTE_COLUMNS];
        for p in 0..job.fours {
            // SAFETY: the caller's promise.
            let (x, w) = unsafe {
                (
                    row.add(p).read_unaligned().to_le_bytes(),
                    *job.panel.add(p * BYTE_COLUMNS).cast::<[u32; BYTE_COLUMNS]>(),
                )
            };
            for (sum, w) in sums.iter_mut().zip(w) {
                let w = w.to_le_bytes();
                for t in 0..4 {
                    *sum = sum.wrapping_add(i32::from(x[t]) * i32::from(w[t] as i8));
                }
            }
        }
        // SAFETY: the caller's promise.
        unsafe { *job.out.add(i * BYTE_COLUMNS).cast::<[i32; BYTE_COLUMNS]>() = sums };
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
        _mm512_storeu_si512,
    };

    use super::{BYTE_COLUMNS, BYTE_ROWS, ByteProduct};

    macro_rules! by_rows {
        ($($rows:literal)*) => { [$(product::<$rows>),*] };
    }

    pub(super) static BY_ROWS: [unsafe fn(&ByteProduct<'_>); BYTE_ROWS] =
        by_rows!(1 2 3 4 5 6 7 8 9 10 11 12);

    const LANES: usize = 16;

    /// # Safety
    /// The machine has AVX512-VNNI; there are `M` rows, and all is as [`ByteProduct`] says.
    #[target_feature(enable = "avx512f,avx512vnni")]
    #[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
    unsafe fn product<const M: usize>(job: &ByteProduct<'_>) {
        let rows: &[*const u32; M] = job.rows.try_into().expect("a pointer per row");
        let mut sums: [[__m512i; 2]; M] = [[_mm512_setzero_si512(); 2]; M];
        // SAFETY: the caller's promise.
        unsafe {
            for p in 0..job.fours {
                let panel = job.panel.add(p * BYTE_COLUMNS);
                let w = [_mm512_loadu_si512(panel.cast()), _mm512_loadu_si512(panel.add(LANES).cast())];
                for i in 0..M {
                    let x = _mm512_set1_epi32(rows[i].add(p).cast::<i32>().read_unaligned());
                    for v in 0..2 {
                        sums[i][v] = _mm512_dpbusd_epi32(sums[i][v], x, w[v]);
                    }
                }
            }
            for i in 0..M {
                for v in 0..2 {
                    _mm512_storeu_si512(job.out.add(i * BYTE_COLUMNS + v * LANES).cast(), sums[i][v]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_bytes_are_exact_at_every_level() {
        for rows in 1..=BYTE_ROWS {
            for fours in [0, 1, 7, 300] {
                let word = |i: usize| (i as u32).wrapping_mul(0x9E37_79B9) ^ 0x80FF_7F00;
                let lhs: Vec<u32> = (0..rows * fours).map(word).collect();
                let panel: Vec<u32> = (0..fours * BYTE_COLUMNS).map(|i| word(i + 5)).collect();
                let starts: Vec<*const u32> = (0..rows).map(|i| lhs[i * fours..].as_ptr()).collect();
                for level in Level::available() {
                    let mut out = vec![7i32; rows * BYTE_COLUMNS];
                    let job =
                        ByteProduct { rows: &starts, fours, panel: panel.as_ptr(), out: out.as_mut_ptr() };
                    // SAFETY: the vectors have what the job says.
                    unsafe { byte_product(level, &job) };
                    for (at, &y) in out.iter().enumerate() {
                        let (i, j) = (at / BYTE_COLUMNS, at % BYTE_COLUMNS);
                        let four = |p: usize| {
                            let (x, w) =
                                (lhs[i * fours + p].to_le_bytes(), panel[p * BYTE_COLUMNS + j].to_le_bytes());
                            (0..4).map(|t| i64::from(x[t]) * i64::from(w[t] as i8)).sum::<i64>()
                        };
                        let sum = (0..fours).map(four).sum::<i64>();
                        assert_eq!(i64::from(y), sum, "{level:?}, {rows} rows, {fours} fours at {i}, {j}");
                    }
                }
            }
        }
    }
}
