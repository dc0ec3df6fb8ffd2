//! Which numbers a setting may be: each has a domain that its page states, and is refused outside of it.

use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};

/// A set of numbers, and what an error calls it.
#[derive(Clone, Copy)]
pub(crate) struct Domain {
    name: &'static str,
    contains: fn(f64) -> bool,
}

/// Neither NaN nor infinite, in the dtype that computes with most settings.
pub(crate) const FINITE: Domain = Domain { name: "a finite number of `F32`", contains: finite };

pub(crate) const NOT_NEGATIVE: Domain =
    Domain { name: "a finite number of at least 0 (of `F32`)", contains: |x| finite(x) && x >= 0.0 };

pub(crate) const POSITIVE: Domain =
    Domain { name: "a finite number above 0 (of `F32`)", contains: |x| finite(x) && x > 0.0 };

/// Limits, which may be infinite: then there is none.
pub(crate) const LIMIT: Domain = Domain { name: "a number of at least 0", contains: |x| x >= 0.0 };

/// How many there are of something that is needed.
pub(crate) const COUNT: Domain = Domain { name: "a number of at least 1", contains: |x| x >= 1.0 };

/// Anything but NaN.
pub(crate) const NUMBER: Domain = Domain { name: "a number", contains: |x| !x.is_nan() };

pub(crate) const PROBABILITY: Domain =
    Domain { name: "a number from 0 to 1", contains: |x| (0.0..=1.0).contains(&x) };

/// How much of an average stays: all of it would be no average.
pub(crate) const DECAY: Domain =
    Domain { name: "a number of at least 0 and below 1", contains: |x| (0.0..1.0).contains(&x) };

fn finite(x: f64) -> bool {
    x.abs() <= f32::MAX.into()
}

impl Domain {
    /// # Errors
    /// If the number is no element of the domain.
    pub(crate) fn check(self, op: &'static str, setting: &str, number: f64) -> Result<()> {
        if (self.contains)(number) {
            return Ok(());
        }
        Err(Error::argument(op, format!("expects {} as `{setting}`, found {number}", self.name)))
    }

    /// As [`check`](Domain::check), for a number that may be a tensor. A value of a transform has none to look at, and passes.
    pub(crate) fn check_number(self, op: &'static str, setting: &str, number: &Tensor) -> Result<()> {
        concrete(number).map_or(Ok(()), |number| self.check(op, setting, number))
    }
}

/// The number of a tensor with one element that is no value of a transform.
pub(crate) fn concrete(number: &Tensor) -> Option<f64> {
    match number.dtype() {
        DType::F32 => number.item::<f32>().ok().map(f64::from),
        DType::F64 => number.item::<f64>().ok(),
        DType::BF16 => number.item::<half::bf16>().ok().map(f64::from),
        DType::F16 => number.item::<half::f16>().ok().map(f64::from),
        DType::I32 => number.item::<i32>().ok().map(f64::from),
        DType::I64 => number.item::<i64>().ok().map(|x| x as f64),
        DType::U32 => number.item::<u32>().ok().map(f64::from),
        DType::U8 => number.item::<u8>().ok().map(f64::from),
        DType::U16 => number.item::<u16>().ok().map(f64::from),
        DType::I8 => number.item::<i8>().ok().map(f64::from),
        DType::I16 => number.item::<i16>().ok().map(f64::from),
        DType::Bool | DType::C64 => None,
    }
}
