//! Transposes that respect the cache.

use smallvec::SmallVec;

#[cfg(target_arch = "x86_64")]
use super::simd::Level;
use super::threads;

/// Rows and columns of the square that is moved at once: both sides of it fit the first-level cache.
const TILE: usize = 16;

/// Writes `x` with its axes in the order `axes`: axis `i` of `out` is axis `axes[i]` of `x`.
pub fn transpose<T: Copy + Send + Sync>(x: &[T], shape: &[usize], axes: &[usize], out: &mut [T]) {
    if x.is_empty() {
        return;
    }
    let mut dims = merged(shape, axes);
    let Some(last) = dims.pop() else {
        out.copy_from_slice(x);
        return;
    };
    if last.1 == 1 {
        // The innermost axis stays: whole rows move.
        return rows(&dims, last.0, |row, out| out.copy_from_slice(&x[row..row + last.0]), out);
    }
    // Some other axis of the output is contiguous in the input: move squares of the two.
    let Some(at) = dims.iter().position(|&(_, stride)| stride == 1) else {
        return rows(&dims, last.0, |row, out| gather(&x[row..], last.1, out), out);
    };
    let (size, _) = dims[at];
    let below: usize = dims[at + 1..].iter().map(|dim| dim.0).product::<usize>() * last.0;
    let inner: SmallVec<[(usize, usize); 6]> = dims[at + 1..].into();
    let block = size * below;
    let outer = &dims[..at];
    threads::split(out, block, 2 * block, |first, piece| {
        walk(outer, first, piece.len() / block, |i, start| {
            let piece = &mut piece[i * block..(i + 1) * block];
            walk(&inner, 0, below / last.0, |j, offset| {
                square(&x[start + offset..], (size, below), last, &mut piece[j * last.0..]);
            });
        });
    });
}

/// Axes of the output as (size, stride in the input), neighbours merged, size 1 dropped.
fn merged(shape: &[usize], axes: &[usize]) -> SmallVec<[(usize, usize); 6]> {
    let mut dims: SmallVec<[(usize, usize); 6]> = SmallVec::new();
    for &axis in axes {
        let (size, stride) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        if size == 1 {
            continue;
        }
        match dims.last_mut() {
            Some(outer) if outer.1 == size * stride => *outer = (outer.0 * size, stride),
            _ => dims.push((size, stride)),
        }
    }
    dims
}

fn rows<T: Send>(dims: &[(usize, usize)], row: usize, copy: impl Fn(usize, &mut [T]) + Sync, out: &mut [T]) {
    threads::split(out, row, row, |first, piece| {
        walk(dims, first, piece.len() / row, |i, start| copy(start, &mut piece[i * row..(i + 1) * row]));
    });
}

/// Calls `f(i, where the i-th index starts in the input)` for `count` indices from `first` on.
fn walk(dims: &[(usize, usize)], first: usize, count: usize, mut f: impl FnMut(usize, usize)) {
    let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, dims.len());
    let (mut rest, mut at) = (first, 0);
    for (i, &(size, stride)) in index.iter_mut().zip(dims).rev() {
        *i = rest % size;
        rest /= size;
        at += *i * stride;
    }
    for n in 0..count {
        f(n, at);
        for (i, &(size, stride)) in index.iter_mut().zip(dims).rev() {
            *i += 1;
            at += stride;
            if *i < size {
                break;
            }
            at -= size * stride;
            *i = 0;
        }
    }
}

fn gather<T: Copy>(x: &[T], stride: usize, out: &mut [T]) {
    out.iter_mut().zip(x.iter().step_by(stride)).for_each(|(out, &x)| *out = x);
}

/// `out[i * pitch + j] = x[j * last.stride + i]` for `i < size`, `j < last.size`.
pub(super) fn square<T: Copy>(x: &[T], (size, pitch): (usize, usize), last: (usize, usize), out: &mut [T]) {
    if last.0 == 0 || size == 0 {
        return;
    }
    assert!(x.len() >= (last.0 - 1) * last.1 + size && out.len() >= (size - 1) * pitch + last.0);
    for i in (0..size).step_by(TILE) {
        for j in (0..last.0).step_by(TILE) {
            let (rows, columns) = (TILE.min(size - i), TILE.min(last.0 - j));
            #[cfg(target_arch = "x86_64")]
            if size_of::<T>() == 4 && rows == TILE && columns == TILE && Level::chosen() >= Level::Avx2 {
                let (from, to) =
                    (x[j * last.1 + i..].as_ptr().cast(), out[i * pitch + j..].as_mut_ptr().cast());
                // SAFETY: the machine has AVX2, elements have four bytes, and all 16 rows on both sides are inside of the
                // slices, as has been asserted.
                unsafe { x86::tile(from, last.1, to, pitch) };
                continue;
            }
            for di in 0..rows {
                let out = &mut out[(i + di) * pitch + j..][..columns];
                let x = &x[j * last.1 + i + di..];
                for (dj, out) in out.iter_mut().enumerate() {
                    *out = x[dj * last.1];
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
        _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };

    use super::TILE;

    /// Transposes a tile of elements of four bytes, eight by eight in registers.
    ///
    /// # Safety
    /// The machine has AVX2; `TILE` rows of as many elements are readable and writable, `pitch` elements apart.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn tile(from: *const f32, from_pitch: usize, to: *mut f32, to_pitch: usize) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_element_goes_where_its_index_says(
            shape in prop::collection::vec(0usize..24, 0..5),
            seed in any::<u64>(),
        ) {
            let mut axes: Vec<usize> = (0..shape.len()).collect();
            let mut state = seed;
            for i in (1..axes.len()).rev() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                axes.swap(i, (state >> 33) as usize % (i + 1));
            }
            let size: usize = shape.iter().product();
            let x: Vec<usize> = (0..size).collect();
            let mut out = vec![0; size];
            transpose(&x, &shape, &axes, &mut out);
            let narrow: Vec<u32> = (0..size as u32).collect();
            let mut narrow_out = vec![0; size];
            transpose(&narrow, &shape, &axes, &mut narrow_out);
            for (flat, &value) in out.iter().enumerate() {
                prop_assert_eq!(narrow_out[flat] as usize, value);
                let (mut rest, mut at) = (flat, 0);
                for &axis in axes.iter().rev() {
                    at += rest % shape[axis] * shape[axis + 1..].iter().product::<usize>();
                    rest /= shape[axis];
                }
                prop_assert_eq!(value, at);
            }
        }
    }

    #[test]
    fn large_squares_with_gaps_are_transposed() {
        let (rows, columns, pitch, out_pitch) = (37, 50, 53, 41);
        let x: Vec<f32> = (0..rows * pitch).map(|i| i as f32).collect();
        let mut out = vec![-1.0; columns * out_pitch];
        square(&x, (columns, out_pitch), (rows, pitch), &mut out);
        for (i, &y) in out.iter().enumerate() {
            let (column, row) = (i / out_pitch, i % out_pitch);
            assert_eq!(y, if row < rows { x[row * pitch + column] } else { -1.0 });
        }
    }
}
