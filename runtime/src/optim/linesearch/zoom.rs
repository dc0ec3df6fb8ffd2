//! Zooming: an interval that has good steps is found, and made smaller until one is.

use super::{StoredGradient, value_dtype, without_nan};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{COUNT, LIMIT, NOT_NEGATIVE, POSITIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::optim::lbfgs::scaled;
use crate::optim::moments::{safe_increment, zero_count, zeros};
use crate::optim::settings::setters;
use crate::optim::tree_math::{add_scale, cast_like, select, vdot};
use crate::optim::{ExtraArgs, GradientTransformation};
use crate::transform::{value_and_grad, while_loop};
use crate::tree::Tree;
use crate::variables::Dict;

/// Where the search begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitialGuess {
    /// With the last step, optax's `"keep"`.
    #[default]
    Keep,
    /// With 1, optax's `"one"`.
    One,
}

/// A line search that zooms in; see [`scale_by_zoom_linesearch`].
#[derive(Clone, Debug)]
pub struct ScaleByZoomLinesearch {
    max_linesearch_steps: i32,
    max_learning_rate: Option<Tensor>,
    tol: Tensor,
    increase_factor: Tensor,
    slope_rtol: Tensor,
    curv_rtol: Tensor,
    approx_dec_rtol: Option<Tensor>,
    stepsize_precision: Tensor,
    initial_guess_strategy: InitialGuess,
}

/// How the search went.
#[derive(Clone, Debug, Tree)]
pub struct ZoomLinesearchInfo {
    /// How many steps were tried, `I32`.
    pub num_linesearch_steps: Tensor,
    /// By how much the condition on the loss fails.
    pub decrease_error: Tensor,
    /// By how much the condition on the slope fails.
    pub curvature_error: Tensor,
}

/// Where the search ended.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByZoomLinesearchState<P = Dict> {
    /// The step that was found.
    pub learning_rate: Tensor,
    /// The loss there.
    pub value: Tensor,
    /// The gradient there.
    pub grad: P,
    /// How the search went.
    pub info: ZoomLinesearchInfo,
}

impl<P> StoredGradient<P> for ScaleByZoomLinesearchState<P> {
    fn value(&self) -> &Tensor {
        &self.value
    }

    fn grad(&self) -> Option<&P> {
        Some(&self.grad)
    }
}

/// Updates times a step that satisfies the strong conditions of Wolfe: the loss decreases with the slope,
/// `f(p + η·u) ≤ f(p) + slope_rtol·η·s`, and flattens, `|u·∇f(p + η·u)| ≤ curv_rtol·|s|`, where `s` is the slope `u·∇f(p)` at the
/// parameters.
///
/// `max_linesearch_steps`, which is at least 1, is how many steps are tried. Near a minimum, where losses are too close to compare, slopes
/// decide. If no step satisfies both, the best that decreases the loss is taken. It needs `value`, `grad` and `value_fn` in
/// [`update_with`](GradientTransformation::update_with). There is no argument `verbose`: the state says how the search went.
///
/// Source: Nocedal and Wright, *Numerical Optimization*, 2006, algorithms 3.5 and 3.6; Hager and Zhang, *Algorithm 851*, 2006, for the
/// approximate condition.
pub fn scale_by_zoom_linesearch(max_linesearch_steps: i32) -> ScaleByZoomLinesearch {
    ScaleByZoomLinesearch {
        max_linesearch_steps,
        max_learning_rate: None,
        tol: bare(0.0),
        increase_factor: bare(2.0),
        slope_rtol: bare(1e-4),
        curv_rtol: bare(0.9),
        approx_dec_rtol: Some(bare(1e-6)),
        stepsize_precision: bare(1e-5),
        initial_guess_strategy: InitialGuess::Keep,
    }
}

setters! { ScaleByZoomLinesearch {
    /// The longest step: at least 0; there is none by default.
    max_learning_rate: Tensor => Some,
    /// By how much the conditions may fail: at least 0, which is the default.
    tol: Tensor,
    /// What steps are multiplied by until an interval is found: above 0; 2 by default.
    increase_factor: Tensor,
    /// Which part of the slope the loss has to follow: at least 0; 10⁻⁴ by default.
    slope_rtol: Tensor,
    /// Which part of the slope may be left: at least 0; 0.9 by default.
    curv_rtol: Tensor,
    /// By which part the loss may increase where slopes decide: at least 0; 10⁻⁶ by default.
    approx_dec_rtol: Tensor => Some,
    /// How short the interval may become: at least 0; 10⁻⁵ by default.
    stepsize_precision: Tensor,
    /// Where the search begins.
    initial_guess_strategy: InitialGuess,
} }

/// A step, the loss there, and the slope.
#[derive(Clone, Tree)]
struct Point {
    step: Tensor,
    value: Tensor,
    slope: Tensor,
}

impl Point {
    /// One of two.
    fn choose(first: &Tensor, a: &Point, b: &Point) -> Result<Point> {
        select(first, a, b)
    }
}

/// The state of the search.
#[derive(Clone, Tree)]
struct Search<P> {
    count: Tensor,
    at: Point,
    grad: P,
    decrease_error: Tensor,
    curvature_error: Tensor,
    interval_found: Tensor,
    done: Tensor,
    failed: Tensor,
    low: Point,
    high: Point,
    cubic_step: Tensor,
    cubic_value: Tensor,
    safe_step: Tensor,
    safe_value: Tensor,
    safe_grad: P,
}

/// Settings as tensors of the dtype of losses, and where the search began.
struct Line {
    begin: Point,
    guess: Tensor,
    tol: Tensor,
    increase_factor: Tensor,
    slope_rtol: Tensor,
    curv_rtol: Tensor,
    approx_dec_rtol: Option<Tensor>,
    precision: Tensor,
    longest: Option<Tensor>,
    most: i32,
}

fn and(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.try_bitand(b)
}

fn or(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.try_bitor(b)
}

fn not(a: &Tensor) -> Result<Tensor> {
    a.try_logical_not()
}

impl Line {
    /// By how much the conditions on the loss and on the slope fail.
    fn errors(&self, at: &Point) -> Result<(Tensor, Tensor)> {
        let Point { value, slope, .. } = &self.begin;
        let mut decrease = &at.value - value - &self.slope_rtol * &at.step * slope;
        if let Some(rtol) = &self.approx_dec_rtol {
            let flatter = &at.slope - (&self.slope_rtol * 2.0 - 1.0) * slope;
            let higher = &at.value - value - rtol * value.try_abs()?;
            decrease = flatter.try_maximum(higher)?.try_minimum(decrease)?;
        }
        let curvature = at.slope.try_abs()? - &self.curv_rtol * slope.try_abs()?;
        let positive = |error: Tensor| without_nan(&error.try_maximum(0.0)?);
        Ok((positive(decrease)?, positive(curvature)?))
    }

    /// The next step until an interval is found, and whether it is the longest.
    fn longer<P>(&self, state: &Search<P>) -> Result<(Tensor, Tensor)> {
        let larger = &self.increase_factor * &state.at.step;
        let step = state.count.try_eq(0)?.try_select(&self.guess, larger)?;
        match &self.longest {
            None => Ok((step, Tensor::full([], false))),
            Some(longest) => Ok((step.try_minimum(longest)?, step.try_ge(longest)?)),
        }
    }

    /// The state after a point was looked at. The two phases differ in the interval that they go on with, and in when they end.
    fn next<P: Tree + Clone>(
        &self,
        state: Search<P>,
        at: Point,
        grad: P,
        longest_reached: &Tensor,
    ) -> Result<Search<P>> {
        let zooms = &state.interval_found;
        let (decrease_error, curvature_error) = self.errors(&at)?;
        let fits = decrease_error.try_maximum(&curvature_error)?.try_le(&self.tol)?;
        let decreases = decrease_error.try_le(&self.tol)?;
        let best = and(&decreases, &or(&not(zooms)?, &at.value.try_lt(&state.safe_value)?)?)?;
        let safe_step = best.try_select(&at.step, &state.safe_step)?;
        let safe_value = best.try_select(&at.value, &state.safe_value)?;
        let safe_grad = select(&best, &grad, &state.safe_grad)?;
        let too_high = decrease_error.try_gt(0.0)?;

        // Until an interval is found: between the last point and this one, from the lower of them.
        let higher = and(&at.value.try_ge(&state.at.value)?, &state.count.try_gt(0)?)?;
        let ends = or(&too_high, &higher)?;
        let turns = and(&at.slope.try_ge(0.0)?, &not(&ends)?)?;
        let found_low = Point::choose(&turns, &at, &state.at)?;
        let found_high = Point::choose(&turns, &state.at, &at)?;
        let found = or(&or(&ends, &turns)?, &fits)?;
        let searched = or(&fits, &and(longest_reached, &not(&found)?)?)?;

        // Within the interval: one of its ends becomes this point.
        let raises = or(&too_high, &at.value.try_ge(&state.low.value)?)?;
        let away = (&at.slope * (&state.high.step - &state.low.step)).try_ge(0.0)?;
        let swaps = and(&away, &not(&raises)?)?;
        let high = Point::choose(&raises, &at, &state.high)?;
        let high = Point::choose(&swaps, &state.low, &high)?;
        let low = Point::choose(&raises, &state.low, &at)?;
        let replaced = Point::choose(&or(&raises, &swaps)?, &state.high, &state.low)?;
        let small = (&state.high.step - &state.low.step).try_abs()?.try_le(&self.precision)?;

        let last = (&state.count + 1).try_ge(self.most)?;
        let stuck = and(&and(zooms, &small)?, &safe_step.try_gt(0.0)?)?;
        let done = zooms.try_select(&fits, searched)?;
        let failed = and(&or(&last, &stuck)?, &not(&done)?)?;
        let cubic = Point::choose(zooms, &replaced, &found_low)?;
        let next = Search {
            count: safe_increment(&state.count),
            low: Point::choose(zooms, &low, &found_low)?,
            high: Point::choose(zooms, &high, &found_high)?,
            cubic_step: cubic.step,
            cubic_value: cubic.value,
            interval_found: or(zooms, &found)?,
            at,
            grad,
            decrease_error,
            curvature_error,
            done,
            failed,
            safe_step,
            safe_value,
            safe_grad,
        };
        settled(next)
    }
}

/// A search that failed takes the best step that decreased the loss, and none where there is no number.
fn settled<P: Tree + Clone>(state: Search<P>) -> Result<Search<P>> {
    let safe = or(&state.safe_step.try_gt(0.0)?, &state.decrease_error.try_is_inf()?)?;
    let back = and(&state.failed, &safe)?;
    let step = back.try_select(&state.safe_step, &state.at.step)?;
    let value = back.try_select(&state.safe_value, &state.at.value)?;
    let grad = select(&back, &state.safe_grad, &state.grad)?;
    let slope = state.at.slope.clone();
    Ok(Search { at: Point { step, value, slope }, grad, ..state })
}

/// The next step within the interval: where a cubic has its minimum, or a parabola, or the middle.
fn middle<P>(state: &Search<P>) -> Result<Tensor> {
    let (low, high) = (&state.low, &state.high);
    let length = (&high.step - &low.step).try_abs()?;
    let (left, right) = (high.step.try_minimum(&low.step)?, high.step.try_maximum(&low.step)?);
    let within = |step: &Tensor, part: f64| {
        let margin = &length * part;
        and(&step.try_gt(&left + &margin)?, &step.try_lt(&right - &margin)?)
    };
    let cubic = cubic_minimum(low, high, &state.cubic_step, &state.cubic_value)?;
    let quadratic = quadratic_minimum(low, high);
    let halves = (&low.step + &high.step) / 2.0;
    let step = within(&quadratic, 0.1)?.try_select(&quadratic, halves)?;
    within(&cubic, 0.2)?.try_select(cubic, step)
}

/// Where the cubic through three points, with the slope at the first, has its minimum; NaN if there is none.
fn cubic_minimum(a: &Point, b: &Point, c_step: &Tensor, c_value: &Tensor) -> Result<Tensor> {
    let (db, dc) = (&b.step - &a.step, c_step - &a.step);
    let scale = (&db * &dc).try_square()? * (&db - &dc);
    let fb = &b.value - &a.value - &a.slope * &db;
    let fc = c_value - &a.value - &a.slope * &dc;
    let third = (dc.try_square()? * &fb - db.try_square()? * &fc) / &scale;
    let second = (db.try_powi(3)? * fc - dc.try_powi(3)? * fb) / scale;
    let radical = second.try_square()? - &third * &a.slope * 3.0;
    Ok(&a.step + (radical.try_sqrt()? - second) / (third * 3.0))
}

/// Where the parabola through two points, with the slope at the first, has its minimum.
fn quadratic_minimum(a: &Point, b: &Point) -> Tensor {
    let db = &b.step - &a.step;
    let second = (&b.value - &a.value - &a.slope * &db) / (&db * &db);
    &a.step - &a.slope / (second * 2.0)
}

impl ScaleByZoomLinesearch {
    const OP: &'static str = "scale_by_zoom_linesearch";

    fn check(&self) -> Result<()> {
        COUNT.check(Self::OP, "max_linesearch_steps", self.max_linesearch_steps.into())?;
        if let Some(longest) = &self.max_learning_rate {
            LIMIT.check_number(Self::OP, "max_learning_rate", longest)?;
        }
        NOT_NEGATIVE.check_number(Self::OP, "tol", &self.tol)?;
        POSITIVE.check_number(Self::OP, "increase_factor", &self.increase_factor)?;
        NOT_NEGATIVE.check_number(Self::OP, "slope_rtol", &self.slope_rtol)?;
        NOT_NEGATIVE.check_number(Self::OP, "curv_rtol", &self.curv_rtol)?;
        if let Some(rtol) = &self.approx_dec_rtol {
            NOT_NEGATIVE.check_number(Self::OP, "approx_dec_rtol", rtol)?;
        }
        NOT_NEGATIVE.check_number(Self::OP, "stepsize_precision", &self.stepsize_precision)
    }

    /// Without the condition that slopes decide where losses are too close, as optax's `approx_dec_rtol=None`.
    #[must_use]
    pub fn without_approximate_decrease(self) -> Self {
        ScaleByZoomLinesearch { approx_dec_rtol: None, ..self }
    }

    fn line(&self, begin: Point, last_step: &Tensor, dtype: DType) -> Result<Line> {
        let number = |x: &Tensor| x.try_cast(dtype);
        Ok(Line {
            guess: match self.initial_guess_strategy {
                InitialGuess::Keep => number(last_step)?,
                InitialGuess::One => Tensor::full_of([], 1.0, dtype),
            },
            begin,
            tol: number(&self.tol)?,
            increase_factor: number(&self.increase_factor)?,
            slope_rtol: number(&self.slope_rtol)?,
            curv_rtol: number(&self.curv_rtol)?,
            approx_dec_rtol: self.approx_dec_rtol.as_ref().map(number).transpose()?,
            precision: number(&self.stepsize_precision)?,
            longest: self.max_learning_rate.as_ref().map(number).transpose()?,
            most: self.max_linesearch_steps,
        })
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByZoomLinesearch {
    type State = ScaleByZoomLinesearchState<P>;

    fn init(&self, params: &P) -> Self::State {
        let of = |value: f64| Tensor::full_of([], value, value_dtype(params));
        ScaleByZoomLinesearchState {
            learning_rate: of(1.0),
            value: of(f64::INFINITY),
            grad: zeros(params, None),
            info: ZoomLinesearchInfo {
                num_linesearch_steps: zero_count(),
                decrease_error: of(f64::INFINITY),
                curvature_error: of(f64::INFINITY),
            },
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
        self.check()?;
        let dtype = state.value.dtype();
        let value = extra.need_value(Self::OP)?.try_cast(dtype)?;
        let value_fn = extra.need_value_fn(Self::OP)?;
        let grad = cast_like(extra.need_grad(Self::OP)?, &state.grad)?;
        let slope = vdot(updates, &grad)?.try_cast(dtype)?;
        let begin = Point { step: value.like(0.0), value: value.clone(), slope };
        let line = self.line(begin.clone(), &state.learning_rate, dtype)?;

        let search = while_loop(
            |state: &Search<P>| not(&or(&state.done, &state.failed)?),
            |state: Search<P>| {
                let (longer, longest_reached) = line.longer(&state)?;
                let step = state.interval_found.try_select(middle(&state)?, longer)?;
                let at = cast_like(&add_scale(params, &step, updates)?, params)?;
                let (value, grad) = value_and_grad(|params: &P| value_fn(params))(&at)?;
                let slope = vdot(&grad, updates)?.try_cast(dtype)?;
                let grad = cast_like(&grad, &state.grad)?;
                let at = Point { step, value: value.try_cast(dtype)?, slope };
                line.next(state, at, grad, &longest_reached)
            },
        );
        let no = || Tensor::full([], false);
        let unknown = || value.like(f64::INFINITY);
        let found = search(Search {
            count: zero_count(),
            at: begin.clone(),
            grad: grad.clone(),
            decrease_error: unknown(),
            curvature_error: unknown(),
            interval_found: no(),
            done: no(),
            failed: no(),
            low: begin.clone(),
            high: begin.clone(),
            cubic_step: begin.step.clone(),
            cubic_value: begin.value.clone(),
            safe_step: begin.step,
            safe_value: begin.value,
            safe_grad: grad,
        })?;
        let info = ZoomLinesearchInfo {
            num_linesearch_steps: found.count,
            decrease_error: found.decrease_error,
            curvature_error: found.curvature_error,
        };
        let Point { step: learning_rate, value, .. } = found.at;
        let steps = scaled(updates, &learning_rate)?;
        Ok((steps, ScaleByZoomLinesearchState { learning_rate, value, grad: found.grad, info }))
    }
}
