//! Orthogonal initializers, by QR decompositions of normal matrices.

use super::scalar;
use crate::array::{Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::domain::FINITE;
use crate::error::{Error, Result};
use crate::ops::create::full;
use crate::ops::{axis_of, saturating_size};
use crate::random::{self, Key};
use crate::scope::Initializer;

/// Matrices with orthonormal rows or columns, whichever are fewer, uniformly distributed; times `scale`, which is finite.
///
/// Kernels of more axes are matrices whose columns lie along `column_axis`, −1 in Flax's default. They are `Q·sign(diag R)`
/// of the QR decomposition of a normal matrix, computed in `F32` for halves (for which JAX has none, so that there they are an
/// error).
///
/// ```
/// use flaxen::prelude::*;
///
/// let w = init::orthogonal(1.0, -1).tensor(&key(0), &[3, 3], DType::F32)?;
/// let identity = Tensor::from([[1.0f32, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
/// assert!(w.t().dot(&w).all_close(&identity, 0.0, 1e-6)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Saxe et al., arXiv:1312.6120.
pub fn orthogonal(scale: impl Into<f64>, column_axis: isize) -> Initializer {
    let scale = scale.into();
    Initializer::new(move |key, shape, dtype| orthogonal_tensor(key, shape, dtype, scale, column_axis))
        .named(format!("orthogonal({scale:?}, {column_axis})"))
}

/// Convolution kernels of zeros, but for an [`orthogonal`] matrix of channels in the middle; times `scale`.
///
/// The shape is `[spatial.., inputs, outputs]` of one to three spatial axes, with no more inputs than outputs.
///
/// Xiao et al., arXiv:1806.05393.
pub fn delta_orthogonal(scale: impl Into<f64>, column_axis: isize) -> Initializer {
    let scale = scale.into();
    Initializer::new(move |key, shape, dtype| delta_orthogonal_tensor(key, shape, dtype, scale, column_axis))
        .named(format!("delta_orthogonal({scale:?}, {column_axis})"))
}

fn orthogonal_tensor(
    key: &Key,
    shape: &[usize],
    dtype: DType,
    scale: f64,
    column_axis: isize,
) -> Result<Tensor> {
    const OP: &str = "orthogonal";
    FINITE.check(OP, "scale", scale)?;
    if shape.len() < 2 {
        return Err(Error::argument(OP, format!("needs at least two axes, found shape {shape:?}")));
    }
    if shape.contains(&0) {
        return full(Aval::unchecked(shape, dtype), 0.0);
    }
    let mut rest: Shape = shape.into();
    let columns = rest.remove(axis_of(OP, column_axis, shape.len())?);
    let rows = saturating_size(&rest);
    let precise = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let normal = random::try_normal_of(key, [rows.max(columns), rows.min(columns)], dtype)?;
    let (q, r) = normal.try_cast(precise)?.try_qr()?;
    let q = q.try_mul(r.try_diagonal()?.try_sign()?)?.try_cast(dtype)?;
    let q = if rows < columns { q.try_transpose([1, 0])? } else { q };
    rest.push(columns);
    q.try_reshape(rest)?.try_move_axis(-1, column_axis)?.try_mul(scalar(scale, dtype)?)
}

fn delta_orthogonal_tensor(
    key: &Key,
    shape: &[usize],
    dtype: DType,
    scale: f64,
    column_axis: isize,
) -> Result<Tensor> {
    const OP: &str = "delta_orthogonal";
    if !(3..=5).contains(&shape.len()) {
        return Err(Error::argument(
            OP,
            format!("needs one to three spatial axes and channels, found shape {shape:?}"),
        ));
    }
    let (taps, channels) = shape.split_at(shape.len() - 2);
    if channels[0] > channels[1] {
        let message = format!("needs no more inputs than outputs, found {} and {}", channels[0], channels[1]);
        return Err(Error::argument(OP, message));
    }
    let middle = orthogonal_tensor(key, channels, dtype, scale, column_axis)?;
    let middle = middle.try_expand_dims((0..taps.len() as isize).collect::<Vec<_>>())?;
    let around = taps.iter().map(|&size| (size.saturating_sub(1) / 2, size / 2)).chain([(0, 0), (0, 0)]);
    middle.try_pad(around.collect::<Vec<_>>(), 0.0)
}
