//! The incomplete gamma and beta functions, in double precision: series and continued fractions that go on until the last element has
//! converged. The formulas are those of [`scalar::math`](crate::scalar::math).

use super::gamma_functions::{digamma, lgamma};
use super::types::Element;
use super::value::Value;
use crate::error::Result;

/// Repeats a step on the elements that are not done: `step` is given the number of the step from 1 on, as a float of the type of the state,
/// and makes the next state and which elements go on.
pub(super) fn iterate<'b>(
    state: &[Value<'b>],
    active: Value<'b>,
    steps: usize,
    step: impl FnOnce(Value<'b>, &[Value<'b>]) -> (Vec<Value<'b>>, Value<'b>),
) -> Result<Vec<Value<'b>>> {
    let body = state[0].body();
    let counter = body.scalar(1, Element::I32);
    let all: Vec<Value<'b>> = [counter, active].iter().chain(state).copied().collect();
    let again = |state: &[Value<'b>]| {
        let axes: Vec<usize> = (0..state[1].rank()).collect();
        let any = super::reductions::reduce_with(state[1], "or", body.scalar(0, Element::BOOL), &axes)?;
        Ok(any & state[0].le(state[0].like(steps)))
    };
    let next = |state: &[Value<'b>]| {
        let (count, active, old) = (state[0], state[1], &state[2..]);
        let number = count.convert(old[0].element()).broadcast_to(old[0].shape());
        let (new, goes_on) = step(number, old);
        let kept = new.iter().zip(old).map(|(&new, &old)| active.select(new, old));
        Ok([count + 1, active & goes_on].into_iter().chain(kept).collect())
    };
    Ok(body.repeat(&all, again, next)?[2..].to_vec())
}

const EPSILON: f64 = f64::EPSILON;

/// A sum or fraction, and its derivative by the shape.
struct Expansion<'b> {
    value: Value<'b>,
    derivative: Value<'b>,
}

/// `Σ xⁿ/((a + 1)…(a + n))` where it is wanted, of which `P(a, x)` is a multiple.
fn series<'b>(a: Value<'b>, x: Value<'b>, wanted: Value<'b>, with_derivative: bool) -> Result<Expansion<'b>> {
    let (zero, one) = (a.like(0.0), a.like(1.0));
    let state = [x, a, one, one, zero, zero];
    let made = iterate(&state, wanted, 2000, |_, state| {
        let [x, denominator, term, value, term_derivative, derivative] = *state else {
            unreachable!("the state has six parts")
        };
        let denominator = denominator + 1.0;
        let ratio = x / denominator;
        let term_derivative = term_derivative * ratio - term * x / (denominator * denominator);
        let derivative = derivative + term_derivative;
        let term = term * ratio;
        let value = value + term;
        let mut goes_on = (term / value).gt(term.like(EPSILON));
        if with_derivative {
            goes_on = goes_on | (term_derivative / derivative).unary("abs").gt(term.like(EPSILON));
        }
        (vec![x, denominator, term, value, term_derivative, derivative], goes_on)
    })?;
    Ok(Expansion { value: made[3], derivative: made[5] })
}

/// The continued fraction of which `1 - P(a, x)` is a multiple, where it is wanted.
fn fraction<'b>(
    a: Value<'b>,
    x: Value<'b>,
    wanted: Value<'b>,
    with_derivative: bool,
) -> Result<Expansion<'b>> {
    let (zero, one) = (a.like(0.0), a.like(1.0));
    let y = one - a;
    let z = x + y + 1.0;
    let (p, q) = ([one, x + 1.0], [x, z * x]);
    let (dp, dq) = ([zero, zero], [zero, -x]);
    let value = p[1] / q[1];
    let derivative = (dp[1] - value * dq[1]) / q[1];
    let state = [y, z, p[0], p[1], q[0], q[1], dp[0], dp[1], dq[0], dq[1], value, derivative];
    let made = iterate(&state, wanted, 2000, |count, state| {
        let [y, z, p0, p1, q0, q1, dp0, dp1, dq0, dq1, value, derivative] = *state else {
            unreachable!("the state has twelve parts")
        };
        let (y, z) = (y + 1.0, z + 2.0);
        let factor = y * count;
        let (next_p, next_q) = (p1 * z - p0 * factor, q1 * z - q0 * factor);
        let next_dp = dp1 * z - p1 - dp0 * factor + p0 * count;
        let next_dq = dq1 * z - q1 - dq0 * factor + q0 * count;
        let is_there = next_q.ne(next_q.like(0.0));
        let next = is_there.select(next_p / next_q, value);
        let change = is_there.select(((value - next) / next).unary("abs"), value.like(1.0));
        let slope = is_there.select((next_dp - next * next_dq) / next_q, derivative);
        let slope_change = is_there.select((slope - derivative).unary("abs"), value.like(1.0));
        let is_big = next_p.unary("abs").gt(next_p.like(1.0 / EPSILON));
        let scale = is_big.select(next_p.like(EPSILON), next_p.like(1.0));
        let mut goes_on = change.gt(change.like(EPSILON));
        if with_derivative {
            goes_on = goes_on | slope_change.gt(change.like(EPSILON));
        }
        let scaled = [p1, next_p, q1, next_q, dp1, next_dp, dq1, next_dq].map(|x| x * scale);
        (vec![y, z].into_iter().chain(scaled).chain([next, slope]).collect(), goes_on)
    })?;
    Ok(Expansion { value: made[10], derivative: made[11] })
}

/// `x^a·e^-x/Γ(a)`, the common factor of both expansions.
fn prefactor<'b>(a: Value<'b>, x: Value<'b>) -> Value<'b> {
    (a * x.unary("log") - x - lgamma(a)).unary("exponential")
}

fn is_outside<'b>(a: Value<'b>, x: Value<'b>) -> Value<'b> {
    a.ne(a) | x.ne(x) | x.lt(x.like(0.0)) | a.lt(a.like(0.0))
}

/// Chooses the first value whose condition holds, else the last.
fn first_of<'b>(choices: &[(Value<'b>, Value<'b>)], otherwise: Value<'b>) -> Value<'b> {
    choices.iter().rev().fold(otherwise, |rest, &(condition, value)| condition.select(value, rest))
}

fn is_infinite(x: Value<'_>) -> Value<'_> {
    x.eq(x.like(f64::INFINITY))
}

fn is_zero(x: Value<'_>) -> Value<'_> {
    x.eq(x.like(0.0))
}

/// The regularized lower incomplete gamma function.
pub(super) fn igamma<'b>(a: Value<'b>, x: Value<'b>) -> Result<Value<'b>> {
    let by_fraction = x.ge(x.like(1.0)) & x.gt(a);
    let (sum, rest) = expansions(a, x, by_fraction, false)?;
    let factor = prefactor(a, x);
    let inside = by_fraction.select(x.like(1.0) - rest.value * factor, sum.value * factor / a);
    let undefined = is_outside(a, x) | (is_zero(a) & is_zero(x));
    let [zero, one, nan] = [0.0, 1.0, f64::NAN].map(|y| x.like(y));
    Ok(first_of(&[(undefined, nan), (is_zero(x), zero), (is_infinite(x), one)], inside))
}

/// The regularized upper incomplete gamma function.
pub(super) fn igammac<'b>(a: Value<'b>, x: Value<'b>) -> Result<Value<'b>> {
    let by_fraction = !(x.lt(x.like(1.0)) | x.lt(a));
    let (sum, rest) = expansions(a, x, by_fraction, false)?;
    let factor = prefactor(a, x);
    let inside = by_fraction.select(rest.value * factor, x.like(1.0) - sum.value * factor / a);
    let undefined = is_outside(a, x) | (is_zero(a) & is_zero(x));
    let [zero, one, nan] = [0.0, 1.0, f64::NAN].map(|y| x.like(y));
    Ok(first_of(&[(undefined, nan), (is_infinite(x) | is_zero(a), zero), (is_zero(x), one)], inside))
}

/// Both expansions, each where it is wanted.
fn expansions<'b>(
    a: Value<'b>,
    x: Value<'b>,
    by_fraction: Value<'b>,
    with_derivative: bool,
) -> Result<(Expansion<'b>, Expansion<'b>)> {
    Ok((series(a, x, !by_fraction, with_derivative)?, fraction(a, x, by_fraction, with_derivative)?))
}

/// The derivative of the lower incomplete gamma function by its shape.
pub(super) fn igamma_grad_a<'b>(a: Value<'b>, x: Value<'b>) -> Result<Value<'b>> {
    let by_fraction = x.gt(x.like(1.0)) & x.gt(a);
    let (sum, rest) = expansions(a, x, by_fraction, true)?;
    let (factor, log) = (prefactor(a, x), x.unary("log"));
    let far = -factor * (rest.value * (log - digamma(a)) + rest.derivative);
    let near = factor * (sum.value * (log - digamma(a + 1.0)) + sum.derivative) / a;
    let undefined = is_outside(a, x) | is_zero(a);
    let [zero, nan] = [0.0, f64::NAN].map(|y| x.like(y));
    Ok(first_of(&[(undefined, nan), (is_zero(x) | is_infinite(x), zero)], by_fraction.select(far, near)))
}

/// The derivative by the shape of a sample of the gamma distribution.
pub(super) fn random_gamma_grad<'b>(a: Value<'b>, x: Value<'b>) -> Result<Value<'b>> {
    let by_fraction = x.gt(x.like(1.0)) & x.gt(a);
    let (sum, rest) = expansions(a, x, by_fraction, true)?;
    let log = x.unary("log");
    let far = (rest.derivative + rest.value * (log - digamma(a))) * x;
    let near = -(sum.derivative + sum.value * (log - digamma(a + 1.0))) * x / a;
    let undefined = is_outside(a, x) | is_zero(a);
    let [zero, nan] = [0.0, f64::NAN].map(|y| x.like(y));
    Ok(first_of(&[(undefined, nan), (is_zero(x), zero)], by_fraction.select(far, near)))
}

/// The regularized incomplete beta function, by its continued fraction on the side where that converges fast.
pub(super) fn betainc<'b>(a: Value<'b>, b: Value<'b>, x: Value<'b>) -> Result<Value<'b>> {
    let [zero, one, nan] = [0.0, 1.0, f64::NAN].map(|y| x.like(y));
    let inside_unit = x.ge(zero) & x.le(one);
    let outside = a.lt(zero) | b.lt(zero) | !inside_unit | a.ne(a) | b.ne(b);
    let (at_zero, at_one) = (is_zero(a) | is_infinite(b), is_zero(b) | is_infinite(a));
    let direct = x.lt((a + 1.0) / (a + b + 2.0));
    let (p, q) = (direct.select(a, b), direct.select(b, a));
    let y = direct.select(x, one - x);
    let rest = lgamma(q) - lgamma(p + q);
    let log = q * (-y).unary("log_plus_one") - rest;
    let small = log.unary("exponential");
    let usual = (p * y.unary("log") + log - lgamma(p)).unary("exponential") / p;
    let factor = p.lt(p.like(2.0 * f64::MIN_POSITIVE)).select(small, usual);
    let value = factor * beta_fraction(p, q, y, !(outside | at_zero | at_one))?;
    let step = |condition: Value<'b>| condition.select(one, zero);
    let choices = [
        (outside | (at_zero & at_one), nan),
        (at_one, step(x.eq(one))),
        (at_zero, step(x.ne(zero))),
        (direct, value),
    ];
    Ok(first_of(&choices, one - value))
}

/// The fraction by Lentz's method, two of its steps at once: one of an even number, and one of an odd one.
fn beta_fraction<'b>(a: Value<'b>, b: Value<'b>, x: Value<'b>, wanted: Value<'b>) -> Result<Value<'b>> {
    const SMALL: f64 = EPSILON / 2.0;
    let away = |x: Value<'b>| x.unary("abs").lt(x.like(SMALL)).select(x.like(SMALL), x);
    // After the first step, whose numerator is 1.
    let small = a.like(SMALL);
    let c = away(a.like(1.0 + 1.0 / SMALL));
    let d = a.like(1.0);
    let state = [a, b, x, c, d, small * c * d];
    let made = iterate(&state, wanted, 5000, |count, state| {
        let [a, b, x, c, d, value] = *state else { unreachable!("the state has six parts") };
        let away = |x: Value<'b>| x.unary("abs").lt(x.like(SMALL)).select(x.like(SMALL), x);
        let turn = |numerator: Value<'b>, c: Value<'b>, d: Value<'b>| {
            let c = away(numerator / c + 1.0);
            let d = d.like(1.0) / away(numerator * d + 1.0);
            (c, d, c * d)
        };
        let m = count - 1.0;
        let twice = a + m * 2.0;
        let even = -(a + m) * (a + b + m) * x / (twice * (twice + 1.0));
        let (c, d, change) = turn(even, c, d);
        let value = value * change;
        let m = count;
        let twice = a + m * 2.0;
        let odd = m * (b - m) * x / ((twice - 1.0) * twice);
        let (c, d, last) = turn(odd, c, d);
        let far = |change: Value<'b>| (change - 1.0).unary("abs").ge(change.like(SMALL));
        // Either of two steps ends it; the second one then changes nothing that is seen.
        (vec![a, b, x, c, d, value * last], far(change) & far(last))
    })?;
    Ok(made[5])
}
