//! Eigenvalues and eigenvectors of symmetric matrices: Householder tridiagonalisation, then implicitly shifted QR steps.
//!
//! G. H. Golub and C. F. Van Loan, "Matrix computations" (4th edition), §8.3; the form of the QR step is that of H. Bowdler, R. S.
//! Martin, C. Reinsch and J. H. Wilkinson, "The QR and QL algorithms for symmetric matrices" (1968), from the top to the bottom.
//! The step is computed in `f64` for both types, whose rotations are applied in their own.

use super::LinalgFloat;
use super::qr::reflection;
use super::reflections::{pitch, product_of_reflections, update_rows};
use super::rotations::RotatedRows;
use crate::array::memory;

/// QR steps for each eigenvalue, at most: two or three are enough.
const MAX_STEPS: usize = 60;

/// Computes the eigenvalues of a symmetric matrix of shape `[n, n]` in ascending order, and the eigenvectors, as the columns of
/// `vectors`, if they are asked for.
///
/// Only the lower triangle of `a` is read. Numbers that are not finite give NaN everywhere.
///
/// # Panics
/// If a slice has not the length that its shape says.
pub fn eigh<T: LinalgFloat>(a: &[T], n: usize, values: &mut [T], vectors: Option<&mut [T]>) {
    assert!(a.len() == n * n && values.len() == n, "a is not {n}x{n}, or there are not {n} eigenvalues");
    assert!(vectors.as_ref().is_none_or(|v| v.len() == n * n), "eigenvectors are not {n}x{n}");
    if n == 0 {
        return;
    }
    let lower = (0..n).flat_map(|i| a[i * n..=i * n + i].iter().copied());
    let scale = super::scale(lower);
    let solved = scale.and_then(|scale| solve(a, n, scale, values, vectors.is_some()));
    match (solved, vectors) {
        (Some((rows, order)), Some(vectors)) => {
            if let Some(rows) = rows {
                rows.finish().columns_into(order.into_iter().map(|i| (i, T::ONE)), vectors);
            }
        }
        (Some(_), None) => {}
        (None, vectors) => {
            values.fill(T::from_f64(f64::NAN));
            if let Some(vectors) = vectors {
                vectors.fill(T::from_f64(f64::NAN));
            }
        }
    }
}

type Solved<T> = (Option<RotatedRows<T>>, Vec<usize>);

/// The eigenvalues, and the rows that are the eigenvectors with their order; none if the steps do not converge.
fn solve<T: LinalgFloat>(
    a: &[T],
    n: usize,
    scale: T,
    values: &mut [T],
    with_vectors: bool,
) -> Option<Solved<T>> {
    let pitch = pitch(n);
    let mut matrix = memory::filled(T::ZERO, n * pitch);
    for i in 0..n {
        for k in 0..=i {
            let x = a[i * n + k] / scale;
            matrix[i * pitch + k] = x;
            matrix[k * pitch + i] = x;
        }
    }
    let mut tridiagonal = tridiagonalize(&mut matrix, n);
    let mut rows = with_vectors.then(|| {
        let reflections = (&tridiagonal.reflections[..], &tridiagonal.taus[..]);
        RotatedRows::new(&product_of_reflections(reflections, 1, n, n), n, pitch)
    });
    tridiagonal.iterate(rows.as_mut(), T::EPSILON)?;
    let d = &tridiagonal.diagonal;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &k| d[i].total_cmp(&d[k]));
    for (value, &i) in values.iter_mut().zip(&order) {
        *value = T::from_f64(d[i]) * scale;
    }
    Some((rows, order))
}

struct Tridiagonal<T> {
    diagonal: Vec<f64>,
    /// Entry `i` is between `i` and `i + 1`.
    beside: Vec<f64>,
    reflections: Vec<T>,
    taus: Vec<T>,
}

/// Reduces a symmetric matrix by reflections from both sides, each of which is an update of rank two: `A - v wᵀ - w vᵀ`. It is
/// applied in the pass that computes the product with the next reflection, so that each step reads the matrix once.
fn tridiagonalize<T: LinalgFloat>(matrix: &mut [T], n: usize) -> Tridiagonal<T> {
    let pitch = pitch(n);
    let count = n.saturating_sub(2);
    let mut reflections = memory::filled(T::ZERO, count * pitch);
    let mut taus = memory::filled(T::ZERO, count);
    let (mut diagonal, mut beside) = (memory::filled(0.0, n), memory::filled(0.0, n - 1));
    let mut vectors = memory::filled(T::ZERO, 3 * pitch);
    let (v, rest) = vectors.split_at_mut(pitch);
    let (w, sum) = rest.split_at_mut(pitch);
    for j in 0..n {
        for i in j..n {
            let x = &mut matrix[i * pitch + j];
            *x = *x - (v[i] * w[j] + w[i] * v[j]);
        }
        diagonal[j] = matrix[j * pitch + j].to_f64();
        if j + 2 >= n {
            if j + 1 < n {
                beside[j] = matrix[(j + 1) * pitch + j].to_f64();
            }
            continue;
        }
        let u = &mut reflections[j * pitch..(j + 1) * pitch];
        (j + 1..n).for_each(|i| u[i] = matrix[i * pitch + j]);
        let (tau, image) = reflection(&mut u[j + 1..n]);
        (taus[j], beside[j]) = (tau, image.to_f64());
        update_rows(matrix, (j + 1, j + 1), [&*v, &*w], [&*w, &*v], u, sum);
        let half = tau * super::dot(sum, u) * T::from_f64(0.5);
        for ((w, &sum), &u) in w.iter_mut().zip(&*sum).zip(&*u) {
            *w = tau * (sum - half * u);
        }
        v.copy_from_slice(u);
    }
    Tridiagonal { diagonal, beside, reflections, taus }
}

impl<T: LinalgFloat> Tridiagonal<T> {
    /// Makes the matrix diagonal, by QR steps with Wilkinson's shift from the last row on; none if they do not converge.
    fn iterate(&mut self, mut rows: Option<&mut RotatedRows<T>>, epsilon: f64) -> Option<()> {
        let (d, e) = (&mut self.diagonal, &mut self.beside);
        // Convergence is cubic: a little more than the type can tell costs nothing.
        let is_zero =
            |d: &[f64], e: &[f64], i: usize| e[i].abs() <= epsilon / 8.0 * (d[i].abs() + d[i + 1].abs());
        let mut angles = Vec::with_capacity(d.len());
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
                angles.clear();
                step(&mut d[first..=last], &mut e[first..last], &mut angles);
                if let Some(rows) = &mut rows {
                    rows.rotate(first, &angles);
                }
            }
        }
        Some(())
    }
}

/// One QR step on a block, from its first row to its last, whose rotations go to `angles`.
fn step(d: &mut [f64], e: &mut [f64], angles: &mut Vec<[f64; 2]>) {
    let last = d.len() - 1;
    // The eigenvalue of the last two rows and columns that is nearer to the last entry.
    let ratio = (d[last - 1] - d[last]) / (2.0 * e[last - 1]);
    let shift = d[last] - e[last - 1] / (ratio + ratio.hypot(1.0).copysign(ratio));
    let (mut c, mut s, mut moved) = (1.0, 1.0, 0.0);
    let mut bulge = d[0] - shift;
    for i in 1..=last {
        let (f, b) = (s * e[i - 1], c * e[i - 1]);
        let r = (f * f + bulge * bulge).sqrt();
        if i > 1 {
            e[i - 2] = r;
        }
        if r == 0.0 {
            // Both vanish, so that the block falls apart here.
            d[i - 1] -= moved;
            return;
        }
        let inverse = 1.0 / r;
        (s, c) = (f * inverse, bulge * inverse);
        let g = d[i - 1] - moved;
        let turned = (d[i] - g) * s + 2.0 * c * b;
        moved = s * turned;
        d[i - 1] = g + moved;
        bulge = c * turned - b;
        angles.push([c, s]);
    }
    d[last] -= moved;
    e[last - 1] = bulge;
}

#[cfg(test)]
mod tests {
    use super::super::testing::{largest_difference, noise, product, transposed};
    use super::*;

    fn decomposes<T: LinalgFloat>(a: &[T], n: usize, tolerance: f64) -> Vec<T> {
        let (mut w, mut v) = (vec![T::ZERO; n], vec![T::ZERO; n * n]);
        eigh(a, n, &mut w, Some(&mut v));
        let scaled: Vec<T> = (0..n * n).map(|at| v[at] * w[at % n]).collect();
        let size = a.iter().fold(1.0, |size: f64, x| size.max(x.to_f64().abs()));
        let back: Vec<f64> = product(&scaled, &transposed(&v, n, n), n, n, n);
        assert!(largest_difference(&back, a) < tolerance * size, "{n}: {}", largest_difference(&back, a));
        let gram = product(&transposed(&v, n, n), &v, n, n, n);
        let eye: Vec<T> = (0..n * n).map(|at| if at / n == at % n { T::ONE } else { T::ZERO }).collect();
        assert!(largest_difference(&gram, &eye) < tolerance, "{n}: {}", largest_difference(&gram, &eye));
        assert!(w.windows(2).all(|pair| pair[0].to_f64() <= pair[1].to_f64()));
        let mut alone = vec![T::ZERO; n];
        eigh(a, n, &mut alone, None);
        let values: Vec<f64> = w.iter().map(|w| w.to_f64()).collect();
        assert!(largest_difference(&values, &alone) == 0.0);
        w
    }

    fn symmetric<T: LinalgFloat>(seed: u64, n: usize) -> Vec<T> {
        let x = noise::<T>(seed, n * n);
        (0..n * n).map(|at| x[at] + x[at % n * n + at / n]).collect()
    }

    #[test]
    fn eigenvectors_are_orthonormal_and_give_the_matrix_back() {
        for n in [1, 2, 3, 5, 17, 40, 100] {
            decomposes::<f64>(&symmetric(n as u64, n), n, 1e-12);
            decomposes::<f32>(&symmetric(n as u64, n), n, 3e-5);
        }
    }

    #[test]
    fn diagonal_repeated_and_graded_matrices_are_decomposed() {
        let diagonal = [3.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 3.0];
        assert_eq!(decomposes::<f64>(&diagonal, 3, 1e-15), [-1.0, 3.0, 3.0]);
        assert_eq!(decomposes::<f64>(&[0.0; 16], 4, 1e-15), [0.0; 4]);
        let n = 20;
        let ones = decomposes::<f64>(&vec![1.0; n * n], n, 1e-13);
        assert!((ones[n - 1] - 20.0).abs() < 1e-12 && ones[..n - 1].iter().all(|w| w.abs() < 1e-12));
        let graded: Vec<f64> = (0..n * n).map(|at| 10f64.powi(-((at / n + at % n) as i32))).collect();
        decomposes::<f64>(&graded, n, 1e-14);
        let reversed: Vec<f64> = graded.iter().rev().copied().collect();
        decomposes::<f64>(&reversed, n, 1e-14);
    }

    #[test]
    fn very_large_and_very_small_matrices_are_decomposed() {
        for scale in [1e-300, 1e-160, 1e160, 1e300] {
            let mut w = [0.0; 2];
            eigh(&[2.0 * scale, 0.0, scale, 2.0 * scale], 2, &mut w, None);
            assert!((w[0] / scale - 1.0).abs() < 1e-14 && (w[1] / scale - 3.0).abs() < 1e-14, "{w:?}");
        }
    }

    #[test]
    fn only_the_lower_triangle_is_read_and_nan_gives_nan() {
        let mut w = [0.0; 2];
        eigh(&[2.0, f64::NAN, 1.0, 2.0], 2, &mut w, None);
        assert!((w[0] - 1.0).abs() < 1e-15 && (w[1] - 3.0).abs() < 1e-15);
        for bad in [f64::NAN, f64::INFINITY] {
            let mut v = [0.0; 4];
            eigh(&[bad, 0.0, 1.0, 2.0], 2, &mut w, Some(&mut v));
            assert!(w.iter().chain(&v).all(|x| x.is_nan()));
        }
    }
}
