//! Factorisations of matrices: those of StableHLO, and loops over columns for those that it does not have.

use super::body::Body;
use super::reductions::{arg_reduce, reduce_with};
use super::types::{Element, Type};
use super::value::Value;
use crate::array::Shape;
use crate::error::Result;
use crate::kernels::linalg::{Side, Triangle};

/// Rows and columns.
pub(super) fn sizes(x: Value<'_>) -> [usize; 2] {
    let shape = x.shape();
    [shape[shape.len() - 2], shape[shape.len() - 1]]
}

/// The matrices one behind another: `[B, m, n]`.
pub(super) fn batched(x: Value<'_>) -> Value<'_> {
    let shape = x.shape();
    let ([m, n], lead) = (sizes(x), &shape[..shape.len() - 2]);
    x.reshape([lead.iter().product(), m, n])
}

/// The number of the row (axis 1) or column (axis 2) of each element of `[B, m, n]`.
pub(super) fn places<'b>(of: &Type, axis: usize, body: &'b Body<'b>) -> Value<'b> {
    body.iota(of.with_element(Element::I32), axis)
}

/// Sums along an axis of `[B, m, n]`, which keeps its place with size 1.
pub(super) fn sum(x: Value<'_>, axis: usize) -> Result<Value<'_>> {
    let mut shape = x.shape();
    shape[axis] = 1;
    Ok(reduce_with(x, "add", x.body().scalar(0, x.element()), &[axis])?.reshape(shape))
}

fn largest(x: Value<'_>, axis: usize) -> Result<Value<'_>> {
    let mut shape = x.shape();
    shape[axis] = 1;
    let least = x.body().scalar(x.element().least(), x.element());
    Ok(reduce_with(x, "maximum", least, &[axis])?.reshape(shape))
}

/// The product of matrices `[B, m, k]` and `[B, k, n]`, as exact as the device can.
pub(super) fn product<'b>(a: Value<'b>, b: Value<'b>) -> Value<'b> {
    let (left, right) = (a.shape(), b.shape());
    let attributes = "dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [0], rhs_batching_dimensions = [0], \
         lhs_contracting_dimensions = [2], rhs_contracting_dimensions = [1]>, \
         precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]";
    a.body().op("dot_general", &[a, b], attributes, a.ty().with_shape([left[0], left[1], right[2]]))
}

/// The column at a place that a loop counts: `[B, m, 1]`.
fn column<'b>(x: Value<'b>, at: Value<'b>) -> Value<'b> {
    let [batch, m, _] = x.shape()[..] else { unreachable!("matrices one behind another") };
    x.dynamic_slice(&[at.like(0), at.like(0), at], &[batch, m, 1])
}

/// The row at a place that a loop counts: `[B, 1, n]`.
fn row<'b>(x: Value<'b>, at: Value<'b>) -> Value<'b> {
    let [batch, _, n] = x.shape()[..] else { unreachable!("matrices one behind another") };
    x.dynamic_slice(&[at.like(0), at, at.like(0)], &[batch, 1, n])
}

/// The lower triangular factor; NaN in the lower triangle where there is none.
pub(super) fn cholesky(x: Value<'_>) -> Result<Value<'_>> {
    let body = x.body();
    let (of, rank) = (x.ty(), x.rank());
    let factor = body.op("cholesky", &[x], "lower = true", of.clone());
    let integers = of.with_element(Element::I32);
    let is_lower = body.iota(integers.clone(), rank - 2).ge(body.iota(integers, rank - 1));
    let triangle = is_lower.select(factor, factor.like(0.0));
    let is_finite = body.op("is_finite", &[triangle], "", of.with_element(Element::BOOL));
    let all = reduce_with(is_finite, "and", body.scalar(1, Element::BOOL), &[rank - 2, rank - 1])?;
    let lead: Vec<usize> = (0..rank - 2).collect();
    let failed = !all.broadcast_in_dim(&of.shape, &lead);
    Ok((failed & is_lower).select(triangle.like(f64::NAN), triangle))
}

/// From `a` and `b` to the `x` with `op(a) · x = b`, or `x · op(a) = b`.
pub(super) fn triangular_solve<'b>(a: Value<'b>, b: Value<'b>, side: Side, triangle: Triangle) -> Value<'b> {
    let transpose = if triangle.transpose { "TRANSPOSE" } else { "NO_TRANSPOSE" };
    let attributes = format!(
        "left_side = {}, lower = {}, transpose_a = #stablehlo<transpose {transpose}>, unit_diagonal = {}",
        side == Side::Left,
        triangle.lower,
        triangle.unit_diagonal,
    );
    a.body().op("triangular_solve", &[a, b], &attributes, b.ty())
}

/// By Householder reflections (G. H. Golub and C. F. Van Loan, "Matrix computations", §5.2), with LAPACK's signs.
pub(super) fn qr<'b>(x: Value<'b>, outs: &[Type]) -> Result<Vec<Value<'b>>> {
    let columns = *outs[0].shape.last().unwrap_or(&0);
    let made = x.body().call(&format!("qr_of_{columns}_columns"), &[batched(x)], |body, args| {
        let [q, r] = householder(body, args[0], columns)?;
        Ok(vec![q, r])
    })?;
    Ok(made.iter().zip(outs).map(|(factor, out)| factor.reshape(&out.shape)).collect())
}

/// `Q` with so many columns, and `R` with as many rows.
///
/// A first loop makes the reflections and applies them to what becomes `R`; a second one applies them, from the last one back, to the
/// identity. A reflection is `1 - scale·v·vᵀ`; its vector is a column of `vectors`, and its scale is 0 where a column is zero already.
pub(super) fn householder<'b>(body: &'b Body<'b>, x: Value<'b>, columns: usize) -> Result<[Value<'b>; 2]> {
    let [batch, m, n] = x.shape()[..] else { unreachable!("matrices one behind another") };
    let k = m.min(n);
    let of = x.ty();
    let vectors = body.splat(0, &of.with_shape([batch, m, k]));
    let scales = body.splat(0, &of.with_shape([batch, 1, k]));
    let reflect = |x: Value<'b>, v: Value<'b>, scale: Value<'b>| {
        let along = product(v.transpose(&[0, 2, 1]), x);
        let factor = (v * scale.broadcast_to(v.shape())).broadcast_to(x.shape());
        x - factor * along.broadcast_to(x.shape())
    };
    let made = body.repeat_times(k, &[x, vectors, scales], |at, state| {
        let [rest, vectors, scales] = [state[0], state[1], state[2]];
        let column = column(rest, at);
        let rows = places(&column.ty(), 1, body);
        let here = at.broadcast_to(column.shape());
        let zero = column.like(0.0);
        let below = rows.ge(here).select(column, zero);
        // Scaled by the greatest magnitude, so that squares neither overflow nor vanish.
        let size = largest(below.unary("abs"), 1)?;
        let size = size.gt(size.like(0.0)).select(size, size.like(1.0));
        let below = below / size.broadcast_to(below.shape());
        let tail = rows.gt(here).select(below, zero);
        let head = sum(rows.eq(here).select(below, zero), 1)?;
        let tail = sum(tail * tail, 1)?;
        let norm = (head * head + tail).unary("sqrt");
        let signed = head.lt(head.like(0.0)).select(-norm, norm);
        let v = rows.eq(here).select((head + signed).broadcast_to(below.shape()), below);
        let square = sum(v * v, 1)?;
        let is_left = tail.eq(tail.like(0.0));
        let scale = is_left.select(square.like(0.0), square.like(2.0) / square);
        let rest = reflect(rest, v, scale);
        let starts = [at.like(0), at.like(0), at];
        let vectors = vectors.dynamic_update_slice(v, &starts);
        Ok(vec![rest, vectors, scales.dynamic_update_slice(scale, &starts)])
    })?;
    let upper = made[0].part(1, 0, columns);
    let is_upper = places(&upper.ty(), 1, body).le(places(&upper.ty(), 2, body));
    let r = is_upper.select(upper, upper.like(0.0));
    let square = of.with_shape([batch, m, columns]);
    let is_diagonal = places(&square, 1, body).eq(places(&square, 2, body));
    let identity = is_diagonal.select(body.splat(1, &square), body.splat(0, &square));
    let all = body.repeat_times(k, &[identity, made[1], made[2]], |step, state| {
        let at = step.like(k - 1) - step;
        Ok(vec![reflect(state[0], column(state[1], at), column(state[2], at)), state[1], state[2]])
    })?;
    Ok([all[0], r])
}

/// By elimination column by column, with the first of the greatest entries as pivot.
pub(super) fn lu<'b>(x: Value<'b>, outs: &[Type]) -> Result<Vec<Value<'b>>> {
    let made = x.body().call("lu", &[batched(x)], |body, args| eliminate(body, args[0]))?;
    Ok(made.iter().zip(outs).map(|(made, out)| made.reshape(&out.shape)).collect())
}

fn eliminate<'b>(body: &'b Body<'b>, x: Value<'b>) -> Result<Vec<Value<'b>>> {
    let [batch, m, n] = x.shape()[..] else { unreachable!("matrices one behind another") };
    let k = m.min(n);
    let integers = |shape: [usize; 3]| Type::new(Element::I32, shape);
    let order = body.iota(integers([batch, m, 1]), 1);
    let pivots = body.splat(0, &integers([batch, 1, k]));
    let made = body.repeat_times(k, &[x, order, pivots], |at, state| {
        let [rest, order, pivots] = [state[0], state[1], state[2]];
        let magnitudes = column(rest, at).unary("abs");
        let rows = places(&magnitudes.ty(), 1, body);
        let here = at.broadcast_to(rows.shape());
        let below = rows.ge(here).select(magnitudes, magnitudes.like(-1.0));
        let pivot = arg_reduce(below, true, 1, &Type::new(Element::I32, [batch, 1]))?.reshape([batch, 1, 1]);
        // The two rows change places: that of the pivot is another one in each matrix.
        let exchange = |x: Value<'b>| -> Result<Value<'b>> {
            let rows = places(&x.ty(), 1, body);
            let is_pivot = rows.eq(pivot.broadcast_to(rows.shape()));
            let is_here = rows.eq(at.broadcast_to(rows.shape()));
            let found = sum(is_pivot.select(x, x.like(0)), 1)?.broadcast_to(x.shape());
            let old = row(x, at).broadcast_to(x.shape());
            Ok(is_here.select(found, is_pivot.select(old, x)))
        };
        let (rest, order) = (exchange(rest)?, exchange(order)?);
        let upper = row(rest, at);
        let column = column(rest, at);
        let head = upper.dynamic_slice(&[at.like(0), at.like(0), at], &[batch, 1, 1]);
        let head = head.broadcast_to(column.shape());
        let is_below = rows.gt(here) & head.ne(head.like(0.0));
        let factor = is_below.select(column / head, column.like(0.0));
        let right = places(&upper.ty(), 2, body).gt(at.broadcast_to(upper.shape()));
        let upper = right.select(upper, upper.like(0.0));
        let rest = rest - factor.broadcast_to(rest.shape()) * upper.broadcast_to(rest.shape());
        let starts = [at.like(0), at.like(0), at];
        let rest = rest.dynamic_update_slice(is_below.select(factor, column), &starts);
        Ok(vec![rest, order, pivots.dynamic_update_slice(pivot, &starts)])
    })?;
    Ok(vec![made[0], made[2], made[1]])
}

/// The elements of `[B, 1, n]` or `[B, m, n]` along the last axis, at places `[B, n]`.
pub(super) fn columns_at<'b>(x: Value<'b>, places: Value<'b>) -> Result<Value<'b>> {
    let shape = x.shape();
    let mut wanted: Shape = shape.clone();
    wanted[2] = places.shape()[1];
    super::indexing::take_rows(x, places.broadcast_in_dim(&wanted, &[0, 2]))
}
