//! Tiled transposes: squares that fit the cache are moved at a time, in registers where the machine has a micro-kernel for it.

use smallvec::SmallVec;

use super::microkernels::{TILE, transpose_tile};
use super::simd::Level;
use super::threads;

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
    let in_registers = transpose_tile(size_of::<T>(), Level::chosen());
    for i in (0..size).step_by(TILE) {
        for j in (0..last.0).step_by(TILE) {
            let (rows, columns) = (TILE.min(size - i), TILE.min(last.0 - j));
            if rows == TILE
                && columns == TILE
                && let Some(tile) = in_registers
            {
                let (from, to) =
                    (x[j * last.1 + i..].as_ptr().cast(), out[i * pitch + j..].as_mut_ptr().cast());
                // SAFETY: the machine has the instruction set, elements have the width, and all 16 rows on both sides are
                // inside of the slices, as has been asserted.
                unsafe { tile(from, last.1, to, pitch) };
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

    fn square_with_gaps<T: From<u16> + Copy + PartialEq + std::fmt::Debug>() {
        let (rows, columns, pitch, out_pitch) = (37, 50, 53, 41);
        let x: Vec<T> = (0..rows * pitch).map(|i| T::from(i as u16)).collect();
        let mut out = vec![T::from(u16::MAX); columns * out_pitch];
        square(&x, (columns, out_pitch), (rows, pitch), &mut out);
        for (i, &y) in out.iter().enumerate() {
            let (column, row) = (i / out_pitch, i % out_pitch);
            assert_eq!(y, if row < rows { x[row * pitch + column] } else { T::from(u16::MAX) });
        }
    }

    #[test]
    fn large_squares_with_gaps_are_transposed() {
        square_with_gaps::<u16>();
        square_with_gaps::<f32>();
        square_with_gaps::<f64>();
    }

    #[test]
    fn tiles_are_transposed_at_every_level() {
        let pitches = (19, 17);
        for level in Level::available() {
            let x: Vec<u32> = (0..TILE as u32 * 19).collect();
            let mut out = vec![0u32; TILE * 17];
            if let Some(tile) = transpose_tile(4, level) {
                // SAFETY: 16 rows with gaps on both sides, and a level of this machine.
                unsafe { tile(x.as_ptr().cast(), pitches.0, out.as_mut_ptr().cast(), pitches.1) };
                assert!(
                    (0..TILE * TILE).all(|i| out[i / TILE * 17 + i % TILE] == x[i % TILE * 19 + i / TILE])
                );
                assert!((0..TILE).all(|i| out[i * 17 + TILE] == 0), "nothing is written between rows");
            }
            let x: Vec<u64> = (0..TILE as u64 * 19).collect();
            let mut out = vec![0u64; TILE * 17];
            if let Some(tile) = transpose_tile(8, level) {
                // SAFETY: as above.
                unsafe { tile(x.as_ptr().cast(), pitches.0, out.as_mut_ptr().cast(), pitches.1) };
                assert!(
                    (0..TILE * TILE).all(|i| out[i / TILE * 17 + i % TILE] == x[i % TILE * 19 + i / TILE])
                );
            }
        }
    }
}
