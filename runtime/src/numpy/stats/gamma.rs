//! The gamma distribution of a shape `a` from `loc` on, of a scale.

use crate::numpy::special::{functions, try_gammainc, try_xlogy};
use crate::ops::promoted_inexact;

functions! {
    /// The logarithm of the density; −∞ below `loc`.
    pub fn logpdf / try_logpdf(x, a, loc, scale) {
        let [x, a, loc, scale] = promoted_inexact([x, a, loc, scale])?;
        let is_inside = x.try_ge(&loc)?;
        let y = x.try_sub(loc)?.try_div(&scale)?;
        // A logarithm that is not chosen would make the gradient NaN.
        let y = is_inside.try_select(&y, 1.0)?;
        let log_linear = try_xlogy(&a - 1.0, &y)?.try_sub(y)?;
        let value = log_linear.try_sub(a.try_lgamma()?.try_add(scale.try_log()?)?)?;
        is_inside.try_select(&value, f64::NEG_INFINITY)
    }

    /// The density.
    pub fn pdf / try_pdf(x, a, loc, scale) {
        try_logpdf(x, a, loc, scale)?.try_exp()
    }

    /// The distribution function.
    pub fn cdf / try_cdf(x, a, loc, scale) {
        let [x, a, loc, scale] = promoted_inexact([x, a, loc, scale])?;
        try_gammainc(a, x.try_sub(loc)?.try_div(scale)?.try_maximum(0.0)?)
    }
}
