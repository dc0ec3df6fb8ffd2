//! Products with logarithms, which are 0 where their factor is, and entropies of them.

use super::functions;
use crate::ops::elementwise::inexact;
use crate::ops::promoted_inexact;
use crate::scalar::op::ScalarOp;

functions! {
    /// `log(p/(1 − p))`, the inverse of [`logistic`](crate::Tensor::logistic).
    pub fn logit / try_logit(p) {
        let p = inexact(&p)?;
        (&p / (1.0 - &p)).try_log()
    }

    /// `x·log(y)`, and 0 where `x` is 0 and `y` is a number.
    ///
    /// ```
    /// use flaxen::special;
    /// assert_eq!(special::xlogy([0.0f32, 2.0], [0.0f32, 1.0]).to_vec::<f32>()?, [0.0, 0.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn xlogy / try_xlogy(x, y) {
        ScalarOp::Xlogy.apply(promoted_inexact([x, y])?)
    }

    /// `x·log(1 + y)`, and 0 where `x` is 0 and `y` is a number.
    pub fn xlog1py / try_xlog1py(x, y) {
        ScalarOp::Xlog1py.apply(promoted_inexact([x, y])?)
    }

    /// `−x·log(x)`: 0 at 0, and −∞ below.
    pub fn entr / try_entr(x) {
        ScalarOp::Entr.apply([inexact(&x)?])
    }

    /// `p·log(p/q)` for positive numbers, 0 where `p` is 0 and `q` is not negative, and infinite elsewhere.
    pub fn rel_entr / try_rel_entr(p, q) {
        let [p, q] = promoted_inexact([p, q])?;
        let both = p.try_gt(0)?.try_bitand(q.try_gt(0)?)?;
        let nothing = p.try_eq(0)?.try_bitand(q.try_ge(0)?)?;
        // Numbers that are not chosen would make the gradient NaN.
        let (safe_p, safe_q) = (both.try_select(&p, 1.0)?, both.try_select(&q, 1.0)?);
        let value = try_entr(&safe_p)?.try_neg()?.try_sub(try_xlogy(&safe_p, safe_q)?)?;
        let rest = nothing.try_select(value.like(0.0), value.like(f64::INFINITY))?;
        both.try_select(value, rest)
    }

    /// `p·log(p/q) − p + q` for positive numbers, `q` where `p` is 0 and `q` is not negative, and infinite elsewhere.
    pub fn kl_div / try_kl_div(p, q) {
        let [p, q] = promoted_inexact([p, q])?;
        try_rel_entr(&p, &q)?.try_sub(&p)?.try_add(q)
    }
}
