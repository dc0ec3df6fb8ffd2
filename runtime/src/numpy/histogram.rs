//! Counts of numbers: by bins, and by value.

use super::paired::methods;
use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::ops::elementwise::inexact;
use crate::ops::{create, promoted_inexact, slice};

methods! {
    => "Histograms";
    /// How many elements are in each of `bins` intervals of one width from the least to the greatest, and the edges of the
    /// intervals, as `jnp.histogram`.
    ///
    /// Counts are of the element's dtype, or `F32`. An edge belongs to the interval that it begins, and the last one to the last.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (counts, edges) = Tensor::from([0.0f32, 1.0, 1.5, 4.0]).histogram(2);
    /// assert_eq!(counts.to_vec::<f32>()?, [3.0, 1.0]);
    /// assert_eq!(edges.to_vec::<f32>()?, [0.0, 2.0, 4.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    histogram try_histogram(bins: usize) -> (Tensor, Tensor), fails "If there are no elements."
    |x| {
        let edges = x.try_histogram_edges(bins, None)?;
        Ok((x.try_histogram_in(&edges, None, false)?, edges))
    };

    /// The `bins + 1` edges of intervals of one width over `range`, or from the least to the greatest element.
    ///
    /// A range without width is widened by a half on both sides.
    #[doc(alias = "histogram_bin_edges")]
    histogram_edges try_histogram_edges(bins: usize, range: Option<(f64, f64)>) -> Tensor,
    fails "If there is neither a range nor an element."
    |x| {
        let x = inexact(x)?;
        let (low, high) = match range {
            Some((low, high)) => (x.like(low), x.like(high)),
            None => (x.try_min()?, x.try_max()?),
        };
        let flat = high.try_sub(&low)?.try_eq(low.like(0.0))?;
        let half = low.like(0.5);
        let (low, high) =
            (flat.try_select(low.try_sub(&half)?, &low)?, flat.try_select(high.try_add(half)?, &high)?);
        Ok(Tensor::try_linspace_between(low, high, bins + 1, true)?.0)
    };

    /// How many elements are between neighbours of a list of ascending edges, each counted as its `weight`; with `density`
    /// scaled to an integral of 1.
    ///
    /// The weights have this tensor's shape.
    histogram_in try_histogram_in(
        edges: impl TensorLike,
        weights: Option<&Tensor>,
        density: bool,
    ) -> Tensor, fails "If the edges are no vector, there are none, or the weights have another shape."
    |x| {
        const OP: &str = "histogram_in";
        let weights = match weights {
            Some(weights) if weights.shape() != x.shape() => {
                let found = format!("weights {:?} of elements {:?}", weights.shape(), x.shape());
                return Err(Error::shape(OP, found, "a weight for each element"));
            }
            Some(weights) => weights.clone(),
            None => inexact(x)?.ones_like(),
        };
        let [x, weights] = promoted_inexact([x.clone(), weights])?;
        let edges = edges.operand()?.try_cast(x.dtype())?;
        let (1, Some(last)) = (edges.rank(), edges.size().checked_sub(1)) else {
            return Err(Error::shape(OP, format!("edges {}", edges.aval()), "a vector of edges"));
        };
        let place = edges.try_searchsorted_right(&x)?;
        let is_last = x.try_eq(slice::part(&edges, 0, last, 1)?.try_reshape(())?)?;
        let place = is_last.try_select(place.like(last as f64), place)?;
        // What is below the first edge is in front; what is beyond the last is outside, and dropped.
        let zeros = create::full(weights.aval().with_shape(&[last + 1][..]), 0.0)?;
        let counts = slice::part(&zeros.try_index_add(0, place, weights)?, 0, 1, last)?;
        if !density {
            return Ok(counts);
        }
        let total = counts.try_sum()?;
        counts.try_div(edges.try_diff(1, 0)?)?.try_div(total)
    };

    /// How often each of the integers 0, 1, … occurs, `length` of them, as `I32`; with `None` as many as the greatest needs.
    ///
    /// Negative ones count as 0, and what is not below `length` is left out. The `minlength` of JAX is a `length`, too.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::from([1i32, 3, 1]).bincount(None).to_vec::<i32>()?, [0, 2, 0, 1]);
    /// assert_eq!(Tensor::from([1i32, 3, 1]).bincount(Some(2)).to_vec::<i32>()?, [0, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    bincount try_bincount(length: Option<usize>) -> Tensor,
    fails "If this is no vector of integers or booleans; without a length also of a value of a transform."
    |x| {
        let (x, length) = counted(x, length)?;
        count(&x, &Tensor::from(1i32), length)
    };

    /// As [`bincount`](Tensor::bincount), with a weight for each element, whose dtype the result has.
    bincount_weighted try_bincount_weighted(weights: impl TensorLike, length: Option<usize>) -> Tensor,
    fails "If this is no vector of integers or booleans, or the weights have another size; without a length also of a value of \
           a transform."
    |x| {
        let weights = weights.operand()?;
        if weights.shape() != x.shape() {
            let found = format!("weights {:?} of elements {:?}", weights.shape(), x.shape());
            return Err(Error::shape("bincount_weighted", found, "a weight for each element"));
        }
        let (x, length) = counted(x, length)?;
        count(&x, &weights, length)
    };

    /// The number of the interval between neighbours of `bins` that each element is in, as `jnp.digitize`, as `I32`.
    ///
    /// `bins` is a vector that ascends or descends. Elements beyond its ends are in the first, 0, or behind the last. An edge
    /// belongs to the interval that it begins, or with `right` to the one that it ends.
    digitize try_digitize(bins: impl TensorLike, right: bool) -> Tensor, fails "If `bins` is no vector."
    |x| {
        let bins = bins.operand()?;
        let search = |bins: &Tensor| if right { bins.try_searchsorted(x) } else { bins.try_searchsorted_right(x) };
        let up = search(&bins)?;
        let Some(last) = bins.size().checked_sub(1) else { return Ok(up) };
        let down = up.like(bins.size() as f64).try_sub(search(&bins.try_flip([0])?)?)?;
        let ascends = bins.try_index_axis(0, last as isize)?.try_ge(bins.try_index_axis(0, 0)?)?;
        ascends.try_select(up, down)
    };
}

/// Checked integers, none of them negative, and how many counts there are.
#[track_caller]
fn counted(x: &Tensor, length: Option<usize>) -> Result<(Tensor, usize)> {
    let x = if x.dtype() == DType::Bool { x.try_cast(DType::I32)? } else { x.clone() };
    if !x.dtype().is_integer() {
        return Err(Error::dtype("bincount", x.dtype(), "integers"));
    }
    if x.rank() != 1 {
        return Err(Error::shape("bincount", format!("{:?}", x.shape()), "a vector"));
    }
    let x = x.try_maximum(x.like(0.0))?;
    let length = match length {
        Some(length) => length,
        None if x.size() == 0 => 0,
        None => {
            let most = x.try_max()?.try_cast(DType::I64)?.item::<i64>()?;
            usize::try_from(most).map_or(usize::MAX, |most| most.saturating_add(1))
        }
    };
    Ok((x, length))
}

#[track_caller]
fn count(x: &Tensor, weights: &Tensor, length: usize) -> Result<Tensor> {
    let zeros = create::full(weights.aval().with_shape(&[length][..]), 0.0)?;
    zeros.try_index_add(0, x, weights)
}
