//! Cholesky factorisation, row by row: the Cholesky–Banachiewicz algorithm.

use std::fmt;

use super::{LinalgFloat, dot};

/// A matrix has no Cholesky factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPositiveDefinite {
    /// The order of the smallest leading block that is not positive definite, minus one.
    pub row: usize,
}

impl fmt::Display for NotPositiveDefinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the matrix is not positive definite: its pivot {} is not positive", self.row)
    }
}

impl std::error::Error for NotPositiveDefinite {}

/// Computes the lower triangular `l` with `l · lᵀ = a` for a symmetric `a` of shape `[n, n]`.
///
/// Only the lower triangle of `a` is read; the upper one of `l` is set to zero.
///
/// # Errors
/// If a pivot is not positive or is NaN. What `l` then holds is unspecified.
///
/// # Panics
/// If a slice is not of length `n²`.
pub fn cholesky<T: LinalgFloat>(a: &[T], n: usize, l: &mut [T]) -> Result<(), NotPositiveDefinite> {
    assert!(a.len() == n * n && l.len() == n * n, "matrices are not {n}x{n}");
    for i in 0..n {
        let (above, row) = l.split_at_mut(i * n);
        let row = &mut row[..n];
        for (j, other) in above.chunks_exact(n).enumerate() {
            row[j] = (a[i * n + j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = a[i * n + i] - dot(&row[..i], &row[..i]);
        // Not `pivot <= 0`, which NaN would pass.
        if !matches!(pivot.partial_cmp(&T::ZERO), Some(std::cmp::Ordering::Greater)) {
            return Err(NotPositiveDefinite { row: i });
        }
        row[i] = pivot.sqrt();
        row[i + 1..].fill(T::ZERO);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{largest_difference, noise, product, transposed};
    use super::*;

    fn product_is_the_matrix<T: LinalgFloat>(tolerance: f64) {
        for n in [0, 1, 2, 5, 16, 33, 80] {
            let b = noise::<T>(n as u64, n * n);
            let mut a: Vec<T> =
                product(&b, &transposed(&b, n, n), n, n, n).into_iter().map(T::from_f64).collect();
            for i in 0..n {
                a[i * n + i] = a[i * n + i] + T::ONE;
            }
            let mut l = vec![T::ONE; n * n];
            cholesky(&a, n, &mut l).unwrap();
            assert!(largest_difference(&product(&l, &transposed(&l, n, n), n, n, n), &a) < tolerance);
            assert!((0..n * n).all(|i| i % n <= i / n || l[i] == T::ZERO));
        }
    }

    #[test]
    fn factor_is_lower_triangular_and_its_square_is_the_matrix() {
        product_is_the_matrix::<f32>(3e-5);
        product_is_the_matrix::<f64>(1e-12);
    }

    #[test]
    fn upper_triangle_is_not_read() {
        let mut l = [0.0; 4];
        cholesky(&[4.0, f64::NAN, 2.0, 5.0], 2, &mut l).unwrap();
        assert_eq!(l, [2.0, 0.0, 1.0, 2.0]);
    }

    #[test]
    fn indefinite_singular_and_nan_matrices_are_refused() {
        let mut l = [0.0; 4];
        assert_eq!(cholesky(&[1.0, 2.0, 2.0, 1.0], 2, &mut l), Err(NotPositiveDefinite { row: 1 }));
        assert_eq!(cholesky(&[0.0, 0.0, 0.0, 1.0], 2, &mut l), Err(NotPositiveDefinite { row: 0 }));
        assert_eq!(cholesky(&[f64::NAN, 0.0, 0.0, 1.0], 2, &mut l), Err(NotPositiveDefinite { row: 0 }));
    }
}
