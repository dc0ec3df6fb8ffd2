//! L-BFGS: steps by an approximation of the inverse Hessian, from the last changes of gradients.

use super::linesearch::{InitialGuess, ScaleByZoomLinesearch, scale_by_zoom_linesearch};
use super::moments::{in_dtype_of, safe_increment, same_shapes, zero_count, zeros};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::setters;
use super::tree_math::{add_scale, cast_like, norm_squared, scale, select, sub, vdot};
use super::{ExtraArgs, GradientTransformation, Identity, identity};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::COUNT;
use crate::error::Result;
use crate::transform::scan;
use crate::tree::{self, Tree, zip_map};
use crate::variables::Dict;

/// Steps by an approximation of the inverse Hessian; see [`scale_by_lbfgs`].
#[derive(Clone, Debug)]
pub struct ScaleByLbfgs {
    memory_size: usize,
    scale_init_precond: bool,
}

/// What L-BFGS remembers.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByLbfgsState<P = Dict> {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The last parameters.
    pub params: P,
    /// The last gradients.
    pub updates: P,
    /// The last changes of parameters: leaves have an axis for them in front.
    pub diff_params_memory: P,
    /// The last changes of gradients: leaves have an axis for them in front.
    pub diff_updates_memory: P,
    /// One over the inner product of each of these changes, `F32` of shape `[memory_size]`.
    pub weights_memory: Tensor,
}

/// `P·g` with `P` the approximation of the inverse Hessian that the last changes of parameters and gradients make.
///
/// Source: Nocedal and Wright, *Numerical Optimization*, 2006, algorithm 7.4.
pub fn scale_by_lbfgs() -> ScaleByLbfgs {
    ScaleByLbfgs { memory_size: 10, scale_init_precond: true }
}

macro_rules! lbfgs_setters {
    ($($more:tt)*) => {
        $($more)* {
            /// How many changes are remembered: at least 1; 10 by default.
            #[must_use]
            pub fn memory_size(self, size: usize) -> Self {
                self.change(|scale| scale.memory_size = size)
            }

            /// Whether the approximation begins with the identity times the last change's quotient, and at the first step over the norm of
            /// the gradient, which is the default, or with the identity.
            #[must_use]
            pub fn scale_init_precond(self, scaled: bool) -> Self {
                self.change(|scale| scale.scale_init_precond = scaled)
            }
        }
    };
}

impl ScaleByLbfgs {
    fn change(mut self, change: impl FnOnce(&mut ScaleByLbfgs)) -> Self {
        change(&mut self);
        self
    }

    /// What the identity that the approximation begins with is multiplied by.
    fn identity_scale<P: Tree>(&self, updates: &P, changes: [&P; 2], later: &Tensor) -> Result<Tensor> {
        if !self.scale_init_precond {
            return Ok(Tensor::full([], 1.0f32));
        }
        let [diff_params, diff_updates] = changes;
        let length = norm_squared(diff_updates)?;
        let moves = length.try_gt(0.0)?;
        let ratio = vdot(diff_updates, diff_params)?.try_div(moves.try_select(&length, length.like(1.0))?)?;
        let ratio = moves.try_select(&ratio, ratio.like(1.0))?;
        let norm = norm_squared(updates)?.try_sqrt()?.stop_gradient();
        let first = (1.0 / norm.try_maximum(norm.like(1.0))?).try_minimum(1.0)?;
        later.try_select(ratio, first)
    }
}

lbfgs_setters!(impl ScaleByLbfgs);

/// The remembered trees, with one of them another.
fn remember<P: Tree>(memory: &P, at: &Tensor, new: &P) -> Result<P> {
    zip_map(memory, new, |memory, new| {
        memory.try_dynamic_update_axis(0, at, new.try_expand_dims([0])?.try_cast(memory.dtype())?)
    })
}

fn recall<P: Tree>(memory: &P, at: &Tensor) -> Result<P> {
    tree::map(memory, |memory| memory.try_dynamic_slice_axis(0, at, 1)?.try_squeeze([0]))
}

/// The product of the approximation and a vector, by two loops over what is remembered.
fn precondition<P: Tree + Clone>(
    updates: &P,
    state: &ScaleByLbfgsState<P>,
    identity_scale: &Tensor,
    order: &Tensor,
) -> Result<P> {
    let of = |at: &Tensor| -> Result<(P, P, Tensor)> {
        let weight = state.weights_memory.try_dynamic_slice_axis(0, at, 1)?.try_squeeze([0])?;
        Ok((recall(&state.diff_params_memory, at)?, recall(&state.diff_updates_memory, at)?, weight))
    };
    let right = scan(|vector: P, at: Tensor| {
        let (params, changes, weight) = of(&at)?;
        let alpha = weight.try_mul(vdot(&params, &vector)?)?;
        Ok((cast_like(&add_scale(&vector, -&alpha, &changes)?, &vector)?, alpha))
    });
    let (vector, alphas) = right.reverse().call(updates.clone(), order.clone())?;
    let vector = cast_like(&scale(identity_scale, &vector)?, updates)?;
    let left = scan(|vector: P, (at, alpha): (Tensor, Tensor)| {
        let (params, changes, weight) = of(&at)?;
        let beta = weight.try_mul(vdot(&changes, &vector)?)?;
        Ok((cast_like(&add_scale(&vector, alpha - &beta, &params)?, &vector)?, ()))
    });
    Ok(left.call(vector, (order.clone(), alphas))?.0)
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByLbfgs {
    type State = ScaleByLbfgsState<P>;

    fn init(&self, params: &P) -> Self::State {
        let stacked = || {
            let zeros = |leaf: &Tensor| {
                let shape: Vec<usize> = [self.memory_size].iter().chain(leaf.shape()).copied().collect();
                Ok(Tensor::zeros_of(shape, leaf.dtype()))
            };
            crate::error::unwrap(tree::map(params, zeros))
        };
        ScaleByLbfgsState {
            count: zero_count(),
            params: zeros(params, None),
            updates: zeros(params, None),
            diff_params_memory: stacked(),
            diff_updates_memory: stacked(),
            weights_memory: Tensor::zeros_of([self.memory_size], DType::F32),
        }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        COUNT.check("scale_by_lbfgs", "memory_size", self.memory_size as f64)?;
        same_shapes("update", "a gradient", updates, params)?;
        let size = self.memory_size as i32;
        let later = state.count.try_gt(0)?;
        let (diff_params, diff_updates) = (sub(params, &state.params)?, sub(updates, &state.updates)?);
        let product = vdot(&diff_updates, &diff_params)?;
        let flat = product.try_eq(0.0)?;
        let weight =
            flat.try_select(product.like(0.0), 1.0 / flat.try_select(product.like(1.0), &product)?)?;
        let none = |tree: &P| select(&later, tree, &zeros(tree, None));
        let (diff_params, diff_updates) = (none(&diff_params)?, none(&diff_updates)?);
        let weight = later.try_select(&weight, weight.like(0.0))?.try_cast(DType::F32)?;

        // The place before this one, in a ring.
        let at = (&state.count + (size - 1)) % size;
        let next = ScaleByLbfgsState {
            count: safe_increment(&state.count),
            params: cast_like(params, &state.params)?,
            updates: cast_like(updates, &state.updates)?,
            diff_params_memory: remember(&state.diff_params_memory, &at, &diff_params)?,
            diff_updates_memory: remember(&state.diff_updates_memory, &at, &diff_updates)?,
            weights_memory: state.weights_memory.try_dynamic_update_axis(0, &at, weight.try_reshape([1])?)?,
        };
        let identity_scale = self.identity_scale(updates, [&diff_params, &diff_updates], &later)?;
        let order = (&state.count % size + Tensor::try_arange(0i32, size, 1)?) % size;
        Ok((precondition(updates, &next, &identity_scale, &order)?, next))
    }
}

/// L-BFGS; see [`lbfgs`].
#[derive(Clone, Debug)]
pub struct Lbfgs<L = ScaleByZoomLinesearch> {
    learning_rate: Option<Schedule>,
    scale: ScaleByLbfgs,
    linesearch: L,
}

/// The state of [`lbfgs`]: of the approximation, of the learning rate, and of the line search.
pub type LbfgsState<S, P = Dict> = (ScaleByLbfgsState<P>, ScheduleState, S);

/// Steps `−η·P·g` with `P` an approximation of the inverse Hessian, and `η` found by a line search; see [`scale_by_lbfgs`].
///
/// The line search is [`scale_by_zoom_linesearch`] of up to 20 steps that begin with 1, unless another is given. It needs `value`,
/// `grad` and `value_fn` in [`update_with`](GradientTransformation::update_with).
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::{ExtraArgs, value_and_grad_from_state};
///
/// let loss = |x: &Tensor| (x - Tensor::from([1.0f32, -2.0])).try_square()?.try_sum();
/// let tx = optim::lbfgs();
/// let mut params = Tensor::from([0.0f32, 0.0]);
/// let mut state = tx.init(&params);
/// for _ in 0..5 {
///     let (value, gradient) = value_and_grad_from_state(loss)(&params, &state.2)?;
///     let extra = ExtraArgs::new().value(&value).grad(&gradient).value_fn(&loss);
///     let updates;
///     (updates, state) = tx.update_with(&gradient, &state, &params, &extra)?;
///     params = optim::apply_updates(&params, &updates)?;
/// }
/// assert!(params.all_close(Tensor::from([1.0f32, -2.0]), 1e-5, 0.0)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Source: Liu and Nocedal, *On the limited memory BFGS method for large scale optimization*, 1989.
pub fn lbfgs() -> Lbfgs {
    Lbfgs {
        learning_rate: None,
        scale: scale_by_lbfgs(),
        linesearch: scale_by_zoom_linesearch(20).initial_guess_strategy(InitialGuess::One),
    }
}

setters! { Lbfgs {
    /// What steps are multiplied by before the line search: a number or a schedule; 1 by default.
    learning_rate: Schedule => Some,
} }

impl<L> Lbfgs<L> {
    fn change(mut self, change: impl FnOnce(&mut ScaleByLbfgs)) -> Self {
        change(&mut self.scale);
        self
    }

    /// Another line search.
    #[must_use]
    pub fn linesearch<M>(self, linesearch: M) -> Lbfgs<M> {
        Lbfgs { learning_rate: self.learning_rate, scale: self.scale, linesearch }
    }

    /// Steps as they are, as optax's `linesearch=None`.
    #[must_use]
    pub fn without_linesearch(self) -> Lbfgs<Identity> {
        self.linesearch(identity())
    }
}

lbfgs_setters!(impl<L> Lbfgs<L>);

impl<P: Tree + Clone, L: GradientTransformation<P>> GradientTransformation<P> for Lbfgs<L> {
    type State = LbfgsState<L::State, P>;

    fn init(&self, params: &P) -> Self::State {
        let rate = self.learning_rate.as_ref().map_or_else(ScheduleState::default, ScheduleState::of);
        (self.scale.init(params), rate, self.linesearch.init(params))
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        self.update_with(updates, state, params, &ExtraArgs::new())
    }

    fn update_with(
        &self,
        updates: &P,
        state: &Self::State,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, Self::State)> {
        let (steps, lbfgs) = self.scale.update(updates, &state.0, params)?;
        let rate = scale_by_learning_rate(self.learning_rate.clone().unwrap_or_else(|| 1.0.into()));
        let (steps, rate) = rate.update(&steps, &state.1, params)?;
        let (steps, linesearch) = self.linesearch.update_with(&steps, &state.2, params, extra)?;
        Ok((steps, (lbfgs, rate, linesearch)))
    }
}

/// Steps times a number, each leaf in its dtype.
pub(super) fn scaled<P: Tree>(steps: &P, factor: &Tensor) -> Result<P> {
    tree::map(steps, |step| step.try_mul(in_dtype_of(factor, step)))
}
