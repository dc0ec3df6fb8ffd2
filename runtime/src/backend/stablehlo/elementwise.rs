//! Functions of elements that StableHLO has, or that are short in it.

use super::body::Body;
use super::reductions::reduce_with;
use super::special::special;
use super::types::{Element, Type};
use super::value::Value;
use crate::error::Result;
use crate::scalar::op::ScalarOp;

/// Writes a function of the elements of up to three arguments, which are broadcast to the result.
///
/// # Errors
/// If StableHLO has no text for it.
pub(super) fn elementwise<'b>(
    body: &'b Body<'b>,
    op: ScalarOp,
    args: &[Value<'b>],
    out: &Type,
) -> Result<Value<'b>> {
    let args: Vec<Value<'b>> = args.iter().map(|arg| arg.broadcast_to(&out.shape)).collect();
    match args[..] {
        [x] => unary(body, op, x, out),
        [x, y] => binary(op, x, y),
        [x, y, z] => ternary(op, x, y, z),
        _ => unreachable!("functions have up to three arguments"),
    }
}

/// The elements as those of another dtype.
pub(super) fn cast(x: Value<'_>, to: Element) -> Value<'_> {
    match x.element() {
        from if from == to => x,
        _ if to.is_bool() => x.ne(x.like(0)),
        from if from.is_complex() => x.real().convert(to),
        from if to.is_complex() => {
            let real = if from == Element::F32 { x } else { x.convert(Element::F32) };
            real.complex(real.like(0.0))
        }
        // Integers become halves by way of single precision.
        from if to.is_half() && !from.is_float() => x.convert(Element::F32).convert(to),
        // Doubles become `bf16` by way of single precision, and `f16` in one rounding.
        Element::F64 if to == Element::Of(crate::array::DType::BF16) => x.convert(Element::F32).convert(to),
        _ => x.convert(to),
    }
}

fn unary<'b>(body: &'b Body<'b>, op: ScalarOp, x: Value<'b>, out: &Type) -> Result<Value<'b>> {
    let element = x.element();
    let is_float = element.is_float();
    let named = match op {
        ScalarOp::Neg => "negate",
        ScalarOp::Not => "not",
        ScalarOp::Floor => "floor",
        ScalarOp::Ceil => "ceil",
        ScalarOp::Round => "round_nearest_even",
        ScalarOp::Exp => "exponential",
        ScalarOp::Expm1 => "exponential_minus_one",
        ScalarOp::Log => "log",
        ScalarOp::Log1p => "log_plus_one",
        ScalarOp::Sqrt => "sqrt",
        ScalarOp::Rsqrt => "rsqrt",
        ScalarOp::Cbrt => "cbrt",
        ScalarOp::Sin => "sine",
        ScalarOp::Cos => "cosine",
        ScalarOp::Tan => "tan",
        ScalarOp::Tanh => "tanh",
        ScalarOp::Logistic => "logistic",
        ScalarOp::Abs if !element.is_unsigned() && !element.is_complex() => "abs",
        ScalarOp::Sign if !element.is_unsigned() => "sign",
        _ => "",
    };
    if !named.is_empty() {
        return Ok(x.unary(named));
    }
    Ok(match op {
        ScalarOp::Copy | ScalarOp::Abs => x,
        ScalarOp::Cast => cast(x, out.element),
        ScalarOp::Sign => x.min(x.like(1)),
        ScalarOp::Relu => x.max(x.like(0)),
        ScalarOp::IsFinite if is_float => body.op("is_finite", &[x], "", out.clone()),
        ScalarOp::IsFinite => body.splat(1, out),
        ScalarOp::IsNan => x.ne(x),
        ScalarOp::IsInf if is_float => x.unary("abs").eq(x.like(f64::INFINITY)),
        ScalarOp::IsInf => body.splat(0, out),
        ScalarOp::Powi(exponent) => power(x, exponent),
        ScalarOp::Trunc => x.lt(x.like(0)).select(x.unary("ceil"), x.unary("floor")),
        ScalarOp::Magnitude => body.op("abs", &[x], "", out.clone()),
        ScalarOp::Imag => x.imag(),
        ScalarOp::Conj => x.real().complex(-x.imag()),
        ScalarOp::Sinh | ScalarOp::Cosh if element.is_complex() => hyperbolic(x, op == ScalarOp::Sinh),
        _ => return special(op, &[x]),
    })
}

/// `sinh(a + bi) = sinh a · cos b + i · cosh a · sin b`, and `cosh` with the two exchanged.
fn hyperbolic(x: Value<'_>, is_sine: bool) -> Value<'_> {
    let (a, b) = (x.real(), x.imag());
    let wide = a.convert(Element::F64);
    let (e, inverse) = (wide.unary("exponential"), (-wide).unary("exponential"));
    let small = wide.unary("exponential_minus_one");
    let sinh = ((small + small / (small + 1.0)) * 0.5).convert(Element::F32);
    let cosh = ((e + inverse) * 0.5).convert(Element::F32);
    let (real, imaginary) = if is_sine { (sinh, cosh) } else { (cosh, sinh) };
    (real * b.unary("cosine")).complex(imaginary * b.unary("sine"))
}

/// By repeated squaring; the reciprocal of that for negative exponents.
fn power(x: Value<'_>, exponent: i32) -> Value<'_> {
    let (mut base, mut left, mut product) = (x, exponent.unsigned_abs(), None);
    while left > 0 {
        if left & 1 == 1 {
            product = Some(product.map_or(base, |product| product * base));
        }
        left >>= 1;
        if left > 0 {
            base = base * base;
        }
    }
    let product = product.unwrap_or_else(|| x.like(1));
    if exponent < 0 { x.like(1) / product } else { product }
}

fn binary<'b>(op: ScalarOp, x: Value<'b>, y: Value<'b>) -> Result<Value<'b>> {
    let element = x.element();
    Ok(match op {
        ScalarOp::Complex => x.complex(y),
        ScalarOp::Add => x + y,
        ScalarOp::Sub => x - y,
        ScalarOp::Mul => x * y,
        ScalarOp::Div => x / y,
        ScalarOp::Rem if element.is_integer() => {
            let is_zero = y.eq(y.like(0));
            is_zero.select(x.like(0), x.binary("remainder", is_zero.select(y.like(1), y)))
        }
        ScalarOp::Rem => x.binary("remainder", y),
        ScalarOp::Pow if element.is_integer() => return x.body().call1("pow", &[x, y], integer_power),
        ScalarOp::Pow => x.binary("power", y),
        ScalarOp::Max => x.max(y),
        ScalarOp::Min => x.min(y),
        ScalarOp::Atan2 => x.binary("atan2", y),
        ScalarOp::And => x & y,
        ScalarOp::Or => x | y,
        ScalarOp::Xor => x ^ y,
        ScalarOp::ShiftLeft => x.binary("shift_left", y),
        ScalarOp::ShiftRight if element.is_unsigned() => x.binary("shift_right_logical", y),
        ScalarOp::ShiftRight => x.binary("shift_right_arithmetic", y),
        ScalarOp::Eq => x.eq(y),
        ScalarOp::Ne => x.ne(y),
        ScalarOp::Lt => x.lt(y),
        ScalarOp::Le => x.le(y),
        ScalarOp::Gt => x.gt(y),
        ScalarOp::Ge => x.ge(y),
        ScalarOp::Gcd => return gcd(x, y),
        _ => return special(op, &[x, y]),
    })
}

fn ternary<'b>(op: ScalarOp, x: Value<'b>, y: Value<'b>, z: Value<'b>) -> Result<Value<'b>> {
    Ok(match op {
        ScalarOp::Select => x.select(y, z),
        ScalarOp::Clamp => y.max(x).min(z),
        ScalarOp::MulAdd => x * y + z,
        _ => return special(op, &[x, y, z]),
    })
}

/// The greatest common divisor.
fn gcd<'b>(x: Value<'b>, y: Value<'b>) -> Result<Value<'b>> {
    x.body().call1("gcd", &[x, y], |body, args| euclid(body, args[0], args[1]))
}

/// By Euclid's algorithm, for all elements at once until the last one is done.
fn euclid<'b>(body: &'b Body<'b>, x: Value<'b>, y: Value<'b>) -> Result<Value<'b>> {
    let element = x.element();
    // Magnitudes, which of the least number only unsigned integers hold.
    let magnitude = |x: Value<'b>| {
        if element.is_unsigned() {
            return x.convert(Element::U64);
        }
        let wide = x.convert(Element::I64);
        wide.lt(wide.like(0)).select(-wide, wide).bits_as(Element::U64)
    };
    let axes: Vec<usize> = (0..x.rank()).collect();
    let again = |state: &[Value<'b>]| {
        let rest = state[1].ne(state[1].like(0));
        reduce_with(rest, "or", body.scalar(0, Element::BOOL), &axes)
    };
    let made = body.repeat(&[magnitude(x), magnitude(y)], again, |state| {
        let [x, y] = [state[0], state[1]];
        let is_done = y.eq(y.like(0));
        let rest = x.binary("remainder", is_done.select(y.like(1), y));
        Ok(vec![is_done.select(x, y), is_done.select(y, rest)])
    })?;
    Ok(made[0].convert(element))
}

/// Integers to the power of integers by repeated squaring, until the last exponent is used up; to negative powers only 1 and -1 are others
/// than 0. What `stablehlo.power` does with large exponents is not said.
fn integer_power<'b>(body: &'b Body<'b>, args: &[Value<'b>]) -> Result<Value<'b>> {
    let [x, y] = [args[0], args[1]];
    let (zero, one) = (x.like(0), x.like(1));
    let is_negative = y.lt(zero);
    let axes: Vec<usize> = (0..x.rank()).collect();
    let again = |state: &[Value<'b>]| {
        reduce_with(state[1].ne(state[1].like(0)), "or", body.scalar(0, Element::BOOL), &axes)
    };
    let state = [x, is_negative.select(zero, y), one];
    let made = body.repeat(&state, again, |state| {
        let [base, left, product] = [state[0], state[1], state[2]];
        let is_odd = (left & 1).ne(left.like(0));
        let half = left.binary("shift_right_logical", left.like(1));
        Ok(vec![base * base, half, is_odd.select(product * base, product)])
    })?[2];
    if x.element().is_unsigned() {
        return Ok(made);
    }
    let is_odd = (y & 1).ne(zero);
    let inverse = x.eq(one).select(one, x.eq(-one).select(is_odd.select(-one, one), zero));
    Ok(is_negative.select(inverse, made))
}
