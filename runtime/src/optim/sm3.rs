//! SM3.

use super::GradientTransformation;
use super::moments::{moving_average, second_moment_dtype, zeros, zip_moments};
use super::regrouped::Regrouped;
use super::scale::{Scale, scale};
use super::settings::{alias, setters};
use crate::core::domain::{NOT_NEGATIVE, PROBABILITY, concrete};
use crate::core::tensor::bare;
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::tree::{Tree, leaves};
use crate::variables::Dict;

/// Updates over sums of squares that are kept by axes; see [`scale_by_sm3`].
#[derive(Clone, Debug)]
pub struct ScaleBySm3 {
    b1: Tensor,
    b2: Tensor,
    eps: Tensor,
}

/// What SM3 remembers.
#[derive(Clone, Debug, Tree)]
pub struct ScaleBySm3State<P = Dict> {
    /// For each leaf one vector per axis: bounds of the sums of squares, `F32` for leaves of `F16`.
    pub mu: Regrouped<P>,
    /// The moving average of updates.
    pub nu: P,
}

/// The moving average of `g / √(s + eps)`, where `s` is bounded by the least of a number per row, per column and so on.
///
/// Source: Anil et al., *Memory-Efficient Adaptive Optimization*, 2019.
pub fn scale_by_sm3() -> ScaleBySm3 {
    ScaleBySm3 { b1: bare(0.9), b2: bare(1.0), eps: bare(1e-8) }
}

setters! { ScaleBySm3 {
    /// How much of the average of updates stays at each step, from 0 to 1; 0.9 by default.
    b1: Tensor,
    /// How much of the sums stays at each step, from 0 to 1; 1 by default.
    b2: Tensor,
    /// What is added below the root: at least 0; 10⁻⁸ by default.
    eps: Tensor,
} }

/// The number of tensors that are kept for a leaf: one for a scalar, too.
fn lists(leaf: &Tensor) -> std::ops::Range<usize> {
    0..leaf.rank().max(1)
}

/// What is kept for an axis, in a shape that broadcasts with the leaf.
fn along(bound: &Tensor, axis: usize, leaf: &Tensor) -> Result<Tensor> {
    let mut shape = vec![1; leaf.rank()];
    if let Some(size) = shape.get_mut(axis) {
        *size = leaf.shape()[axis];
    }
    bound.try_reshape(shape)
}

fn largest_along(x: &Tensor, axis: usize) -> Result<Tensor> {
    let others: Vec<isize> =
        (0..x.rank()).filter(|&other| other != axis).map(|other| other as isize).collect();
    match x.size() {
        _ if others.is_empty() => Ok(x.clone()),
        // Squares, of which the largest of none is 0.
        0 => x.try_sum_axes(others),
        _ => x.try_max_axes(others),
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleBySm3 {
    type State = ScaleBySm3State<P>;

    fn init(&self, params: &P) -> ScaleBySm3State<P> {
        let zero = |leaf: &Tensor, axis: usize| {
            let size: Vec<usize> = leaf.shape().get(axis).copied().into_iter().collect();
            Tensor::zeros_of(size, second_moment_dtype(leaf.dtype()))
        };
        let mu = leaves(params).into_iter().map(|leaf| lists(leaf).map(|axis| zero(leaf, axis)).collect());
        ScaleBySm3State { mu: Regrouped::of_lists(params, mu.collect()), nu: zeros(params, None) }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        PROBABILITY.check_number("scale_by_sm3", "b1", &self.b1)?;
        PROBABILITY.check_number("scale_by_sm3", "b2", &self.b2)?;
        NOT_NEGATIVE.check_number("scale_by_sm3", "eps", &self.eps)?;
        let gains = if concrete(&self.b2) == Some(1.0) { bare(1.0) } else { 1.0 - &self.b2 };
        let (mut kept, mut mu) = (state.mu.tensors().iter(), Vec::new());
        let [updates, nu] = zip_moments([updates, &state.nu], 2, |[g, nu]| {
            let missing = || Error::argument("sm3", "the state lacks a tensor per axis");
            let bounds = lists(g).map(|axis| along(kept.next().ok_or_else(missing)?, axis, g));
            let least = bounds.reduce(|a, b| a?.try_minimum(b?)).unwrap_or_else(|| Err(missing()))?;
            let sums = g.square() * &gains + least * &self.b2;
            let root = sums.gt(0.0).try_select((&sums + &self.eps).rsqrt(), 0.0)?;
            mu.push(lists(g).map(|axis| largest_along(&sums, axis)).collect::<Result<Vec<_>>>()?);
            let nu = moving_average(nu, &(g * root), &self.b1);
            Ok([nu.clone(), nu])
        })?;
        Ok((updates, ScaleBySm3State { mu: Regrouped::of_lists(params, mu), nu }))
    }
}

/// SM3; see [`sm3`].
#[derive(Clone, Debug)]
pub struct Sm3 {
    learning_rate: Tensor,
    scale: ScaleBySm3,
}

/// The state of [`sm3`].
pub type Sm3State<P = Dict> = (ScaleBySm3State<P>, ());

/// Adagrad with memory for rows and columns only, and momentum, 0.9; see [`scale_by_sm3`]. The learning rate is a number.
///
/// Source: Anil et al., *Memory-Efficient Adaptive Optimization*, 2019.
pub fn sm3(learning_rate: impl TensorLike) -> Sm3 {
    Sm3 { learning_rate: unwrap(learning_rate.operand()), scale: scale_by_sm3() }
}

impl Sm3 {
    /// How much of the average of updates stays at each step, from 0 to 1; 0.9 by default.
    #[must_use]
    pub fn momentum(mut self, momentum: impl TensorLike) -> Sm3 {
        self.scale.b1 = unwrap(momentum.operand());
        self
    }

    fn step(&self) -> Scale {
        scale(-&self.learning_rate)
    }
}

alias!(Sm3, Sm3State<P>, |this| (this.scale.clone(), this.step()));
