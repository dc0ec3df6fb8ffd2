//! The normal distribution function, its logarithm and its inverse.

use std::f64::consts::FRAC_1_SQRT_2;

use super::functions;
use crate::ops::elementwise::inexact;
use crate::scalar::op::ScalarOp;

functions! {
    /// The standard normal distribution function, precise in both tails.
    ///
    /// ```
    /// use flaxen::special;
    ///
    /// let p = special::ndtr([0.0f32, -1.0]);
    /// assert!(p.all_close([0.5f32, 0.158_655_25], 1e-6, 0.0)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn ndtr / try_ndtr(x) {
        let x = inexact(&x)?;
        let w = &x * FRAC_1_SQRT_2;
        let z = w.try_abs()?;
        let tail = z.try_erfc()?;
        let far = w.try_gt(0)?.try_select(2.0 - &tail, &tail)?;
        Ok(z.try_lt(FRAC_1_SQRT_2)?.try_select(1.0 + w.try_erf()?, far)? * 0.5)
    }

    /// The logarithm of the standard normal distribution function, precise also far below 0.
    pub fn log_ndtr / try_log_ndtr(x) {
        ScalarOp::LogNdtr.apply([inexact(&x)?])
    }

    /// The inverse of the standard normal distribution function; infinite at 0 and 1, NaN outside.
    pub fn ndtri / try_ndtri(p) {
        ScalarOp::Ndtri.apply([inexact(&p)?])
    }
}
