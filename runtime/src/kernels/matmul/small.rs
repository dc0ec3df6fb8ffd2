//! Small products, for which calling and packing would cost more than multiplying: unpacked register tiles.

use super::super::simd::{self, SimdKernel};
use super::MatrixView;
use crate::scalar::number::Number;

/// Computes `out = lhs · rhs`, or adds it to `out`.
///
/// # Safety
/// As [`super::product`], for an `rhs` with contiguous rows.
pub(super) unsafe fn product<T: Number>(
    size: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
    out: *mut T,
    out_row: usize,
    accumulate: bool,
) {
    simd::run(SmallProduct { size, lhs, rhs, out, out_row, accumulate });
}

/// Rows and columns whose sums stay in registers.
const ROWS: usize = 4;
const LANES: usize = 16;

struct SmallProduct<T> {
    size: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
    out: *mut T,
    out_row: usize,
    accumulate: bool,
}

impl<T: Number> SimdKernel for SmallProduct<T> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = T::IS_F32;

    #[inline(always)]
    fn run(self) {
        let [m, _, _] = self.size;
        let mut i = 0;
        while i + ROWS <= m {
            self.rows::<ROWS>(i);
            i += ROWS;
        }
        // The rows that are left together, or each by itself where that is not worth instances of its own.
        match if Self::WIDEST { m - i } else { 0 } {
            0 => (i..m).for_each(|i| self.rows::<1>(i)),
            1 => self.rows::<1>(i),
            2 => self.rows::<2>(i),
            _ => self.rows::<3>(i),
        }
    }
}

impl<T: Number> SmallProduct<T> {
    /// Rows `i..i + R` of the result.
    #[inline(always)]
    fn rows<const R: usize>(&self, i: usize) {
        let n = self.size[2];
        let mut j = 0;
        while j + LANES <= n {
            self.block::<R, LANES>(i, j);
            j += LANES;
        }
        while j + 4 <= n {
            self.block::<R, 4>(i, j);
            j += 4;
        }
        for j in j..n {
            self.block::<R, 1>(i, j);
        }
    }

    #[inline(always)]
    fn block<const R: usize, const L: usize>(&self, i: usize, j: usize) {
        // SAFETY: all of these are inside what the caller of `product` vouches for: rows `i..i + R`, columns `j..j + L`, and
        // rows of `rhs` are contiguous.
        unsafe {
            let mut sums = [[T::ZERO; L]; R];
            if self.accumulate {
                for (r, sums) in sums.iter_mut().enumerate() {
                    *sums = *self.out.add((i + r) * self.out_row + j).cast::<[T; L]>();
                }
            }
            for p in 0..self.size[1] {
                let row = *self.rhs.from(p, j).start.cast::<[T; L]>();
                for (r, sums) in sums.iter_mut().enumerate() {
                    let x = self.lhs.at(i + r, p);
                    for l in 0..L {
                        sums[l] = x.mul_then_add(row[l], sums[l]);
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                *self.out.add((i + r) * self.out_row + j).cast::<[T; L]>() = *sums;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_products_follow_the_definition_at_every_level() {
        for [m, k, n] in [[1, 1, 1], [4, 3, 16], [7, 5, 23], [9, 16, 4], [3, 2, 37]] {
            let lhs: Vec<f32> = (0..m * k).map(|i| (i % 5) as f32).collect();
            let rhs: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32).collect();
            let product = |i: usize, j: usize| (0..k).map(|p| lhs[i * k + p] * rhs[p * n + j]).sum::<f32>();
            for level in simd::Level::available() {
                for accumulate in [false, true] {
                    let mut out = vec![2.0; m * n];
                    simd::run_at(
                        level,
                        SmallProduct {
                            size: [m, k, n],
                            lhs: MatrixView { start: lhs.as_ptr(), row: k as isize, col: 1 },
                            rhs: MatrixView { start: rhs.as_ptr(), row: n as isize, col: 1 },
                            out: out.as_mut_ptr(),
                            out_row: n,
                            accumulate,
                        },
                    );
                    let before = if accumulate { 2.0 } else { 0.0 };
                    for (index, &y) in out.iter().enumerate() {
                        assert_eq!(y, before + product(index / n, index % n), "{level:?} {m}×{k}×{n}");
                    }
                }
            }
        }
    }
}
