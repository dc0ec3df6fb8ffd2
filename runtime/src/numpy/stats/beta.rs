//! The beta distribution of `a` and `b` from `loc` to `loc + scale`.

use crate::numpy::special::{functions, try_betainc, try_betaln, try_xlog1py, try_xlogy};
use crate::ops::promoted_inexact;

functions! {
    /// The logarithm of the density; −∞ outside, and NaN where `a` or `b` is not positive.
    pub fn logpdf / try_logpdf(x, a, b, loc, scale) {
        let [x, a, b, loc, scale] = promoted_inexact([x, a, b, loc, scale])?;
        let y = x.try_sub(loc)?.try_div(&scale)?;
        let is_inside = y.try_ge(0)?.try_bitand(y.try_le(1)?)?;
        // A logarithm that is not chosen would make the gradient NaN.
        let y = is_inside.try_select(&y, 0.5)?;
        let log_linear = try_xlogy(&a - 1.0, &y)?.try_add(try_xlog1py(&b - 1.0, y.try_neg()?)?)?;
        let value = log_linear.try_sub(try_betaln(&a, &b)?.try_add(scale.try_log()?)?)?;
        let value = is_inside.try_select(&value, f64::NEG_INFINITY)?;
        a.try_gt(0)?.try_bitand(b.try_gt(0)?)?.try_select(&value, f64::NAN)
    }

    /// The density.
    pub fn pdf / try_pdf(x, a, b, loc, scale) {
        try_logpdf(x, a, b, loc, scale)?.try_exp()
    }

    /// The distribution function.
    pub fn cdf / try_cdf(x, a, b, loc, scale) {
        let [x, a, b, loc, scale] = promoted_inexact([x, a, b, loc, scale])?;
        try_betainc(a, b, x.try_sub(loc)?.try_div(scale)?.try_clip(0.0, 1.0)?)
    }
}
