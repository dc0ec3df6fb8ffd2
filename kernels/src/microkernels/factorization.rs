//! Micro-kernels of orthogonal factorisations: the two loops in which reductions to tridiagonal and bidiagonal form, and the
//! iterations after them, spend their time.

use super::vector::Vector;

/// Elements that rows of [`RowUpdate`] are a multiple of: a vector of the widest kind.
pub const ROW_MULTIPLE: usize = 16;

/// A few rows, to each of which two others are added, each times a factor; what they become is summed, each times a factor.
///
/// That is an update of rank two and the product of the result with a vector in one pass over memory, as in G. W. Howell, J. W.
/// Demmel, C. T. Fulton, S. Hammarling and K. Marmol, "Cache efficient bidiagonalization using BLAS 2.5 operators" (ACM TOMS 34,
/// 2008).
pub struct RowUpdate<'a, T> {
    pub rows: &'a [*mut T],
    /// A multiple of [`ROW_MULTIPLE`].
    pub length: usize,
    /// For each row the factors of `added`, and that of the row in `sum`.
    pub factors: &'a [[T; 3]],
    pub added: [*const T; 2],
    pub sum: *mut T,
}

/// # Safety
/// All that is described is readable or writable, for `M` rows; and as [`Vector`].
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
pub(super) unsafe fn row_update<V: Vector, const M: usize, const N: usize>(job: &RowUpdate<'_, V::Scalar>) {
    let rows: &[*mut V::Scalar; M] = job.rows.try_into().expect("a pointer per row");
    let factors: &[[V::Scalar; 3]; M] = job.factors.try_into().expect("factors per row");
    // SAFETY: the caller's promise.
    unsafe {
        let factors: [[V; 3]; M] = std::array::from_fn(|i| factors[i].map(|factor| V::splat(factor)));
        let mut at = 0;
        while at < job.length {
            let (first, second) = (V::load(job.added[0].add(at)), V::load(job.added[1].add(at)));
            let mut sum = V::load(job.sum.add(at));
            for i in 0..M {
                let row = factors[i][0].mul_add(first, V::load(rows[i].add(at)));
                let row = factors[i][1].mul_add(second, row);
                row.store(rows[i].add(at));
                sum = factors[i][2].mul_add(row, sum);
            }
            sum.store(job.sum.add(at));
            at += V::LANES;
        }
    }
}

/// Rotations of each row of a strip with the next one, one after the other, in `N` vectors of columns.
///
/// The row that two rotations share stays in registers: each is read once and written once, as in F. G. Van Zee, R. A. van de
/// Geijn and G. Quintana-Ortí, "Restructuring the tridiagonal and bidiagonal QR algorithms for performance" (ACM TOMS 40, 2014).
pub struct Rotations<'a, T> {
    /// The first row, and how far the next one is from it.
    pub row: *mut T,
    pub pitch: usize,
    /// Cosine and sine of each rotation: of rows `x` and `y` it makes `c·x + s·y` and `c·y - s·x`.
    pub angles: &'a [[T; 2]],
}

/// # Safety
/// `angles.len() + 1` rows of `N` vectors are writable; and as [`Vector`].
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
pub(super) unsafe fn rotations<
    V: Vector<Scalar: std::ops::Neg<Output = V::Scalar>>,
    const M: usize,
    const N: usize,
>(
    job: &Rotations<'_, V::Scalar>,
) {
    let mut row = job.row;
    // SAFETY: the caller's promise.
    unsafe {
        let zero = V::splat(std::mem::zeroed());
        let mut shared: [V; N] = std::array::from_fn(|v| V::load(row.add(v * V::LANES)));
        for &[c, s] in job.angles {
            let next = row.add(job.pitch);
            let (c, s, minus_s) = (V::splat(c), V::splat(s), V::splat(-s));
            for v in 0..N {
                let y = V::load(next.add(v * V::LANES));
                c.mul_add(shared[v], s.mul_add(y, zero)).store(row.add(v * V::LANES));
                shared[v] = minus_s.mul_add(shared[v], c.mul_add(y, zero));
            }
            row = next;
        }
        for v in 0..N {
            shared[v].store(row.add(v * V::LANES));
        }
    }
}
