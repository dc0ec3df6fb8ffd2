//! Any number of batch axes as one.

use crate::array::Shape;
use crate::core::Tensor;
use crate::error::{Error, Result};

/// The batch axes an input had before they became one.
pub(super) struct BatchAxes(Shape);

impl BatchAxes {
    /// The input as `[batch, spatial.., channels]`, whatever its number of batch axes.
    pub fn merge(op: &'static str, x: &Tensor, spatial: usize) -> Result<(Tensor, BatchAxes)> {
        let Some(axes) = x.rank().checked_sub(spatial + 1) else {
            let expected = format!(
                "an input `[batch.., spatial.., channels]` with {spatial} spatial axes, as the kernel has"
            );
            return Err(Error::shape(op, x.aval().to_string(), expected));
        };
        let (batch, example) = x.shape().split_at(axes);
        let merged: Shape = [batch.iter().product()].into_iter().chain(example.iter().copied()).collect();
        Ok((x.try_reshape(merged)?, BatchAxes(batch.into())))
    }

    /// `[batch, ..]` with the axes the batch had.
    pub fn split(&self, y: &Tensor) -> Result<Tensor> {
        let shape: Shape = self.0.iter().chain(&y.shape()[1..]).copied().collect();
        y.try_reshape(shape)
    }
}
