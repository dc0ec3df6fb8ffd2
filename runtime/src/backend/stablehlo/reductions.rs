//! What becomes of all elements along axes.

use super::types::{Element, Type, array};
use super::value::Value;
use crate::array::Shape;
use crate::error::Result;
use crate::scalar::reduce::ReduceOp;

/// The operation of StableHLO for a reduction, and what changes nothing in it.
pub(super) fn combination(of: Value<'_>, op: ReduceOp) -> (&'static str, Value<'_>) {
    let element = of.element();
    let body = of.body();
    match op {
        ReduceOp::Sum => ("add", body.scalar(0, element)),
        ReduceOp::Prod => ("multiply", body.scalar(1, element)),
        ReduceOp::Max => ("maximum", body.scalar(element.least(), element)),
        ReduceOp::Min => ("minimum", body.scalar(element.greatest(), element)),
    }
}

/// The shape without some axes.
pub(super) fn without(shape: &[usize], axes: &[usize]) -> Shape {
    (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]).collect()
}

/// All elements along axes become one; sums and products of halves are carried in single precision.
pub(super) fn reduce<'b>(x: Value<'b>, op: ReduceOp, axes: &[usize]) -> Result<Value<'b>> {
    let element = x.element();
    let carried = x.convert(element.accumulator());
    let (name, first) = combination(carried, op);
    Ok(reduce_with(carried, name, first, axes)?.convert(element))
}

/// Reduces with an operation of two elements, from `first` on.
pub(super) fn reduce_with<'b>(
    x: Value<'b>,
    op: &'static str,
    first: Value<'b>,
    axes: &[usize],
) -> Result<Value<'b>> {
    let body = x.body();
    let scalar = Type::scalar(x.element());
    let region = body.region(&[scalar.clone(), scalar], |args| Ok(vec![args[0].binary(op, args[1])]))?;
    let out = x.ty().with_shape(without(&x.shape(), axes));
    let attribute = format!("dimensions = {}", array(axes));
    Ok(body.generic("stablehlo.reduce", &[x, first], &attribute, &[region], vec![out])[0])
}

/// Where along an axis the first extreme is; NaN is one.
pub(super) fn arg_reduce<'b>(x: Value<'b>, largest: bool, axis: usize, out: &Type) -> Result<Value<'b>> {
    let body = x.body();
    let element = x.element();
    let places = body.iota(x.ty().with_element(Element::I32), axis);
    let worst = if largest { element.least() } else { element.greatest() };
    let scalars = [element, Element::I32, element, Element::I32].map(Type::scalar);
    let region = body.region(&scalars, |args| {
        let [a, at, b, bt] = [args[0], args[1], args[2], args[3]];
        let better = if largest { a.gt(b) } else { a.lt(b) };
        let (better, same) = if element.is_float() {
            let (a_is_nan, b_is_nan) = (a.ne(a), b.ne(b));
            (better | (a_is_nan & !b_is_nan), a.eq(b) | (a_is_nan & b_is_nan))
        } else {
            (better, a.eq(b))
        };
        // Of equals the first, in whatever order they meet.
        let chosen = better | (same & at.lt(bt));
        Ok(vec![chosen.select(a, b), chosen.select(at, bt)])
    })?;
    let first = [body.scalar(worst, element), body.scalar(0, Element::I32)];
    let outs = vec![x.ty().with_shape(&out.shape), Type::new(Element::I32, &out.shape)];
    let attribute = format!("dimensions = {}", array([axis]));
    let args = [x, places, first[0], first[1]];
    let found = body.generic("stablehlo.reduce", &args, &attribute, &[region], outs)[1];
    Ok(found.convert(out.element))
}
