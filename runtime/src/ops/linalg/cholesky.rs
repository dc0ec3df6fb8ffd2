//! The Cholesky factor.

use smallvec::smallvec;

use super::triangular::solve;
use super::{below, dispatch_real, lower, square, transposed};
use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::Result;
use crate::error::unwrap;
use crate::kernels::linalg::{self, Side, Triangle};
use crate::kernels::threads;
use crate::ops::{convert, cotangent, only, unpack};
use crate::scalar::number::Number;

/// Of a symmetric matrix, of which the lower triangle is read.
#[derive(Clone, PartialEq, Debug)]
struct Cholesky;

impl Primitive for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        square("cholesky", args[0])?;
        Ok(smallvec![Aval::new(&args[0].shape, args[0].dtype)])
    }

    fn op(&self) -> Op<'_> {
        Op::Cholesky
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::OUT
    }

    // Iain Murray, "Differentiation of the Cholesky decomposition" (2016), section 3.3: with Φ the lower triangle whose
    // diagonal is halved, the gradient is L⁻ᵀ · Φ(Lᵀ · ct) · L⁻¹.
    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let l = residuals.out(0);
        let product = transposed(l)?.try_matmul(&lower(&cotangent(cts), false)?)?;
        let weight = below(&product, true)?.try_select(product.like(1.0), product.like(0.5))?;
        let phi = lower(&product, false)?.try_mul(weight)?;
        let triangle = Triangle { lower: true, transpose: false, unit_diagonal: false };
        let left = solve(l, &phi, Side::Left, Triangle { transpose: true, ..triangle })?;
        Ok(smallvec![Some(solve(l, &left, Side::Right, triangle)?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Cholesky {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([a], out) = (unpack(args), only(outs));
        let n = out.shape[out.rank() - 1];
        Ok(smallvec![dispatch_real!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            threads::split(out, n * n, n * n * n / 3, |first, out| {
                let a = a.data::<T>()[first * n * n..].chunks_exact(n * n);
                for (a, l) in a.zip(out.chunks_exact_mut(n * n)) {
                    if linalg::cholesky(a, n, l).is_err() {
                        not_a_number(l, n);
                    }
                }
            });
        }))])
    }
}

/// What a matrix without a factor gets: NaN in the lower triangle.
fn not_a_number<T: Number>(l: &mut [T], n: usize) {
    for (i, row) in l.chunks_exact_mut(n).enumerate() {
        row[..=i].fill(T::from_f64(f64::NAN));
        row[i + 1..].fill(T::ZERO);
    }
}

/// # Linear algebra: Cholesky
impl Tensor {
    /// The lower triangular `l` with `l · lᵀ = self`, of positive definite matrices `[.., n, n]`.
    ///
    /// The mean of the matrix and its transpose is factorised. A matrix that is not positive definite gives NaN in the
    /// lower triangle. Integers give `F32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let l = Tensor::from([[4.0f32, 2.0], [2.0, 10.0]]).cholesky();
    /// assert_eq!(l.to_vec::<f32>()?, [2.0, 0.0, 1.0, 3.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the matrices are not square, or the dtype is `F16` or `BF16`.
    #[doc(alias = "cho_factor")]
    #[track_caller]
    pub fn cholesky(&self) -> Tensor {
        unwrap(self.try_cholesky())
    }

    /// As [`cholesky`](Tensor::cholesky).
    ///
    /// # Errors
    /// If the matrices are not square, or the dtype is `F16` or `BF16`.
    #[track_caller]
    pub fn try_cholesky(&self) -> Result<Tensor> {
        let x = convert(self, self.dtype().to_inexact(), false)?;
        square("cholesky", x.aval())?;
        bind1(&Cholesky, [x.try_add(transposed(&x)?)?.try_mul(x.like(0.5))?])
    }
}
