//! GEMV: a vector times a matrix, at the speed of memory, for matrices in either order.

use super::super::scratch::Scratch;
use super::super::simd::{self, SimdKernel};
use super::MatrixView;
use crate::scalar::number::Number;

/// Computes `out[j] = Σ_p x[p] · matrix[p, j]`, or adds it to `out`; `x` is the first column of its view.
///
/// # Safety
/// `x` is readable for `k` rows, `matrix` is a readable `k × out.len()` matrix, and one of its strides is 1.
pub(super) unsafe fn product<T: Number<Acc = T>>(
    k: usize,
    x: MatrixView<T>,
    matrix: MatrixView<T>,
    out: &mut [T],
    accumulate: bool,
) {
    if !accumulate {
        out.fill(T::ZERO);
    }
    // SAFETY: `x` has `k` rows; only contiguous ones are taken as a slice.
    let copy: Scratch<T>;
    let x = if x.row == 1 {
        unsafe { std::slice::from_raw_parts(x.start, k) }
    } else {
        copy = (0..k).map(|p| unsafe { x.at(p, 0) }).collect();
        &copy
    };
    if matrix.col == 1 {
        simd::run(AxpyGemv { x, matrix, out });
    } else {
        simd::run(DotGemv { x, matrix, out });
    }
}

/// Columns that are added up at a time: they stay in L1 while the rows stream by.
const COLUMNS: usize = 2048;
/// Elements of a row that is asked for so many rows before it is needed.
const SHORT_ROW: usize = 128;
const AHEAD: usize = 24;
/// Bytes of a cache line.
const LINE: usize = 64;

/// The matrix in row-major order: a sum of scaled rows (AXPY), four at a time.
struct AxpyGemv<'a, T> {
    x: &'a [T],
    matrix: MatrixView<T>,
    out: &'a mut [T],
}

impl<T: Number> SimdKernel for AxpyGemv<'_, T> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = T::IS_F32;

    #[inline(always)]
    fn run(self) {
        for (block, out) in self.out.chunks_mut(COLUMNS).enumerate() {
            let n = out.len();
            // SAFETY: rows of the matrix are contiguous here, and `p < x.len()` rows of these `n` columns exist.
            let row = |p: usize| unsafe {
                std::slice::from_raw_parts(self.matrix.from(p, block * COLUMNS).start, n)
            };
            let mut p = 0;
            // Short rows that are far from each other, as those of a head among others: no hardware prefetcher expects the next.
            let is_scattered = n <= SHORT_ROW && self.matrix.row.unsigned_abs() > n;
            while p + 4 <= self.x.len() {
                if is_scattered {
                    for p in p + AHEAD..p + AHEAD + 4 {
                        let row = self.matrix.from(p, block * COLUMNS).start;
                        (0..n)
                            .step_by(LINE / size_of::<T>())
                            .for_each(|j| simd::prefetch(row.wrapping_add(j)));
                    }
                }
                let [x0, x1, x2, x3] = [0, 1, 2, 3].map(|i| self.x[p + i]);
                let [r0, r1, r2, r3] = [0, 1, 2, 3].map(|i| row(p + i));
                for j in 0..n {
                    let first = x0.mul(r0[j]).add(x1.mul(r1[j]));
                    let second = x2.mul(r2[j]).add(x3.mul(r3[j]));
                    out[j] = out[j].add(first.add(second));
                }
                p += 4;
            }
            for p in p..self.x.len() {
                let x = self.x[p];
                for (y, &b) in out.iter_mut().zip(row(p)) {
                    *y = x.mul_then_add(b, *y);
                }
            }
        }
    }
}

/// Partial sums of a dot product: enough for the latency of an addition in the widest vectors, in groups whose indices are all
/// known when compiling, so that they stay in registers.
const LANES: usize = GROUPS * GROUP;
const GROUPS: usize = 4;
const GROUP: usize = 16;

/// The matrix in column-major order: a dot product per column.
struct DotGemv<'a, T> {
    x: &'a [T],
    matrix: MatrixView<T>,
    out: &'a mut [T],
}

impl<T: Number> SimdKernel for DotGemv<'_, T> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = T::IS_F32;

    #[inline(always)]
    fn run(self) {
        for (j, y) in self.out.iter_mut().enumerate() {
            // SAFETY: columns of the matrix are contiguous here, of `x.len()` elements each.
            let column = unsafe { std::slice::from_raw_parts(self.matrix.from(0, j).start, self.x.len()) };
            *y = y.add(dot(self.x, column));
        }
    }
}

#[inline(always)]
fn dot<T: Number>(x: &[T], y: &[T]) -> T {
    let mut lanes = [[T::ZERO; GROUP]; GROUPS];
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let mut tail = T::ZERO;
    for (&a, &b) in xs.remainder().iter().zip(ys.remainder()) {
        tail = a.mul_then_add(b, tail);
    }
    for (a, b) in xs.zip(ys) {
        for (g, lanes) in lanes.iter_mut().enumerate() {
            let (a, b) = (&a[g * GROUP..][..GROUP], &b[g * GROUP..][..GROUP]);
            for l in 0..GROUP {
                lanes[l] = a[l].mul_then_add(b[l], lanes[l]);
            }
        }
    }
    let [a, b, c, d] = lanes;
    let mut lanes = [T::ZERO; GROUP];
    for l in 0..GROUP {
        lanes[l] = a[l].add(c[l]).add(b[l].add(d[l]));
    }
    let lanes: [T; 8] = halved(&lanes);
    let lanes: [T; 4] = halved(&lanes);
    let lanes: [T; 2] = halved(&lanes);
    lanes[0].add(lanes[1]).add(tail)
}

/// The sums of both halves.
#[inline(always)]
fn halved<T: Number, const N: usize, const H: usize>(lanes: &[T; N]) -> [T; H] {
    let mut sums = [T::ZERO; H];
    for l in 0..H {
        sums[l] = lanes[l].add(lanes[l + H]);
    }
    sums
}
