//! Means and variances, in two passes or in one.

use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};

/// How mean and variance are computed.
pub(super) struct Statistics<'a> {
    pub op: &'static str,
    /// The dtype the layer computes in, if it was told.
    pub dtype: Option<DType>,
    /// The axis of a `vmap` over which they are averaged.
    pub axis_name: Option<&'a str>,
    /// True at the elements that count.
    pub mask: Option<&'a Tensor>,
    /// The variance is `E[x²] − E[x]²` instead of `E[(x − E[x])²]`.
    pub use_fast_variance: bool,
    /// Statistics are at least `F32`.
    pub force_float32: bool,
}

impl Statistics<'_> {
    /// Mean and variance over ascending axes, which they do not have.
    pub fn mean_and_variance(&self, x: &Tensor, axes: &[usize]) -> Result<(Tensor, Tensor)> {
        let x = self.upcast(x)?;
        let mean = self.mean(&x, axes)?;
        if self.use_fast_variance {
            let of_squares = self.mean(&x.try_square()?, axes)?;
            let variance = of_squares.try_sub(mean.try_square()?)?;
            // A difference of near numbers may be negative.
            return Ok((mean, variance.try_maximum(variance.like(0.0))?));
        }
        let deviation = x.try_sub(mean.try_expand_dims(signed(axes))?)?;
        Ok((mean, self.mean(&deviation.try_square()?, axes)?))
    }

    /// The mean of squares over ascending axes.
    pub fn mean_square(&self, x: &Tensor, axes: &[usize]) -> Result<Tensor> {
        self.mean(&self.upcast(x)?.try_square()?, axes)
    }

    fn upcast(&self, x: &Tensor) -> Result<Tensor> {
        let dtype = self.dtype.unwrap_or(x.dtype());
        x.try_cast(if self.force_float32 { dtype.promote(DType::F32) } else { dtype.to_inexact() })
    }

    fn mean(&self, x: &Tensor, axes: &[usize]) -> Result<Tensor> {
        let mean = match self.mask {
            None => x.try_mean_axes(signed(axes))?,
            Some(mask) => masked_mean(self.op, x, axes, mask)?,
        };
        match self.axis_name {
            None => Ok(mean),
            Some(name) => mean.pmean(name),
        }
    }
}

fn masked_mean(op: &'static str, x: &Tensor, axes: &[usize], mask: &Tensor) -> Result<Tensor> {
    let mask = mask.try_cast(DType::Bool)?.try_broadcast_to(x.shape()).map_err(|_| {
        let expected = format!("a mask that broadcasts to the input's shape {:?}", x.shape());
        Error::shape(op, mask.aval().to_string(), expected)
    })?;
    let total = mask.try_select(x, x.like(0.0))?.try_sum_axes(signed(axes))?;
    let count = mask.try_cast(x.dtype())?.try_sum_axes(signed(axes))?;
    total.try_div(count)
}

pub(super) fn signed(axes: &[usize]) -> Vec<isize> {
    axes.iter().map(|&axis| axis as isize).collect()
}
