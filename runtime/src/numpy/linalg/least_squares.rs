//! Pseudoinverses, least squares and ranks, by singular values.

use smallvec::smallvec;

use super::strong;
use crate::array::{Aval, DType};
use crate::core::Tensor;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::numpy::paired::methods;
use crate::ops::linalg::{matrix, svd, transposed, with_matrix};
use crate::ops::{cotangent, promoted_inexact, reduce};

/// The distance from one to the next number of a dtype.
fn epsilon(dtype: DType) -> f64 {
    if dtype == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) }
}

/// The Moore–Penrose inverse, whose gradient does not go through singular vectors.
#[derive(Clone, Debug)]
struct PseudoInverse {
    /// Singular values up to this times the largest one count as zero.
    rtol: f64,
}

impl PartialEq for PseudoInverse {
    fn eq(&self, other: &Self) -> bool {
        self.rtol.to_bits() == other.rtol.to_bits()
    }
}

impl Primitive for PseudoInverse {
    fn name(&self) -> &'static str {
        "pinv"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (batch, m, n) = matrix("pinv", args[0])?;
        Ok(smallvec![Aval::new(with_matrix(batch, n, m), args[0].dtype)])
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        let [s, u, vt] = svd::thin(&args[0])?;
        let cutoff = s.try_slice_axis(-1, 0..1)?.try_mul(s.like(self.rtol))?;
        let s = s.try_gt(cutoff)?.try_select(&s, s.like(f64::INFINITY))?;
        let scaled = transposed(&u)?.try_div(s.try_expand_dims([-1])?)?;
        Ok(smallvec![transposed(&vt)?.try_matmul(&scaled)?])
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask { args: 1, outs: 1 }
    }

    /// The transpose of `-p·da·p + p·pᵀ·daᵀ·(I - a·p) + (I - p·a)·daᵀ·pᵀ·p` (G. H. Golub and V. Pereyra, "The differentiation of
    /// pseudo-inverses and nonlinear least squares problems whose variables separate", 1973).
    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let (a, p, ct) = (residuals.arg(0), residuals.out(0), cotangent(cts));
        let pt = transposed(p)?;
        let direct = pt.try_matmul(&ct)?.try_matmul(&pt)?;
        let right = ct.try_sub(ct.try_matmul(&transposed(&a.try_matmul(p)?)?)?)?;
        let left = ct.try_sub(transposed(&p.try_matmul(a)?)?.try_matmul(&ct)?)?;
        let right = transposed(&right)?.try_matmul(&p.try_matmul(&pt)?)?;
        let left = pt.try_matmul(p)?.try_matmul(&transposed(&left)?)?;
        Ok(smallvec![Some(right.try_add(left)?.try_sub(direct)?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }
}

methods! {
    => "Linear algebra: least squares";
    /// The Moore–Penrose inverse of matrices `[.., m, n]`, `[.., n, m]`.
    ///
    /// Singular values up to `rtol` times the largest one count as zero; `None` stands for `10 · max(m, n)` times the distance from one to the
    /// next number of the dtype. Integers give `F32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32, 0.0], [0.0, 2.0], [0.0, 0.0]]).pinv(None);
    /// assert!(x.all_close([[1.0f32, 0.0, 0.0], [0.0, 0.5, 0.0]], 1e-5, 1e-6)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pinv try_pinv(rtol: Option<f64>) -> Tensor, fails
    "If there are fewer than two axes, or the dtype is `F16` or `BF16`."
    |x| {
        let x = strong(x)?;
        let (batch, m, n) = matrix("pinv", x.aval())?;
        if m == 0 || n == 0 {
            return Ok(Tensor::zeros_of(with_matrix(batch, n, m), x.dtype()));
        }
        let rtol = rtol.unwrap_or(10.0 * m.max(n) as f64 * epsilon(x.dtype()));
        bind1(&PseudoInverse { rtol }, [x])
    };

    /// The number of singular values of matrices `[.., m, n]` that are larger than `tolerance`, as `I32`, `[..]`.
    ///
    /// `None` stands for the largest singular value times `max(m, n)` times the distance from one to the next number of the dtype. Vectors and
    /// scalars have the rank 1, or 0 if they are zero.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::ones([3, 4]).matrix_rank(None).item::<i32>()?, 1);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    matrix_rank try_matrix_rank(tolerance: Option<f64>) -> Tensor, fails "If the dtype is `F16` or `BF16`." |x| {
        let x = strong(x)?;
        if x.rank() < 2 {
            return x.try_ne(x.like(0.0))?.try_any()?.try_cast(DType::I32);
        }
        let s = x.try_svdvals()?;
        let (_, m, n) = matrix("matrix_rank", x.aval())?;
        if m == 0 || n == 0 {
            return match tolerance {
                Some(_) => reduce::sum_widened(&s.try_cast(DType::Bool)?, &[s.rank() - 1]),
                None => Err(Error::shape("matrix_rank", format!("{:?}", x.shape()), "a tolerance where there are no elements")),
            };
        }
        let tolerance = match tolerance {
            Some(tolerance) => s.like(tolerance),
            None => s.try_slice_axis(-1, 0..1)?.try_mul(s.like(m.max(n) as f64))?.try_mul(s.like(epsilon(s.dtype())))?,
        };
        reduce::sum_widened(&s.try_gt(tolerance)?, &[s.rank() - 1])
    };

    /// The `x` for which the squared errors of `self · x = b` are least, and itself is shortest: `(x, residuals, rank, s)`.
    ///
    /// `self` is a matrix `[m, n]` and `b` is `[m]` or `[m, k]`; `x` is `[n]` or `[n, k]`. Singular values `s` less than `rcond` times the largest
    /// one count as zero, and the rank, an `I32`, is the number of the others; `None` stands for `max(m, n)` times the distance from one to
    /// the next number. The residuals are the sums of squared errors, `[1]` or `[k]`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let a = Tensor::from([[1.0f32, 0.0], [1.0, 1.0], [1.0, 2.0]]);
    /// let (x, residuals, rank, _) = a.lstsq(&Tensor::from([1.0f32, 3.0, 5.0]), None);
    /// assert!(x.all_close([1.0f32, 2.0], 1e-4, 0.0)? && residuals.item::<f32>()? < 1e-8);
    /// assert_eq!(rank.item::<i32>()?, 2);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    lstsq try_lstsq(b: &Tensor, rcond: Option<f64>) -> (Tensor, Tensor, Tensor, Tensor), fails
    "If this is not a matrix, `b` has not as many rows, or the dtype is `F16` or `BF16`."
    |a| {
        let [a, b] = promoted_inexact([a.clone(), b.clone()])?;
        let is_vector = b.rank() == 1;
        let b = if is_vector { b.try_expand_dims([-1])? } else { b };
        let (_, m, n) = matrix("lstsq", a.aval())?;
        if a.rank() != 2 || b.rank() != 2 || b.shape()[0] != m {
            let found = format!("{:?} and {:?}", a.shape(), b.shape());
            return Err(Error::shape("lstsq", found, "a matrix, and a vector or a matrix of as many rows"));
        }
        let (x, rank, s) = if a.size() == 0 {
            let x = Tensor::zeros_of([n, b.shape()[1]], a.dtype());
            (x, Tensor::full_of([], 0, DType::I32), Tensor::zeros_of([0], a.dtype()))
        } else {
            let epsilon = epsilon(a.dtype());
            let rcond = match rcond {
                None => epsilon * m.max(n) as f64,
                Some(rcond) if rcond < 0.0 => epsilon,
                Some(rcond) => rcond,
            };
            let [s, u, vt] = svd::thin(&a)?;
            let cutoff = s.try_slice_axis(0, 0..1)?.try_mul(s.like(rcond))?;
            let counts = s.try_gt(s.like(0.0))?.try_bitand(s.try_ge(cutoff)?)?;
            let inverse = counts.try_select(&s, s.like(1.0))?.try_reciprocal()?;
            let inverse = counts.try_select(inverse, s.like(0.0))?.try_expand_dims([-1])?;
            let x = transposed(&vt)?.try_matmul(&inverse.try_mul(transposed(&u)?.try_matmul(&b)?)?)?;
            (x, reduce::sum_widened(&counts, &[0])?, s)
        };
        let residuals = b.try_sub(a.try_matmul(&x)?)?.try_norm_axes([0], 2.0)?.try_square()?;
        Ok((if is_vector { x.try_squeeze([-1])? } else { x }, residuals, rank, s))
    };
}
