//! The derivatives of the elementwise functions.

use std::f64::consts::{LN_2, PI};

use smallvec::smallvec;

use super::special;
use crate::core::Tensor;
use crate::core::primitive::{Grads, ResidualMask, Residuals};
use crate::error::{Error, Result};
use crate::ops::sum_to;
use crate::scalar::op::ScalarOp as F;

/// What the derivative is written in: of the arguments and the result, whichever makes the shorter formula.
pub(super) fn residuals(op: F, needs_grad: &[bool]) -> ResidualMask {
    match op {
        F::Copy
        | F::Cast
        | F::Add
        | F::Sub
        | F::Neg
        | F::Sign
        | F::Powi(0 | 1)
        | F::Complex
        | F::Imag
        | F::Conj => ResidualMask::NONE,
        _ if op.rounds() || !op.is_of_floats() => ResidualMask::NONE,
        F::Relu
        | F::Exp
        | F::Exp2
        | F::Expm1
        | F::Sqrt
        | F::Cbrt
        | F::Tan
        | F::Tanh
        | F::Logistic
        | F::ErfInv
        | F::Ndtri => ResidualMask::OUT,
        F::Rsqrt | F::Max | F::Min | F::BesselI0e | F::BesselI1e | F::LogNdtr | F::Magnitude => {
            ResidualMask::ALL
        }
        // The other factor, where it has a use.
        F::Mul | F::MulAdd => ResidualMask::args((0..2).filter(|i| needs_grad[1 - i])),
        F::Div if needs_grad[1] => ResidualMask { args: 0b10, outs: 1 },
        F::Div => ResidualMask::args([1]),
        F::Pow if needs_grad[1] => ResidualMask::ALL,
        F::Select => ResidualMask::args([0]),
        _ => ResidualMask::ARGS,
    }
}

pub(super) fn vjp(op: F, residuals: &Residuals, ct: Tensor, needs_grad: &[bool]) -> Result<Grads> {
    match needs_grad.len() {
        1 => Ok(smallvec![of_one(op, residuals, ct)?]),
        2 => {
            let [dx, dy] = of_two(op, residuals, ct, needs_grad)?;
            let summed = |ct: Option<Tensor>, i: usize| {
                ct.map(|ct| sum_to(ct, &residuals.arg_aval(i).shape)).transpose()
            };
            Ok(smallvec![summed(dx, 0)?, summed(dy, 1)?])
        }
        _ => of_three(op, residuals, &ct, needs_grad),
    }
}

/// The gradient of the argument; None where the function is flat, or not of floats.
pub(super) fn of_one(op: F, residuals: &Residuals, ct: Tensor) -> Result<Option<Tensor>> {
    let (x, y) = (|| residuals.arg(0), || residuals.out(0));
    Ok(Some(match op {
        _ if op.rounds() || !op.is_of_floats() => return Ok(None),
        F::Neg => -ct,
        F::Sign | F::Powi(0) => return Ok(None),
        // 0 at 0, by convention.
        F::Relu => {
            let zero = ct.like(0.0);
            y().try_gt(&zero)?.try_select(&ct, &zero)?
        }
        // 1 at 0, also at -0, as in JAX; what is not above is below.
        F::Abs => {
            let below = -&ct;
            x().try_ge(x().like(0.0))?.try_select(ct, below)?
        }
        F::Copy | F::Cast | F::Powi(1) => ct,
        // The cotangent of a complex number is the one that, times a tangent, has the tangent of the result as its real part.
        F::Conj => ct.try_conj()?,
        F::Imag => super::apply(F::Complex, [ct.like(0.0), -ct])?,
        // 0 at 0, by convention.
        F::Magnitude => {
            let size = y().try_eq(0.0)?.try_select(y().like(1.0), y())?;
            x().try_conj()?.try_mul(ct.try_div(size)?)?
        }
        F::Powi(2) => ct * (x() * 2.0),
        F::Powi(n) => {
            let power = match n.checked_sub(1) {
                Some(less) => x().try_powi(less)?,
                None => x().try_powi(n)? / x(),
            };
            ct * (power * f64::from(n))
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
        // The derivative of `ζ(2, x)`.
        F::Trigamma => ct * (-2.0 * super::apply(F::Zeta, [x().like(3.0), x().clone()])?),
        F::BesselI0e | F::BesselI1e | F::Ndtri | F::LogNdtr | F::Entr => special::of_one(op, residuals, &ct)?,
        _ => return Err(without(op)),
    }))
}

/// The gradients of both arguments, not yet summed over what was broadcast.
fn of_two(op: F, residuals: &Residuals, ct: Tensor, needs_grad: &[bool]) -> Result<[Option<Tensor>; 2]> {
    let (x, y) = (|| residuals.arg(0), || residuals.arg(1));
    Ok(match op {
        _ if !op.is_of_floats() => [None, None],
        F::Add => [needs_grad[0].then(|| ct.clone()), needs_grad[1].then_some(ct)],
        F::Complex => {
            let im = needs_grad[1].then(|| ct.try_imag().map(|im| -im)).transpose()?;
            [needs_grad[0].then(|| ct.try_real()).transpose()?, im]
        }
        F::Sub => [needs_grad[0].then(|| ct.clone()), needs_grad[1].then(|| -ct)],
        F::Mul => [needs_grad[0].then(|| &ct * y()), needs_grad[1].then(|| ct * x())],
        F::Div => {
            let dx = ct / y();
            let dy = needs_grad[1].then(|| -(&dx * residuals.out(0)));
            [needs_grad[0].then_some(dx), dy]
        }
        F::Rem => {
            let whole = || super::apply(F::Div, [x().clone(), y().clone()]).map(|quotient| quotient.trunc());
            let dy = if needs_grad[1] { Some(-(&ct * whole()?)) } else { None };
            [needs_grad[0].then_some(ct), dy]
        }
        F::Pow => {
            let zero = y().eq(0.0);
            // 0⁰ has derivative 0 in the base, where JAX has NaN, and a zero base derivative 0 in the exponent.
            let dx = needs_grad[0].then(|| {
                let power = x().pow(zero.select(y().like(1.0), y() - 1.0));
                &ct * zero.select(y().like(0.0), y() * power)
            });
            let dy =
                needs_grad[1].then(|| &ct * residuals.out(0) * x().eq(0.0).select(x().like(1.0), x()).log());
            [dx, dy]
        }
        F::Max | F::Min => {
            let out = residuals.out(0);
            let back = |this: &Tensor, other: &Tensor| &ct * share(this, other, out);
            [needs_grad[0].then(|| back(x(), y())), needs_grad[1].then(|| back(y(), x()))]
        }
        F::Atan2 => {
            let ct = ct / (x() * x() + y() * y());
            [needs_grad[0].then(|| &ct * y()), needs_grad[1].then(|| -(&ct * x()))]
        }
        F::LogAddExp => {
            // Equal infinities differ by nothing.
            let tie = x().is_inf() & x().eq(y());
            let above = tie.try_select(ct.like(0.0), x() - y())?;
            let dx = needs_grad[0].then(|| &ct * above.logistic());
            [dx, needs_grad[1].then(|| &ct * (-&above).logistic())]
        }
        F::Igamma | F::Igammac | F::Zeta | F::Xlogy | F::Xlog1py => {
            special::of_two(op, residuals, &ct, needs_grad)?
        }
        _ => return Err(without(op)),
    })
}

/// The gradients of all three arguments.
fn of_three(op: F, residuals: &Residuals, ct: &Tensor, needs_grad: &[bool]) -> Result<Grads> {
    let arg = |i: usize| residuals.arg(i);
    let back = |i: usize, grad: &dyn Fn() -> Result<Tensor>| -> Result<Option<Tensor>> {
        needs_grad[i].then(|| sum_to(grad()?, &residuals.arg_aval(i).shape)).transpose()
    };
    let zero = || ct.like(0.0);
    Ok(match op {
        F::Select => smallvec![
            None,
            back(1, &|| arg(0).try_select(ct, zero()))?,
            back(2, &|| arg(0).try_select(zero(), ct))?,
        ],
        // 1 strictly inside for the clamped one, as in `lax.clamp`.
        F::Clamp => {
            let (low, x, high) = (arg(0), arg(1), arg(2));
            smallvec![
                back(0, &|| (low.gt(x) & low.lt(high)).try_select(ct, zero()))?,
                back(1, &|| (x.gt(low) & x.lt(high)).try_select(ct, zero()))?,
                back(2, &|| high.lt(x).try_select(ct, zero()))?,
            ]
        }
        F::MulAdd => smallvec![
            back(0, &|| Ok(ct * arg(1)))?,
            back(1, &|| Ok(ct * arg(0)))?,
            back(2, &|| Ok(ct.clone()))?,
        ],
        F::Betainc if needs_grad[0] || needs_grad[1] => {
            let message = "`betainc` has a derivative by its third argument only, as in JAX".to_owned();
            return Err(Error::NotDifferentiable { op: "betainc", message });
        }
        F::Betainc => smallvec![None, None, back(2, &|| special::betainc(arg(0), arg(1), arg(2), ct))?],
        _ => return Err(without(op)),
    })
}

/// What one of two numbers has of the derivative of the larger or smaller of them: half at a tie, nothing of NaN.
#[track_caller]
pub(in crate::ops) fn share(this: &Tensor, other: &Tensor, out: &Tensor) -> Tensor {
    let won = other.eq(out).select(out.like(0.5), out.like(1.0));
    this.eq(out).select(won, out.like(0.0))
}

pub(super) fn without(op: F) -> Error {
    Error::NotDifferentiable { op: op.name(), message: String::new() }
}
