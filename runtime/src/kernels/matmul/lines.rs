//! Products of a few rows with a matrix of contiguous columns, each element a dot product: several rows and columns at a
//! time, so that each number that is loaded is used several times. The matrix is read once, as it lies; what other ways
//! rearrange is as much as they compute, if rows are few.

use std::any::Any;

use super::super::conv::Vector;
use super::super::number::Number;
use super::super::simd::Level;
use super::View;

/// Terms of a sum for each row, at least: adding up the lanes of a sum takes as long as that many terms, and is done for each
/// row, where a matrix is rearranged once for all of them.
const TERMS: usize = 8;
/// Rows of the largest tile.
const ROWS: usize = 6;
/// Numbers of the columns that all rows are multiplied with, one after another: they stay in the nearest cache.
const NEAR: usize = 1 << 12;

/// A few rows times some columns, a tile of them after the other.
struct Lines<'a, T> {
    rows: &'a [*const T],
    /// The first column, and how far the next one is from it.
    column: *const T,
    pitch: isize,
    depth: usize,
    /// Where the products of each row go.
    out: &'a [*mut T],
    tiles: usize,
}

/// The inner loops for one type on one instruction set, each by its rows less one.
pub(super) struct Tiles<T> {
    columns: usize,
    several: [unsafe fn(&Lines<'_, T>); ROWS],
    single: [unsafe fn(&Lines<'_, T>); ROWS],
}

/// Whether these loops are the best for a product, where there are any.
pub(super) fn is_shaped<T>([m, k, _]: [usize; 3], lhs: View<T>, rhs: View<T>) -> bool {
    k >= TERMS * m && lhs.col == 1 && rhs.row == 1 && rhs.col != 1
}

/// The inner loops for a product, if these are the best for it.
pub(super) fn applicable<T: Number>(
    level: Level,
    size: [usize; 3],
    lhs: View<T>,
    rhs: View<T>,
) -> Option<&'static Tiles<T>> {
    is_shaped(size, lhs, rhs).then(|| tiles(level)).flatten()
}

/// The loops for a type on the best instruction set up to `level`, if there are any.
pub(super) fn tiles<T: 'static>(level: Level) -> Option<&'static Tiles<T>> {
    let (single, double) = (f32_tiles(level), f64_tiles(level));
    let all: [&dyn Any; 2] = [&single, &double];
    all.iter().find_map(|tiles| tiles.downcast_ref::<Option<&'static Tiles<T>>>().copied()).flatten()
}

/// Computes `out = lhs · rhs`; rows of `out` are `out_row` apart.
///
/// # Safety
/// `lhs` is a readable `m × k` matrix and `rhs` a `k × n` one, both as [`is_shaped`] wants them; `out` is writable for `m` rows
/// of `n` elements, which no one else touches meanwhile; the machine has the instruction set of the tiles.
pub(super) unsafe fn product<T: Number>(
    tiles: &Tiles<T>,
    [m, k, n]: [usize; 3],
    lhs: View<T>,
    rhs: View<T>,
    out: *mut T,
    out_row: usize,
) {
    let mut j = 0;
    while j < n {
        let left = (n - j) / tiles.columns;
        let (columns, count, loops) = match left.min((NEAR / (k * tiles.columns)).max(1)) {
            0 => (1, n - j, &tiles.single),
            count => (tiles.columns, count, &tiles.several),
        };
        for i in (0..m).step_by(ROWS) {
            let rows = ROWS.min(m - i);
            let starts: [_; ROWS] = std::array::from_fn(|r| lhs.from(i + r.min(rows - 1), 0).start);
            let targets: [_; ROWS] =
                std::array::from_fn(|r| out.wrapping_add((i + r.min(rows - 1)) * out_row + j));
            let job = Lines {
                rows: &starts[..rows],
                column: rhs.from(0, j).start,
                pitch: rhs.col,
                depth: k,
                out: &targets[..rows],
                tiles: count,
            };
            // SAFETY: rows `i..i + rows` and columns `j..j + columns * count` are inside of what the caller vouches for.
            unsafe { loops[rows - 1](&job) };
        }
        j += columns * count;
    }
}

/// # Safety
/// All that is described is readable or writable, for `M` rows and tiles of `N` columns; and as [`Vector`].
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "other machines have no vectors here"))]
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
unsafe fn dots<V: Sums, const M: usize, const N: usize>(job: &Lines<'_, V::Scalar>) {
    let rows: &[*const V::Scalar; M] = job.rows.try_into().expect("a pointer per row");
    let out: &[*mut V::Scalar; M] = job.out.try_into().expect("an output per row");
    let whole = job.depth - job.depth % V::LANES;
    let left = job.depth - whole;
    for tile in 0..job.tiles {
        let first = job.column.wrapping_offset((tile * N) as isize * job.pitch);
        let columns: [*const V::Scalar; N] =
            std::array::from_fn(|v| first.wrapping_offset(v as isize * job.pitch));
        // SAFETY: the caller's promise.
        unsafe {
            let zero = V::splat(std::mem::zeroed());
            let mut sums = [[zero; N]; M];
            let mut p = 0;
            while p < whole {
                let mut w = [zero; N];
                for v in 0..N {
                    w[v] = V::load(columns[v].add(p));
                }
                for i in 0..M {
                    let x = V::load(rows[i].add(p));
                    for v in 0..N {
                        sums[i][v] = x.times_plus(w[v], sums[i][v]);
                    }
                }
                p += V::LANES;
            }
            if left > 0 {
                for i in 0..M {
                    let x = V::load_first(rows[i].add(p), left);
                    for v in 0..N {
                        sums[i][v] = x.times_plus(V::load_first(columns[v].add(p), left), sums[i][v]);
                    }
                }
            }
            for i in 0..M {
                V::store_sums(sums[i], out[i].add(tile * N));
            }
        }
    }
}

/// How the sums of several registers are added up.
trait Sums: Vector {
    /// Writes the sum of each register's lanes, in an order of its own.
    ///
    /// # Safety
    /// As [`Vector`], with room for `N` numbers.
    #[inline(always)]
    unsafe fn store_sums<const N: usize>(registers: [Self; N], to: *mut Self::Scalar) {
        for (v, register) in registers.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { *to.add(v) = register.sum() };
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn f32_tiles(_level: Level) -> Option<&'static Tiles<f32>> {
    None
}

#[cfg(not(target_arch = "x86_64"))]
fn f64_tiles(_level: Level) -> Option<&'static Tiles<f64>> {
    None
}

#[cfg(target_arch = "x86_64")]
use x86::{f32_tiles, f64_tiles};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m256d, __m512, __m512d, _mm_add_ps, _mm_storeu_ps, _mm256_add_pd, _mm256_add_ps,
        _mm256_castpd_ps, _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_permute2f128_pd,
        _mm256_storeu_pd, _mm512_add_pd, _mm512_add_ps, _mm512_castpd512_pd256, _mm512_castps_pd,
        _mm512_extractf64x4_pd, _mm512_shuffle_f64x2, _mm512_shuffle_ps, _mm512_unpackhi_pd,
        _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
    };

    use super::{Level, Lines, Sums, Tiles, Vector, dots};

    impl Sums for __m256 {}
    impl Sums for __m256d {}

    impl Sums for __m512 {
        // Four at once take fewer shuffles than each by itself.
        #[inline(always)]
        unsafe fn store_sums<const N: usize>(registers: [Self; N], to: *mut f32) {
            // SAFETY: the caller has the instruction set, and room for `N` numbers.
            unsafe {
                let Ok([a, b, c, d]) = <[Self; 4]>::try_from(registers.as_slice()) else {
                    return registers.into_iter().enumerate().for_each(|(v, sum)| *to.add(v) = sum.sum());
                };
                let pair = |x, y| _mm512_add_ps(_mm512_unpacklo_ps(x, y), _mm512_unpackhi_ps(x, y));
                let (ab, cd) = (pair(a, b), pair(c, d));
                // Each quarter holds a part of all four sums now.
                let (low, high) = (_mm512_shuffle_ps::<0x44>(ab, cd), _mm512_shuffle_ps::<0xee>(ab, cd));
                let quarters = _mm512_castps_pd(_mm512_add_ps(low, high));
                let (low, high) = (_mm512_castpd512_pd256(quarters), _mm512_extractf64x4_pd::<1>(quarters));
                let halves = _mm256_add_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high));
                let (low, high) = (_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
                _mm_storeu_ps(to, _mm_add_ps(low, high));
            }
        }
    }

    impl Sums for __m512d {
        #[inline(always)]
        unsafe fn store_sums<const N: usize>(registers: [Self; N], to: *mut f64) {
            // SAFETY: as above.
            unsafe {
                let Ok([a, b, c, d]) = <[Self; 4]>::try_from(registers.as_slice()) else {
                    return registers.into_iter().enumerate().for_each(|(v, sum)| *to.add(v) = sum.sum());
                };
                let pair = |x, y| _mm512_add_pd(_mm512_unpacklo_pd(x, y), _mm512_unpackhi_pd(x, y));
                let (ab, cd) = (pair(a, b), pair(c, d));
                let (even, odd) =
                    (_mm512_shuffle_f64x2::<0x88>(ab, cd), _mm512_shuffle_f64x2::<0xdd>(ab, cd));
                let quarters = _mm512_add_pd(even, odd);
                let (ab, cd) = (_mm512_castpd512_pd256(quarters), _mm512_extractf64x4_pd::<1>(quarters));
                let low = _mm256_permute2f128_pd::<0x20>(ab, cd);
                let high = _mm256_permute2f128_pd::<0x31>(ab, cd);
                _mm256_storeu_pd(to, _mm256_add_pd(low, high));
            }
        }
    }

    // Sums, the columns' vectors and one of a row have a register each.
    macro_rules! tiles {
        ($name:ident, $vector:ty, $scalar:ty, $features:literal, $columns:literal) => {
            mod $name {
                use super::*;

                #[target_feature(enable = $features)]
                unsafe fn tile<const M: usize, const N: usize>(job: &Lines<'_, $scalar>) {
                    // SAFETY: the same promises, and this function has the instruction set.
                    unsafe { dots::<$vector, M, N>(job) }
                }

                pub static TILES: Tiles<$scalar> = Tiles {
                    columns: $columns,
                    several: [
                        tile::<1, $columns>,
                        tile::<2, $columns>,
                        tile::<3, $columns>,
                        tile::<4, $columns>,
                        tile::<5, $columns>,
                        tile::<6, $columns>,
                    ],
                    single: [
                        tile::<1, 1>,
                        tile::<2, 1>,
                        tile::<3, 1>,
                        tile::<4, 1>,
                        tile::<5, 1>,
                        tile::<6, 1>,
                    ],
                };
            }
        };
    }

    tiles!(f32_512, __m512, f32, "avx512f", 4);
    tiles!(f64_512, __m512d, f64, "avx512f", 4);
    tiles!(f32_256, __m256, f32, "avx2,fma", 2);
    tiles!(f64_256, __m256d, f64, "avx2,fma", 2);

    pub(super) fn f32_tiles(level: Level) -> Option<&'static Tiles<f32>> {
        match level.min(Level::best()) {
            Level::Avx512 | Level::Native => Some(&f32_512::TILES),
            Level::Avx2 => Some(&f32_256::TILES),
            Level::Portable => None,
        }
    }

    pub(super) fn f64_tiles(level: Level) -> Option<&'static Tiles<f64>> {
        match level.min(Level::best()) {
            Level::Avx512 | Level::Native => Some(&f64_512::TILES),
            Level::Avx2 => Some(&f64_256::TILES),
            Level::Portable => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follows_the_definition<T: Number>(level: Level, [m, k, n]: [usize; 3], gap: usize) {
        let Some(tiles) = tiles::<T>(level) else { return };
        let numbers = |count: usize, by: usize| -> Vec<T> {
            (0..count).map(|i| T::from_f64((i * by % 11) as f64 - 5.0)).collect()
        };
        // Neither rows nor columns follow each other, and nothing may be read or written behind the last ones.
        let pitch = k + gap;
        let (lhs, rhs) = (numbers((m - 1) * pitch + k, 7), numbers((n - 1) * pitch + k, 3));
        let mut out = vec![T::from_f64(0.5); (m - 1) * (n + 1) + n];
        let left = View { start: lhs.as_ptr(), row: pitch as isize, col: 1 };
        let right = View { start: rhs.as_ptr(), row: 1, col: pitch as isize };
        // SAFETY: the slices end where the last row or column does, and the level is one of this machine.
        unsafe { product(tiles, [m, k, n], left, right, out.as_mut_ptr(), n + 1) };
        for (index, &y) in out.iter().enumerate() {
            let (i, j) = (index / (n + 1), index % (n + 1));
            let sum = |j: usize| {
                (0..k).map(|p| lhs[i * pitch + p].to_f64() * rhs[j * pitch + p].to_f64()).sum::<f64>()
            };
            let expected = if j == n { 0.5 } else { sum(j) };
            assert_eq!(y.to_f64(), expected, "{level:?} {m}×{k}×{n} at {i}, {j}");
        }
    }

    #[test]
    fn products_of_a_few_rows_follow_the_definition_at_every_level() {
        for level in Level::available() {
            for m in 1..=13 {
                for (k, n) in [(1, 1), (5, 3), (16, 4), (33, 19), (71, 6), (700, 11)] {
                    follows_the_definition::<f32>(level, [m, k, n], m % 3);
                    follows_the_definition::<f64>(level, [m, k, n], m % 2);
                }
            }
        }
    }
}
