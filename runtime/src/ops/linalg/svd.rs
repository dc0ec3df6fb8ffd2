//! The singular value decomposition.

use smallvec::smallvec;

use super::{dispatch_real, matrix, transposed, with_matrix};
use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind, bind1};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::linalg::{self, SvdFactors};
use crate::kernels::threads;
use crate::ops::{convert, unpack};

/// The singular values in descending order, and the factors `u` and `vt` unless they are left out.
#[derive(Clone, Copy, PartialEq)]
struct Svd {
    factors: bool,
    /// Whether the factors are square.
    full: bool,
}

const THIN: Svd = Svd { factors: true, full: false };

impl Primitive for Svd {
    fn name(&self) -> &'static str {
        "svd"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (batch, m, n) = matrix("svd", args[0])?;
        let k = m.min(n);
        let values: Vec<usize> = batch.iter().copied().chain([k]).collect();
        let mut outs: Outs<Aval> = smallvec![Aval::unchecked(values, args[0].dtype)];
        if self.factors {
            let (columns, rows) = if self.full { (m, n) } else { (k, k) };
            for (rows, columns) in [(m, columns), (rows, n)] {
                let aval = Aval::unchecked(with_matrix(batch, rows, columns), args[0].dtype);
                outs.push(crate::ops::addressable("svd", aval)?);
            }
        }
        Ok(outs)
    }

    fn op(&self) -> Op<'_> {
        Op::Svd { factors: self.factors, full: self.full }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        if self.factors { ResidualMask { args: 0, outs: 0b111 } } else { ResidualMask::ARGS }
    }

    /// The transpose of the derivative in J. Townsend, "Differentiating the singular value decomposition" (2016): with
    /// `F[i, j] = 1 / (s[j]² - s[i]²)` and 0 on the diagonal, `P = F ∘ uᵀ·ct_u` and `Q = F ∘ vᵀ·ct_v`, the gradient is
    /// `u · (diag(ct_s) + (P + Pᵀ)·S + S·(Q + Qᵀ)) · vᵀ`, and for the longer factor what is outside of the space of its columns.
    fn vjp(&self, residuals: &Residuals, mut cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let (_, m, n) = matrix("svd", residuals.arg_aval(0))?;
        if self.factors && self.full && m != n {
            let message = format!("that is known for square factors only of square matrices; found {m}x{n}");
            return Err(Error::NotDifferentiable { op: "svd", message });
        }
        let [s, u, vt] =
            if self.factors { [0, 1, 2].map(|i| residuals.out(i).clone()) } else { thin(residuals.arg(0))? };
        let (row, column) = (s.try_expand_dims([-2])?, s.try_expand_dims([-1])?);
        let eye = Tensor::eye_of(m.min(n), m.min(n), 0, s.dtype());
        let mut inner = match cts[0].take() {
            Some(ct) => ct.try_expand_dims([-2])?.try_mul(&eye)?,
            None => eye.try_mul(eye.like(0.0))?,
        };
        let mut ct = |i: usize| cts.get_mut(i).and_then(Option::take);
        let (ct_u, ct_vt) = (ct(1), ct(2));
        // Sums and differences of the values, not of their squares, which would cancel.
        let squares = row.try_add(&column)?.try_mul(row.try_sub(&column)?)?;
        let inverse = squares.try_add(&eye)?.try_reciprocal()?.try_sub(&eye)?;
        let mirrored = |basis: &Tensor, ct: &Tensor| -> Result<Tensor> {
            let p = inverse.try_mul(basis.try_matmul(ct)?)?;
            p.try_add(transposed(&p)?)
        };
        let mut outside = None;
        let ut = transposed(&u)?;
        if let Some(ct) = &ct_u {
            inner = inner.try_add(mirrored(&ut, ct)?.try_mul(&row)?)?;
            if m > n {
                let ct = ct.try_div(&row)?;
                outside = Some(ct.try_sub(u.try_matmul(&ut.try_matmul(&ct)?)?)?.try_matmul(&vt)?);
            }
        }
        if let Some(ct) = &ct_vt {
            let v = transposed(&vt)?;
            inner = inner.try_add(mirrored(&vt, &transposed(ct)?)?.try_mul(&column)?)?;
            if n > m {
                let ct = ct.try_div(&column)?;
                outside = Some(u.try_matmul(&ct.try_sub(ct.try_matmul(&v)?.try_matmul(&vt)?)?)?);
            }
        }
        let within = u.try_matmul(&inner)?.try_matmul(&vt)?;
        Ok(smallvec![Some(match outside {
            Some(outside) => within.try_add(outside)?,
            None => within,
        })])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let outs = bind(self, args)?;
        let mapped = smallvec![mapped[0]; outs.len()];
        Ok((outs, mapped))
    }

    on_cpu!();
}

impl CpuRules for Svd {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [a] = unpack(args);
        let [ref batch @ .., m, n] = *a.shape() else { unreachable!("`infer` refuses fewer than two axes") };
        let (k, count) = (m.min(n), batch.iter().product::<usize>());
        let mut results: Outs<Array> = outs.into_iter().map(Array::zeros).collect();
        dispatch_real!(a.dtype(), T => {
            // One a matrix, also where they have no elements.
            let mut parts = results.iter_mut().map(|array| {
                let size = array.size() / count.max(1);
                let mut rest = array.unique::<T>().unwrap_or_default();
                move || {
                    let (part, left) = std::mem::take(&mut rest).split_at_mut(size);
                    rest = left;
                    part
                }
            });
            let (mut values, mut factors) = (parts.next(), parts.next().zip(parts.next()));
            let mut each: Vec<_> = (0..count)
                .map(|_| {
                    let values = values.as_mut().map_or_else(Default::default, |next| next());
                    (values, factors.as_mut().map(|(u, vt)| (u(), vt())))
                })
                .collect();
            threads::split(&mut each, 1, 16 * m * n * k, |first, each| {
                for (i, (values, factors)) in each.iter_mut().enumerate() {
                    let a = &a.data::<T>()[(first + i) * m * n..][..m * n];
                    let factors = factors.as_mut().map(|(u, vt)| SvdFactors { u, vt, full: self.full });
                    linalg::svd(a, m, n, values, factors);
                }
            });
        });
        Ok(results)
    }
}

impl std::fmt::Debug for Svd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match (self.factors, self.full) {
            (false, _) => "svd[values]",
            (true, false) => "svd",
            (true, true) => "svd[full]",
        })
    }
}

#[track_caller]
fn bound(x: &Tensor, svd: Svd) -> Result<[Tensor; 3]> {
    Ok(unpack(bind(&svd, smallvec![x.clone()])?.into_iter().collect()))
}

/// Values and factors of matrices that are `F32` or `F64`.
#[track_caller]
pub(crate) fn thin(x: &Tensor) -> Result<[Tensor; 3]> {
    bound(x, THIN)
}

/// # Linear algebra: singular values
impl Tensor {
    /// `(u, s, vt)` with `u · diag(s) · vt = self`, of matrices `[.., m, n]`, the singular values `s` in descending order.
    ///
    /// With `k` the smaller of `m` and `n`, `s` is `[.., k]`. The columns of `u` and the rows of `vt` are orthonormal: `[.., m, m]` and
    /// `[.., n, n]` if `full_matrices`, which is the default of `jax.numpy.linalg.svd`, or else `[.., m, k]` and `[.., k, n]`. Each pair of
    /// singular vectors may point either way. A matrix with a number that is not finite gives NaN. Integers give `F32`. There is a gradient
    /// unless the matrices are full and not square; it is not finite where two singular values are equal.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[3.0f32, 0.0], [0.0, -4.0], [0.0, 0.0]]);
    /// let (u, s, vt) = x.svd(false);
    /// assert!(s.all_close([4.0f32, 3.0], 1e-5, 0.0)?);
    /// assert!((u * s).matmul(&vt).all_close(&x, 1e-5, 1e-6)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there are fewer than two axes, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn svd(&self, full_matrices: bool) -> (Tensor, Tensor, Tensor) {
        unwrap(self.try_svd(full_matrices))
    }

    /// As [`svd`](Tensor::svd).
    ///
    /// # Errors
    /// If there are fewer than two axes, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn try_svd(&self, full_matrices: bool) -> Result<(Tensor, Tensor, Tensor)> {
        let x = convert(self, self.dtype().to_inexact(), false)?;
        let [s, u, vt] = bound(&x, Svd { factors: true, full: full_matrices })?;
        Ok((u, s, vt))
    }

    /// The singular values of matrices `[.., m, n]` in descending order, `[.., min(m, n)]`.
    ///
    /// # Panics
    /// If there are fewer than two axes, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn svdvals(&self) -> Tensor {
        unwrap(self.try_svdvals())
    }

    /// As [`svdvals`](Tensor::svdvals).
    ///
    /// # Errors
    /// If there are fewer than two axes, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn try_svdvals(&self) -> Result<Tensor> {
        bind1(&Svd { factors: false, full: false }, [convert(self, self.dtype().to_inexact(), false)?])
    }
}
