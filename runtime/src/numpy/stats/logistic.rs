//! The logistic distribution around `loc`, of a scale.

use crate::numpy::special::{functions, try_logit};
use crate::ops::promoted_inexact;

functions! {
    /// The logarithm of the density.
    pub fn logpdf / try_logpdf(x, loc, scale) {
        let [x, loc, scale] = promoted_inexact([x, loc, scale])?;
        let half = x.try_sub(loc)?.try_div(&scale)? * 0.5;
        Ok(half.try_logaddexp(half.try_neg()?)? * -2.0 - scale.try_log()?)
    }

    /// The density.
    pub fn pdf / try_pdf(x, loc, scale) {
        try_logpdf(x, loc, scale)?.try_exp()
    }

    /// The distribution function.
    pub fn cdf / try_cdf(x, loc, scale) {
        let [x, loc, scale] = promoted_inexact([x, loc, scale])?;
        x.try_sub(loc)?.try_div(scale)?.try_logistic()
    }

    /// The inverse of the distribution function.
    pub fn ppf / try_ppf(q, loc, scale) {
        let [q, loc, scale] = promoted_inexact([q, loc, scale])?;
        try_logit(q)?.try_mul(scale)?.try_add(loc)
    }
}
