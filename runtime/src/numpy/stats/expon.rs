//! The exponential distribution from `loc` on, with a mean of `scale` beyond that.

use crate::numpy::special::functions;
use crate::ops::promoted_inexact;

functions! {
    /// The logarithm of the density; −∞ below `loc`.
    pub fn logpdf / try_logpdf(x, loc, scale) {
        let [x, loc, scale] = promoted_inexact([x, loc, scale])?;
        let linear = x.try_sub(&loc)?.try_div(&scale)?;
        let value = linear.try_add(scale.try_log()?)?.try_neg()?;
        x.try_lt(loc)?.try_select(value.like(f64::NEG_INFINITY), &value)
    }

    /// The density.
    pub fn pdf / try_pdf(x, loc, scale) {
        try_logpdf(x, loc, scale)?.try_exp()
    }
}
