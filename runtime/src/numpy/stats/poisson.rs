//! The Poisson distribution of a mean `mu`, from `loc` on.

use crate::numpy::special::{functions, try_gammaincc, try_xlogy};
use crate::ops::promoted_inexact;

functions! {
    /// The logarithm of the probability of `k`; −∞ below `loc` and between integers.
    pub fn logpmf / try_logpmf(k, mu, loc) {
        let [k, mu, loc] = promoted_inexact([k, mu, loc])?;
        let x = k.try_sub(loc)?;
        let is_count = x.try_ge(0)?.try_bitand(x.try_round()?.try_eq(&x)?)?;
        let x = is_count.try_select(&x, 0.0)?;
        let value = try_xlogy(&x, &mu)?.try_sub((&x + 1.0).try_lgamma()?)?.try_sub(mu)?;
        is_count.try_select(&value, f64::NEG_INFINITY)
    }

    /// The probability of `k`.
    pub fn pmf / try_pmf(k, mu, loc) {
        try_logpmf(k, mu, loc)?.try_exp()
    }

    /// The probability of at most `k`.
    pub fn cdf / try_cdf(k, mu, loc) {
        let [k, mu, loc] = promoted_inexact([k, mu, loc])?;
        let x = k.try_sub(loc)?;
        let is_below = x.try_lt(0)?;
        let count = is_below.try_select(x.like(0.0), x.try_floor()?)? + 1.0;
        is_below.try_select(0.0, try_gammaincc(count, mu)?)
    }
}
