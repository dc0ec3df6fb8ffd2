//! Functions that StableHLO does not have: which formula each is, and what it is computed in.

use super::body::Body;
use super::elementwise;
use super::error_functions::{erf, erf_inv, erfc};
use super::gamma_functions::{digamma, lgamma, trigamma};
use super::incomplete_functions::{betainc, igamma, igamma_grad_a, igammac, random_gamma_grad};
use super::lanes::{Lanes, copysign};
use super::special_functions::{bessel_i0e, bessel_i1e, log_ndtr, ndtri, zeta};
use super::types::{Element, Type};
use super::value::Value;
use crate::error::{Error, Result};
use crate::scalar::math::{error_function, exponential, logarithm, sampling};
use crate::scalar::op::ScalarOp;

/// A polynomial whose coefficients are given from the highest power down.
pub(super) fn horner<'b>(x: Value<'b>, coefficients: &[f64]) -> Value<'b> {
    coefficients[1..].iter().fold(x.like(coefficients[0]), |sum, &c| sum * x + c)
}

/// Writes a function of up to three floats of one type that is not an operation of StableHLO, as a function beside `main`.
///
/// # Errors
/// If there is no formula for it.
pub(super) fn special<'b>(op: ScalarOp, args: &[Value<'b>]) -> Result<Value<'b>> {
    let element = args[0].element();
    if element.is_half() {
        let single: Vec<Value<'b>> = args.iter().map(|arg| arg.convert(Element::F32)).collect();
        return Ok(special(op, &single)?.convert(element));
    }
    let name = op.name();
    let body = args[0].body();
    match op {
        ScalarOp::Erf | ScalarOp::Exp2 | ScalarOp::Log2 if element == Element::F32 => {
            body.call1(name, args, |_, args| {
                let x = Lanes::Of(args[0]);
                Ok(match op {
                    ScalarOp::Erf => error_function::erf(x),
                    ScalarOp::Exp2 => exponential::exp2(x),
                    _ => logarithm::log2(x),
                }
                .value())
            })
        }
        ScalarOp::ErfInv if element == Element::F32 => {
            body.call1(name, args, |_, args| erf_inv_of_xla(args[0]))
        }
        ScalarOp::LogAddExp => Ok(log_add_exp(args[0], args[1])),
        ScalarOp::Xlogy => Ok(x_log(args[0], args[1], args[1].unary("log"))),
        ScalarOp::Xlog1py => Ok(x_log(args[0], args[1], args[1].unary("log_plus_one"))),
        ScalarOp::Entr => {
            let x = args[0];
            let inside = -(x * x.unary("log"));
            let at_zero = x.eq(x.like(0.0)).select(x.like(0.0), inside);
            Ok(x.lt(x.like(0.0)).select(x.like(f64::NEG_INFINITY), at_zero))
        }
        // In double precision, as on the CPU; single precision is rounded at the end.
        _ => {
            let double: Vec<Value<'b>> = args.iter().map(|arg| arg.convert(Element::F64)).collect();
            Ok(body.call1(name, &double, |_, args| of_doubles(op, args))?.convert(element))
        }
    }
}

fn of_doubles<'b>(op: ScalarOp, args: &[Value<'b>]) -> Result<Value<'b>> {
    let x = args[0];
    let one = x.like(1.0);
    Ok(match op {
        ScalarOp::Exp2 => exp2(x),
        ScalarOp::Log2 => log2(x),
        ScalarOp::Asin => x.binary("atan2", ((one - x) * (one + x)).unary("sqrt")),
        ScalarOp::Acos => (one - x).unary("sqrt").binary("atan2", (one + x).unary("sqrt")) * 2.0,
        ScalarOp::Atan => x.binary("atan2", one),
        ScalarOp::Sinh => sinh(x),
        ScalarOp::Cosh => cosh(x),
        ScalarOp::Asinh => {
            let a = x.unary("abs");
            let square = a * a;
            let near = (a + square / ((square + 1.0).unary("sqrt") + 1.0)).unary("log_plus_one");
            let far = a.unary("log") + std::f64::consts::LN_2;
            copysign(a.gt(a.like(LARGE)).select(far, near), x)
        }
        ScalarOp::Acosh => {
            let t = x - 1.0;
            let near = (t + (t * 2.0 + t * t).unary("sqrt")).unary("log_plus_one");
            let far = x.unary("log") + std::f64::consts::LN_2;
            let inside = x.gt(x.like(LARGE)).select(far, near);
            x.lt(one).select(x.like(f64::NAN), inside)
        }
        ScalarOp::Atanh => {
            let a = x.unary("abs");
            copysign((a * 2.0 / (one - a)).unary("log_plus_one") * 0.5, x)
        }
        ScalarOp::Erf => erf(x),
        ScalarOp::Erfc => erfc(x),
        ScalarOp::ErfInv => erf_inv(x)?,
        ScalarOp::Lgamma => lgamma(x),
        ScalarOp::Digamma => digamma(x),
        ScalarOp::Trigamma => trigamma(x),
        ScalarOp::BesselI0e => bessel_i0e(x),
        ScalarOp::BesselI1e => bessel_i1e(x),
        ScalarOp::Ndtri => ndtri(x),
        ScalarOp::LogNdtr => log_ndtr(x),
        ScalarOp::Igamma => igamma(x, args[1])?,
        ScalarOp::Igammac => igammac(x, args[1])?,
        ScalarOp::IgammaGradA => igamma_grad_a(x, args[1])?,
        ScalarOp::RandomGammaGrad => random_gamma_grad(x, args[1])?,
        ScalarOp::Zeta => zeta(x, args[1])?,
        ScalarOp::Betainc => betainc(x, args[1], args[2])?,
        _ => return Err(Error::msg(format!("StableHLO has no text for {op}"))),
    })
}

/// Above it, the square of a number and one is the square.
const LARGE: f64 = 268_435_456.0;

/// `2^n` of whole numbers `-1022 ..= 1023` in double precision.
fn power_of_two(n: Value<'_>) -> Value<'_> {
    let biased = n.convert(Element::I64) + 1023;
    biased.binary("shift_left", biased.like(52)).bits_as(Element::F64)
}

/// Exact for whole numbers: the rest from the nearest one is below a half.
fn exp2(x: Value<'_>) -> Value<'_> {
    let low = x.lt(x.like(-1080.0)).select(x.like(-1080.0), x);
    let x = low.gt(low.like(1030.0)).select(low.like(1030.0), low);
    let n = x.unary("round_nearest_even");
    let half = (n * 0.5).unary("floor");
    let mantissa = ((x - n) * std::f64::consts::LN_2).unary("exponential");
    mantissa * power_of_two(half) * power_of_two(n - half)
}

/// Exact for powers of two: of a number between √½ and √2, the logarithm, and the exponent beside it.
fn log2(x: Value<'_>) -> Value<'_> {
    let is_small = x.lt(x.like(f64::MIN_POSITIVE));
    let normal = is_small.select(x * 18_014_398_509_481_984.0, x);
    let bits = normal.bits_as(Element::I64);
    let exponent = (bits.binary("shift_right_arithmetic", bits.like(52)) - 1022).convert(Element::F64);
    let exponent = is_small.select(exponent - 54.0, exponent);
    let mantissa = ((bits & 0x000F_FFFF_FFFF_FFFF_i64) | 0x3FE0_0000_0000_0000_i64).bits_as(Element::F64);
    let is_low = mantissa.lt(mantissa.like(std::f64::consts::FRAC_1_SQRT_2));
    let mantissa = is_low.select(mantissa * 2.0, mantissa);
    let exponent = is_low.select(exponent - 1.0, exponent);
    let inside = exponent + mantissa.unary("log") * std::f64::consts::LOG2_E;
    let is_inside = x.gt(x.like(0.0)) & x.lt(x.like(f64::INFINITY));
    is_inside.select(inside, x.unary("log"))
}

fn sinh(x: Value<'_>) -> Value<'_> {
    let a = x.unary("abs");
    let e = a.unary("exponential_minus_one");
    let root = (a * 0.5).unary("exponential");
    let near = (e + e / (e + 1.0)) * 0.5;
    copysign(a.gt(a.like(22.0)).select(root * 0.5 * root, near), x)
}

fn cosh(x: Value<'_>) -> Value<'_> {
    let a = x.unary("abs");
    let e = a.unary("exponential");
    let root = (a * 0.5).unary("exponential");
    a.gt(a.like(22.0)).select(root * 0.5 * root, (e + e.like(1.0) / e) * 0.5)
}

/// `log(exp(x) + exp(y))` as `max(x, y) + log1p(exp(-|x - y|))`.
pub(super) fn log_add_exp<'b>(x: Value<'b>, y: Value<'b>) -> Value<'b> {
    let distance = x.eq(y).select(x.like(0.0), (x - y).unary("abs"));
    x.max(y) + (-distance).unary("exponential").unary("log_plus_one")
}

/// `x` times a logarithm of `y`: 0 where `x` is 0 and `y` a number.
fn x_log<'b>(x: Value<'b>, y: Value<'b>, log: Value<'b>) -> Value<'b> {
    let is_zero = x.eq(x.like(0.0)) & y.eq(y);
    is_zero.select(x.like(0.0), x * log)
}

/// The inverse of `erf` by the polynomials of M. Giles, as XLA computes it.
pub(super) fn erf_inv_of_xla(x: Value<'_>) -> Result<Value<'_>> {
    let w = -log1p_of_xla(x * -x);
    let wide = |table: &[f32]| table.iter().map(|&c| f64::from(c)).collect::<Vec<_>>();
    let p = if x.element() == Element::F32 {
        let (centre, tail) = (wide(&error_function::GILES_CENTRE), wide(&error_function::GILES_TAIL));
        let is_central = w.lt(w.like(5.0));
        let w = is_central.select(w - 2.5, w.unary("sqrt") - 3.0);
        is_central.select(horner(w, &centre), horner(w, &tail))
    } else {
        let root = w.unary("sqrt");
        let centre = horner(w - 3.125, &sampling::GILES_CENTRE);
        let side = horner(root - 3.25, &sampling::GILES_SIDE);
        let tail = horner(root - 5.0, &sampling::GILES_TAIL);
        w.lt(w.like(6.25)).select(centre, w.lt(w.like(16.0)).select(side, tail))
    };
    let at_end = x.unary("abs").eq(x.like(1.0));
    Ok(at_end.select(x * f64::INFINITY, p * x))
}

/// `log(1 + x)`, which on XLA is what XLA computes.
pub(super) fn log1p_of_xla(x: Value<'_>) -> Value<'_> {
    x.unary("log_plus_one")
}

/// A function that samples take: on XLA its own roundings are the wanted ones.
///
/// # Errors
/// If StableHLO has no text for it.
pub(super) fn rounded_as_xla<'b>(
    body: &'b Body<'b>,
    op: ScalarOp,
    args: &[Value<'b>],
    out: &Type,
) -> Result<Value<'b>> {
    let x = args[0];
    match op {
        ScalarOp::ErfInv => body.call1("erf_inv_of_xla", args, |_, args| erf_inv_of_xla(args[0])),
        ScalarOp::Erf if x.element() == Element::F32 => body.call1("erf_of_xla", args, |_, args| {
            let (x, square) = (args[0], args[0] * args[0]);
            let wide =
                |table: &[u32]| table.iter().map(|&bits| f64::from(f32::from_bits(bits))).collect::<Vec<_>>();
            let quotient = x * horner(square, &wide(&sampling::ERF_NUMERATOR))
                / horner(square, &wide(&sampling::ERF_DENOMINATOR));
            let is_one = x.unary("abs").ge(x.like(f64::from(f32::from_bits(0x4075_47CB))));
            Ok(is_one.select(copysign(x.like(1.0), x), quotient))
        }),
        _ => elementwise::elementwise(body, op, args, out),
    }
}

/// The neighbouring float above, or below: numbers of one sign are in the order of their bits.
pub(super) fn next_after(x: Value<'_>, up: bool) -> Value<'_> {
    let element = x.element();
    let integer = match element.bits() {
        64 => Element::I64,
        32 => Element::I32,
        _ => Element::Of(crate::array::DType::I16),
    };
    let turned = if up { x } else { -x };
    let bits = turned.bits_as(integer);
    let is_zero = turned.eq(turned.like(0.0));
    let away = bits.lt(bits.like(0)).select(bits - 1, bits + 1);
    let next = is_zero.select(bits.like(1), away).bits_as(element);
    let stays = turned.ne(turned) | turned.eq(turned.like(f64::INFINITY));
    let above = stays.select(turned, next);
    if up { above } else { -above }
}
