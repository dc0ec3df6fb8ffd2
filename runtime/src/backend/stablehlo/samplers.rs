//! Samples that take more than random bits: numbers below a bound, orders, and gamma distributions.

use super::body::Body;
use super::indexing::PLACES;
use super::random::{block, blocks, unit, words};
use super::sorting::sort;
use super::special::{erf_inv_of_xla, log1p_of_xla};
use super::types::{Element, Type};
use super::value::Value;
use crate::array::{DType, Shape};
use crate::error::Result;
use crate::kernels::sort::SortOrder;

/// From high bits, low bits and a span to a number below the span, as JAX's `randint`; a span of 0 stands for all numbers.
pub(super) fn below<'b>(args: &[Value<'b>], out: &Type) -> Value<'b> {
    let element = if out.element == Element::U32 { Element::U32 } else { Element::U64 };
    let arg = |at: usize| args[at].broadcast_to(&out.shape).bits_as(element);
    let [high, low, span] = [arg(0), arg(1), arg(2)];
    let is_all = span.eq(span.like(0));
    let divisor = is_all.select(span.like(1), span);
    let modulo = |x: Value<'b>| is_all.select(x, x.binary("remainder", divisor));
    let half = modulo(span.like(1i64 << (element.bits() / 2)));
    let weight = modulo(half * half);
    modulo(modulo(high) * weight + modulo(low)).bits_as(out.element)
}

/// For each key, random orders of the places along an axis, which goes last: several rounds of sorting random bits.
pub(super) fn order<'b>(keys: Value<'b>, shape: &[usize], axis: usize, out: &Type) -> Result<Value<'b>> {
    let body = keys.body();
    let (size, lead) = (shape.iter().product::<usize>(), keys.rank() - 1);
    // As many as make equal bits in all rounds unlikely, as in JAX.
    let rounds = (3.0 * (size.max(1) as f64).ln() / f64::from(u32::MAX).ln()).ceil() as usize;
    let last: Vec<usize> = (0..lead)
        .chain((0..shape.len()).filter(|&d| d != axis).map(|d| lead + d))
        .chain([lead + axis])
        .collect();
    let mut places = body.iota(out.with_element(PLACES), out.rank() - 1);
    let mut keys = words(keys);
    for _ in 0..rounds {
        let child = |number: usize| block(keys, keys[0].like(number));
        let round = super::random::key(child(1)?);
        keys = child(0)?;
        let [a, b] = blocks(round, shape)?;
        let bits = (a ^ b).transpose(&last);
        places = sort(&[bits, places], SortOrder::Ascending)?[1];
    }
    Ok(places.convert(out.element))
}

/// For each key, a sample of the gamma distribution of each shape, or its logarithm.
///
/// Source: G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables" (2000), with the keys of `jax.random.gamma`. All
/// samples try until the last one is accepted; those that are keep what they have.
pub(super) fn gamma<'b>(keys: Value<'b>, alpha: Value<'b>, log_space: bool) -> Result<Value<'b>> {
    let element = alpha.element();
    let name = if log_space { "log_gamma_samples" } else { "gamma_samples" };
    let computed = alpha.convert(element.accumulator());
    let sample = keys
        .body()
        .call1(name, &[keys, computed], |body, args| samples(body, args[0], args[1], log_space))?;
    Ok(sample.convert(element))
}

fn samples<'b>(body: &'b Body<'b>, keys: Value<'b>, alpha: Value<'b>, log_space: bool) -> Result<Value<'b>> {
    let of = alpha.ty();
    let lead = keys.rank() - 1;
    let dtype = if of.element == Element::F64 { DType::F64 } else { DType::F32 };
    let words_of = Type::new(Element::U32, &of.shape);
    let number = |n: usize| body.splat(n, &words_of);
    let fold_in = |key: [Value<'b>; 2], n: usize| block(key, number(n));
    let uniform = |key: [Value<'b>; 2]| Ok::<_, crate::Error>(unit(block(key, number(0))?, dtype));

    let own: Shape = of.shape[lead..].into();
    let key = blocks(keys, &own)?;
    let is_large = alpha.ge(alpha.like(1.0));
    let third = 1.0 / 3.0;
    let d = is_large.select(alpha, alpha + 1.0) - third;
    let c = alpha.like(third) / d.unary("sqrt");
    let boost_key = fold_in(key, 1)?;
    let key = fold_in(key, 0)?;

    let waiting = body.splat(1, &of.with_element(Element::BOOL));
    let any = |waiting: Value<'b>| -> Result<Value<'b>> {
        let axes: Vec<usize> = (0..waiting.rank()).collect();
        super::reductions::reduce_with(waiting, "or", waiting.body().scalar(0, Element::BOOL), &axes)
    };
    let state = [key[0], key[1], d, c, alpha.like(1.0), waiting];
    let tried = body.repeat(
        &state,
        |state| any(state[5]),
        |state| {
            let (key, d, c) = ([state[0], state[1]], state[2], state[3]);
            let fold = |key: [Value<'b>; 2], n: usize| block(key, body.splat(n, &words_of));
            let (x_key, u_key) = (fold(key, 1)?, fold(key, 2)?);
            // A normal number for which the cube is positive.
            let inner = [x_key[0], x_key[1], c, c, c, body.splat(1, &of.with_element(Element::BOOL))];
            let found = body.repeat(
                &inner,
                |state| any(state[5]),
                |state| {
                    let fold = |n: usize| block([state[0], state[1]], body.splat(n, &words_of));
                    let (draw, next) = (fold(1)?, fold(0)?);
                    let u = unit(block(draw, body.splat(0, &words_of))?, dtype);
                    let above = if dtype == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
                    let x = erf_inv_of_xla(u * 2.0 + (-1.0 + above / 2.0))? * std::f64::consts::SQRT_2;
                    let v = x * state[4] + 1.0;
                    let [x, v] = [(x, state[2]), (v, state[3])].map(|(new, old)| state[5].select(new, old));
                    Ok(vec![next[0], next[1], x, v, state[4], state[5] & v.le(v.like(0.0))])
                },
            )?;
            let (x, v) = (found[2], found[3]);
            let (squared, cubed) = (x * x, v * v * v);
            let u = unit(block(u_key, body.splat(0, &words_of))?, dtype);
            let squeeze = -(squared * squared) * 0.0331 + 1.0;
            let exponent = d * (cubed.like(1.0) - cubed + cubed.unary("log"));
            let refused = u.ge(squeeze) & u.unary("log").ge(squared * 0.5 + exponent);
            let next = fold(key, 0)?;
            let kept = state[5].select(cubed, state[4]);
            Ok(vec![next[0], next[1], d, c, kept, state[5] & refused])
        },
    )?;
    let v = tried[4];
    let u = uniform(boost_key)?;
    if log_space {
        let exponential = log1p_of_xla(-u);
        let none = is_large | exponential.eq(exponential.like(0.0));
        let boost = none.select(alpha.like(0.0), exponential * (alpha.like(1.0) / alpha));
        return Ok(d.unary("log") + v.unary("log") + boost);
    }
    let power = (u.like(1.0) - u).binary("power", alpha.like(1.0) / alpha);
    let sample = d * v * is_large.select(alpha.like(1.0), power);
    let least = if dtype == DType::F64 { f64::MIN_POSITIVE } else { f32::MIN_POSITIVE.into() };
    Ok(sample.lt(sample.like(least)).select(sample.like(0.0), sample))
}
