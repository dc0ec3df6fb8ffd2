//! The uniform distribution from `loc` to `loc + scale`.

use crate::numpy::special::functions;
use crate::ops::promoted_inexact;

functions! {
    /// The logarithm of the density; −∞ outside.
    pub fn logpdf / try_logpdf(x, loc, scale) {
        let [x, loc, scale] = promoted_inexact([x, loc, scale])?;
        let is_inside = x.try_ge(&loc)?.try_bitand(x.try_le(loc.try_add(&scale)?)?)?;
        is_inside.try_select(scale.try_log()?.try_neg()?, f64::NEG_INFINITY)
    }

    /// The density.
    pub fn pdf / try_pdf(x, loc, scale) {
        try_logpdf(x, loc, scale)?.try_exp()
    }
}
