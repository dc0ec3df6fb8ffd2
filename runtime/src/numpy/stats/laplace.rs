//! The Laplace distribution around `loc`, with a mean distance of `scale`.

use crate::numpy::special::functions;
use crate::ops::promoted_inexact;

functions! {
    /// The logarithm of the density.
    pub fn logpdf / try_logpdf(x, loc, scale) {
        let [x, loc, scale] = promoted_inexact([x, loc, scale])?;
        let linear = x.try_sub(loc)?.try_abs()?.try_div(&scale)?;
        linear.try_add((scale * 2.0).try_log()?)?.try_neg()
    }

    /// The density.
    pub fn pdf / try_pdf(x, loc, scale) {
        try_logpdf(x, loc, scale)?.try_exp()
    }

    /// The distribution function.
    pub fn cdf / try_cdf(x, loc, scale) {
        let [x, loc, scale] = promoted_inexact([x, loc, scale])?;
        let z = x.try_sub(loc)?.try_div(scale)?;
        let half = z.try_abs()?.try_neg()?.try_exp()? * 0.5;
        z.try_le(0)?.try_select(&half, 1.0 - &half)
    }
}
