//! Tall-skinny products, of a few rows with a large matrix of contiguous columns, which is read once: each thread packs a panel
//! of as many columns as a register tile has, by transposing it, and multiplies all rows with it.

use super::super::microkernels::{Ahead, MAX_COLUMNS, MAX_ROWS, Microkernels, OuterProduct};
use super::super::scratch::Scratch;
use super::super::simd::Level;
use super::super::threads::{self, DisjointSlice};
use super::super::transpose;
use super::MatrixView;
use crate::array::memory;
use crate::scalar::number::Number;

/// Rows of the left matrix at most; `gemm` is as fast for more, and for a matrix of contiguous rows.
const ROWS: usize = 48;

/// Returns the micro-kernels for a product, if these are the best for it.
pub(super) fn applicable<T: Number>(
    level: Level,
    [m, k, n]: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
) -> Option<&'static Microkernels<T>> {
    let micro = Microkernels::of(level)?;
    (is_shaped(m, lhs, rhs) && k > 0 && n >= 2 * micro.lanes).then_some(micro)
}

/// Whether the rows of a product are few, and both operands lie as they should.
pub(super) fn is_shaped<T>(m: usize, lhs: MatrixView<T>, rhs: MatrixView<T>) -> bool {
    (2..=ROWS).contains(&m) && lhs.col == 1 && rhs.row == 1 && rhs.col > 1
}

/// Computes `out = lhs · rhs` on all threads and calls `epilogue` for parts of rows.
///
/// # Safety
/// `lhs` is a readable `m × k` matrix and `rhs` a `k × n` one, both as [`applicable`] wants them; `out` has `m · n` elements.
pub(super) unsafe fn product<T: Number>(
    level: Level,
    [m, k, n]: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
    out: &mut [T],
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let Some(micro) = applicable(level, [m, k, n], lhs, rhs) else {
        unreachable!("the product was found to fit")
    };
    let width = 2 * micro.lanes;
    let target = DisjointSlice::new(out);
    threads::parallel(n.div_ceil(width), &|panel| {
        let column = panel * width;
        let used = width.min(n - column);
        let mut packed = Scratch::<T>::new();
        // SAFETY: the caller's promise for `used` columns.
        unsafe { pack(rhs.from(0, column), [k, used], width, &mut packed) };
        let height = micro.height(m);
        for first in (0..m).step_by(height) {
            let (count, out) = (height.min(m - first), target.from(first * n + column));
            // SAFETY: the caller's promise; `packed` has `k` rows of `width` elements, and panels are disjoint.
            unsafe { rows(micro, lhs.from(first, 0), (packed.as_ptr(), k), [count, used], (out, n)) };
        }
        for i in 0..m {
            let first = i * n + column;
            // SAFETY: a part of this panel.
            epilogue(first, unsafe { target.slice(first, used) });
        }
    });
}

/// Copies columns of a matrix so that its rows follow each other, with zeros up to `width`.
///
/// # Safety
/// `matrix` is a readable `rows × columns` matrix with contiguous columns.
unsafe fn pack<T: Number>(
    matrix: MatrixView<T>,
    [rows, columns]: [usize; 2],
    width: usize,
    packed: &mut Vec<T>,
) {
    if columns < width {
        packed.clear();
    }
    if packed.len() < rows * width {
        memory::resize(packed, rows * width, T::ZERO);
    }
    let pitch = matrix.col as usize;
    // SAFETY: from the first element of the matrix to the last one.
    let data = unsafe { std::slice::from_raw_parts(matrix.start, (columns - 1) * pitch + rows) };
    transpose::square(data, (rows, width), (columns, pitch), packed);
}

/// Some rows of a panel, as many as a tile has at most.
///
/// # Safety
/// `lhs` has `count` readable rows of `depth` elements, `panel` has `depth` rows of two vectors each, and `out` has `count`
/// rows of `used` elements, `pitch` apart.
unsafe fn rows<T: Number>(
    micro: &Microkernels<T>,
    lhs: MatrixView<T>,
    (panel, depth): (*const T, usize),
    [count, used]: [usize; 2],
    (out, pitch): (*mut T, usize),
) {
    let width = 2 * micro.lanes;
    let mut edge = [T::ZERO; MAX_ROWS * MAX_COLUMNS];
    let edges = edge.as_mut_ptr();
    // The micro-kernel of convolutions, for windows of one tap: each row is a segment as long as `k`.
    let starts: [_; MAX_ROWS] = std::array::from_fn(|i| lhs.from(i.min(count - 1), 0).start);
    // A tile at the edge of the output is computed whole in a buffer, of which the part that exists is copied.
    let whole = used == width;
    let targets: [_; MAX_ROWS] = std::array::from_fn(|i| {
        if whole && i < count { out.wrapping_add(i * pitch) } else { edges.wrapping_add(i * MAX_COLUMNS) }
    });
    let job = OuterProduct {
        rows: &starts[..count],
        segments: &[0],
        length: depth,
        panel,
        panel_row: width,
        out: &targets[..count],
        accumulate: false,
        ahead: Ahead::NOTHING,
    };
    // SAFETY: the caller's promise; targets take `width` elements each, and are rows of the output or of the edge tile.
    unsafe { micro.outer_product[1][count - 1](&job) };
    if !whole {
        for (i, row) in edge.as_chunks::<MAX_COLUMNS>().0.iter().take(count).enumerate() {
            // SAFETY: the caller's promise.
            let out = unsafe { std::slice::from_raw_parts_mut(out.wrapping_add(i * pitch), used) };
            out.copy_from_slice(&row[..used]);
        }
    }
}
