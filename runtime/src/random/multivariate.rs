//! Distributions of vectors and matrices.

use super::normal::standard;
use super::{Key, dtype_of_parameters, sampler};
use crate::array::{DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::ops::{broadcast_shapes, convert};

/// Which factor of a covariance makes samples of normal numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CovarianceFactor {
    /// The Cholesky factor: the fastest, for covariances that are positive definite.
    #[default]
    Cholesky,
    /// Eigenvectors times roots of eigenvalues, also for covariances that are singular.
    Eigh,
    /// Left singular vectors times roots of singular values, also for covariances that are singular.
    Svd,
}

impl CovarianceFactor {
    fn of(self, covariance: &Tensor) -> Result<Tensor> {
        let scaled =
            |vectors: Tensor, values: &Tensor| vectors.try_mul(values.try_sqrt()?.try_expand_dims([-2])?);
        match self {
            CovarianceFactor::Cholesky => covariance.try_cholesky(),
            CovarianceFactor::Eigh => {
                let (values, vectors) = covariance.try_eigh()?;
                scaled(vectors, &values)
            }
            CovarianceFactor::Svd => {
                let (vectors, values, _) = covariance.try_svd(true)?;
                scaled(vectors, &values)
            }
        }
    }
}

sampler! {
    /// Samples of the normal distributions of means `[.., n]` and covariances `[.., n, n]`: of the shape and an axis of `n`.
    ///
    /// The axes in front of means and covariances broadcast to the shape. The dtype is that of the parameters. A sample is
    /// `mean + L·z` for a vector `z` of normal numbers and the Cholesky factor `L` of the covariance, whose lower triangle is read;
    /// it is NaN where the covariance is not positive definite. Samples are differentiable in both parameters.
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// let covariance = [[2.0f32, 0.3], [0.3, 0.5]];
    /// let x = random::multivariate_normal(&random::key(0), [1.0f32, -1.0], covariance, [100]);
    /// assert_eq!(x.shape(), [100, 2]);
    /// ```
    pub fn multivariate_normal / try_multivariate_normal(
        key: &Key,
        mean: impl TensorLike,
        covariance: impl TensorLike,
        shape: impl AsRef<[usize]>,
    ) {
        try_multivariate_normal_by(key, mean, covariance, shape, CovarianceFactor::Cholesky)
    }

    /// As [`multivariate_normal`], with a choice of the factor that vectors of normal numbers are multiplied by: `method` in JAX.
    ///
    /// ```
    /// use flaxen::random::{self, CovarianceFactor};
    ///
    /// // On a line.
    /// let covariance = [[1.0f32, 1.0], [1.0, 1.0]];
    /// let x = random::multivariate_normal_by(&random::key(0), [0.0f32, 0.0], covariance, [100], CovarianceFactor::Svd);
    /// assert!(x.all_close(x.flip([-1]), 1e-2, 1e-2)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn multivariate_normal_by / try_multivariate_normal_by(
        key: &Key,
        mean: impl TensorLike,
        covariance: impl TensorLike,
        shape: impl AsRef<[usize]>,
        factor: CovarianceFactor,
    ) {
        let (mean, covariance, shape) = (mean.operand()?, covariance.operand()?, shape.as_ref());
        let op = "multivariate_normal";
        let ([of_mean @ .., n], [of_covariance @ .., rows, columns]) = (mean.shape(), covariance.shape()) else {
            let found = format!("{} and {}", mean.aval(), covariance.aval());
            return Err(Error::shape(op, found, "means [.., n] and covariances [.., n, n]"));
        };
        if rows != n || columns != n {
            let found = format!("a mean of {n} and a covariance of {rows} by {columns}");
            return Err(Error::shape(op, found, "means [.., n] and covariances [.., n, n]"));
        }
        if !broadcast_shapes(op, &[shape, of_mean, of_covariance]).is_ok_and(|out| out[..] == *shape) {
            let found = format!("{of_mean:?} and {of_covariance:?} for samples of shape {shape:?}");
            return Err(Error::shape(op, found, "parameters that broadcast to the shape of the samples"));
        }
        let dtype = dtype_of_parameters([&mean, &covariance]);
        let factor = factor.of(&convert(&covariance, dtype, false)?)?;
        let vectors: Shape = shape.iter().chain([n]).copied().collect();
        let z = standard(key, &vectors, dtype)?.try_expand_dims([-1])?;
        factor.try_matmul(&z)?.try_squeeze([-1])?.try_add(convert(&mean, dtype, false)?)
    }

    /// Orthogonal matrices `[.., n, m]`, uniform over all of them: `F32` of a shape and these axes.
    ///
    /// The lesser of rows and columns are orthonormal. By the QR decomposition of a normal matrix (F. Mezzadri, "How to generate random
    /// matrices from the classical compact groups", 2007).
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// let q = random::orthogonal(&random::key(0), 4, 4, []);
    /// assert!(q.t().matmul(&q).all_close(flaxen::Tensor::eye(4), 1e-5, 1e-5)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn orthogonal / try_orthogonal(key: &Key, n: usize, m: usize, shape: impl AsRef<[usize]>) {
        let matrices: Shape = shape.as_ref().iter().copied().chain([n.max(m), n.min(m)]).collect();
        let (q, r) = standard(key, &matrices, DType::F32)?.try_qr()?;
        let signs: Tensor = r.try_diagonal()?.try_sign()?;
        let q = q.try_mul(signs.try_expand_dims([-2])?)?;
        if n < m { q.try_swap_axes(-1, -2) } else { Ok(q) }
    }
}
