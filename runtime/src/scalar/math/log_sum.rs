//! The logarithm of a sum of two exponentials, and products with logarithms.

use super::Real;
use crate::scalar::number::Number;

/// Returns `log(exp(x) + exp(y))` as `max(x, y) + log1p(exp(-|x - y|))`.
#[inline(always)]
pub fn log_add_exp<T: Real + Number>(x: T, y: T) -> T {
    // Equal infinities differ by nothing, and NaN is passed on by the difference.
    let distance = if x == y { T::ZERO } else { Real::abs(x - y) };
    x.maximum(y) + Real::log1p(Real::exp(-distance))
}

/// Returns `x` times a logarithm of `y`: 0 where `x` is 0 and `y` a number.
#[inline(always)]
pub fn x_log<T: Real + Number>(x: T, y: T, log: T) -> T {
    if x == T::ZERO && !Number::is_nan(y) { T::ZERO } else { x * log }
}
