//! What factorisations of matrices mean: LU by the definition, and decompositions by Jacobi's rotations.

use flaxen::Aval;

use super::definitions::{matrices, numbers, sizes};
use super::{Num, Value};

/// Column by column, with the first of the greatest entries as pivot.
pub(super) fn lu(x: &Value) -> Vec<Vec<Num>> {
    let [m, n] = sizes(x);
    let (mut factors, mut pivots, mut orders) = (Vec::new(), Vec::new(), Vec::new());
    for mut a in matrices(x) {
        let mut order: Vec<i64> = (0..m as i64).collect();
        for j in 0..m.min(n) {
            let mut pivot = j;
            for i in j + 1..m {
                if a[i * n + j].abs() > a[pivot * n + j].abs() {
                    pivot = i;
                }
            }
            (0..n).for_each(|k| a.swap(j * n + k, pivot * n + k));
            order.swap(j, pivot);
            pivots.push(Num::Int(pivot as i64));
            if a[j * n + j] == 0.0 {
                continue;
            }
            for i in j + 1..m {
                a[i * n + j] /= a[j * n + j];
                for k in j + 1..n {
                    a[i * n + k] -= a[i * n + j] * a[j * n + k];
                }
            }
        }
        factors.extend(a);
        orders.extend(order.into_iter().map(Num::Int));
    }
    vec![numbers(factors), pivots, orders]
}

/// Rotates columns of `rows` of length `n` until those of `a` are orthogonal (one-sided Jacobi); returns the lengths of the columns.
fn orthogonalize(a: &mut [Vec<f64>], rotated: &mut [Vec<f64>]) -> Vec<f64> {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    for _ in 0..60 {
        for p in 0..a.len() {
            for q in p + 1..a.len() {
                let (xx, yy, xy) = (dot(&a[p], &a[p]), dot(&a[q], &a[q]), dot(&a[p], &a[q]));
                if xy.abs() <= 1e-17 * (xx * yy).sqrt() {
                    continue;
                }
                let angle = 0.5 * (2.0 * xy).atan2(xx - yy);
                let (s, c) = angle.sin_cos();
                for columns in [&mut *a, &mut *rotated] {
                    let (left, right) = columns.split_at_mut(q);
                    for (x, y) in left[p].iter_mut().zip(&mut right[0]) {
                        (*x, *y) = (c * *x + s * *y, c * *y - s * *x);
                    }
                }
            }
        }
    }
    a.iter().map(|column| dot(column, column).sqrt()).collect()
}

fn identity(n: usize) -> Vec<Vec<f64>> {
    (0..n).map(|i| (0..n).map(|k| f64::from(u8::from(i == k))).collect()).collect()
}

/// The columns of an orthogonal matrix that begin with these, orthonormal ones where they are not zero (Gram and Schmidt).
fn completed(mut columns: Vec<Vec<f64>>, count: usize, length: usize) -> Vec<Vec<f64>> {
    columns.truncate(count);
    let known: Vec<bool> = columns.iter().map(|c| c.iter().any(|x| *x != 0.0)).collect();
    columns.resize(count, vec![0.0; length]);
    for i in 0..count {
        if known.get(i) == Some(&true) {
            continue;
        }
        for candidate in identity(length) {
            let mut x = candidate;
            for _ in 0..2 {
                for other in &columns {
                    let along: f64 = x.iter().zip(other).map(|(x, y)| x * y).sum();
                    x.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
                }
            }
            let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
            if norm > 0.1 / (length as f64).sqrt() {
                columns[i] = x.into_iter().map(|x| x / norm).collect();
                break;
            }
        }
    }
    columns
}

/// Of the symmetric matrix that the lower triangle says: singular values of it, made positive, less what made it so.
pub(super) fn eigh(x: &Value, outs: &[Aval]) -> Vec<Vec<Num>> {
    let [n, _] = sizes(x);
    let (mut all_values, mut all_vectors) = (Vec::new(), Vec::new());
    for a in matrices(x) {
        let shift = 2.0 * a.iter().map(|x| x.abs()).sum::<f64>();
        let entry = |i: usize, k: usize| a[i.max(k) * n + i.min(k)] + if i == k { shift } else { 0.0 };
        let mut columns: Vec<Vec<f64>> = (0..n).map(|k| (0..n).map(|i| entry(i, k)).collect()).collect();
        let mut vectors = identity(n);
        let lengths = orthogonalize(&mut columns, &mut vectors);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&i, &k| lengths[i].total_cmp(&lengths[k]));
        all_values.extend(order.iter().map(|&i| lengths[i] - shift));
        all_vectors.extend((0..n).flat_map(|row| order.iter().map(|&k| vectors[k][row]).collect::<Vec<_>>()));
    }
    let mut all = vec![numbers(all_values), numbers(all_vectors)];
    all.truncate(outs.len());
    all
}

/// By rotations of the columns of the matrix, or of its transpose if it has more columns than rows.
pub(super) fn svd(x: &Value, outs: &[Aval], full: bool) -> Vec<Vec<Num>> {
    let [m, n] = sizes(x);
    let (long, short) = (m.max(n), m.min(n));
    let (mut all_s, mut all_u, mut all_vt) = (Vec::new(), Vec::new(), Vec::new());
    for a in matrices(x) {
        let entry = |i: usize, k: usize| if m >= n { a[i * n + k] } else { a[k * n + i] };
        let mut columns: Vec<Vec<f64>> =
            (0..short).map(|k| (0..long).map(|i| entry(i, k)).collect()).collect();
        let mut right = identity(short);
        let lengths = orthogonalize(&mut columns, &mut right);
        let mut order: Vec<usize> = (0..short).collect();
        order.sort_by(|&i, &k| lengths[k].total_cmp(&lengths[i]));
        let largest = order.first().map_or(0.0, |&i| lengths[i]);
        let unit = |k: usize| -> Vec<f64> {
            let vanishes = lengths[k] <= 1e-14 * largest;
            columns[k].iter().map(|x| if vanishes { 0.0 } else { x / lengths[k] }).collect()
        };
        let left = completed(order.iter().map(|&k| unit(k)).collect(), if full { long } else { short }, long);
        let right: Vec<Vec<f64>> = order.iter().map(|&k| right[k].clone()).collect();
        let (u, v) = if m >= n { (left, right) } else { (right, left) };
        all_s.extend(order.iter().map(|&k| lengths[k]));
        all_u.extend((0..m).flat_map(|row| u.iter().map(|column| column[row]).collect::<Vec<_>>()));
        all_vt.extend(v.concat());
    }
    let mut all = vec![numbers(all_s), numbers(all_u), numbers(all_vt)];
    all.truncate(outs.len());
    all
}
