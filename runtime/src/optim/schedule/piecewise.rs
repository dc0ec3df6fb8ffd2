//! Schedules that change at given steps.

use std::f64::consts::PI;

use super::{Schedule, float, schedule};
use crate::core::Tensor;
use crate::core::domain::{FINITE, NOT_NEGATIVE, POSITIVE, PROBABILITY};
use crate::error::{Error, Result};
use crate::optim::settings::setters;

/// `init_value`, multiplied at each step of `boundaries_and_scales` by the number beside it, which is at least 0.
///
/// ```
/// use flaxen::prelude::*;
///
/// let schedule = optim::piecewise_constant_schedule(1.0, &[(100, 0.1), (200, 0.5)]);
/// assert_eq!(schedule.at(99)?.item::<f32>()?, 1.0);
/// assert_eq!(schedule.at(200)?.item::<f32>()?, 0.05);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn piecewise_constant_schedule(init_value: f64, boundaries_and_scales: &[(i32, f64)]) -> Schedule {
    let pieces = boundaries_and_scales.to_vec();
    Schedule::new(move |count| {
        check_pieces("piecewise_constant_schedule", init_value, &pieces)?;
        let mut value = Tensor::full([], init_value as f32);
        for &(boundary, scale) in &pieces {
            value = count.try_lt(boundary)?.try_select(&value, &value * scale)?;
        }
        Ok(value)
    })
}

/// How a schedule goes from one number to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Along a line.
    Linear,
    /// Along half a wave.
    Cosine,
}

/// From `init_value` to its products with the scales of `boundaries_and_scales`, each of which is reached at the step
/// beside it; the products accumulate. Steps and scales are at least 0.
pub fn piecewise_interpolate_schedule(
    interpolation: Interpolation,
    init_value: f64,
    boundaries_and_scales: &[(i32, f64)],
) -> Schedule {
    let mut pieces = boundaries_and_scales.to_vec();
    pieces.sort_by_key(|&(boundary, _)| boundary);
    Schedule::new(move |count| {
        check_pieces("piecewise_interpolate_schedule", init_value, &pieces)?;
        let (mut begin, mut start) = (0, init_value);
        let mut value = Tensor::full([], init_value as f32);
        for &(boundary, scale) in &pieces {
            let end = start * scale;
            let passed = float(&(count - begin)) / (boundary - begin);
            let between = match interpolation {
                Interpolation::Linear => passed * (end - start) + start,
                Interpolation::Cosine => ((passed * PI).cos() + 1.0) * ((start - end) / 2.0) + end,
            };
            let after = count.try_ge(boundary)?.try_select(end, between)?;
            value = count.try_lt(begin)?.try_select(&value, after)?;
            (begin, start) = (boundary, end);
        }
        Ok(value)
    })
}

fn check_pieces(op: &'static str, init_value: f64, pieces: &[(i32, f64)]) -> Result<()> {
    FINITE.check(op, "init_value", init_value)?;
    pieces.iter().try_for_each(|&(boundary, scale)| {
        NOT_NEGATIVE.check(op, "a boundary", boundary.into())?;
        NOT_NEGATIVE.check(op, "a scale", scale)
    })
}

/// One rise and one fall; see [`linear_onecycle_schedule`] and [`cosine_onecycle_schedule`].
#[derive(Clone, Copy, Debug)]
pub struct Onecycle {
    interpolation: Interpolation,
    transition_steps: i32,
    peak_value: f64,
    pct_start: f64,
    pct_final: f64,
    div_factor: f64,
    final_div_factor: f64,
}

/// A linear rise to `peak_value`, a fall to where it began, and a further fall to nearly nothing, in `transition_steps`
/// updates.
///
/// Source: Smith and Topin, *Super-Convergence*, 2018.
pub fn linear_onecycle_schedule(transition_steps: i32, peak_value: f64) -> Onecycle {
    onecycle(Interpolation::Linear, transition_steps, peak_value)
}

/// A rise to `peak_value` and a fall to nearly nothing along half waves, in `transition_steps` updates.
///
/// Source: Smith and Topin, *Super-Convergence*, 2018.
pub fn cosine_onecycle_schedule(transition_steps: i32, peak_value: f64) -> Onecycle {
    onecycle(Interpolation::Cosine, transition_steps, peak_value)
}

fn onecycle(interpolation: Interpolation, transition_steps: i32, peak_value: f64) -> Onecycle {
    Onecycle {
        interpolation,
        transition_steps,
        peak_value,
        pct_start: 0.3,
        pct_final: 0.85,
        div_factor: 25.0,
        final_div_factor: 1e4,
    }
}

setters! { Onecycle {
    /// The part of the steps that the rise takes, from 0 to 1; 0.3 by default.
    pct_start: f64,
    /// The part of the steps after which a linear cycle is back where it began, from 0 to 1; 0.85 by default.
    pct_final: f64,
    /// How much smaller than the peak the first number is: above 0; 25 by default.
    div_factor: f64,
    /// How much smaller than the first number the last is: above 0; 10⁴ by default.
    final_div_factor: f64,
} }

schedule!(Onecycle);

impl Onecycle {
    fn value(&self, count: &Tensor) -> Result<Tensor> {
        let steps = self.transition_steps;
        if steps <= 0 {
            let message = format!("one cycle takes {steps} steps: give a positive number");
            return Err(Error::argument("onecycle_schedule", message));
        }
        FINITE.check("onecycle_schedule", "peak_value", self.peak_value)?;
        PROBABILITY.check("onecycle_schedule", "pct_start", self.pct_start)?;
        PROBABILITY.check("onecycle_schedule", "pct_final", self.pct_final)?;
        POSITIVE.check("onecycle_schedule", "div_factor", self.div_factor)?;
        POSITIVE.check("onecycle_schedule", "final_div_factor", self.final_div_factor)?;
        let after = |part: f64| (part * f64::from(steps)) as i32;
        let up = (after(self.pct_start), self.div_factor);
        let pieces = match self.interpolation {
            Interpolation::Linear => {
                let down = (after(self.pct_final), 1.0 / self.div_factor);
                vec![up, down, (steps, 1.0 / self.final_div_factor)]
            }
            Interpolation::Cosine => vec![up, (steps, 1.0 / (self.div_factor * self.final_div_factor))],
        };
        let first = self.peak_value / self.div_factor;
        piecewise_interpolate_schedule(self.interpolation, first, &pieces).at(count)
    }
}
