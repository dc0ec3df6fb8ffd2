//! Reductions of the parts of an axis that ids name: sums over the edges of a node, or over the nodes of a graph.

use crate::array::{Aval, DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::error::unwrap;
use crate::ops::create::full;

macro_rules! segments {
    ($($(#[$doc:meta])* $method:ident $try_method:ident $update:ident $first:ident;)*) => {
        /// # Segments
        impl Tensor {
            $($(#[$doc])*
            ///
            /// `ids` are integers, of any shape that is that of the first axes: an element of the result is made of all
            /// whose id is its index, from `[ids.., rest..]` to `[count, rest..]`. They need not be sorted. What is outside,
            /// negative ids among it, is left out. For other modes, write `x.at(ids).mode(mode)`.
            ///
            /// # Panics
            /// If the ids are not integers, or do not have the shape of the first axes.
            #[track_caller]
            pub fn $method(&self, ids: impl TensorLike, count: usize) -> Tensor {
                unwrap(self.$try_method(ids, count))
            }

            #[doc = concat!("As [`", stringify!($method), "`](Tensor::", stringify!($method), ").")]
            ///
            /// # Errors
            /// If the ids are not integers, or do not have the shape of the first axes.
            #[track_caller]
            pub fn $try_method(&self, ids: impl TensorLike, count: usize) -> Result<Tensor> {
                let ids = ids.operand()?;
                let rest = self.shape().get(ids.rank()..).unwrap_or_default();
                let shape: Shape = [count].iter().chain(rest).copied().collect();
                let start = full(self.aval().with_shape(shape), $first(self.dtype()))?;
                if !self.shape().starts_with(ids.shape()) {
                    let found = format!("{} with ids {}", self.aval(), ids.aval());
                    return Err(crate::Error::shape(stringify!($method), found, "ids of the shape of the first axes"));
                }
                start.at(ids).wrap_negative_indices(false).$update(self)
            })*
        }
    };
}

fn zero(_: DType) -> f64 {
    0.0
}

fn one(_: DType) -> f64 {
    1.0
}

/// What is below every number of a dtype, or the least of them.
pub(super) fn lowest(dtype: DType) -> f64 {
    match (dtype, dtype.narrow_range()) {
        (DType::Bool, _) => 0.0,
        (DType::I64, _) => i64::MIN as f64,
        (_, Some([least, _])) => least as f64,
        _ => f64::NEG_INFINITY,
    }
}

/// What is above every number of a dtype, or the greatest of them.
pub(super) fn highest(dtype: DType) -> f64 {
    match (dtype, dtype.narrow_range()) {
        (DType::Bool, _) => 1.0,
        (DType::I64, _) => i64::MAX as f64,
        (_, Some([_, greatest])) => greatest as f64,
        _ => f64::INFINITY,
    }
}

segments! {
    /// The sums of segments, as `jax.ops.segment_sum`; 0 where there is nothing.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// // Messages along edges, added up where they arrive.
    /// let (messages, receivers) = (Tensor::from([1.0f32, 2.0, 3.0]), Tensor::from([2, 0, 2]));
    /// assert_eq!(messages.segment_sum(receivers, 3).to_vec::<f32>()?, [2.0, 0.0, 4.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    segment_sum try_segment_sum try_add zero;
    /// The products of segments, as `jax.ops.segment_prod`; 1 where there is nothing.
    segment_prod try_segment_prod try_mul one;
    /// The largest elements of segments, as `jax.ops.segment_max`; the lowest number there is, -∞ for floats, where there is
    /// nothing.
    segment_max try_segment_max try_max lowest;
    /// The smallest elements of segments, as `jax.ops.segment_min`; the highest number there is, ∞ for floats, where there is
    /// nothing.
    segment_min try_segment_min try_min highest;
}

impl Tensor {
    /// The means of segments, floats; 0 where there is nothing.
    ///
    /// `ids` are those of [`segment_sum`](Tensor::segment_sum).
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1.0f32, 2.0, 4.0]);
    /// assert_eq!(x.segment_mean([2, 0, 2], 3).to_vec::<f32>()?, [2.0, 0.0, 2.5]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the ids are not integers, or do not have the shape of the first axes.
    #[track_caller]
    pub fn segment_mean(&self, ids: impl TensorLike, count: usize) -> Tensor {
        unwrap(self.try_segment_mean(ids, count))
    }

    /// As [`segment_mean`](Tensor::segment_mean).
    ///
    /// # Errors
    /// If the ids are not integers, or do not have the shape of the first axes.
    #[track_caller]
    pub fn try_segment_mean(&self, ids: impl TensorLike, count: usize) -> Result<Tensor> {
        let ids = ids.operand()?;
        let sums = self.try_cast(self.dtype().to_inexact())?.try_segment_sum(&ids, count)?;
        let ones = full(Aval::unchecked(ids.shape(), DType::I32), 1.0)?;
        let mut shape = Shape::from_elem(1, sums.rank());
        shape[0] = count;
        let counts = ones.try_segment_sum(&ids, count)?.try_maximum(1)?.try_cast(sums.dtype())?;
        sums.try_div(counts.try_reshape(&shape)?)
    }
}
