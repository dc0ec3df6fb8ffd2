//! Transposes that respect the cache.

use smallvec::SmallVec;

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
fn square<T: Copy>(x: &[T], (size, pitch): (usize, usize), last: (usize, usize), out: &mut [T]) {
    for i in (0..size).step_by(TILE) {
        for j in (0..last.0).step_by(TILE) {
            let (rows, columns) = (TILE.min(size - i), TILE.min(last.0 - j));
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
            for (flat, &value) in out.iter().enumerate() {
                let (mut rest, mut at) = (flat, 0);
                for &axis in axes.iter().rev() {
                    at += rest % shape[axis] * shape[axis + 1..].iter().product::<usize>();
                    rest /= shape[axis];
                }
                prop_assert_eq!(value, at);
            }
        }
    }
}
