//! Bessel functions, quantiles of the normal distribution, and the zeta function, in double precision, by the tables of
//! [`scalar::math`](crate::scalar::math).

use std::f64::consts::{PI, SQRT_2};

use super::error_functions::erfc;
use super::incomplete_functions::iterate;
use super::lanes::copysign;
use super::special::horner;
use super::value::Value;
use crate::error::Result;
use crate::scalar::math::bessel::{I0_FAR, I0_NEAR, I1_FAR, I1_NEAR};
use crate::scalar::math::normal_quantile::{FAR_P, FAR_Q, MIDDLE_P, MIDDLE_Q, TAIL_P, TAIL_Q};
use crate::scalar::math::zeta::BERNOULLI;

/// A sum of Chebyshev polynomials of `x/2`, by Clenshaw's recurrence.
fn chebyshev<'b>(x: Value<'b>, coefficients: &[f64]) -> Value<'b> {
    let zero = x.like(0.0);
    let [mut now, mut before, mut first] = [zero; 3];
    for &c in coefficients {
        (first, before) = (before, now);
        now = x * before - first + c;
    }
    (now - first) * 0.5
}

/// `e^-|x|·I₀(x)`.
pub(super) fn bessel_i0e(x: Value<'_>) -> Value<'_> {
    let a = x.unary("abs");
    let near = chebyshev(a * 0.5 - 2.0, &I0_NEAR);
    let far = chebyshev(a.like(32.0) / a - 2.0, &I0_FAR) / a.unary("sqrt");
    a.le(a.like(8.0)).select(near, far)
}

/// `e^-|x|·I₁(x)`.
pub(super) fn bessel_i1e(x: Value<'_>) -> Value<'_> {
    let a = x.unary("abs");
    let near = chebyshev(a * 0.5 - 2.0, &I1_NEAR) * x;
    let far = chebyshev(a.like(32.0) / a - 2.0, &I1_FAR) / a.unary("sqrt");
    a.le(a.like(8.0)).select(near, copysign(far, x))
}

/// Where the standard normal distribution function is `p`.
pub(super) fn ndtri(p: Value<'_>) -> Value<'_> {
    let edge = (-2f64).exp();
    let is_upper = p.gt(p.like(1.0 - edge));
    let tail = is_upper.select(p.like(1.0) - p, p);
    let w = tail - 0.5;
    let ww = w * w;
    let middle = (w + w * ww * (horner(ww, &MIDDLE_P) / horner(ww, &MIDDLE_Q))) * (2.0 * PI).sqrt();
    let z = (tail.unary("log") * -2.0).unary("sqrt");
    let inverse = z.like(1.0) / z;
    let near = horner(inverse, &TAIL_P) / horner(inverse, &TAIL_Q);
    let far = horner(inverse, &FAR_P) / horner(inverse, &FAR_Q);
    let rest = z.lt(z.like(8.0)).select(near, far);
    let x = z - z.unary("log") / z - rest * inverse;
    let outer = is_upper.select(x, -x);
    let inside = tail.gt(tail.like(edge)).select(middle, outer);
    let [zero, one] = [0.0, 1.0].map(|y| p.like(y));
    let defined = p.gt(zero) & p.lt(one);
    let at_ends = p.eq(one).select(p.like(f64::INFINITY), p.like(f64::NAN));
    defined.select(inside, p.eq(zero).select(p.like(f64::NEG_INFINITY), at_ends))
}

/// The logarithm of the standard normal distribution function.
pub(super) fn log_ndtr(x: Value<'_>) -> Value<'_> {
    let above = (erfc(x * (1.0 / SQRT_2)) * -0.5).unary("log_plus_one");
    let middle = (erfc(-x * (1.0 / SQRT_2)) * 0.5).unary("log");
    let inverse = x.like(1.0) / (x * x);
    let (mut term, mut sum) = (x.like(1.0), x.like(1.0));
    for n in 1..20u32 {
        term = term * (inverse * -f64::from(2 * n - 1));
        sum = sum + term;
    }
    let far = x * x * -0.5 - (-x * (2.0 * PI).sqrt()).unary("log") + sum.unary("log");
    let below = x.gt(x.like(-15.0)).select(middle, far);
    let inside = x.gt(x.like(0.0)).select(above, below);
    x.ne(x).select(x, inside)
}

/// Hurwitz' zeta function, by the Euler-Maclaurin formula.
pub(super) fn zeta<'b>(x: Value<'b>, q: Value<'b>) -> Result<Value<'b>> {
    let power = |base: Value<'b>, x: Value<'b>| base.binary("power", -x);
    let first = power(q, x);
    let wanted = x.gt(x.like(1.0)) & q.eq(q);
    let done = x.like(0.0);
    let state = [x, q, first, first, done];
    // Terms up to a base of 9, at least nine of them, or until they are too small.
    let made = iterate(&state, wanted, 1 << 20, |count, state| {
        let [x, base, sum, _, _] = *state else { unreachable!("the state has five parts") };
        let base = base + 1.0;
        let term = base.binary("power", -x);
        let sum = sum + term;
        let is_small = (term / sum).unary("abs").lt(sum.like(f64::EPSILON));
        let done = is_small.select(sum.like(1.0), sum.like(0.0));
        let goes_on = (count.lt(count.like(9.0)) | base.le(base.like(9.0))) & !is_small;
        (vec![x, base, sum, term, done], goes_on)
    })?;
    let (base, mut sum, mut term, done) = (made[1], made[2], made[3], made[4]);
    let short = sum;
    sum = sum + term * base / (x - 1.0) - term * 0.5;
    let (mut factor, mut k) = (x.like(1.0), 0.0);
    for coefficient in BERNOULLI {
        factor = factor * (x + k);
        term = term / base;
        sum = sum + factor * term / term.like(coefficient);
        k += 1.0;
        factor = factor * (x + k);
        term = term / base;
        k += 1.0;
    }
    let sum = done.gt(done.like(0.0)).select(short, sum);
    let [zero, one, infinity, nan] = [0.0, 1.0, f64::INFINITY, f64::NAN].map(|y| x.like(y));
    let low = q.le(zero);
    let at_pole = low & q.eq(q.unary("floor"));
    let is_even = (x * 0.5).eq((x * 0.5).unary("floor")) & x.lt(infinity);
    let undefined = x.ne(x) | q.ne(q) | x.lt(one) | (low & !at_pole & x.ne(x.unary("floor")));
    let inside = at_pole.select(is_even.select(infinity, nan), sum);
    Ok(x.eq(one).select(infinity, undefined.select(nan, inside)))
}
