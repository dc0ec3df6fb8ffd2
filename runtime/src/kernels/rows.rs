//! Gathers and scatters along contiguous rows (NumPy's `take_along_axis` and `put_along_axis`).

use bytemuck::Pod;

use super::threads;

/// Copies the elements at `positions` of each row of `row` elements; there are `per_row` positions to a row.
///
/// # Panics
/// If a slice has not the length that follows from the others, or a position is out of range.
pub fn take<T: Pod + Send + Sync>(x: &[T], row: usize, positions: &[i32], per_row: usize, out: &mut [T]) {
    assert_eq!(positions.len(), out.len(), "positions and elements");
    if out.is_empty() {
        return;
    }
    assert_eq!(x.len() / row, out.len() / per_row, "rows of elements and of positions");
    threads::split(out, per_row, 2 * per_row, |first, out| {
        let positions = positions[first * per_row..].chunks_exact(per_row);
        let rows = x[first * row..].chunks_exact(row);
        for ((x, positions), out) in rows.zip(positions).zip(out.chunks_exact_mut(per_row)) {
            for (out, &position) in out.iter_mut().zip(positions) {
                *out = x[position as usize];
            }
        }
    });
}

/// Puts elements at the `positions` of each row of `row` elements, and zeros elsewhere; the inverse of [`take`].
///
/// The positions of a row differ.
///
/// # Panics
/// As [`take`].
pub fn put<T: Pod + Send + Sync>(x: &[T], row: usize, positions: &[i32], per_row: usize, out: &mut [T]) {
    assert_eq!(positions.len(), x.len(), "positions and elements");
    if out.is_empty() || x.is_empty() {
        return out.fill(T::zeroed());
    }
    assert_eq!(out.len() / row, x.len() / per_row, "rows of elements and of positions");
    threads::split(out, row, row + 2 * per_row, |first, out| {
        let positions = positions[first * per_row..].chunks_exact(per_row);
        let rows = x[first * per_row..].chunks_exact(per_row);
        for ((x, positions), out) in rows.zip(positions).zip(out.chunks_exact_mut(row)) {
            if per_row < row {
                out.fill(T::zeroed());
            }
            for (&x, &position) in x.iter().zip(positions) {
                out[position as usize] = x;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn put_brings_back_what_take_took() {
        let (x, positions) = ([1, 2, 3, 4, 5, 6], [2, 0, 1, 2]);
        let mut taken = [0; 4];
        take(&x, 3, &positions, 2, &mut taken);
        assert_eq!(taken, [3, 1, 5, 6]);
        let mut back = [9; 6];
        put(&taken, 3, &positions, 2, &mut back);
        assert_eq!(back, [1, 0, 3, 0, 5, 6]);
        put::<i32>(&[], 3, &[], 0, &mut back);
        assert_eq!(back, [0; 6]);
    }
}
