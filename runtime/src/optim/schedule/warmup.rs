//! Schedules that begin with a rise.

use super::{
    CosineDecay, ExponentialDecay, Polynomial, Schedule, cosine_decay_schedule, exponential_decay,
    join_schedules, linear_schedule, schedule,
};
use crate::core::Tensor;
use crate::core::domain::{FINITE, NOT_NEGATIVE};
use crate::error::{Error, Result};
use crate::optim::settings::setters;

/// A linear rise from `init_value` to `peak_value` in `warmup_steps` updates, then constant.
pub fn warmup_constant_schedule(init_value: f64, peak_value: f64, warmup_steps: i32) -> Polynomial {
    linear_schedule(init_value, peak_value, warmup_steps)
}

/// A linear rise and a cosine decay; see [`warmup_cosine_decay_schedule`].
#[derive(Clone, Copy, Debug)]
pub struct WarmupCosineDecay {
    init_value: f64,
    peak_value: f64,
    warmup_steps: i32,
    decay_steps: i32,
    end_value: f64,
    exponent: f64,
}

/// A linear rise from `init_value` to `peak_value` in `warmup_steps` updates, then half a wave down to `end_value`;
/// together they last for `decay_steps`. Values are finite, and steps are at least 0.
///
/// ```
/// use flaxen::prelude::*;
///
/// let schedule = optim::warmup_cosine_decay_schedule(0.0, 1.0, 10, 100).end_value(0.1);
/// let at = |count: i32| schedule.at(count)?.item::<f32>();
/// assert_eq!([at(0)?, at(5)?, at(10)?, at(100)?], [0.0, 0.5, 1.0, 0.1]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn warmup_cosine_decay_schedule(
    init_value: f64,
    peak_value: f64,
    warmup_steps: i32,
    decay_steps: i32,
) -> WarmupCosineDecay {
    WarmupCosineDecay { init_value, peak_value, warmup_steps, decay_steps, end_value: 0.0, exponent: 1.0 }
}

setters! { WarmupCosineDecay {
    /// The last number: finite; 0 by default.
    end_value: f64,
    /// The power of the wave: at least 0; 1 by default.
    exponent: f64,
} }

schedule!(WarmupCosineDecay);

impl WarmupCosineDecay {
    pub(super) fn decay_steps(&self) -> i32 {
        self.decay_steps
    }

    fn value(&self, count: &Tensor) -> Result<Tensor> {
        NOT_NEGATIVE.check("warmup_cosine_decay_schedule", "warmup_steps", self.warmup_steps.into())?;
        FINITE.check("warmup_cosine_decay_schedule", "end_value", self.end_value)?;
        if self.decay_steps <= self.warmup_steps {
            let message = format!(
                "lasts for {} steps, of which {} are warm-up: give more `decay_steps`",
                self.decay_steps, self.warmup_steps
            );
            return Err(Error::argument("warmup_cosine_decay_schedule", message));
        }
        let alpha = if self.peak_value == 0.0 { 0.0 } else { self.end_value / self.peak_value };
        let decay: CosineDecay = cosine_decay_schedule(self.peak_value, self.decay_steps - self.warmup_steps)
            .alpha(alpha)
            .exponent(self.exponent);
        let rise = linear_schedule(self.init_value, self.peak_value, self.warmup_steps);
        warmup_then(rise, decay.into(), self.warmup_steps, count)
    }
}

/// A linear rise and an exponential decay; see [`warmup_exponential_decay_schedule`].
#[derive(Clone, Copy, Debug)]
pub struct WarmupExponentialDecay {
    rise: Polynomial,
    warmup_steps: i32,
    decay: ExponentialDecay,
}

/// A linear rise from `init_value` to `peak_value` in `warmup_steps` updates, then [`exponential_decay`]; steps are at least 0.
pub fn warmup_exponential_decay_schedule(
    init_value: f64,
    peak_value: f64,
    warmup_steps: i32,
    transition_steps: i32,
    decay_rate: f64,
) -> WarmupExponentialDecay {
    WarmupExponentialDecay {
        rise: linear_schedule(init_value, peak_value, warmup_steps),
        warmup_steps,
        decay: exponential_decay(peak_value, transition_steps, decay_rate),
    }
}

impl WarmupExponentialDecay {
    /// After how many updates at the peak the decay begins; 0 by default.
    #[must_use]
    pub fn transition_begin(self, begin: i32) -> Self {
        WarmupExponentialDecay { decay: self.decay.transition_begin(begin), ..self }
    }

    /// Whether it goes down by steps.
    #[must_use]
    pub fn staircase(self, staircase: bool) -> Self {
        WarmupExponentialDecay { decay: self.decay.staircase(staircase), ..self }
    }

    /// Where it stops.
    #[must_use]
    pub fn end_value(self, end: f64) -> Self {
        WarmupExponentialDecay { decay: self.decay.end_value(end), ..self }
    }

    fn value(&self, count: &Tensor) -> Result<Tensor> {
        NOT_NEGATIVE.check("warmup_exponential_decay_schedule", "warmup_steps", self.warmup_steps.into())?;
        warmup_then(self.rise, self.decay.into(), self.warmup_steps, count)
    }
}

schedule!(WarmupExponentialDecay);

fn warmup_then(rise: Polynomial, decay: Schedule, warmup_steps: i32, count: &Tensor) -> Result<Tensor> {
    join_schedules([rise.into(), decay], &[warmup_steps]).at(count)
}
