//! LU factorisation with partial pivoting, a block of columns at a time (G. H. Golub and C. F. Van Loan, "Matrix computations",
//! §3.4): all but a few columns' work is a matrix product.

use super::{LinalgFloat, add_scaled};
use crate::array::memory;
use crate::kernels::matmul::{MatrixView, product};
use crate::kernels::simd::{self, SimdKernel};

/// Columns that are factorised before what is right of them is updated.
const BLOCK: usize = 16;

/// Factorises `a` of shape `[m, n]` in place into `P · L · U`, where `L` has ones on its diagonal, which are not stored.
///
/// `pivots` has `min(m, n)` entries: row `j` was exchanged with row `pivots[j]`, one after the other. A pivot of zero is left as it
/// is, and what is below it, too.
///
/// # Panics
/// If a slice has not the length that its shape says.
pub fn lu<T: LinalgFloat>(a: &mut [T], m: usize, n: usize, pivots: &mut [i32]) {
    let k = m.min(n);
    assert!(a.len() == m * n && pivots.len() == k, "a is not {m}x{n}, or there are not {k} pivots");
    let mut lower = memory::filled(T::ZERO, m * BLOCK);
    for first in (0..k).step_by(BLOCK) {
        let end = k.min(first + BLOCK);
        simd::run(Panel { a: &mut *a, n, columns: (first, end), pivots: &mut *pivots });
        if end == n {
            continue;
        }
        let (width, below) = (end - first, m - end);
        let lower = &mut lower[..below * width];
        for (to, row) in lower.chunks_exact_mut(width).zip(a[end * n..].chunks_exact(n)) {
            to.iter_mut().zip(&row[first..end]).for_each(|(to, &x)| *to = -x);
        }
        let (above, rest) = a.split_at_mut(end * n);
        let lower = MatrixView { start: lower.as_ptr(), row: width as isize, col: 1 };
        let upper = MatrixView { start: above[first * n + end..].as_ptr(), row: n as isize, col: 1 };
        if below > 0 {
            // SAFETY: `width` rows above and `below` rows of the rest, both from column `end` on, and a copy of what is left of them.
            unsafe { product([below, width, n - end], lower, upper, rest[end..].as_mut_ptr(), n, true) };
        }
    }
}

/// Factorises columns `columns.0..columns.1` from the row of the diagonal on, and solves for the rows of `U` right of them.
struct Panel<'a, T> {
    a: &'a mut [T],
    n: usize,
    columns: (usize, usize),
    pivots: &'a mut [i32],
}

impl<T: LinalgFloat> SimdKernel for Panel<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Panel { a, n, columns: (first, end), pivots } = self;
        for j in first..end {
            let (mut pivot, mut largest) = (j, T::ZERO);
            for (i, row) in a.chunks_exact(n).enumerate().skip(j) {
                // Of several equal ones the first; NaN is never larger.
                if row[j].abs().to_f64() > largest.to_f64() {
                    (pivot, largest) = (i, row[j].abs());
                }
            }
            pivots[j] = pivot as i32;
            if pivot != j {
                let (above, below) = a.split_at_mut(pivot * n);
                above[j * n..(j + 1) * n].swap_with_slice(&mut below[..n]);
            }
            let (above, below) = a.split_at_mut((j + 1) * n);
            let row = &above[j * n..];
            if row[j] == T::ZERO {
                continue;
            }
            let from_right = &row[j + 1..end];
            for other in below.chunks_exact_mut(n) {
                let factor = other[j] / row[j];
                other[j] = factor;
                for (x, &y) in other[j + 1..end].iter_mut().zip(from_right) {
                    *x = *x - factor * y;
                }
            }
        }
        // The rows of `U`: a triangular system with ones on its diagonal.
        for i in first + 1..end {
            let (above, rest) = a.split_at_mut(i * n);
            let (left, right) = rest[..n].split_at_mut(end);
            for (k, row) in above.chunks_exact(n).enumerate().skip(first) {
                add_scaled(right, -left[k], &row[end..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{largest_difference, noise, product as plain_product};
    use super::*;

    fn factors_give_the_matrix<T: LinalgFloat>(tolerance: f64) {
        for (m, n) in [(1, 1), (3, 3), (5, 3), (3, 5), (40, 40), (70, 33), (33, 70), (100, 100)] {
            let a = noise::<T>((m * n) as u64, m * n);
            let (mut lu, k) = (a.clone(), m.min(n));
            let mut pivots = vec![0; k];
            super::lu(&mut lu, m, n, &mut pivots);
            let l: Vec<T> = (0..m * k)
                .map(|at| match (at / k, at % k) {
                    (i, j) if i == j => T::ONE,
                    (i, j) if i > j => lu[i * n + j],
                    _ => T::ZERO,
                })
                .collect();
            assert!(l.iter().all(|x| x.to_f64().abs() <= 1.0), "partial pivoting keeps factors below one");
            let u: Vec<T> = (0..k * n).map(|at| if at % n >= at / n { lu[at] } else { T::ZERO }).collect();
            let mut permuted = a;
            for (j, &pivot) in pivots.iter().enumerate() {
                (0..n).for_each(|c| permuted.swap(j * n + c, pivot as usize * n + c));
            }
            assert!(largest_difference(&plain_product(&l, &u, m, k, n), &permuted) < tolerance, "{m}x{n}");
        }
    }

    #[test]
    fn factors_multiply_to_the_matrix_with_its_rows_exchanged() {
        factors_give_the_matrix::<f32>(3e-5);
        factors_give_the_matrix::<f64>(1e-13);
    }

    #[test]
    fn singular_and_empty_matrices_have_factors() {
        let (mut a, mut pivots) = ([1.0, 2.0, 2.0, 4.0], [0; 2]);
        lu(&mut a, 2, 2, &mut pivots);
        assert_eq!((a, pivots), ([2.0, 4.0, 0.5, 0.0], [1, 1]));
        let mut zero = [0.0f32; 6];
        lu(&mut zero, 3, 2, &mut pivots);
        assert_eq!((zero, pivots), ([0.0; 6], [0, 1]));
        lu::<f32>(&mut [], 0, 3, &mut []);
        lu::<f32>(&mut [], 3, 0, &mut []);
    }
}
