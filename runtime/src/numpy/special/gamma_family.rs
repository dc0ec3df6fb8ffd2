//! The gamma function and its kin, zeta and Bessel functions.

use super::functions;
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::elementwise::inexact;
use crate::ops::{convert, promoted_inexact};
use crate::scalar::op::ScalarOp;

functions! {
    /// The regularized lower incomplete gamma function `P(a, x)`, `jax.scipy.special.gammainc` and `jax.lax.igamma`; NaN outside of
    /// `a ≥ 0, x ≥ 0`.
    ///
    /// It is differentiable in both arguments, once in `a`.
    ///
    /// ```
    /// use flaxen::special;
    ///
    /// // Of the exponential distribution.
    /// let p = special::gammainc(1.0, flaxen::Tensor::from([0.0f32, 2.0]));
    /// assert!(p.all_close([0.0f32, 1.0 - (-2f32).exp()], 1e-6, 0.0)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn gammainc / try_gammainc(a, x) {
        ScalarOp::Igamma.apply(promoted_inexact([a, x])?)
    }

    /// The regularized upper incomplete gamma function `Q(a, x) = 1 − P(a, x)`, `jax.scipy.special.gammaincc` and `jax.lax.igammac`.
    pub fn gammaincc / try_gammaincc(a, x) {
        ScalarOp::Igammac.apply(promoted_inexact([a, x])?)
    }

    /// The derivative of [`gammainc`](super::gammainc) by `a`, `jax.lax.igamma_grad_a`; it has no derivative itself.
    pub fn igamma_grad_a / try_igamma_grad_a(a, x) {
        ScalarOp::IgammaGradA.apply(promoted_inexact([a, x])?)
    }

    /// The derivative by `a` of a sample `x` of the gamma distribution of shape `a`, `jax.lax.random_gamma_grad`; it has no derivative
    /// itself.
    pub fn random_gamma_grad / try_random_gamma_grad(a, x) {
        ScalarOp::RandomGammaGrad.apply(promoted_inexact([a, x])?)
    }

    /// The regularized incomplete beta function `Iₓ(a, b)`; NaN outside of `a ≥ 0, b ≥ 0, 0 ≤ x ≤ 1`.
    ///
    /// It is differentiable in `x`, as in JAX, and not in `a` and `b`.
    pub fn betainc / try_betainc(a, b, x) {
        ScalarOp::Betainc.apply(promoted_inexact([a, b, x])?)
    }

    /// The logarithm of the beta function of positive numbers, `log Γ(a) + log Γ(b) − log Γ(a + b)`.
    pub fn betaln / try_betaln(a, b) {
        let [a, b] = promoted_inexact([a, b])?;
        a.try_lgamma()?.try_add(b.try_lgamma()?.try_sub(a.try_add(&b)?.try_lgamma()?)?)
    }

    /// The beta function `Γ(a)·Γ(b)/Γ(a + b)`.
    pub fn beta / try_beta(a, b) {
        let [a, b] = promoted_inexact([a, b])?;
        let sign = sign_of_gamma(&a)?.try_mul(sign_of_gamma(&b)?)?.try_mul(sign_of_gamma(&a.try_add(&b)?)?)?;
        sign.try_mul(try_betaln(&a, &b)?.try_exp()?)
    }

    /// The gamma function `Γ(x)`; NaN at its poles, the negative integers.
    pub fn gamma / try_gamma(x) {
        let x = inexact(&x)?;
        sign_of_gamma(&x)?.try_mul(x.try_lgamma()?.try_exp()?)
    }

    /// `n!` for any number `n`, by the gamma function; 0 where `n` is negative.
    pub fn factorial / try_factorial(n) {
        let n = inexact(&n)?;
        n.try_lt(n.like(0.0))?.try_select(n.like(0.0), (&n + 1.0).try_lgamma()?.try_exp()?)
    }

    /// The logarithm of the multivariate gamma function of dimension `d`.
    pub fn multigammaln / try_multigammaln(a, d: usize) {
        let a = inexact(&a)?;
        let constant = (d * d.saturating_sub(1)) as f64 / 4.0 * std::f64::consts::PI.ln();
        let mut sum = a.like(0.0);
        for i in 0..d {
            sum = sum.try_add((&a - i as f64 / 2.0).try_lgamma()?)?;
        }
        Ok(sum + constant)
    }

    /// The polygamma function: the derivative of order `n`, an integer of at least 0, of [`digamma`](crate::Tensor::digamma).
    ///
    /// It is differentiable in `x`, any number of times. For other `n` it is NaN.
    pub fn polygamma / try_polygamma(n, x) {
        if n.dtype().is_float() || n.dtype() == DType::Bool {
            return Err(Error::dtype("polygamma", n.dtype(), "an order of an integer dtype"));
        }
        let [n, x] = promoted_inexact([n, x])?;
        let is_digamma = n.try_eq(0)?;
        let order = is_digamma.try_select(n.like(1.0), &n)? + 1.0;
        // The sum over all poles: (-1)^(n + 1)·n!·ζ(n + 1, x).
        let sign = order.try_remainder(2.0)?.try_eq(0)?.try_select(n.like(1.0), n.like(-1.0))?;
        let zeta = ScalarOp::Zeta.apply([order.clone(), x.clone()])?;
        let value = sign.try_mul(order.try_lgamma()?.try_exp()?)?.try_mul(zeta)?;
        let value = is_digamma.try_select(x.try_digamma()?, value)?;
        n.try_lt(0)?.try_select(value.like(f64::NAN), &value)
    }

    /// Hurwitz' zeta function `Σ (q + k)^−x`, `k = 0, 1, …`; differentiable in `q`.
    pub fn zeta / try_zeta(x, q) {
        ScalarOp::Zeta.apply(promoted_inexact([x, q])?)
    }

    /// The modified Bessel function of the first kind and order 0.
    pub fn i0 / try_i0(x) {
        let x = inexact(&x)?;
        x.try_abs()?.try_exp()?.try_mul(ScalarOp::BesselI0e.apply([x])?)
    }

    /// `e^−|x|·I₀(x)`, which does not overflow; `jax.lax.bessel_i0e`.
    pub fn i0e / try_i0e(x) {
        ScalarOp::BesselI0e.apply([inexact(&x)?])
    }

    /// The modified Bessel function of the first kind and order 1.
    pub fn i1 / try_i1(x) {
        let x = inexact(&x)?;
        x.try_abs()?.try_exp()?.try_mul(ScalarOp::BesselI1e.apply([x])?)
    }

    /// `e^−|x|·I₁(x)`, which does not overflow; `jax.lax.bessel_i1e`.
    pub fn i1e / try_i1e(x) {
        ScalarOp::BesselI1e.apply([inexact(&x)?])
    }
}

/// −1 where the gamma function is negative, NaN at its poles.
#[track_caller]
fn sign_of_gamma(x: &Tensor) -> Result<Tensor> {
    let floor = x.try_floor()?;
    let is_negative = x.try_lt(0)?;
    let is_odd = floor.try_remainder(2.0)?.try_ne(0)?;
    let sign = is_negative.try_bitand(is_odd)?.try_select(x.like(-1.0), x.like(1.0))?;
    let is_pole = is_negative.try_bitand(x.try_eq(&floor)?)?;
    convert(&is_pole.try_select(x.like(f64::NAN), sign)?, x.dtype(), false)
}
