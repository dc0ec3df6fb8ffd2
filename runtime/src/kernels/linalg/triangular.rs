//! Triangular systems with many right-hand sides, by forward and back substitution.
//!
//! Right-hand sides are packed into strips of a few columns that stay in the cache while the matrix streams past;
//! strips are independent, so threads take one each. A system from the right is the transposed one from the left and
//! differs in packing only.

use super::{LinalgFloat, add_scaled, dot};
use crate::array::memory;
use crate::kernels::matmul::{MatrixView, product};
use crate::kernels::scratch::Scratch;
use crate::kernels::simd::{self, SimdKernel};
use crate::kernels::threads;

/// On which side of the unknown the matrix stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Solves `op(a) · x = b`.
    Left,
    /// Solves `x · op(a) = b`.
    Right,
}

/// Which part of a matrix is read, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triangle {
    /// Whether the lower triangle is read; otherwise the upper one.
    pub lower: bool,
    /// Whether `op(a)` is `aᵀ`; otherwise `a`.
    pub transpose: bool,
    /// Whether the diagonal is taken to be one and not read.
    pub unit_diagonal: bool,
}

impl Triangle {
    /// Whether unknowns are solved for from the first one on.
    #[inline(always)]
    fn is_forward(self) -> bool {
        self.lower ^ self.transpose
    }

    /// The unknown that is solved for after so many others.
    #[inline(always)]
    fn unknown(self, n: usize, step: usize) -> usize {
        if self.is_forward() { step } else { n - 1 - step }
    }
}

/// Columns of a strip: whole cache lines, and short enough that the strip of a large system stays in the cache.
const STRIP: usize = 64;
/// Unknowns of a strip that are solved for before their part in all others is taken away.
const BLOCK: usize = 32;
/// With fewer right-hand sides than this, each is solved along the rows of the matrix.
const FEW: usize = 8;

/// Solves a triangular system in place: on return `b` of shape `[rows, columns]` holds `x`.
///
/// `a` is of shape `[n, n]`, with `n = rows` from the left and `n = columns` from the right. A zero on the diagonal
/// gives infinities or NaN, as a division by zero does.
///
/// # Panics
/// If a slice has not the length that its shape says.
pub fn triangular_solve<T: LinalgFloat>(
    a: &[T],
    b: &mut [T],
    rows: usize,
    columns: usize,
    side: Side,
    triangle: Triangle,
) {
    let (n, systems) = if side == Side::Left { (rows, columns) } else { (columns, rows) };
    assert_eq!(a.len(), n * n, "a is not {n}x{n}");
    assert_eq!(b.len(), rows * columns, "b is not {rows}x{columns}");
    if b.is_empty() {
        return;
    }
    // `x · op(a) = b` is `op(a)ᵀ · xᵀ = bᵀ`.
    let triangle = Triangle { transpose: triangle.transpose ^ (side == Side::Right), ..triangle };
    let width = if systems < FEW { 1 } else { systems.min(STRIP) };
    if side == Side::Right && width == 1 || side == Side::Left && systems == 1 {
        return threads::split(b, n, n * n, |_, xs| {
            xs.chunks_exact_mut(n).for_each(|x| solve_vector(a, x, triangle));
        });
    }
    // Where in `b` entry `i` of system `s` is.
    let index = |i: usize, s: usize| if side == Side::Left { i * columns + s } else { s * columns + i };
    let mut strips = memory::filled(T::ZERO, systems.div_ceil(width) * width * n);
    for (number, strip) in strips.chunks_exact_mut(n * width).enumerate() {
        for (i, row) in strip.chunks_exact_mut(width).enumerate() {
            for (x, s) in row.iter_mut().zip(number * width..systems) {
                *x = b[index(i, s)];
            }
        }
    }
    threads::split(&mut strips, n * width, n * n * width, |_, strips| {
        for strip in strips.chunks_exact_mut(n * width) {
            if width == 1 {
                solve_vector(a, strip, triangle);
            } else {
                solve_strip(a, strip, width, triangle);
            }
        }
    });
    for (number, strip) in strips.chunks_exact(n * width).enumerate() {
        for (i, row) in strip.chunks_exact(width).enumerate() {
            for (&x, s) in row.iter().zip(number * width..systems) {
                b[index(i, s)] = x;
            }
        }
    }
}

/// Solves for one right-hand side, reading the matrix along its rows whether it is transposed or not.
fn solve_vector<T: LinalgFloat>(a: &[T], x: &mut [T], triangle: Triangle) {
    let n = x.len();
    for step in 0..n {
        let i = triangle.unknown(n, step);
        let row = &a[i * n..(i + 1) * n];
        // The off-diagonal part of the row that is in the triangle.
        let part = if triangle.lower { 0..i } else { i + 1..n };
        if !triangle.transpose {
            x[i] = x[i] - dot(&row[part.clone()], &x[part.clone()]);
        }
        if !triangle.unit_diagonal {
            x[i] = x[i] / row[i];
        }
        if triangle.transpose {
            let factor = -x[i];
            add_scaled(&mut x[part.clone()], factor, &row[part]);
        }
    }
}

/// Solves for `width` right-hand sides, the columns of `x`: a block of unknowns at a time, whose part in all others is a matrix product
/// (G. H. Golub and C. F. Van Loan, "Matrix computations", §3.1).
fn solve_strip<T: LinalgFloat>(a: &[T], x: &mut [T], width: usize, triangle: Triangle) {
    let n = x.len() / width;
    // From one coefficient of a row to the next, and from one row to the next.
    let (along, across) = if triangle.transpose { (n, 1) } else { (1, n) };
    let mut negated: Scratch<T> = Scratch::empty();
    for step in (0..n).step_by(BLOCK) {
        let size = BLOCK.min(n - step);
        let first = if triangle.is_forward() { step } else { n - step - size };
        let block = &mut x[first * width..(first + size) * width];
        simd::run(Block { a: &a[first * (n + 1)..], along, across, x: block, width, triangle });
        // Those that are still unknown.
        let rest = if triangle.is_forward() { first + size..n } else { 0..first };
        if rest.is_empty() {
            continue;
        }
        negated.clear();
        for i in rest.clone() {
            negated.extend((first..first + size).map(|j| -a[i * across + j * along]));
        }
        let (before, others) = x.split_at_mut(first * width);
        let (block, after) = others.split_at_mut(size * width);
        let out = if triangle.is_forward() { after } else { before };
        let left = MatrixView { start: negated.as_ptr(), row: size as isize, col: 1 };
        let right = MatrixView { start: block.as_ptr(), row: width as isize, col: 1 };
        assert!(out.len() == rest.len() * width && block.len() == size * width, "rows of the strip");
        // SAFETY: the coefficients of all rows that are left, the rows of the block, and those that are left, of `width` elements each.
        unsafe { product([rest.len(), size, width], left, right, out.as_mut_ptr(), width, true) };
    }
}

/// Solves for the unknowns of a block, from what is left of their right-hand sides.
struct Block<'a, T> {
    /// From the first coefficient of the block on.
    a: &'a [T],
    along: usize,
    across: usize,
    x: &'a mut [T],
    width: usize,
    triangle: Triangle,
}

impl<T: LinalgFloat> SimdKernel for Block<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Block { a, along, across, x, width, triangle } = self;
        let n = x.len() / width;
        for step in 0..n {
            let i = triangle.unknown(n, step);
            // Entries of `x` that come before `i` in the solving order, and their coefficients.
            let (before, rest) = x.split_at_mut(i * width);
            let (row, after) = rest.split_at_mut(width);
            let (known, first) = if triangle.is_forward() { (&*before, 0) } else { (&*after, i + 1) };
            for (j, known) in known.chunks_exact(width).enumerate() {
                add_scaled(row, -a[i * across + (first + j) * along], known);
            }
            if !triangle.unit_diagonal {
                let diagonal = a[i * across + i * along];
                for x in row {
                    *x = *x / diagonal;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{largest_difference, noise, product, transposed};
    use super::*;

    /// Returns the full matrix that `triangle` makes of `a`.
    fn operator<T: LinalgFloat>(a: &[T], n: usize, triangle: Triangle) -> Vec<T> {
        let full: Vec<T> = (0..n * n)
            .map(|at| match (at / n, at % n) {
                (i, j) if i == j && triangle.unit_diagonal => T::ONE,
                (i, j) if i == j || (i > j) == triangle.lower => a[at],
                _ => T::ZERO,
            })
            .collect();
        if triangle.transpose { transposed(&full, n, n) } else { full }
    }

    fn residuals_vanish<T: LinalgFloat>(tolerance: f64) {
        for (n, systems) in [(1, 1), (4, 1), (5, 3), (7, 9), (33, 64), (40, 65), (20, 200)] {
            let mut a = noise::<T>(n as u64, n * n);
            for i in 0..n {
                for j in 0..n {
                    a[i * n + j] = a[i * n + j] / T::from_f64(n as f64);
                }
                a[i * n + i] = a[i * n + i] + T::from_f64(1.5);
            }
            for bits in 0..16 {
                let triangle =
                    Triangle { lower: bits & 1 == 0, transpose: bits & 2 == 0, unit_diagonal: bits & 4 == 0 };
                let side = if bits & 8 == 0 { Side::Left } else { Side::Right };
                let (rows, columns) = if side == Side::Left { (n, systems) } else { (systems, n) };
                let b = noise::<T>(9, rows * columns);
                let mut x = b.clone();
                triangular_solve(&a, &mut x, rows, columns, side, triangle);
                let full = operator(&a, n, triangle);
                let back = match side {
                    Side::Left => product(&full, &x, n, n, columns),
                    Side::Right => product(&x, &full, rows, n, n),
                };
                assert!(largest_difference(&back, &b) < tolerance, "{n} {systems} {side:?} {triangle:?}");
            }
        }
    }

    #[test]
    fn solutions_multiply_back_to_the_right_hand_sides() {
        residuals_vanish::<f32>(2e-6);
        residuals_vanish::<f64>(1e-14);
    }

    #[test]
    fn the_other_triangle_and_a_unit_diagonal_are_not_read() {
        let a = [f64::NAN, f64::NAN, 0.5, f64::NAN];
        let triangle = Triangle { lower: true, transpose: false, unit_diagonal: true };
        let mut x = [1.0, 2.0];
        triangular_solve(&a, &mut x, 2, 1, Side::Left, triangle);
        assert_eq!(x, [1.0, 1.5]);
    }

    #[test]
    fn empty_systems_are_solved() {
        let triangle = Triangle { lower: true, transpose: false, unit_diagonal: true };
        triangular_solve::<f32>(&[], &mut [], 0, 4, Side::Left, triangle);
        triangular_solve::<f32>(&[1.0], &mut [], 0, 1, Side::Right, triangle);
    }
}
