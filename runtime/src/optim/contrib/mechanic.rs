//! Mechanic: a learning rate for any optimizer.

use crate::core::Tensor;
use crate::core::domain::{COUNT, FINITE, NOT_NEGATIVE, POSITIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::optim::finite::choose;
use crate::optim::moments::{finite_or_zero, in_dtype_of, safe_divide, safe_increment, zero_count, zip};
use crate::optim::polyak::lowest_dtype;
use crate::optim::settings::setters;
use crate::optim::tree_math::{Norm, norm, vdot};
use crate::optim::{ExtraArgs, GradientTransformation};
use crate::tree::Tree;
use crate::variables::Dict;

/// An optimizer with a learning rate that is learned; see [`mechanize`].
#[derive(Clone, Debug)]
pub struct Mechanize<T> {
    base_optimizer: T,
    settings: Settings,
}

#[derive(Clone, Debug)]
struct Settings {
    weight_decay: Tensor,
    eps: Tensor,
    s_init: Tensor,
    num_betas: usize,
}

/// What Mechanic remembers.
#[derive(Clone, Debug, Tree)]
pub struct MechanicState<S, P = Dict> {
    /// The state of the optimizer.
    pub base_optimizer_state: S,
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The rewards, for each decay.
    pub r: Tensor,
    /// The largest slope, for each decay.
    pub m: Tensor,
    /// The average of squares of slopes, for each decay.
    pub v: Tensor,
    /// The parts of the learning rate, for each decay.
    pub s: Tensor,
    /// The first parameters.
    pub x0: P,
}

/// Multiplies the sum of an optimizer's updates by a learning rate that is tuned on the way, from the first parameters on.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::contrib;
///
/// let tx = contrib::mechanize(optim::adam(1.0));
/// let params = Tensor::from([1.0f32, -2.0]);
/// let state = tx.init(&params);
/// let (_, state) = tx.update(&(&params * 2.0), &state, &params)?;
/// assert_eq!(state.s.shape(), [6]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Source: Cutkosky, Defazio and Mehta, *Mechanic: A Learning Rate Tuner*, 2023.
pub fn mechanize<T>(base_optimizer: T) -> Mechanize<T> {
    let settings = Settings { weight_decay: bare(1e-2), eps: bare(1e-8), s_init: bare(1e-6), num_betas: 6 };
    Mechanize { base_optimizer, settings }
}

setters! { Settings {
    weight_decay: Tensor,
    eps: Tensor,
    s_init: Tensor,
    num_betas: usize,
} }

impl<T> Mechanize<T> {
    /// How much of the parameters is added to gradients where slopes are measured: finite; 0.01 by default.
    #[must_use]
    #[track_caller]
    pub fn weight_decay(self, weight_decay: impl crate::TensorLike) -> Self {
        Mechanize { settings: self.settings.weight_decay(weight_decay), ..self }
    }

    /// What is added to denominators: at least 0; 10⁻⁸ by default.
    #[must_use]
    #[track_caller]
    pub fn eps(self, eps: impl crate::TensorLike) -> Self {
        Mechanize { settings: self.settings.eps(eps), ..self }
    }

    /// The first learning rate: above 0; 10⁻⁶ by default.
    #[must_use]
    #[track_caller]
    pub fn s_init(self, s_init: impl crate::TensorLike) -> Self {
        Mechanize { settings: self.settings.s_init(s_init), ..self }
    }

    /// How many decays there are, 0.9, 0.99 and so on: at least 1; 6 by default.
    #[must_use]
    pub fn num_betas(self, num_betas: usize) -> Self {
        Mechanize { settings: self.settings.num_betas(num_betas), ..self }
    }
}

impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<P> for Mechanize<T> {
    type State = MechanicState<T::State, P>;

    fn init(&self, params: &P) -> Self::State {
        let (count, dtype) = (self.settings.num_betas, lowest_dtype(params));
        let zeros = Tensor::zeros_of([count], dtype);
        MechanicState {
            base_optimizer_state: self.base_optimizer.init(params),
            count: zero_count(),
            r: zeros.clone(),
            m: zeros.clone(),
            v: zeros,
            s: Tensor::ones_of([count], dtype) * self.settings.s_init.cast(dtype),
            x0: params.clone(),
        }
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
        const OP: &str = "mechanize";
        let Settings { weight_decay, eps, s_init, num_betas } = &self.settings;
        FINITE.check_number(OP, "weight_decay", weight_decay)?;
        NOT_NEGATIVE.check_number(OP, "eps", eps)?;
        POSITIVE.check_number(OP, "s_init", s_init)?;
        COUNT.check(OP, "num_betas", *num_betas as f64)?;
        let (steps, base_optimizer_state) =
            self.base_optimizer.update_with(updates, &state.base_optimizer_state, params, extra)?;
        // Training may begin with other parameters than those that the state was made of.
        let x0 = choose(&state.count.try_eq(0)?, params, &state.x0)?;
        let dtype = state.s.dtype();
        let sum = state.s.try_sum()?;
        let of_params = norm(params, Norm::L2)? + eps;
        let decay = norm(updates, Norm::L2)? * &sum * weight_decay;
        let decay = finite_or_zero(&safe_divide(&decay, &of_params, true)?)?;

        // How far the sum of steps is from the first parameters, and the slope along it.
        let [before, decayed] = zip([updates, params, &x0], |[g, p, first]| {
            let before = safe_divide(&(first - p), &in_dtype_of(&(&sum + eps), p), true)?;
            Ok([finite_or_zero(&before)?, finite_or_zero(&(g + p * in_dtype_of(&decay, p)))?])
        })?;
        let slope = finite_or_zero(&vdot(&decayed, &before)?.try_cast(dtype)?)?;
        let clipped = slope.try_maximum(-&state.m)?.try_minimum(&state.m)?;
        let betas: Vec<f64> = (1..=*num_betas).map(|i| 1.0 - 0.1f64.powi(i as i32)).collect();
        let betas = Tensor::from_vec_of(betas, [*num_betas], dtype);
        let m = (&betas * &state.m).try_maximum(slope.try_abs()? + eps)?;
        let v = betas.try_square()? * &state.v + slope.try_square()?;
        let r = &betas * &state.r + clipped * &state.s;
        let wealth = &m * (s_init / *num_betas as f64) + r.try_maximum(0.0)?;
        let s = finite_or_zero(&safe_divide(&wealth, &(v.try_sqrt()? + eps), true)?)?;

        let total = s.try_sum()?;
        let [moves] = zip([&x0, &before, &steps, params], |[first, before, step, p]| {
            let way = finite_or_zero(&((before - step) * in_dtype_of(&total, p)))?;
            // What an optimizer makes of gradients that are NaN is not hidden.
            Ok([step.try_is_nan()?.try_select(step, finite_or_zero(&(first - way - p))?)?])
        })?;
        let count = safe_increment(&state.count);
        Ok((moves, MechanicState { base_optimizer_state, count, r, m, v, s, x0 }))
    }
}
