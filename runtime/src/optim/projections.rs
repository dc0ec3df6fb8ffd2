//! Projections: the nearest point of a set, as `optax.projections`.
//!
//! Sets are of whole trees: a sphere is one of all leaves together.

use super::tree_math::{Norm, add_scale, norm, norm_squared, scale, vdot};
use crate::core::domain::{NOT_NEGATIVE, POSITIVE};
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::nn::losses::project_onto_simplex;
use crate::optim::finite::choose;
use crate::tree::{self, Structure, Tree, leaves, zip_map};

/// Numbers of at least 0: the others become 0.
///
/// # Errors
/// If a leaf is a value of a transform that has returned.
pub fn projection_non_negative<P: Tree>(tree: &P) -> Result<P> {
    tree::map(tree, Tensor::try_relu)
}

/// Numbers between `lower` and `upper`, which are numbers or broadcast to every leaf.
///
/// # Errors
/// If they do not broadcast.
pub fn projection_box<P: Tree>(tree: &P, lower: impl TensorLike, upper: impl TensorLike) -> Result<P> {
    let (lower, upper) = (lower.operand()?, upper.operand()?);
    tree::map(tree, |leaf| leaf.try_maximum(&lower)?.try_minimum(&upper))
}

/// Numbers from 0 to `scale`.
///
/// # Errors
/// If it does not broadcast.
pub fn projection_hypercube<P: Tree>(tree: &P, scale: impl TensorLike) -> Result<P> {
    projection_box(tree, 0.0, scale)
}

/// Numbers of at least 0 whose sum over all leaves is `scale`, which is above 0; the gradient is exact.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::projections::projection_simplex;
///
/// let point = projection_simplex(&Tensor::from([1.0f32, 0.5, -3.0]), 1.0)?;
/// assert_eq!(point.to_vec::<f32>()?, [0.75, 0.25, 0.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If `scale` is not above 0.
///
/// Source: Duchi et al., *Efficient Projections onto the ℓ1-Ball for Learning in High Dimensions*, 2008.
pub fn projection_simplex<P: Tree>(tree: &P, scale: f64) -> Result<P> {
    POSITIVE.check("projection_simplex", "scale", scale)?;
    let all = leaves(tree);
    let rows: Vec<Tensor> = all.iter().map(|leaf| leaf.try_reshape([leaf.size()])).collect::<Result<_>>()?;
    if rows.is_empty() {
        return Ok(Structure::of(tree).build([]));
    }
    let point = project_onto_simplex(&(Tensor::try_concatenate(&rows, 0)? / scale))? * scale;
    let (mut at, mut found) = (0, Vec::with_capacity(all.len()));
    for leaf in &all {
        let end = at + leaf.size() as isize;
        found.push(point.try_slice_axis(0, at..end)?.try_reshape(leaf.shape())?.try_cast(leaf.dtype())?);
        at = end;
    }
    Ok(Structure::of(tree).build(found))
}

/// Numbers whose magnitudes sum to `scale`, which is above 0, over all leaves.
///
/// # Errors
/// If `scale` is not above 0.
pub fn projection_l1_sphere<P: Tree>(tree: &P, scale: f64) -> Result<P> {
    let magnitudes = projection_simplex(&tree::map(tree, Tensor::try_abs)?, scale)?;
    zip_map(tree, &magnitudes, |x, magnitude| x.try_sign()?.try_mul(magnitude))
}

/// Numbers whose magnitudes sum to `scale`, which is above 0, at most.
///
/// # Errors
/// If `scale` is not above 0.
pub fn projection_l1_ball<P: Tree>(tree: &P, scale: f64) -> Result<P> {
    let within = norm(tree, Norm::L1)?.try_le(scale)?;
    choose(&within, tree, &projection_l1_sphere(tree, scale)?)
}

/// Numbers of the Euclidean norm `scale`, which is at least 0, over all leaves. Zeros have no direction: NaN, as in optax.
///
/// # Errors
/// If `scale` is outside of its domain.
pub fn projection_l2_sphere<P: Tree>(tree: &P, radius: f64) -> Result<P> {
    NOT_NEGATIVE.check("projection_l2_sphere", "scale", radius)?;
    scale(radius / norm(tree, Norm::L2)?, tree)
}

/// Numbers of the Euclidean norm `scale`, which is above 0, at most.
///
/// # Errors
/// If `scale` is outside of its domain.
pub fn projection_l2_ball<P: Tree>(tree: &P, radius: f64) -> Result<P> {
    POSITIVE.check("projection_l2_ball", "scale", radius)?;
    let square = norm_squared(tree)?;
    scale(radius / square.try_maximum(square.like(radius * radius))?.try_sqrt()?, tree)
}

/// Numbers of a magnitude of `scale`, which is at least 0, at most.
///
/// # Errors
/// If `scale` is outside of its domain.
pub fn projection_linf_ball<P: Tree>(tree: &P, scale: f64) -> Result<P> {
    NOT_NEGATIVE.check("projection_linf_ball", "scale", scale)?;
    projection_box(tree, -scale, scale)
}

/// The nearest multiple of `a`.
///
/// # Errors
/// If structures or shapes differ.
pub fn projection_vector<P: Tree>(x: &P, a: &P) -> Result<P> {
    scale(vdot(x, a)?.try_div(vdot(a, a)?)?, a)
}

/// The nearest point whose inner product with `a` is `b`.
///
/// # Errors
/// If structures or shapes differ.
pub fn projection_hyperplane<P: Tree>(x: &P, a: &P, b: impl TensorLike) -> Result<P> {
    let step = (b.operand()? - vdot(x, a)?).try_div(vdot(a, a)?)?;
    add_scale(x, step, a)
}

/// The nearest point whose inner product with `a` is `b` at most.
///
/// # Errors
/// If structures or shapes differ.
pub fn projection_halfspace<P: Tree>(x: &P, a: &P, b: impl TensorLike) -> Result<P> {
    let step = (b.operand()? - vdot(x, a)?).try_div(vdot(a, a)?)?;
    add_scale(x, step.try_minimum(0.0)?, a)
}
