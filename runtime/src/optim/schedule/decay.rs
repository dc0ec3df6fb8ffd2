//! Schedules that go from one number to another.

use super::{float, power, schedule};
use crate::core::Tensor;
use crate::core::domain::{FINITE, NOT_NEGATIVE};
use crate::error::{Error, Result};
use crate::optim::settings::setters;

/// From one number to another along a power; see [`polynomial_schedule`].
#[derive(Clone, Copy, Debug)]
pub struct Polynomial {
    init_value: f64,
    end_value: f64,
    power: f64,
    transition_steps: i32,
    transition_begin: i32,
}

/// From `init_value` to `end_value` in `transition_steps` updates: `(init − end)·(1 − t/steps)^power + end`.
///
/// Values are finite, and `power` is at least 0. Without steps it stays at `init_value`.
///
/// ```
/// use flaxen::prelude::*;
///
/// let schedule = optim::polynomial_schedule(1.0, 0.0, 2.0, 4).transition_begin(1);
/// assert_eq!(schedule.at(3)?.item::<f32>()?, 0.25);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn polynomial_schedule(init_value: f64, end_value: f64, power: f64, transition_steps: i32) -> Polynomial {
    Polynomial { init_value, end_value, power, transition_steps, transition_begin: 0 }
}

/// From `init_value` to `end_value` along a line, in `transition_steps` updates.
pub fn linear_schedule(init_value: f64, end_value: f64, transition_steps: i32) -> Polynomial {
    polynomial_schedule(init_value, end_value, 1.0, transition_steps)
}

setters! { Polynomial {
    /// After how many updates the transition begins; 0 by default, and for negative values.
    transition_begin: i32,
} }

schedule!(Polynomial);

impl Polynomial {
    fn value(&self, count: &Tensor) -> Result<Tensor> {
        let op = "polynomial_schedule";
        FINITE.check(op, "init_value", self.init_value)?;
        FINITE.check(op, "end_value", self.end_value)?;
        NOT_NEGATIVE.check(op, "power", self.power)?;
        if self.transition_steps <= 0 {
            return Ok(Tensor::full([], self.init_value as f32));
        }
        let passed = float(&(count - self.transition_begin.max(0)).clamp(0, self.transition_steps));
        let left = 1.0 - passed / self.transition_steps;
        Ok(power(&left, self.power) * (self.init_value - self.end_value) + self.end_value)
    }
}

/// By a constant factor in equal times; see [`exponential_decay`].
#[derive(Clone, Copy, Debug)]
pub struct ExponentialDecay {
    init_value: f64,
    transition_steps: i32,
    decay_rate: f64,
    transition_begin: i32,
    staircase: bool,
    end_value: Option<f64>,
}

/// `init_value·decay_rate^(t/transition_steps)`.
///
/// Values are finite, and `decay_rate` is at least 0. Without steps, or with a rate of 0, it stays at `init_value`.
///
/// ```
/// use flaxen::prelude::*;
///
/// let schedule = optim::exponential_decay(1.0, 10, 0.5).staircase(true).end_value(0.25);
/// let at = |count: i32| schedule.at(count)?.item::<f32>();
/// assert_eq!([at(9)?, at(10)?, at(20)?, at(99)?], [1.0, 0.5, 0.25, 0.25]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn exponential_decay(init_value: f64, transition_steps: i32, decay_rate: f64) -> ExponentialDecay {
    ExponentialDecay {
        init_value,
        transition_steps,
        decay_rate,
        transition_begin: 0,
        staircase: false,
        end_value: None,
    }
}

setters! { ExponentialDecay {
    /// After how many updates the decay begins; 0 by default, and for negative values.
    transition_begin: i32,
    /// Whether it goes down by steps, each `transition_steps` long.
    staircase: bool,
    /// Where it stops: the least number for a rate below 1, else the largest.
    end_value: f64 => Some,
} }

schedule!(ExponentialDecay);

impl ExponentialDecay {
    fn value(&self, count: &Tensor) -> Result<Tensor> {
        let op = "exponential_decay";
        FINITE.check(op, "init_value", self.init_value)?;
        NOT_NEGATIVE.check(op, "decay_rate", self.decay_rate)?;
        FINITE.check(op, "end_value", self.end_value.unwrap_or_default())?;
        let initial = Tensor::full([], self.init_value as f32);
        if self.transition_steps <= 0 || self.decay_rate == 0.0 {
            return Ok(initial);
        }
        let passed = count - self.transition_begin.max(0);
        let exponent = float(&passed) / self.transition_steps;
        let exponent = if self.staircase { exponent.floor() } else { exponent };
        let decayed = Tensor::full([], self.decay_rate as f32).pow(exponent) * self.init_value;
        let decayed = passed.le(0).select(initial, decayed);
        Ok(match self.end_value {
            Some(end) if self.decay_rate < 1.0 => decayed.maximum(end),
            Some(end) => decayed.minimum(end),
            None => decayed,
        })
    }
}

/// Along half a wave; see [`cosine_decay_schedule`].
#[derive(Clone, Copy, Debug)]
pub struct CosineDecay {
    init_value: f64,
    decay_steps: i32,
    alpha: f64,
    exponent: f64,
}

/// `init_value·((1 − α)·(½ + ½·cos(π·t/decay_steps))^exponent + α)`, after `decay_steps` updates constant.
///
/// Values are finite, and there is one step at least.
///
/// Source: Loshchilov and Hutter, *SGDR*, 2017.
pub fn cosine_decay_schedule(init_value: f64, decay_steps: i32) -> CosineDecay {
    CosineDecay { init_value, decay_steps, alpha: 0.0, exponent: 1.0 }
}

setters! { CosineDecay {
    /// The last number as a part of the first: finite; 0 by default.
    alpha: f64,
    /// The power of the wave: at least 0; 1 by default.
    exponent: f64,
} }

schedule!(CosineDecay);

impl CosineDecay {
    fn value(&self, count: &Tensor) -> Result<Tensor> {
        if self.decay_steps <= 0 {
            let message = format!("decays in {} steps: give a positive number", self.decay_steps);
            return Err(Error::argument("cosine_decay_schedule", message));
        }
        let op = "cosine_decay_schedule";
        FINITE.check(op, "init_value", self.init_value)?;
        FINITE.check(op, "alpha", self.alpha)?;
        NOT_NEGATIVE.check(op, "exponent", self.exponent)?;
        let passed = float(&count.minimum(self.decay_steps)) / self.decay_steps;
        let wave = ((passed * std::f64::consts::PI).cos() + 1.0) * 0.5;
        Ok((power(&wave, self.exponent) * (1.0 - self.alpha) + self.alpha) * self.init_value)
    }
}
