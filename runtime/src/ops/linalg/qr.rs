//! The QR factorisation.

use smallvec::smallvec;

use super::triangular::solve;
use super::{dispatch_real, lower, matrix, transposed, with_matrix};
use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::linalg::{self, QrMode, Side, Triangle};
use crate::kernels::threads;
use crate::ops::{convert, unpack, zeros_of};
use crate::scalar::number::Number;

#[derive(Clone, PartialEq)]
struct Qr(QrMode);

impl Primitive for Qr {
    fn name(&self) -> &'static str {
        "qr"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (batch, m, n) = matrix("qr", args[0])?;
        let k = if self.0 == QrMode::Full { m } else { m.min(n) };
        let out = |rows, columns| Aval::unchecked(with_matrix(batch, rows, columns), args[0].dtype);
        Ok(smallvec![crate::ops::addressable("qr", out(m, k))?, out(k, n)])
    }

    fn op(&self) -> Op<'_> {
        Op::Qr(self.0)
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask { args: 0, outs: 0b11 }
    }

    // Walter and Lehmann, "Algorithmic differentiation of linear algebra functions" (2018): with
    // m = r·ctᵣᵀ - ct_qᵀ·q and its lower triangle mirrored, the gradient is (ct_q + q·mirrored(m)) · r⁻ᵀ.
    fn vjp(&self, residuals: &Residuals, mut cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let (_, m, n) = matrix("qr", residuals.arg_aval(0))?;
        if residuals.arg_aval(0).size() == 0 {
            return Ok(smallvec![Some(zeros_of(residuals.arg_aval(0))?)]);
        }
        if m < n || (m > n && self.0 == QrMode::Full) {
            let message =
                format!("that is known only for as many rows as columns, or more if reduced; found {m}x{n}");
            return Err(Error::NotDifferentiable { op: "qr", message });
        }
        let (q, r) = (residuals.out(0), residuals.out(1));
        let mut ct = |i: usize| cts[i].take().map_or_else(|| zeros_of(residuals.out_aval(i)), Ok);
        let (ct_q, ct_r) = (ct(0)?, ct(1)?);
        let ct_r = super::upper(&ct_r, false)?;
        let product = r.try_matmul(&transposed(&ct_r)?)?.try_sub(transposed(&ct_q)?.try_matmul(q)?)?;
        let mirrored = lower(&product, false)?.try_add(transposed(&lower(&product, true)?)?)?;
        let right = ct_q.try_add(q.try_matmul(&mirrored)?)?;
        let triangle = Triangle { lower: false, transpose: true, unit_diagonal: false };
        Ok(smallvec![Some(solve(r, &right, Side::Right, triangle)?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((bind(self, args)?, smallvec![mapped[0]; 2]))
    }

    on_cpu!();
}

impl CpuRules for Qr {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [a] = unpack(args);
        let [.., m, n] = *a.shape() else { unreachable!("`infer` refuses fewer than two axes") };
        let k = outs[1].shape[outs[1].rank() - 2];
        let mut factors: Outs<Array> = outs.into_iter().map(Array::zeros).collect();
        dispatch_real!(a.dtype(), T => {
            if let [q, r] = &mut factors[..]
                && let (Some(q), Some(r)) = (q.unique::<T>(), r.unique::<T>())
            {
                if a.size() > 0 {
                    let pairs = q.chunks_exact_mut(m * k).zip(r.chunks_exact_mut(k * n));
                    let mut pairs: Vec<(&mut [T], &mut [T])> = pairs.collect();
                    threads::split(&mut pairs, 1, 4 * m * n * k, |first, pairs| {
                        let a = a.data::<T>()[first * m * n..].chunks_exact(m * n);
                        for (a, (q, r)) in a.zip(pairs) {
                            linalg::qr(a, m, n, self.0, q, r);
                        }
                    });
                } else if k > 0 {
                    // No columns: any basis will do, and the unit vectors are the one that no reflections give.
                    for q in q.chunks_exact_mut(m * k) {
                        q.iter_mut().step_by(k + 1).for_each(|q| *q = T::ONE);
                    }
                }
            }
        });
        Ok(factors)
    }
}

impl std::fmt::Debug for Qr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "qr[mode={:?}]", self.0)
    }
}

#[track_caller]
fn factors(x: &Tensor, mode: QrMode) -> Result<(Tensor, Tensor)> {
    let x = convert(x, x.dtype().to_inexact(), false)?;
    let [q, r] = unpack(bind(&Qr(mode), smallvec![x])?.into_iter().collect());
    Ok((q, r))
}

/// # Linear algebra: QR
impl Tensor {
    /// `q` with orthonormal columns and upper triangular `r`, with `q · r = self`, of matrices `[.., m, n]`.
    ///
    /// `q` is `[.., m, k]` and `r` is `[.., k, n]` with `k` the smaller of `m` and `n`. The signs are LAPACK's: the
    /// diagonal of `r` may be negative. Integers give `F32`. There is a gradient for `m >= n`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (q, r) = Tensor::from([[3.0f32], [4.0]]).qr();
    /// assert_eq!((q.shape(), r.to_vec::<f32>()?), (&[2, 1][..], vec![-5.0]));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there are fewer than two axes, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn qr(&self) -> (Tensor, Tensor) {
        unwrap(self.try_qr())
    }

    /// As [`qr`](Tensor::qr).
    ///
    /// # Errors
    /// If there are fewer than two axes, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn try_qr(&self) -> Result<(Tensor, Tensor)> {
        factors(self, QrMode::Reduced)
    }

    /// As [`qr`](Tensor::qr), with a square `q`: `[.., m, m]` and `r` of `[.., m, n]`.
    ///
    /// There is a gradient for `m = n`.
    ///
    /// # Panics
    /// If there are fewer than two axes, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn qr_full(&self) -> (Tensor, Tensor) {
        unwrap(self.try_qr_full())
    }

    /// As [`qr_full`](Tensor::qr_full).
    ///
    /// # Errors
    /// If there are fewer than two axes, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn try_qr_full(&self) -> Result<(Tensor, Tensor)> {
        factors(self, QrMode::Full)
    }
}
