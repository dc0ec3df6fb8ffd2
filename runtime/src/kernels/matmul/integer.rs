//! Matrix products of integers, which wrap: a packed block of the right matrix at a time, and rows of it scaled and added (AXPY).

use super::super::scratch::Scratch;
use super::super::simd::{self, SimdKernel};
use super::MatrixView;
use crate::scalar::number::Number;

/// Rows and columns of the block of `rhs` that is packed at a time: it stays in L2.
const KC: usize = 128;
const NC: usize = 512;

/// Computes `out = lhs · rhs`, or adds it to `out`.
///
/// # Safety
/// As [`super::product`].
pub(super) unsafe fn product<T: Number>(
    [m, k, n]: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
    out: *mut T,
    out_row: usize,
    accumulate: bool,
) {
    let mut packed = Scratch::empty();
    for j in (0..n).step_by(NC) {
        let width = NC.min(n - j);
        for p in (0..k).step_by(KC) {
            let depth = KC.min(k - p);
            packed.clear();
            for q in 0..depth {
                // SAFETY: `p + q < k` and `j + c < n`.
                packed.extend((0..width).map(|c| unsafe { rhs.at(p + q, j + c) }));
            }
            for i in 0..m {
                // SAFETY: row `i` of `out` has `n` writable elements.
                let row = unsafe { std::slice::from_raw_parts_mut(out.add(i * out_row + j), width) };
                if p == 0 && !accumulate {
                    row.fill(T::ZERO);
                }
                let mut factors = [T::ZERO; KC];
                for (q, factor) in factors[..depth].iter_mut().enumerate() {
                    // SAFETY: `i < m` and `p + q < k`.
                    *factor = unsafe { lhs.at(i, p + q) };
                }
                simd::run(AddScaledRows { factors: &factors[..depth], rows: &packed, out: row });
            }
        }
    }
}

/// Adds each of `rows`, scaled by its factor, to `out`.
struct AddScaledRows<'a, T> {
    factors: &'a [T],
    rows: &'a [T],
    out: &'a mut [T],
}

impl<T: Number> SimdKernel for AddScaledRows<'_, T> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = T::IS_F32;

    #[inline(always)]
    fn run(self) {
        let n = self.out.len();
        let mut groups = self.factors.chunks_exact(4);
        let mut blocks = self.rows.chunks_exact(4 * n);
        for (x, block) in groups.by_ref().zip(blocks.by_ref()) {
            let (r0, rest) = block.split_at(n);
            let (r1, rest) = rest.split_at(n);
            let (r2, r3) = rest.split_at(n);
            for j in 0..n {
                let sum = x[0].mul(r0[j]).add(x[1].mul(r1[j]));
                let sum = sum.add(x[2].mul(r2[j])).add(x[3].mul(r3[j]));
                self.out[j] = self.out[j].add(sum);
            }
        }
        for (&x, row) in groups.remainder().iter().zip(blocks.remainder().chunks_exact(n)) {
            for (y, &b) in self.out.iter_mut().zip(row) {
                *y = x.mul_then_add(b, *y);
            }
        }
    }
}
