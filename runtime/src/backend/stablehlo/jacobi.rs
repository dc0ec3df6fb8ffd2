//! Eigenvalues of symmetric matrices and singular values by Jacobi's rotations, many at once: columns are paired like players of a
//! tournament, so that each meets each other once in a sweep (R. P. Brent and F. T. Luk, "The solution of singular-value and symmetric
//! eigenvalue problems on multiprocessor arrays", 1985).
//!
//! The first half of the columns meets the second half; then all but the first move on by one place. After a sweep they are back.

use super::body::Body;
use super::factorizations::{batched, columns_at, householder, places, sizes, sum};
use super::reductions::reduce_with;
use super::sorting::sort;
use super::types::{Element, Type};
use super::value::Value;
use crate::error::Result;
use crate::kernels::sort::SortOrder;

/// Far more sweeps than matrices need, whose error is squared by each of the last ones.
const SWEEPS: usize = 30;

/// The two halves along an axis.
fn halves(x: Value<'_>, axis: usize) -> [Value<'_>; 2] {
    let size = x.shape()[axis];
    [x.part(axis, 0, size / 2), x.part(axis, size / 2, size)]
}

/// Everyone but the first moves on by one place.
fn moved_on<'b>([upper, lower]: [Value<'b>; 2], axis: usize) -> Value<'b> {
    let body = upper.body();
    let half = upper.shape()[axis];
    if half == 1 {
        return body.concatenate(&[upper, lower], axis);
    }
    let parts = [
        upper.part(axis, 0, 1),
        lower.part(axis, 0, 1),
        upper.part(axis, 1, half - 1),
        lower.part(axis, 1, half),
        upper.part(axis, half - 1, half),
    ];
    let there: Vec<Value<'b>> = parts.into_iter().filter(|part| part.shape()[axis] > 0).collect();
    body.concatenate(&there, axis)
}

/// Rotates the pairs along an axis by their cosines and sines, and moves them on.
fn rotated<'b>(x: Value<'b>, axis: usize, [cosine, sine]: [Value<'b>; 2]) -> Value<'b> {
    let [p, q] = halves(x, axis);
    let along = |angle: Value<'b>| {
        let dims = [0, axis];
        angle.broadcast_in_dim(p.shape(), &dims)
    };
    let [cosine, sine] = [along(cosine), along(sine)];
    moved_on([cosine * p - sine * q, sine * p + cosine * q], axis)
}

/// Cosine and sine of the smaller angle that makes the product `pq` of two columns vanish, whose own ones are `pp` and `qq`.
fn rotation<'b>(pp: Value<'b>, qq: Value<'b>, pq: Value<'b>) -> [Value<'b>; 2] {
    let is_zero = pq.eq(pq.like(0.0));
    let tau = (qq - pp) / (is_zero.select(pq.like(1.0), pq) * 2.0);
    let magnitude = tau.unary("abs");
    let root = (magnitude * magnitude + 1.0).unary("sqrt");
    let tangent = magnitude.like(1.0) / (magnitude + root);
    let tangent = tau.lt(tau.like(0.0)).select(-tangent, tangent);
    let tangent = is_zero.select(tangent.like(0.0), tangent);
    let cosine = tangent.like(1.0) / (tangent * tangent + 1.0).unary("sqrt");
    [cosine, tangent * cosine]
}

/// One more column (and row) of zeros where their number is odd: nobody's product with it is other than zero.
fn evened<'b>(x: Value<'b>, axes: &[usize]) -> Value<'b> {
    let mut padding = vec![(0, 0, 0); x.rank()];
    for &axis in axes {
        padding[axis].1 = (x.shape()[axis] % 2) as isize;
    }
    x.pad(x.body().scalar(0, x.element()), &padding)
}

fn identity<'b>(body: &'b Body<'b>, of: &Type) -> Value<'b> {
    let is_diagonal = places(of, 1, body).eq(places(of, 2, body));
    is_diagonal.select(body.splat(1, of), body.splat(0, of))
}

/// The numbers on the diagonal of `[B, n, n]`: `[B, n]`.
fn diagonal(x: Value<'_>) -> Result<Value<'_>> {
    let (of, body) = (x.ty(), x.body());
    let is_diagonal = places(&of, 1, body).eq(places(&of, 2, body));
    reduce_with(is_diagonal.select(x, x.like(0.0)), "add", body.scalar(0, x.element()), &[1])
}

/// Whether any of the numbers is larger than a bound; NaN is not.
fn any_above<'b>(x: Value<'b>, bound: Value<'b>) -> Result<Value<'b>> {
    let axes: Vec<usize> = (0..x.rank()).collect();
    reduce_with(x.gt(bound), "or", x.body().scalar(0, Element::BOOL), &axes)
}

fn epsilon(of: Element) -> f64 {
    if of == Element::F64 { f64::EPSILON } else { f32::EPSILON.into() }
}

/// Eigenvalues in ascending order, and eigenvectors as columns, of what the lower triangles say.
pub(super) fn eigh<'b>(x: Value<'b>, outs: &[Type]) -> Result<Vec<Value<'b>>> {
    let made = x.body().call("eigh", &[batched(x)], |body, args| rotate_symmetric(body, args[0]))?;
    Ok(made.iter().zip(outs).map(|(made, out)| made.reshape(&out.shape)).collect())
}

/// NaN everywhere of the results of matrices that are not finite, as LAPACK has it; each result has the matrices along its first axis.
fn of_finite<'b>(x: Value<'b>, results: Vec<Value<'b>>) -> Result<Vec<Value<'b>>> {
    let body = x.body();
    let is_finite = body.op("is_finite", &[x], "", x.ty().with_element(Element::BOOL));
    let all = reduce_with(is_finite, "and", body.scalar(1, Element::BOOL), &[1, 2])?;
    let chosen =
        |result: Value<'b>| all.broadcast_in_dim(result.shape(), &[0]).select(result, result.like(f64::NAN));
    Ok(results.into_iter().map(chosen).collect())
}

fn rotate_symmetric<'b>(body: &'b Body<'b>, x: Value<'b>) -> Result<Vec<Value<'b>>> {
    let [_, n] = sizes(x);
    let of = x.ty();
    let is_lower = places(&of, 1, body).ge(places(&of, 2, body));
    let symmetric = evened(is_lower.select(x, x.transpose(&[0, 2, 1])), &[1, 2]);
    let of = symmetric.ty();
    let even = of.shape[2];
    let square = |x: Value<'b>| -> Result<Value<'b>> {
        reduce_with(x * x, "add", x.body().scalar(0, x.element()), &[1, 2])
    };
    let again = |state: &[Value<'b>]| {
        let a = state[0];
        let is_diagonal = places(&of, 1, body).eq(places(&of, 2, body));
        let rest = square(is_diagonal.select(a.like(0.0), a))?;
        let all = square(a)?;
        let bound = all * (0.01 * epsilon(of.element) * epsilon(of.element));
        let goes_on = any_above(rest, bound)?;
        Ok(goes_on & state[2].lt(state[2].like(SWEEPS)))
    };
    let sweep = |state: &[Value<'b>]| {
        let after = body.repeat_times(even - 1, &state[..2], |_, state| {
            let (a, vectors) = (state[0], state[1]);
            let [upper, lower] = halves(a, 1);
            let [pp, pq] = halves(upper, 2);
            let [_, qq] = halves(lower, 2);
            let turn = rotation(diagonal(pp)?, diagonal(qq)?, diagonal(pq)?);
            let a = rotated(rotated(a, 1, turn), 2, turn);
            Ok(vec![a, rotated(vectors, 2, turn)])
        })?;
        Ok(vec![after[0], after[1], state[2] + 1])
    };
    let state = [symmetric, identity(body, &of), body.scalar(0, Element::I32)];
    let made = body.repeat(&state, again, sweep)?;
    let values = diagonal(made[0])?.part(1, 0, n);
    let vectors = made[1].part(1, 0, n).part(2, 0, n);
    let order = sort(&[values, body.iota(values.ty().with_element(Element::I32), 1)], SortOrder::Ascending)?;
    // What the upper triangle has does not matter.
    let read = is_lower.select(x, x.like(0.0));
    of_finite(read, vec![order[0], columns_at(vectors, order[1])?])
}

/// Singular values in descending order, and the factors with orthonormal columns and rows.
pub(super) fn svd<'b>(x: Value<'b>, outs: &[Type]) -> Result<Vec<Value<'b>>> {
    let [m, n] = sizes(x);
    let is_full = outs.len() == 3
        && outs[1].shape[outs[1].rank() - 1] == m.max(outs[0].shape[outs[0].rank() - 1])
        && outs[2].shape[outs[2].rank() - 2] == n;
    let name = match (outs.len(), is_full) {
        (1, _) => "singular_values",
        (_, true) => "svd_full",
        (_, false) => "svd",
    };
    let factors = outs.len() == 3;
    let made = x.body().call(name, &[batched(x)], |body, args| {
        if m >= n {
            return one_sided(body, args[0], factors, is_full);
        }
        let made = one_sided(body, args[0].transpose(&[0, 2, 1]), factors, is_full)?;
        Ok(match made[..] {
            [s, u, vt] => vec![s, vt.transpose(&[0, 2, 1]), u.transpose(&[0, 2, 1])],
            _ => made,
        })
    })?;
    Ok(made.iter().zip(outs).map(|(made, out)| made.reshape(&out.shape)).collect())
}

/// Of matrices with at least as many rows as columns: rotates columns until they are orthogonal; their lengths are the singular values.
fn one_sided<'b>(body: &'b Body<'b>, x: Value<'b>, factors: bool, full: bool) -> Result<Vec<Value<'b>>> {
    let [m, n] = sizes(x);
    let batch = x.shape()[0];
    let columns = evened(x, &[2]);
    let even = columns.shape()[2];
    let vectors = identity(body, &columns.ty().with_shape([batch, even, even]));
    let start = body.splat(1, &Type::new(x.element(), [batch, even / 2]));
    let tolerance = epsilon(x.element());
    let again = |state: &[Value<'b>]| {
        let goes_on = any_above(state[2], state[2].like(tolerance))?;
        Ok(goes_on & state[3].lt(state[3].like(SWEEPS)))
    };
    let sweep = |state: &[Value<'b>]| {
        let none = state[2].like(0.0);
        let after = body.repeat_times(even - 1, &[state[0], state[1], none], |_, state| {
            let [p, q] = halves(state[0], 2);
            let dot = |a: Value<'b>, b: Value<'b>| -> Result<Value<'b>> {
                Ok(sum(a * b, 1)?.reshape([batch, even / 2]))
            };
            let (pp, qq, pq) = (dot(p, p)?, dot(q, q)?, dot(p, q)?);
            let turn = rotation(pp, qq, pq);
            let lengths = (pp.unary("sqrt")) * (qq.unary("sqrt"));
            let is_zero = lengths.eq(lengths.like(0.0));
            let cosine =
                is_zero.select(pq.like(0.0), pq.unary("abs") / is_zero.select(pq.like(1.0), lengths));
            let worst = state[2].max(cosine);
            Ok(vec![rotated(state[0], 2, turn), rotated(state[1], 2, turn), worst])
        })?;
        Ok(vec![after[0], after[1], after[2], state[3] + 1])
    };
    let state = [columns, vectors, start, body.scalar(0, Element::I32)];
    let made = body.repeat(&state, again, sweep)?;
    let columns = made[0].part(2, 0, n);
    let lengths = sum(columns * columns, 1)?.reshape([batch, n]).unary("sqrt");
    let order =
        sort(&[lengths, body.iota(lengths.ty().with_element(Element::I32), 1)], SortOrder::Descending)?;
    let (s, at) = (order[0], order[1]);
    if !factors {
        return of_finite(x, vec![s]);
    }
    let v = columns_at(made[1].part(1, 0, n).part(2, 0, n), at)?;
    let columns = columns_at(columns, at)?;
    // Columns that vanish say no direction: the reflections that make the others upper triangular fill them up.
    let greatest = s.part(1, 0, 1).broadcast_to(s.shape());
    let vanishes = s.le(greatest * (epsilon(x.element()) * m as f64));
    let wide = |x: Value<'b>| x.broadcast_in_dim(columns.shape(), &[0, 2]);
    let unit = columns / wide(vanishes.select(s.like(1.0), s));
    let unit = wide(vanishes).select(unit.like(0.0), unit);
    let count = if full { m } else { n };
    let [q, r] = householder(body, unit, count)?;
    let signs = diagonal(r.part(1, 0, n))?;
    let signs = signs.lt(signs.like(0.0)).select(signs.like(-1.0), signs.like(1.0));
    let signs = signs.pad(body.scalar(1, x.element()), &[(0, 0, 0), (0, (count - n) as isize, 0)]);
    let u = q * signs.broadcast_in_dim(q.shape(), &[0, 2]);
    of_finite(x, vec![s, u, v.transpose(&[0, 2, 1])])
}
