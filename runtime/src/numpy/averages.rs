//! Weighted means, and how variables vary together.

use super::paired::methods;
use crate::array::Shape;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::axes::{IntoAxes, meant};
use crate::ops::elementwise::inexact;
use crate::ops::{axis_of, promoted_inexact, reduce};

/// The weights beside the tensor: of its shape, or of the sizes of the axes in the order that their caller names them.
#[track_caller]
fn beside(x: &Tensor, weights: &Tensor, named: &[isize]) -> Result<Tensor> {
    const OP: &str = "average";
    if weights.shape() == x.shape() {
        return Ok(weights.clone());
    }
    let axes: Shape = named.iter().map(|&axis| axis_of(OP, axis, x.rank())).collect::<Result<_>>()?;
    let sizes: Shape = axes.iter().map(|&axis| x.shape()[axis]).collect();
    if weights.shape() != &sizes[..] {
        let found = format!("weights {:?} over axes {axes:?} of {:?}", weights.shape(), x.shape());
        return Err(Error::shape(OP, found, "a weight for each element, or for each place along the axes"));
    }
    let mut order: Vec<usize> = (0..axes.len()).collect();
    order.sort_by_key(|&at| axes[at]);
    let order: Vec<isize> = order.into_iter().map(|at| at as isize).collect();
    let shape: Shape =
        (0..x.rank()).map(|axis| if axes.contains(&axis) { x.shape()[axis] } else { 1 }).collect();
    weights.try_transpose(order)?.try_reshape(&shape)
}

/// The variables as rows.
#[track_caller]
fn variables(op: &'static str, x: &Tensor, rows: bool) -> Result<Tensor> {
    let x = inexact(x)?;
    match x.rank() {
        0 | 1 => x.try_reshape([1, x.size()]),
        2 if rows => Ok(x),
        2 => Ok(x.t()),
        _ => Err(Error::shape(op, format!("{:?}", x.shape()), "at most two axes")),
    }
}

/// The covariances of variables that are rows, as a matrix.
#[track_caller]
fn covariances(x: &Tensor, ddof: usize) -> Result<Tensor> {
    let [rows, count] = [x.shape()[0], x.shape()[1]];
    if count == 0 {
        return crate::ops::create::full(x.aval().with_shape(&[rows, rows][..]), f64::NAN);
    }
    let centered = x.try_sub(x.try_mean_keep(1)?)?;
    centered.try_dot(&centered.t())?.try_div(x.like(count as f64 - ddof as f64))
}

/// A single variable has a number.
fn plain(matrix: Tensor) -> Result<Tensor> {
    if matrix.shape() == [1, 1] { matrix.try_reshape(()) } else { Ok(matrix) }
}

methods! {
    => "Averages";
    /// The mean over an axis, several, or all (`..`), with a weight for each element, as `jnp.average`.
    ///
    /// `weights` has this tensor's shape, or the sizes of the axes that are named. The sum of the products is divided by the sum
    /// of the weights; integers are computed as `F32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.average(0, &Tensor::from([3.0f32, 1.0])).to_vec::<f32>()?, [1.5, 2.5]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    average try_average(axes: impl IntoAxes, weights: &Tensor) -> Tensor,
    fails "If there is no such axis, or the weights have another shape."
    |x| {
        let [x, weights] = promoted_inexact([x.clone(), weights.clone()])?;
        let weights = beside(&x, &weights, &axes.axes())?;
        let axes = meant("average", &axes, &x)?;
        // Weights of one size along an axis that stays are summed once.
        let total = reduce::sum_axes(&weights, &axes)?;
        reduce::sum_axes(&x.try_mul(&weights)?, &axes)?.try_div(total)
    };

    /// The covariances of variables, `[variables, variables]`, as `jnp.cov`; of one variable, a number.
    ///
    /// A variable is a row, or without `rows` a column; a vector is one variable. Sums of products are divided by the number of
    /// observations less `ddof`, which is 1 in JAX unless told otherwise.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[0.0f32, 1.0, 2.0], [2.0, 1.0, 0.0]]);
    /// assert_eq!(x.cov(true, 1).to_vec::<f32>()?, [1.0, -1.0, -1.0, 1.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    cov try_cov(rows: bool, ddof: usize) -> Tensor, fails "If there are more than two axes."
    |x| plain(covariances(&variables("cov", x, rows)?, ddof)?);

    /// The correlations of variables, `[variables, variables]`, as `jnp.corrcoef`; of one variable, a number.
    ///
    /// Variables are as for [`cov`](Tensor::cov). The numbers are kept between -1 and 1.
    corrcoef try_corrcoef(rows: bool) -> Tensor, fails "If there are more than two axes."
    |x| {
        let both = covariances(&variables("corrcoef", x, rows)?, 1)?;
        if both.size() == 1 {
            return plain(both.try_div(&both)?);
        }
        let deviation = both.try_diagonal()?.try_sqrt()?;
        let scaled = both.try_div(deviation.try_expand_dims([1])?)?.try_div(deviation.try_expand_dims([0])?)?;
        scaled.try_clip(scaled.like(-1.0), scaled.like(1.0))
    };
}
