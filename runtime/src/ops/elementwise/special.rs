//! The derivatives of the special functions, by the formulas of `jax.lax` and `jax.scipy.special`.

use std::f64::consts::PI;

use super::apply;
use super::gradient::without;
use crate::core::Tensor;
use crate::core::primitive::Residuals;
use crate::error::{Error, Result};
use crate::scalar::op::ScalarOp as F;

pub(super) fn of_one(op: F, residuals: &Residuals, ct: &Tensor) -> Result<Tensor> {
    let (x, y) = (|| residuals.arg(0), || residuals.out(0));
    Ok(match op {
        F::BesselI0e => ct * (apply(F::BesselI1e, [x().clone()])? - x().sign() * y()),
        F::BesselI1e => {
            // At 0 the quotient by `x` has the limit ½.
            let is_tiny = x().abs().try_le(x().like(x().dtype().epsilon()))?;
            let safe = is_tiny.try_select(x().like(1.0), x())?;
            let slope = apply(F::BesselI0e, [safe.clone()])? - y() * (safe.sign() + safe.reciprocal());
            ct * is_tiny.try_select(x().like(0.5), slope)?
        }
        F::Entr => {
            let is_negative = x().try_lt(x().like(0.0))?;
            // A logarithm that is not chosen would make the next gradient NaN.
            let safe = is_negative.try_select(x().like(1.0), x())?;
            ct * is_negative.try_select(x().like(0.0), -(safe.log() + 1.0))?
        }
        // One over the density there.
        F::Ndtri => ct * ((2.0 * PI).sqrt() * (0.5 * (y() * y())).exp()),
        // The density over the distribution function, by their logarithms.
        F::LogNdtr => ct * (-0.5 * (x() * x()) - (0.5 * (2.0 * PI).ln()) - y()).exp(),
        _ => return Err(without(op)),
    })
}

pub(super) fn of_two(
    op: F,
    residuals: &Residuals,
    ct: &Tensor,
    needs_grad: &[bool],
) -> Result<[Option<Tensor>; 2]> {
    let (a, x) = (residuals.arg(0), residuals.arg(1));
    if op == F::Zeta {
        if needs_grad[0] {
            let message = "`zeta` has a derivative by its second argument only".to_owned();
            return Err(Error::NotDifferentiable { op: "zeta", message });
        }
        let slope = -(a * apply(F::Zeta, [a + 1.0, x.clone()])?);
        return Ok([None, needs_grad[1].then(|| ct * slope)]);
    }
    if matches!(op, F::Xlogy | F::Xlog1py) {
        let (y, log) = if op == F::Xlogy { (x.clone(), x.log()) } else { (x + 1.0, x.log1p()) };
        return Ok([needs_grad[0].then(|| ct * log), needs_grad[1].then(|| ct * (a / y))]);
    }
    let ct = if op == F::Igammac { -ct } else { ct.clone() };
    let da = if needs_grad[0] { Some(&ct * apply(F::IgammaGradA, [a.clone(), x.clone()])?) } else { None };
    // The density of the gamma distribution.
    let dx = needs_grad[1].then(|| &ct * (-x + (a - 1.0) * x.log() - a.lgamma()).exp());
    Ok([da, dx])
}

/// The gradient of `betainc` by its third argument: the density of the beta distribution.
pub(super) fn betainc(a: &Tensor, b: &Tensor, x: &Tensor, ct: &Tensor) -> Result<Tensor> {
    let log_beta = a.try_lgamma()? + b.try_lgamma()? - (a + b).try_lgamma()?;
    Ok(ct * ((b - 1.0) * (-x).log1p() + (a - 1.0) * x.log() - log_beta).exp())
}
