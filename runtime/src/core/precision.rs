//! How exactly products are computed, where a device offers a choice.

use std::cell::Cell;
use std::fmt;

use crate::error::{Error, Result};

/// How exactly a device computes products of `F32`; `jax.lax.Precision`.
///
/// Accelerators can round operands before they multiply them. The CPU does not, so that no number depends on it here, as in JAX on a
/// CPU. It is part of a program: a backend, and whoever writes the program down, reads it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub enum Precision {
    /// The fastest: operands rounded to `BF16`, or to what the device multiplies fastest.
    #[default]
    Default,
    /// In between: three passes in `BF16`, or one of operands with 10 bits behind the point.
    High,
    /// The most exact: that of `F32`.
    Highest,
}

impl Precision {
    /// The precision of one of JAX's names.
    fn of(name: &str) -> Option<Precision> {
        match name {
            "default" | "bfloat16" | "fastest" => Some(Precision::Default),
            "high" | "bfloat16_3x" | "tensorfloat32" => Some(Precision::High),
            "highest" | "float32" => Some(Precision::Highest),
            _ => None,
        }
    }
}

/// What may be said of a product's precision: nothing, one for both operands, or one for each; JAX's `PrecisionLike`.
///
/// Made of a [`Precision`], of one of JAX's names, or of a pair of either.
///
/// ```
/// use flaxen::{OperandPrecision, Precision};
/// let both = OperandPrecision::from("highest");
/// assert_eq!(both, OperandPrecision::Of(Precision::Highest, Precision::Highest));
/// assert_eq!(OperandPrecision::from(("tensorfloat32", "fastest")), (Precision::High, Precision::Default).into());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub enum OperandPrecision {
    /// Nothing: what [`default_matmul_precision`] says, or else what the device does by itself.
    #[default]
    Unsaid,
    /// That of the left operand, and that of the right one.
    Of(Precision, Precision),
    /// A name that stands for none: an error when the product is computed.
    Unknown(String),
}

/// Prints as what it was made of: `"high"` or `("high", "default")`.
impl fmt::Debug for OperandPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OperandPrecision::Unsaid => f.write_str("None"),
            OperandPrecision::Of(lhs, rhs) if lhs == rhs => lhs.fmt(f),
            OperandPrecision::Of(lhs, rhs) => (lhs, rhs).fmt(f),
            OperandPrecision::Unknown(name) => name.fmt(f),
        }
    }
}

impl From<Precision> for OperandPrecision {
    fn from(both: Precision) -> OperandPrecision {
        OperandPrecision::Of(both, both)
    }
}

impl From<(Precision, Precision)> for OperandPrecision {
    fn from((lhs, rhs): (Precision, Precision)) -> OperandPrecision {
        OperandPrecision::Of(lhs, rhs)
    }
}

/// JAX's names: `default`, `fastest`, `bfloat16`; `high`, `tensorfloat32`, `bfloat16_3x`; `highest`, `float32`.
impl From<&str> for OperandPrecision {
    fn from(name: &str) -> OperandPrecision {
        Precision::of(name).map_or_else(|| OperandPrecision::Unknown(name.to_owned()), Into::into)
    }
}

/// A name for each operand.
impl From<(&str, &str)> for OperandPrecision {
    fn from((lhs, rhs): (&str, &str)) -> OperandPrecision {
        match (Precision::of(lhs), Precision::of(rhs)) {
            (Some(lhs), Some(rhs)) => OperandPrecision::Of(lhs, rhs),
            (None, _) => OperandPrecision::Unknown(lhs.to_owned()),
            (_, None) => OperandPrecision::Unknown(rhs.to_owned()),
        }
    }
}

/// `None` says nothing.
impl<P: Into<OperandPrecision>> From<Option<P>> for OperandPrecision {
    fn from(said: Option<P>) -> OperandPrecision {
        said.map_or(OperandPrecision::Unsaid, Into::into)
    }
}

/// The precision of the left and of the right operand.
pub(crate) type Pair = (Precision, Precision);

impl OperandPrecision {
    /// What a product is computed with: what was said, or the default of this thread, if there is one.
    pub(crate) fn resolve(&self, op: &'static str) -> Result<Option<Pair>> {
        match self {
            OperandPrecision::Unsaid => Ok(DEFAULT.get()),
            OperandPrecision::Of(lhs, rhs) => Ok(Some((*lhs, *rhs))),
            OperandPrecision::Unknown(name) => Err(unknown(op, name)),
        }
    }
}

fn unknown(op: &'static str, name: &str) -> Error {
    let names = "`default` (or `fastest`, `bfloat16`), `high` (`tensorfloat32`, `bfloat16_3x`) or `highest` (`float32`)";
    Error::argument(op, format!("the precision {name:?}: give {names}"))
}

/// As it stands behind a primitive's name.
pub(crate) fn write_to(f: &mut fmt::Formatter<'_>, precision: Option<Pair>) -> fmt::Result {
    match precision {
        None => Ok(()),
        Some(pair) => write!(f, " precision={:?}", OperandPrecision::from(pair)),
    }
}

thread_local! {
    static DEFAULT: Cell<Option<Pair>> = const { Cell::new(None) };
}

/// Puts the default back that was there before, also after a panic.
struct Restored(Option<Pair>);

impl Drop for Restored {
    fn drop(&mut self) {
        DEFAULT.set(self.0);
    }
}

/// Runs a function in which products and convolutions that say no precision have this one; `jax.default_matmul_precision`.
///
/// It counts while products are traced, so that it goes around the tracing: a function that [`jit`](crate::jit()) has compiled before
/// keeps what it was traced with.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::default_matmul_precision;
/// let x = Tensor::ones([2, 2]);
/// let y = default_matmul_precision("highest", || x.try_matmul(&x))?;
/// assert_eq!(y.to_vec::<f32>()?, [2.0; 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If the precision is an unknown name; what the function returns.
#[track_caller]
pub fn default_matmul_precision<T>(
    precision: impl Into<OperandPrecision>,
    f: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let pair = match precision.into() {
        OperandPrecision::Unsaid => None,
        said => said.resolve("default_matmul_precision")?,
    };
    let _restored = Restored(DEFAULT.replace(pair));
    f()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_jax_is_a_precision() {
        use Precision::{Default, High, Highest};
        let names = [
            ("default", Default),
            ("fastest", Default),
            ("bfloat16", Default),
            ("high", High),
            ("tensorfloat32", High),
            ("bfloat16_3x", High),
            ("highest", Highest),
            ("float32", Highest),
        ];
        for (name, precision) in names {
            assert_eq!(OperandPrecision::from(name), precision.into(), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_that_says_the_known_ones() {
        for said in [OperandPrecision::from("exact"), ("high", "exact").into(), ("exact", "high").into()] {
            let error = said.resolve("dot").unwrap_err().to_string();
            assert!(error.contains("\"exact\"") && error.contains("`highest`"), "{error}");
        }
        assert!(default_matmul_precision("exact", || Ok(())).is_err());
    }

    #[test]
    fn a_default_lasts_as_long_as_its_function() {
        let now = || OperandPrecision::Unsaid.resolve("dot").unwrap();
        let inside = default_matmul_precision("high", || {
            let nested = default_matmul_precision(("highest", "default"), || Ok(now()))?;
            Ok((now(), nested))
        });
        let high = (Precision::High, Precision::High);
        assert_eq!(inside.unwrap(), (Some(high), Some((Precision::Highest, Precision::Default))));
        assert_eq!(now(), None);
        let said = default_matmul_precision("high", || OperandPrecision::from("default").resolve("dot"));
        assert_eq!(said.unwrap(), Some((Precision::Default, Precision::Default)));
        assert!(
            std::panic::catch_unwind(|| default_matmul_precision("high", || -> Result<()> { panic!() }))
                .is_err()
        );
        assert_eq!(now(), None);
    }
}
