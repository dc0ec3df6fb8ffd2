//! Arithmetic of whole trees, as `optax.tree`.

use super::moments::{in_dtype_of, same_structure, upcast};
use super::update::wide_norm;
use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::random::Key;
use crate::tree::{self, Tree, count, leaves, zip_map};

const DIFFERENT: &str = "the trees differ";

fn zip<P: Tree>(a: &P, b: &P, f: impl FnMut(&Tensor, &Tensor) -> Result<Tensor>) -> Result<P> {
    same_structure(DIFFERENT, &[a, b])?;
    zip_map(a, b, f)
}

macro_rules! of_two {
    ($($(#[$doc:meta])* $name:ident $method:ident;)*) => { $(
        $(#[$doc])*
        ///
        /// # Errors
        /// If the structures differ, or the shapes do not broadcast.
        pub fn $name<P: Tree>(a: &P, b: &P) -> Result<P> {
            zip(a, b, |a, b| a.$method(b))
        }
    )* };
}

of_two! {
    /// The sums of the leaves.
    add try_add;
    /// The differences of the leaves.
    sub try_sub;
    /// The products of the leaves.
    mul try_mul;
    /// The quotients of the leaves.
    div try_div;
}

/// `x + scalar·y` for each leaf; the number takes on the dtype of the leaf.
///
/// # Errors
/// If the structures differ, or the shapes do not broadcast.
pub fn add_scale<P: Tree>(x: &P, scalar: impl TensorLike, y: &P) -> Result<P> {
    let scalar = scalar.operand()?;
    zip(x, y, |x, y| x.try_add(y.try_mul(in_dtype_of(&scalar, x))?))
}

/// `scalar·x` for each leaf; the number takes on the dtype of the leaf.
///
/// # Errors
/// If a leaf is a value of a transform that has returned.
pub fn scale<P: Tree>(scalar: impl TensorLike, x: &P) -> Result<P> {
    let scalar = scalar.operand()?;
    tree::map(x, |x| x.try_mul(in_dtype_of(&scalar, x)))
}

/// The sum of all elements of all leaves; 0 without any.
///
/// # Errors
/// If a leaf is a value of a transform that has returned.
pub fn sum(tree: &impl Tree) -> Result<Tensor> {
    let sums = leaves(tree).into_iter().map(Tensor::try_sum);
    sums.reduce(|a, b| a?.try_add(b?)).unwrap_or_else(|| Ok(Tensor::zeros([])))
}

/// The largest of all elements.
///
/// # Errors
/// If there is none.
pub fn max(tree: &impl Tree) -> Result<Tensor> {
    let found = leaves(tree).into_iter().map(Tensor::try_max);
    found.reduce(|a, b| a?.try_maximum(b?)).unwrap_or_else(|| Tensor::full([], f32::NEG_INFINITY).try_max())
}

/// The smallest of all elements.
///
/// # Errors
/// If there is none.
pub fn min(tree: &impl Tree) -> Result<Tensor> {
    let found = leaves(tree).into_iter().map(Tensor::try_min);
    found.reduce(|a, b| a?.try_minimum(b?)).unwrap_or_else(|| Tensor::full([], f32::INFINITY).try_min())
}

/// The inner product of two trees: the sum of all products of their elements.
///
/// # Errors
/// If structures or shapes differ.
pub fn vdot<P: Tree>(a: &P, b: &P) -> Result<Tensor> {
    same_structure(DIFFERENT, &[a, b])?;
    super::moments::same_shapes("vdot", "a leaf", a, b)?;
    let products = leaves(a).into_iter().zip(leaves(b)).map(|(a, b)| upcast(a).try_mul(upcast(b))?.try_sum());
    products.reduce(|a, b| a?.try_add(b?)).unwrap_or_else(|| Ok(Tensor::zeros([])))
}

/// The square of the Euclidean norm of all elements together, in `F32` for leaves of `F16`.
pub(super) fn norm_squared(tree: &impl Tree) -> Result<Tensor> {
    let square = |leaf: &Tensor| {
        let leaf = upcast(leaf);
        leaf.try_mul(&leaf)?.try_sum()
    };
    let squares = leaves(tree).into_iter().map(square);
    squares.reduce(|a, b| a?.try_add(b?)).unwrap_or_else(|| Ok(Tensor::zeros([])))
}

/// Which norm of a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Norm {
    /// The sum of magnitudes.
    L1,
    /// The root of the sum of squares.
    #[default]
    L2,
    /// The largest magnitude.
    Inf,
}

/// A norm of all elements together, 0 of none; `F16` is computed in `F32`.
///
/// # Errors
/// If a leaf is a value of a transform that has returned.
pub fn norm(tree: &impl Tree, order: Norm) -> Result<Tensor> {
    let magnitudes =
        || leaves(tree).into_iter().filter(|leaf| leaf.size() > 0).map(|leaf| upcast(leaf).try_abs());
    let none = || Ok(Tensor::zeros([]));
    match order {
        Norm::L2 => wide_norm(tree),
        Norm::L1 => {
            let sums = magnitudes().map(|leaf| leaf?.try_sum());
            sums.reduce(|a, b| a?.try_add(b?)).unwrap_or_else(none)
        }
        Norm::Inf => {
            let largest = magnitudes().map(|leaf| leaf?.try_max());
            largest.reduce(|a, b| a?.try_maximum(b?)).unwrap_or_else(none)
        }
    }
}

macro_rules! filled {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => { $(
        $(#[$doc])*
        ///
        /// # Errors
        /// If a leaf is a value of a transform that has returned.
        pub fn $name<P: Tree>(tree: &P) -> Result<P> {
            full_like(tree, $value)
        }
    )* };
}

filled! {
    /// Zeros in the shapes and dtypes of the leaves.
    zeros_like = 0.0;
    /// Ones in the shapes and dtypes of the leaves.
    ones_like = 1.0;
}

/// One number in the shapes and dtypes of the leaves.
///
/// # Errors
/// If a leaf is a value of a transform that has returned.
pub fn full_like<P: Tree>(tree: &P, value: impl TensorLike) -> Result<P> {
    let value = value.operand()?;
    tree::map(tree, |leaf| value.try_cast(leaf.dtype())?.try_broadcast_to(leaf.shape()))
}

/// Drawn leaves in the shapes and dtypes of a tree, each with a key of its own: `sampler` is given a key, a shape and a dtype, as
/// [`random::try_normal_of`](crate::random::try_normal_of).
///
/// # Errors
/// What `sampler` returns; if `key` is several keys.
pub fn random_like<P: Tree>(
    key: &Key,
    tree: &P,
    sampler: impl Fn(&Key, &[usize], DType) -> Result<Tensor>,
) -> Result<P> {
    let keys = key.try_split_n(count(tree))?;
    let mut at = 0;
    tree::map(tree, |leaf| {
        at += 1;
        sampler(&keys.try_at(at - 1)?, leaf.shape(), leaf.dtype())
    })
}

/// The leaves in a dtype.
///
/// # Errors
/// If a leaf is a value of a transform that has returned.
pub fn cast<P: Tree>(tree: &P, dtype: DType) -> Result<P> {
    tree::map(tree, |leaf| leaf.try_cast(dtype))
}

/// The leaves in the dtypes of another tree.
///
/// # Errors
/// If the structures differ.
pub fn cast_like<P: Tree>(tree: &P, other: &P) -> Result<P> {
    zip(tree, other, |leaf, other| leaf.try_cast(other.dtype()))
}

/// The elements between two numbers.
///
/// # Errors
/// If a leaf is a value of a transform that has returned.
pub fn clip<P: Tree>(tree: &P, low: f64, high: f64) -> Result<P> {
    tree::map(tree, |leaf| leaf.try_maximum(leaf.like(low))?.try_minimum(leaf.like(high)))
}

/// `a` where the condition, a boolean scalar, is true, otherwise `b`.
///
/// # Errors
/// If the structures differ, or the condition is not boolean.
pub fn select<P: Tree>(condition: &Tensor, a: &P, b: &P) -> Result<P> {
    zip(a, b, |a, b| condition.try_select(a, b))
}

/// Whether all elements are close, as [`Tensor::is_close`]; a boolean scalar.
///
/// # Errors
/// If the structures differ, or the shapes do not broadcast.
pub fn all_close<P: Tree>(a: &P, b: &P, rtol: f64, atol: f64) -> Result<Tensor> {
    same_structure(DIFFERENT, &[a, b])?;
    let close = leaves(a).into_iter().zip(leaves(b)).map(|(a, b)| a.try_is_close(b, rtol, atol)?.try_all());
    close.reduce(|a, b| a?.try_bitand(b?)).unwrap_or_else(|| Ok(Tensor::full([], true)))
}

/// How many elements all leaves have together.
pub fn size(tree: &impl Tree) -> usize {
    leaves(tree).into_iter().map(Tensor::size).sum()
}

/// `decay·moment + (1 − decay)·update^order`, for an order of 1 or 2.
///
/// # Errors
/// If structures or shapes differ.
pub fn update_moment<P: Tree>(updates: &P, moments: &P, decay: impl TensorLike, order: i32) -> Result<P> {
    let decay = decay.operand()?;
    zip(updates, moments, |u, m| Ok(super::moments::moving_average(m, &u.try_powi(order)?, &decay)))
}

/// `max(|update| + eps, decay·moment)`.
///
/// # Errors
/// If structures or shapes differ.
pub fn update_infinity_moment<P: Tree>(
    updates: &P,
    moments: &P,
    decay: impl TensorLike,
    eps: f64,
) -> Result<P> {
    let decay = decay.operand()?;
    zip(updates, moments, |u, m| u.try_abs()?.try_add(eps)?.try_maximum(m.try_mul(&decay)?))
}

/// Moving averages that began at 0, `count` steps later, without their bias: divided by `1 − decay^count`.
///
/// # Errors
/// If a leaf is a value of a transform that has returned.
pub fn bias_correction<P: Tree>(moments: &P, decay: impl TensorLike, count: &Tensor) -> Result<P> {
    let decay = decay.operand()?;
    tree::map(moments, |m| Ok(super::moments::bias_corrected(m, &decay, count)))
}
