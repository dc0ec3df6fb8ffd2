//! Schedules: learning rates and other numbers that depend on how many updates there were.

mod decay;
mod join;
mod piecewise;
mod warmup;

use std::fmt;
use std::sync::Arc;

pub use decay::{
    CosineDecay, ExponentialDecay, Polynomial, cosine_decay_schedule, exponential_decay, linear_schedule,
    polynomial_schedule,
};
pub use join::{join_schedules, sgdr_schedule};
pub use piecewise::{
    Interpolation, Onecycle, cosine_onecycle_schedule, linear_onecycle_schedule, piecewise_constant_schedule,
    piecewise_interpolate_schedule,
};
pub use warmup::{
    WarmupCosineDecay, WarmupExponentialDecay, warmup_constant_schedule, warmup_cosine_decay_schedule,
    warmup_exponential_decay_schedule,
};

use crate::array::DType;
use crate::core::domain::FINITE;
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::error::unwrap;

/// A number that depends on how many updates there were, or that does not.
///
/// Whatever takes a schedule takes a plain number, a tensor, and the schedules of this module; [`Schedule::new`] makes one
/// of a function.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::Schedule;
///
/// let halving = Schedule::new(|count| Ok(count.cast(DType::F32).neg().exp2()));
/// assert_eq!(halving.at(3)?.item::<f32>()?, 0.125);
/// let tx = optim::sgd(halving);
/// let tx = optim::sgd(optim::linear_schedule(1.0, 0.0, 100));
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone)]
pub struct Schedule(pub(super) Rate);

#[derive(Clone)]
pub(super) enum Rate {
    Number(Tensor),
    Function(Arc<ScheduleFn>),
}

type ScheduleFn = dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync;

impl Schedule {
    /// A function of the number of updates so far, which is an `I32` scalar and has no values under
    /// [`jit`](crate::jit()).
    pub fn new(f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Schedule {
        Schedule(Rate::Function(Arc::new(f)))
    }

    /// The number after `count` updates.
    ///
    /// # Errors
    /// What the function returns; if the number is not finite.
    pub fn at(&self, count: impl TensorLike) -> Result<Tensor> {
        match &self.0 {
            Rate::Number(number) => {
                FINITE.check_number("constant_schedule", "value", number)?;
                Ok(number.clone())
            }
            Rate::Function(f) => f(&count.operand()?),
        }
    }

    /// The number, if it is always the same.
    pub fn number(&self) -> Option<&Tensor> {
        if let Rate::Number(number) = &self.0 { Some(number) } else { None }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rate::Number(number) => write!(f, "{number:?}"),
            Rate::Function(_) => f.write_str("Schedule"),
        }
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl From<$number> for Schedule {
            fn from(number: $number) -> Schedule {
                Schedule(Rate::Number(unwrap(number.operand())))
            }
        })*
    };
}

numbers!(f32, f64, Tensor, &Tensor);

impl From<&Schedule> for Schedule {
    fn from(schedule: &Schedule) -> Schedule {
        schedule.clone()
    }
}

/// The same finite number always; a plain number does as well.
pub fn constant_schedule(value: f64) -> Schedule {
    value.into()
}

/// A struct of settings as a schedule, with the formula in a method `value(&self, count: &Tensor) -> Result<Tensor>`.
macro_rules! schedule {
    ($type:ident) => {
        impl From<$type> for crate::optim::Schedule {
            fn from(schedule: $type) -> crate::optim::Schedule {
                crate::optim::Schedule::new(move |count| schedule.value(count))
            }
        }

        impl $type {
            /// The number after `count` updates.
            ///
            /// # Errors
            /// If the settings are contradictory, or one is outside of its domain.
            pub fn at(&self, count: impl crate::TensorLike) -> crate::Result<crate::Tensor> {
                self.value(&count.operand()?)
            }
        }
    };
}

use schedule;

/// A count as `F32`.
fn float(count: &Tensor) -> Tensor {
    count.cast(DType::F32)
}

/// A power, which is exact for small whole exponents.
fn power(x: &Tensor, exponent: f64) -> Tensor {
    match exponent as i32 {
        whole if f64::from(whole) == exponent && (0..=8).contains(&whole) => x.powi(whole),
        _ => x.pow(exponent),
    }
}
