//! Distributions of vectors and matrices.

use super::normal::standard;
use super::{Key, dtype_of_parameters, sampler};
use crate::array::{DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::Error;
use crate::ops::{broadcast_shapes, convert};

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
        let factor = convert(&covariance, dtype, false)?.try_cholesky()?;
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
