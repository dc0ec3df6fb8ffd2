//! The normal distribution, with a mean `loc` and a standard deviation `scale`.

use std::f64::consts::TAU;

use crate::numpy::special::{functions, try_log_ndtr, try_ndtr, try_ndtri};
use crate::ops::promoted_inexact;

functions! {
    /// The logarithm of the density.
    pub fn logpdf / try_logpdf(x, loc, scale) {
        let [x, loc, scale] = promoted_inexact([x, loc, scale])?;
        let square = scale.try_square()?;
        let normalizer = (&square * TAU).try_log()?;
        let quadratic = x.try_sub(loc)?.try_square()?.try_div(square)?;
        Ok(normalizer.try_add(quadratic)? / -2.0)
    }

    /// The density.
    pub fn pdf / try_pdf(x, loc, scale) {
        try_logpdf(x, loc, scale)?.try_exp()
    }

    /// The distribution function.
    pub fn cdf / try_cdf(x, loc, scale) {
        let [x, loc, scale] = promoted_inexact([x, loc, scale])?;
        try_ndtr(x.try_sub(loc)?.try_div(scale)?)
    }

    /// The logarithm of the distribution function, precise also far below the mean.
    pub fn logcdf / try_logcdf(x, loc, scale) {
        let [x, loc, scale] = promoted_inexact([x, loc, scale])?;
        try_log_ndtr(x.try_sub(loc)?.try_div(scale)?)
    }

    /// The inverse of the distribution function.
    pub fn ppf / try_ppf(q, loc, scale) {
        let [q, loc, scale] = promoted_inexact([q, loc, scale])?;
        try_ndtri(q)?.try_mul(scale)?.try_add(loc)
    }

    /// 1 less the distribution function.
    pub fn sf / try_sf(x, loc, scale) {
        let [x, loc, scale] = promoted_inexact([x, loc, scale])?;
        try_ndtr(loc.try_sub(x)?.try_div(scale)?)
    }
}
