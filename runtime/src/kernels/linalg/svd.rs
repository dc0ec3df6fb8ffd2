//! Singular value decomposition: Householder bidiagonalisation, then implicitly shifted QR steps.
//!
//! G. H. Golub and C. Reinsch, "Singular value decomposition and least squares solutions" (1970), in the form of G. H. Golub and C. F.
//! Van Loan, "Matrix computations" (4th edition), §8.6. Where a diagonal entry vanishes a step with the shift zero takes it to the
//! end, as J. Demmel and W. Kahan found ("Accurate singular values of bidiagonal matrices", 1990). Steps are computed in `f64` for
//! both types, whose rotations are applied in their own.

use super::LinalgFloat;
use super::qr::reflection;
use super::reflections::{multiply_rows, pitch, product_of_reflections, update_rows};
use super::rotations::{Finished, RotatedRows};
use crate::array::memory;

/// QR steps for each singular value, at most: two or three are enough.
const MAX_STEPS: usize = 60;

/// Where the orthogonal factors of a decomposition of a `[m, n]` matrix go.
#[derive(Debug)]
pub struct SvdFactors<'a, T> {
    /// `[m, k]` with `k = min(m, n)`, or `[m, m]`.
    pub u: &'a mut [T],
    /// `[k, n]`, or `[n, n]`.
    pub vt: &'a mut [T],
    /// Whether they are square.
    pub full: bool,
}

/// Computes the singular values of `a` of shape `[m, n]` in descending order, and with `factors` the decomposition
/// `a = u · diag(values) · vt`.
///
/// Numbers that are not finite give NaN everywhere.
///
/// # Panics
/// If a slice has not the length that its shape says.
pub fn svd<T: LinalgFloat>(
    a: &[T],
    m: usize,
    n: usize,
    values: &mut [T],
    factors: Option<SvdFactors<'_, T>>,
) {
    let k = m.min(n);
    assert!(a.len() == m * n && values.len() == k, "a is not {m}x{n}, or there are not {k} singular values");
    if let Some(SvdFactors { u, vt, full }) = &factors {
        let (columns, rows) = if *full { (m, n) } else { (k, k) };
        assert!(u.len() == m * columns && vt.len() == rows * n, "factors of {m}x{n} have other sizes");
    }
    let want = factors.as_ref().map(|factors| factors.full);
    let solved = super::scale(a.iter().copied()).and_then(|scale| solve(a, (m, n), scale, want));
    let Some(Solved { singular, scale, rows }) = solved else {
        let nan = T::from_f64(f64::NAN);
        values.fill(nan);
        if let Some(SvdFactors { u, vt, .. }) = factors {
            u.fill(nan);
            vt.fill(nan);
        }
        return;
    };
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&i, &j| singular[j].abs().total_cmp(&singular[i].abs()));
    for (value, &i) in values.iter_mut().zip(&order) {
        *value = T::from_f64(singular[i].abs()) * scale;
    }
    if let (Some(SvdFactors { u, vt, .. }), Some((left, right))) = (factors, rows) {
        // A negative value makes its right vector point the other way; rows beyond the values are in no order.
        let plain = || order.iter().copied().chain(k..).map(|i| (i, T::ONE));
        let turned = || plain().map(|(i, one)| (i, if i < k && singular[i] < 0.0 { -one } else { one }));
        if m >= n {
            left.columns_into(plain().take(u.len() / m.max(1)), u);
            right.rows_into(turned(), vt);
        } else {
            right.columns_into(turned().take(u.len() / m.max(1)), u);
            left.rows_into(plain(), vt);
        }
    }
}

struct Solved<T> {
    singular: Vec<f64>,
    scale: T,
    /// The left and right vectors as rows: of the transpose, if the matrix has more columns than rows.
    rows: Option<(Finished<T>, Finished<T>)>,
}

/// The decomposition of the matrix, or of its transpose if it has more columns than rows; none if the steps do not converge.
fn solve<T: LinalgFloat>(a: &[T], (m, n): (usize, usize), scale: T, want: Option<bool>) -> Option<Solved<T>> {
    let (tall, narrow) = (m.max(n), m.min(n));
    let pitch_narrow = pitch(narrow);
    let mut matrix = memory::filled(T::ZERO, tall * pitch_narrow);
    for (i, row) in matrix.chunks_exact_mut(pitch_narrow.max(1)).enumerate() {
        for (k, x) in row[..narrow].iter_mut().enumerate() {
            *x = a[if m >= n { i * n + k } else { k * n + i }] / scale;
        }
    }
    let mut bidiagonal = bidiagonalize(&mut matrix, tall, narrow);
    let mut rows = want.map(|full| {
        let Bidiagonal { left, right, .. } = &bidiagonal;
        let count = if full { tall } else { narrow };
        let left = product_of_reflections((&left.0, &left.1), 0, count, tall);
        let right = product_of_reflections((&right.0, &right.1), 1, narrow, narrow);
        (RotatedRows::new(&left, tall, pitch(tall)), RotatedRows::new(&right, narrow, pitch_narrow))
    });
    bidiagonal.iterate(rows.as_mut(), T::EPSILON)?;
    let rows = rows.map(|(left, right)| (left.finish(), right.finish()));
    Some(Solved { singular: bidiagonal.diagonal, scale, rows })
}

struct Bidiagonal<T> {
    diagonal: Vec<f64>,
    /// Entry `i` is right of `i` on the diagonal.
    beside: Vec<f64>,
    /// Reflections and their factors.
    left: (Vec<T>, Vec<T>),
    right: (Vec<T>, Vec<T>),
}

/// Reduces a `[m, n]` matrix with `m ≥ n` by reflections from the left and from the right in turns: `A - u zᵀ - w vᵀ`, which is applied
/// in the pass that computes the product with the next reflection from the left.
fn bidiagonalize<T: LinalgFloat>(matrix: &mut [T], m: usize, n: usize) -> Bidiagonal<T> {
    let (pitch_m, pitch_n) = (pitch(m), pitch(n));
    let mut left = (memory::filled(T::ZERO, n * pitch_m), memory::filled(T::ZERO, n));
    let count = n.saturating_sub(2);
    let mut right = (memory::filled(T::ZERO, count * pitch_n), memory::filled(T::ZERO, count));
    let (mut diagonal, mut beside) = (memory::filled(0.0, n), memory::filled(0.0, n.saturating_sub(1)));
    let (mut long, mut short) = (memory::filled(T::ZERO, 2 * pitch_m), memory::filled(T::ZERO, 3 * pitch_n));
    let (u, w) = long.split_at_mut(pitch_m);
    let (z, rest) = short.split_at_mut(pitch_n);
    let (v, sum) = rest.split_at_mut(pitch_n);
    for j in 0..n {
        let new_u = &mut left.0[j * pitch_m..(j + 1) * pitch_m];
        for i in j..m {
            let x = matrix[i * pitch_n + j];
            new_u[i] = x - (u[i] * z[j] + w[i] * v[j]);
        }
        let (tau, image) = reflection(&mut new_u[j..m]);
        (left.1[j], diagonal[j]) = (tau, image.to_f64());
        if j + 1 == n {
            break;
        }
        update_rows(matrix, (j, j + 1), [&*u, &*w], [&*z, &*v], new_u, sum);
        z.iter_mut().zip(&*sum).for_each(|(z, &sum)| *z = tau * sum);
        u.copy_from_slice(new_u);
        // The row of the diagonal, as the reflection from the left leaves it.
        let row = &matrix[j * pitch_n..(j + 1) * pitch_n];
        if j + 2 == n {
            beside[j] = (row[j + 1] - z[j + 1]).to_f64();
            w.fill(T::ZERO);
            v.fill(T::ZERO);
            continue;
        }
        let new_v = &mut right.0[j * pitch_n..(j + 1) * pitch_n];
        for k in j + 1..n {
            new_v[k] = row[k] - z[k];
        }
        let (tau, image) = reflection(&mut new_v[j + 1..n]);
        (right.1[j], beside[j]) = (tau, image.to_f64());
        multiply_rows(matrix, (j + 1, j + 1), new_v, w);
        let along = super::dot(z, new_v);
        for (w, &u) in w[j + 1..m].iter_mut().zip(&u[j + 1..]) {
            *w = tau * (*w - along * u);
        }
        v.copy_from_slice(new_v);
    }
    Bidiagonal { diagonal, beside, left, right }
}

impl<T: LinalgFloat> Bidiagonal<T> {
    /// Makes the matrix diagonal, from the last entry on; none if the steps do not converge.
    fn iterate(
        &mut self,
        mut rows: Option<&mut (RotatedRows<T>, RotatedRows<T>)>,
        epsilon: f64,
    ) -> Option<()> {
        let (d, e) = (&mut self.diagonal, &mut self.beside);
        let largest = d.iter().chain(&*e).fold(0.0, |largest, x| f64::max(largest, x.abs()));
        // What is lost in the rounding of the greatest entries.
        let nothing = f64::EPSILON / 8.0 * largest;
        let is_zero = |d: &[f64], e: &[f64], i: usize| {
            e[i].abs() <= epsilon / 8.0 * (d[i].abs() + d[i + 1].abs()) + nothing
        };
        let (mut left, mut right) = (Vec::with_capacity(d.len()), Vec::with_capacity(d.len()));
        for last in (1..d.len()).rev() {
            let mut steps = 0;
            loop {
                let first = (0..last).rev().find(|&i| is_zero(d, e, i)).map_or(0, |i| i + 1);
                if first == last {
                    break;
                }
                steps += 1;
                if steps > MAX_STEPS {
                    return None;
                }
                left.clear();
                right.clear();
                step(&mut d[first..=last], &mut e[first..last], nothing, &mut left, &mut right);
                if let Some((of_left, of_right)) = &mut rows {
                    of_left.rotate(first, &left);
                    of_right.rotate(first, &right);
                }
            }
        }
        Some(())
    }
}

/// The cosine and sine that turn `(x, y)` onto the first axis, and its length.
#[inline]
fn turn(x: f64, y: f64) -> ([f64; 2], f64) {
    if y == 0.0 {
        return ([1.0, 0.0], x);
    }
    let r = (x * x + y * y).sqrt();
    // Squares of both may vanish.
    if r == 0.0 { ([1.0, 0.0], x) } else { ([x / r, y / r], r) }
}

/// One QR step on a block, from its first row to its last: the rotations of columns go to `right` and those of rows to `left`.
fn step(d: &mut [f64], e: &mut [f64], nothing: f64, left: &mut Vec<[f64; 2]>, right: &mut Vec<[f64; 2]>) {
    let last = d.len() - 1;
    let is_singular = d.iter().any(|d| d.abs() <= nothing);
    let (mut y, mut z) = if is_singular {
        d.iter_mut().filter(|d| d.abs() <= nothing).for_each(|d| *d = 0.0);
        (d[0], e[0])
    } else {
        // The eigenvalue of the last two rows and columns of BᵀB that is nearer to the last entry.
        let before = if last > 1 { e[last - 2] } else { 0.0 };
        let (a, b) = (d[last - 1] * d[last - 1] + before * before, d[last - 1] * e[last - 1]);
        let c = d[last] * d[last] + e[last - 1] * e[last - 1];
        let half = (a - c) / 2.0;
        let shift = c - b * b / (half + half.hypot(b).copysign(half));
        // The first column of BᵀB less the shift, over its first entry.
        (d[0] - shift / d[0], e[0])
    };
    for k in 0..last {
        let ([c, s], length) = turn(y, z);
        right.push([c, s]);
        if k > 0 {
            e[k - 1] = length;
        }
        let x = c * d[k] + s * e[k];
        e[k] = c * e[k] - s * d[k];
        let below = s * d[k + 1];
        d[k + 1] *= c;

        let ([c, s], length) = turn(x, below);
        left.push([c, s]);
        d[k] = length;
        let x = c * e[k] + s * d[k + 1];
        d[k + 1] = c * d[k + 1] - s * e[k];
        e[k] = x;
        if k + 1 < last {
            (y, z) = (x, s * e[k + 1]);
            e[k + 1] *= c;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{largest_difference, noise, product, transposed};
    use super::*;

    fn decomposes<T: LinalgFloat>(a: &[T], m: usize, n: usize, tolerance: f64) -> Vec<T> {
        let k = m.min(n);
        let mut found = vec![T::ZERO; k];
        for full in [false, true] {
            let (columns, rows) = if full { (m, n) } else { (k, k) };
            let (mut u, mut vt) = (vec![T::ZERO; m * columns], vec![T::ZERO; rows * n]);
            svd(a, m, n, &mut found, Some(SvdFactors { u: &mut u, vt: &mut vt, full }));
            let scaled: Vec<T> = (0..m * k).map(|at| u[at / k * columns + at % k] * found[at % k]).collect();
            let size = a.iter().fold(1.0, |size: f64, x| size.max(x.to_f64().abs()));
            let back = product(&scaled, &vt[..k * n], m, k, n);
            assert!(
                largest_difference(&back, a) < tolerance * size,
                "{m}x{n}: {}",
                largest_difference(&back, a)
            );
            for (q, m, n) in [(u, m, columns), (transposed(&vt, rows, n), n, rows)] {
                let eye: Vec<T> =
                    (0..n * n).map(|at| if at / n == at % n { T::ONE } else { T::ZERO }).collect();
                let gram = product(&transposed(&q, m, n), &q, n, m, n);
                assert!(
                    largest_difference(&gram, &eye) < tolerance,
                    "{m}x{n}: {}",
                    largest_difference(&gram, &eye)
                );
            }
            assert!(found.windows(2).all(|pair| pair[0].to_f64() >= pair[1].to_f64()));
            assert!(found.iter().all(|s| s.to_f64() >= 0.0));
        }
        let mut alone = vec![T::ZERO; k];
        svd(a, m, n, &mut alone, None);
        let values: Vec<f64> = found.iter().map(|s| s.to_f64()).collect();
        assert!(largest_difference(&values, &alone) == 0.0);
        found
    }

    #[test]
    fn factors_are_orthonormal_and_give_the_matrix_back() {
        for (m, n) in [(1, 1), (2, 2), (3, 1), (1, 4), (5, 3), (3, 5), (17, 17), (40, 33), (20, 70), (90, 90)]
        {
            decomposes(&noise::<f64>((m * n) as u64, m * n), m, n, 1e-12);
            decomposes(&noise::<f32>((m * n) as u64, m * n), m, n, 3e-5);
        }
    }

    #[test]
    fn singular_and_graded_matrices_are_decomposed() {
        assert_eq!(decomposes(&[0.0; 12], 4, 3, 1e-15), [0.0; 3]);
        let ones = decomposes(&[1.0f64; 300], 20, 15, 1e-13);
        assert!((ones[0] - 300f64.sqrt()).abs() < 1e-12 && ones[1..].iter().all(|s| s.abs() < 1e-13));
        let n = 20;
        let graded: Vec<f64> = (0..n * n).map(|at| 10f64.powi(-((at / n + at % n) as i32))).collect();
        decomposes(&graded, n, n, 1e-14);
        let reversed: Vec<f64> = graded.iter().rev().copied().collect();
        decomposes(&reversed, n, n, 1e-14);
        // Bidiagonal, with zeros on the diagonal: at the start, in the middle and at the end.
        for zeros in [&[0][..], &[3], &[6], &[0, 3, 6], &[1, 2]] {
            let n = 7;
            let mut b = vec![0.0f64; n * n];
            for i in 0..n {
                b[i * n + i] = if zeros.contains(&i) { 0.0 } else { 1.0 + i as f64 };
                if i + 1 < n {
                    b[i * n + i + 1] = 0.5;
                }
            }
            let found = decomposes(&b, n, n, 1e-13);
            assert!(found[n - 1] < 1e-14, "{zeros:?}: {found:?}");
        }
    }

    #[test]
    fn very_large_and_very_small_matrices_are_decomposed() {
        for scale in [1e-300, 1e-160, 1e160, 1e300] {
            let mut s = [0.0; 2];
            svd(&[3.0 * scale, 0.0, 0.0, -4.0 * scale], 2, 2, &mut s, None);
            assert!((s[0] / scale - 4.0).abs() < 1e-14 && (s[1] / scale - 3.0).abs() < 1e-14, "{s:?}");
        }
    }

    #[test]
    fn numbers_that_are_not_finite_give_nan_and_empty_matrices_nothing() {
        let (mut s, mut u, mut vt) = ([0.0; 2], [0.0; 6], [0.0; 4]);
        let a = [1.0, 2.0, f64::NAN, 4.0, 5.0, 6.0];
        svd(&a, 3, 2, &mut s, Some(SvdFactors { u: &mut u, vt: &mut vt, full: false }));
        assert!(s.iter().chain(&u).chain(&vt).all(|x| x.is_nan()));
        let mut u = [5.0; 4];
        svd(&[], 2, 0, &mut [], Some(SvdFactors { u: &mut u, vt: &mut [], full: true }));
        assert_eq!(u, [1.0, 0.0, 0.0, 1.0]);
        svd::<f32>(&[], 0, 2, &mut [], None);
    }
}
