//! QR factorisation by Householder reflections, unblocked (G. H. Golub and C. F. Van Loan, "Matrix computations", §5.2).
//!
//! The order of operations and the fused updates are those of LAPACK's `geqr2` and `org2r`. In `f32` this agrees
//! better with `jax.numpy.linalg.qr` than a factorisation in `f64` rounded at the end, because what separates the two
//! there is LAPACK's own rounding.

use super::LinalgFloat;
use crate::array::memory;
use crate::kernels::simd::{self, SimdKernel};

/// How many columns of the orthogonal factor to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QrMode {
    /// `Q` is `[m, k]` and `R` is `[k, n]`, with `k = min(m, n)`.
    Reduced,
    /// `Q` is `[m, m]` and `R` is `[m, n]`.
    Full,
}

/// Rows that are summed one after the other; the sums of blocks are added up, which keeps errors small.
const BLOCK: usize = 16;

/// Factorises `a` of shape `[m, n]` into `Q · R`, with `QᵀQ = I` and `R` upper triangular.
///
/// Each reflection maps a column onto `-sign(a_jj)` times its norm, and is left out if the column is already zero
/// below the diagonal, as in LAPACK.
///
/// # Panics
/// If a slice has not the length that its shape says.
pub fn qr<T: LinalgFloat>(a: &[T], m: usize, n: usize, mode: QrMode, q: &mut [T], r: &mut [T]) {
    let k = m.min(n);
    let columns = if mode == QrMode::Full { m } else { k };
    assert_eq!(a.len(), m * n, "a is not {m}x{n}");
    assert_eq!(q.len(), m * columns, "q is not {m}x{columns}");
    assert_eq!(r.len(), columns * n, "r is not {columns}x{n}");

    let mut rest = memory::collected(a.iter().copied());
    let mut sums = memory::filled(T::ZERO, 2 * n.max(columns));
    // One reflection a row, whose first `j` entries are zero and not read.
    let mut reflections = memory::filled(T::ZERO, k * m);
    let mut taus = memory::filled(T::ZERO, k);
    for (j, tau) in taus.iter_mut().enumerate() {
        let v = &mut reflections[j * m + j..(j + 1) * m];
        for (v, row) in v.iter_mut().zip(rest[j * n..].chunks_exact(n)) {
            *v = row[j];
        }
        let diagonal;
        (*tau, diagonal) = reflection(v);
        reflect(&mut rest[j * n..], n, j + 1, v, *tau, &mut sums);
        rest[j * n + j] = diagonal;
    }

    r.fill(T::ZERO);
    for (i, row) in r.chunks_exact_mut(n.max(1)).enumerate().take(k) {
        row[i..].copy_from_slice(&rest[i * n + i..(i + 1) * n]);
    }

    // Reflections are applied to the identity from the last one back, so that each meets only the columns that it changes.
    q.fill(T::ZERO);
    for i in k..columns {
        q[i * columns + i] = T::ONE;
    }
    for (j, &tau) in taus.iter().enumerate().rev() {
        let v = &reflections[j * m + j..(j + 1) * m];
        reflect(&mut q[j * columns..], columns, j + 1, v, tau, &mut sums);
        for (row, &v) in q[j * columns..].chunks_exact_mut(columns).zip(v) {
            row[j] = -tau * v;
        }
        q[j * columns + j] = T::ONE - tau;
    }
}

/// Turns a column into the vector `v` of the reflection `I - τ v vᵀ` with `v₀ = 1` that maps it onto the first axis.
///
/// Returns `τ` and where on that axis the column goes.
pub(super) fn reflection<T: LinalgFloat>(v: &mut [T]) -> (T, T) {
    let first = v[0];
    let norm = T::norm(&v[1..]);
    v[0] = T::ONE;
    if norm == T::ZERO {
        return (T::ZERO, first);
    }
    // The hypotenuse without overflow: the greater leg times the root of one plus the squared ratio.
    let (max, min) = if first.abs() > norm { (first.abs(), norm) } else { (norm, first.abs()) };
    let ratio = min / max;
    let image = -(max * (T::ONE + ratio * ratio).sqrt()).copysign(first);
    let distance = first - image;
    if distance.abs() < T::TINY {
        v[1..].iter_mut().for_each(|v| *v = *v / distance);
    } else {
        let scale = T::ONE / distance;
        v[1..].iter_mut().for_each(|v| *v = *v * scale);
    }
    ((image - first) / image, image)
}

/// Applies `I - τ v vᵀ` from the left to the columns from `from` on of the rows of `matrix`, one row per entry of `v`.
fn reflect<T: LinalgFloat>(matrix: &mut [T], width: usize, from: usize, v: &[T], tau: T, sums: &mut [T]) {
    if from < width && tau != T::ZERO {
        simd::run(Reflect { matrix, width, from, v, tau, sums });
    }
}

/// See [`reflect`].
struct Reflect<'a, T> {
    matrix: &'a mut [T],
    width: usize,
    from: usize,
    v: &'a [T],
    tau: T,
    sums: &'a mut [T],
}

impl<T: LinalgFloat> SimdKernel for Reflect<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Reflect { matrix, width, from, v, tau, sums } = self;
        let (sums, block) = sums[..2 * (width - from)].split_at_mut(width - from);
        sums.fill(T::ZERO);
        for (rows, v) in matrix.chunks(BLOCK * width).zip(v.chunks(BLOCK)) {
            block.fill(T::ZERO);
            // In the order of rows, four of them before a sum is written.
            let (fours, last) = v.as_chunks::<4>();
            for (number, v) in fours.iter().enumerate() {
                let rows = &rows[4 * number * width + from..];
                let (x0, x1) = (&rows[..block.len()], &rows[width..][..block.len()]);
                let (x2, x3) = (&rows[2 * width..][..block.len()], &rows[3 * width..][..block.len()]);
                for k in 0..block.len() {
                    block[k] = block[k] + v[0] * x0[k] + v[1] * x1[k] + v[2] * x2[k] + v[3] * x3[k];
                }
            }
            for (row, &v) in rows[4 * fours.len() * width..].chunks_exact(width).zip(last) {
                super::add_scaled(block, v, &row[from..]);
            }
            super::add_scaled(sums, T::ONE, block);
        }
        for s in sums.iter_mut() {
            *s = -tau * *s;
        }
        for (row, &v) in matrix.chunks_exact_mut(width).zip(v) {
            let row = &mut row[from..][..sums.len()];
            for k in 0..sums.len() {
                row[k] = v.fused(sums[k], row[k]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{largest_difference, noise, product, transposed};
    use super::*;

    fn laws_hold<T: LinalgFloat>(tolerance: f64) {
        for (m, n) in [(1, 1), (3, 3), (6, 4), (4, 6), (1, 5), (5, 1), (40, 17), (17, 40), (96, 96)] {
            let a = noise::<T>((m * 100 + n) as u64, m * n);
            for mode in [QrMode::Reduced, QrMode::Full] {
                let columns = if mode == QrMode::Full { m } else { m.min(n) };
                let (mut q, mut r) = (vec![T::ZERO; m * columns], vec![T::ONE; columns * n]);
                qr(&a, m, n, mode, &mut q, &mut r);
                assert!(largest_difference(&product(&q, &r, m, columns, n), &a) < tolerance);
                let gram = product(&transposed(&q, m, columns), &q, columns, m, columns);
                let identity: Vec<T> = (0..columns * columns)
                    .map(|i| if i / columns == i % columns { T::ONE } else { T::ZERO })
                    .collect();
                assert!(largest_difference(&gram, &identity) < tolerance);
                assert!((0..columns * n).all(|i| i / n <= i % n || r[i] == T::ZERO));
            }
        }
    }

    #[test]
    fn q_is_orthogonal_r_triangular_and_their_product_is_the_matrix() {
        laws_hold::<f32>(2e-5);
        laws_hold::<f64>(1e-13);
    }

    #[test]
    fn diagonal_has_the_sign_of_lapack() {
        let (mut q, mut r) = ([0.0; 4], [0.0; 2]);
        qr(&[3.0, 4.0], 2, 1, QrMode::Full, &mut q, &mut r);
        assert!(r[0] == -5.0 && r[1] == 0.0 && q[0] < 0.0 && q[3] > 0.0);
        let (mut q, mut r) = ([0.0; 1], [0.0; 1]);
        qr(&[-2.0f32], 1, 1, QrMode::Reduced, &mut q, &mut r);
        assert_eq!((q, r), ([1.0], [-2.0]));
    }

    #[test]
    fn zero_and_tiny_matrices_have_orthogonal_factors() {
        for scale in [0.0, f32::MIN_POSITIVE / 64.0] {
            let a: Vec<f32> = [1.0, 2.0, 3.0, -1.0, 2.0, 5.0].map(|x| x * scale).to_vec();
            let (mut q, mut r) = ([0.0; 6], [0.0; 4]);
            qr(&a, 3, 2, QrMode::Reduced, &mut q, &mut r);
            let gram = product(&transposed(&q, 3, 2), &q, 2, 3, 2);
            assert!(largest_difference(&gram, &[1.0f32, 0.0, 0.0, 1.0]) < 0.05, "{gram:?}");
        }
    }

    #[test]
    fn empty_matrices_have_empty_factors() {
        qr::<f32>(&[], 0, 3, QrMode::Reduced, &mut [], &mut []);
        qr::<f32>(&[], 3, 0, QrMode::Reduced, &mut [], &mut []);
        let mut q = [5.0f32; 4];
        qr::<f32>(&[], 2, 0, QrMode::Full, &mut q, &mut []);
        assert_eq!(q, [1.0, 0.0, 0.0, 1.0]);
    }
}
