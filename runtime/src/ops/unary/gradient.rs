//! The derivatives of the functions of one argument.

use std::f64::consts::{LN_2, PI};

use super::Unary::{self, Function, Neg, Relu};
use crate::core::Tensor;
use crate::core::primitive::{ResidualMask, Residuals};
use crate::error::{Error, Result};
use crate::scalar::op::UnaryOp;

/// What the derivative is written in: of the argument and the result, whichever makes the shorter formula.
pub(super) fn residuals(op: Unary) -> ResidualMask {
    use UnaryOp as F;
    match op {
        Relu => ResidualMask::OUT,
        Function(op) => match op {
            F::Sign | F::Floor | F::Ceil | F::Round | F::Trunc => ResidualMask::NONE,
            F::Exp | F::Exp2 | F::Expm1 | F::Sqrt | F::Tan | F::Tanh | F::Logistic | F::ErfInv | F::Cbrt => {
                ResidualMask::OUT
            }
            F::Rsqrt => ResidualMask::ALL,
            _ => ResidualMask::ARGS,
        },
        _ => ResidualMask::NONE,
    }
}

/// The gradient of the argument; None where the function is flat, or not of floats.
pub(super) fn of(op: Unary, residuals: &Residuals, ct: Tensor) -> Result<Option<Tensor>> {
    use UnaryOp as F;
    let op = match op {
        Neg => return Ok(Some(-ct)),
        // 0 at 0, by convention.
        Relu => {
            return {
                let zero = ct.like(0.0);
                residuals.out(0).try_gt(&zero)?.try_select(&ct, &zero).map(Some)
            };
        }
        Function(op) => op,
        _ => return Ok(None),
    };
    let (x, y) = (|| residuals.arg(0), || residuals.out(0));
    Ok(Some(match op {
        F::Sign | F::Floor | F::Ceil | F::Round | F::Trunc => return Ok(None),
        // 1 at 0, also at -0, as in JAX; what is not above is below.
        F::Abs => {
            let below = -&ct;
            x().try_ge(x().like(0.0))?.try_select(ct, below)?
        }
        F::Exp => ct * y(),
        F::Exp2 => ct * (y() * LN_2),
        F::Expm1 => ct * (y() + 1.0),
        F::Log => ct / x(),
        F::Log2 => ct / (x() * LN_2),
        F::Log1p => ct / (x() + 1.0),
        F::Sqrt => ct / (y() * 2.0),
        F::Rsqrt => ct * (-0.5 * (y() / x())),
        // Infinite at 0, and 0 at infinities.
        F::Cbrt => ct * (y().powi(-2) / 3.0),
        F::Sin => ct * x().cos(),
        F::Cos => -(ct * x().sin()),
        F::Tan => ct * (1.0 + y() * y()),
        F::Asin => ct * (1.0 - x() * x()).rsqrt(),
        F::Acos => -(ct * (1.0 - x() * x()).rsqrt()),
        F::Atan => ct / (1.0 + x() * x()),
        F::Sinh => ct * x().cosh(),
        F::Cosh => ct * x().sinh(),
        F::Tanh => ct * (1.0 - y() * y()),
        F::Asinh => ct * (x() * x() + 1.0).rsqrt(),
        // As two factors, because x² - 1 loses digits near 1.
        F::Acosh => {
            // Of the magnitude: at −1 the product would be −0, and the derivative −∞.
            let magnitude = x().abs();
            ct * ((&magnitude - 1.0) * (&magnitude + 1.0)).rsqrt()
        }
        F::Atanh => ct / ((1.0 - x()) * (1.0 + x())),
        F::Logistic => ct * (y() * (1.0 - y())),
        F::Erf => ct * (2.0 / PI.sqrt() * (-(x() * x())).exp()),
        F::Erfc => ct * (-2.0 / PI.sqrt() * (-(x() * x())).exp()),
        F::ErfInv => ct * (PI.sqrt() / 2.0 * (y() * y()).exp()),
        F::Lgamma => ct * x().digamma(),
        F::Digamma => ct * x().trigamma(),
        F::Trigamma => {
            let message = "`lgamma` has two derivatives here, and this is the third".to_owned();
            return Err(Error::NotDifferentiable { op: "trigamma", message });
        }
    }))
}
