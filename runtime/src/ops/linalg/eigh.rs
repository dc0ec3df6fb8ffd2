//! Eigenvalues and eigenvectors of symmetric matrices.

use smallvec::smallvec;

use super::{dispatch_real, square, transposed};
use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind, bind1};
use crate::error::Result;
use crate::error::unwrap;
use crate::kernels::{linalg, threads};
use crate::ops::{convert, unpack};

/// The eigenvalues in ascending order, and the eigenvectors as columns unless they are left out.
#[derive(Clone, Copy, PartialEq)]
struct Eigh {
    vectors: bool,
}

impl Primitive for Eigh {
    fn name(&self) -> &'static str {
        "eigh"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (batch, n) = square("eigh", args[0])?;
        let values: Vec<usize> = batch.iter().copied().chain([n]).collect();
        let mut outs: Outs<Aval> = smallvec![Aval::unchecked(values, args[0].dtype)];
        if self.vectors {
            outs.push(Aval::new(&args[0].shape, args[0].dtype));
        }
        Ok(outs)
    }

    fn op(&self) -> Op<'_> {
        Op::Eigh { vectors: self.vectors }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        if self.vectors { ResidualMask { args: 0, outs: 0b11 } } else { ResidualMask::ARGS }
    }

    /// `v · (diag(ct_w) + F ∘ vᵀ·ct_v) · vᵀ` with `F[i, j] = 1 / (w[j] - w[i])`, and 0 on the diagonal (M. Giles, "Collected matrix derivative
    /// results for forward and reverse mode algorithmic differentiation", 2008, §3.1).
    fn vjp(&self, residuals: &Residuals, mut cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let (w, v) = if self.vectors {
            (residuals.out(0).clone(), residuals.out(1).clone())
        } else {
            decomposed(residuals.arg(0))?
        };
        let n = w.shape()[w.rank() - 1];
        let eye = Tensor::eye_of(n, n, 0, w.dtype());
        let of_values = match cts[0].take() {
            Some(ct) => Some(ct.try_expand_dims([-2])?.try_mul(&eye)?),
            None => None,
        };
        let of_vectors = match cts.get_mut(1).and_then(Option::take) {
            Some(ct) => {
                let gaps = eye.try_add(w.try_expand_dims([-2])?)?.try_sub(w.try_expand_dims([-1])?)?;
                let inverse = gaps.try_reciprocal()?.try_sub(&eye)?;
                Some(inverse.try_mul(transposed(&v)?.try_matmul(&ct)?)?)
            }
            None => None,
        };
        let inner = match (of_values, of_vectors) {
            (Some(a), Some(b)) => a.try_add(b)?,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return Ok(smallvec![None]),
        };
        Ok(smallvec![Some(v.try_matmul(&inner)?.try_matmul(&transposed(&v)?)?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let outs = bind(self, args)?;
        let mapped = smallvec![mapped[0]; outs.len()];
        Ok((outs, mapped))
    }

    on_cpu!();
}

impl CpuRules for Eigh {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [a] = unpack(args);
        let n = a.shape()[a.shape().len() - 1];
        let mut results: Outs<Array> = outs.into_iter().map(Array::zeros).collect();
        if a.size() == 0 {
            return Ok(results);
        }
        dispatch_real!(a.dtype(), T => {
            let (values, vectors) = results.split_at_mut(1);
            let vectors = vectors.first_mut().and_then(|vectors| vectors.unique::<T>());
            let mut vectors = vectors.map(|vectors| vectors.chunks_exact_mut(n * n));
            if let Some(values) = values[0].unique::<T>() {
                let each = values.chunks_exact_mut(n).map(|w| (w, vectors.as_mut().and_then(Iterator::next)));
                let mut each: Vec<(&mut [T], Option<&mut [T]>)> = each.collect();
                threads::split(&mut each, 1, 8 * n * n * n, |first, each| {
                    let a = a.data::<T>()[first * n * n..].chunks_exact(n * n);
                    for (a, (w, v)) in a.zip(each) {
                        linalg::eigh(a, n, w, v.as_deref_mut());
                    }
                });
            }
        });
        Ok(results)
    }
}

impl std::fmt::Debug for Eigh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.vectors { "eigh" } else { "eigh[values]" })
    }
}

/// Of matrices that are symmetric.
#[track_caller]
fn decomposed(a: &Tensor) -> Result<(Tensor, Tensor)> {
    let [w, v] = unpack(bind(&Eigh { vectors: true }, smallvec![a.clone()])?.into_iter().collect());
    Ok((w, v))
}

/// The mean of a matrix and its transpose.
#[track_caller]
fn symmetric(x: &Tensor) -> Result<Tensor> {
    let x = convert(x, x.dtype().to_inexact(), false)?;
    square("eigh", x.aval())?;
    x.try_add(transposed(&x)?)?.try_mul(x.like(0.5))
}

/// # Linear algebra: eigenvalues
impl Tensor {
    /// The eigenvalues `w` in ascending order, `[.., n]`, and the eigenvectors as columns of `v`, of symmetric matrices `[.., n, n]`:
    /// `self · v = v · diag(w)`.
    ///
    /// The mean of the matrix and its transpose is decomposed, as `jax.numpy.linalg.eigh` does. Each eigenvector may point either way. A
    /// matrix with a number that is not finite gives NaN. Integers give `F32`. Gradients of eigenvectors are not finite where two
    /// eigenvalues are equal.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (w, v) = Tensor::from([[2.0f32, 1.0], [1.0, 2.0]]).eigh();
    /// assert!(w.all_close([1.0f32, 3.0], 1e-5, 0.0)?);
    /// let back = (&v * &w).matmul(&v.swap_axes(-1, -2));
    /// assert!(back.all_close([[2.0f32, 1.0], [1.0, 2.0]], 1e-5, 0.0)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the matrices are not square, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn eigh(&self) -> (Tensor, Tensor) {
        unwrap(self.try_eigh())
    }

    /// As [`eigh`](Tensor::eigh).
    ///
    /// # Errors
    /// If the matrices are not square, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn try_eigh(&self) -> Result<(Tensor, Tensor)> {
        decomposed(&symmetric(self)?)
    }

    /// As [`eigh`](Tensor::eigh), of the symmetric matrices that have this triangle, the lower or the upper one; the other one is not read.
    ///
    /// As `jax.numpy.linalg.eigh` with `UPLO` and `symmetrize_input=False`. No gradient goes to what is not read (JAX differentiates the mean
    /// of the matrix and its transpose instead, whose values are others).
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (w, _) = Tensor::from([[2.0f32, 100.0], [1.0, 2.0]]).eigh_triangle(true);
    /// assert!(w.all_close([1.0f32, 3.0], 1e-5, 0.0)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the matrices are not square, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn eigh_triangle(&self, lower: bool) -> (Tensor, Tensor) {
        unwrap(self.try_eigh_triangle(lower))
    }

    /// As [`eigh_triangle`](Tensor::eigh_triangle).
    ///
    /// # Errors
    /// If the matrices are not square, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn try_eigh_triangle(&self, lower: bool) -> Result<(Tensor, Tensor)> {
        let x = convert(self, self.dtype().to_inexact(), false)?;
        square("eigh", x.aval())?;
        let (half, strict) =
            if lower { (x.try_tril(0)?, x.try_tril(-1)?) } else { (x.try_triu(0)?, x.try_triu(1)?) };
        decomposed(&half.try_add(transposed(&strict)?)?)
    }

    /// The eigenvalues of symmetric matrices `[.., n, n]` in ascending order, `[.., n]`: those of [`eigh`](Tensor::eigh).
    ///
    /// # Panics
    /// If the matrices are not square, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn eigvalsh(&self) -> Tensor {
        unwrap(self.try_eigvalsh())
    }

    /// As [`eigvalsh`](Tensor::eigvalsh).
    ///
    /// # Errors
    /// If the matrices are not square, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn try_eigvalsh(&self) -> Result<Tensor> {
        bind1(&Eigh { vectors: false }, [symmetric(self)?])
    }
}
