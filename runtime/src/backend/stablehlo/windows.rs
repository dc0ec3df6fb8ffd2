//! Reductions over windows, and which of their elements is selected.

use super::reductions::combination;
use super::types::{Type, array, list};
use super::value::Value;
use crate::error::Result;
use crate::kernels::window::{Reduction, Selection, WindowGeometry};
use crate::scalar::reduce::ReduceOp;

fn combining(op: Reduction) -> ReduceOp {
    match op {
        Reduction::Sum => ReduceOp::Sum,
        Reduction::Product => ReduceOp::Prod,
        Reduction::Max => ReduceOp::Max,
        Reduction::Min => ReduceOp::Min,
    }
}

/// The array as the windows see it: dilated and padded, also by less than nothing, with a scalar.
fn padded<'b>(x: Value<'b>, with: Value<'b>, w: &WindowGeometry) -> Value<'b> {
    let axis = |d: usize| (w.padding[d].0, w.padding[d].1, w.base_dilation[d] - 1);
    x.pad(with, &(0..w.shape.len()).map(axis).collect::<Vec<_>>())
}

/// A reduction of several arrays over windows of what is padded already.
fn reduce_window<'b>(
    arrays: &[Value<'b>],
    firsts: &[Value<'b>],
    w: &WindowGeometry,
    combine: impl FnOnce(&[Value<'b>]) -> Vec<Value<'b>>,
) -> Result<Vec<Value<'b>>> {
    let body = arrays[0].body();
    let scalars: Vec<Type> = arrays.iter().map(|x| Type::scalar(x.element())).collect();
    let region = body.region(&[&scalars[..], &scalars[..]].concat(), |args| Ok(combine(args)))?;
    let outs = arrays.iter().map(|x| x.ty().with_shape(w.out_shape())).collect();
    let attributes = format!(
        "window_dimensions = {}, window_dilations = {}, window_strides = {}",
        array(&w.window),
        array(&w.window_dilation),
        array(&w.strides),
    );
    Ok(body.generic("stablehlo.reduce_window", &[arrays, firsts].concat(), &attributes, &[region], outs))
}

/// The elements of each window become one; sums and products of halves are carried in single precision.
pub(super) fn reduce<'b>(x: Value<'b>, op: Reduction, w: &WindowGeometry) -> Result<Value<'b>> {
    let element = x.element();
    let carried = x.convert(element.accumulator());
    let (name, first) = combination(carried, combining(op));
    let combine = |args: &[Value<'b>]| vec![args[0].binary(name, args[1])];
    let made = reduce_window(&[padded(carried, first, w)], &[first], w, combine)?;
    Ok(made[0].convert(element))
}

/// The transpose of a sum over windows, which is one of its kind.
pub(super) fn sum_transposed<'b>(x: Value<'b>, w: &WindowGeometry) -> Result<Value<'b>> {
    reduce(x, Reduction::Sum, &w.reversed())
}

/// What padding is for a selection: never better than an element.
fn worst(x: Value<'_>, selection: Selection) -> Value<'_> {
    let op = if selection == Selection::Max { ReduceOp::Max } else { ReduceOp::Min };
    combination(x, op).1
}

fn keeps<'b>(selection: Selection, a: Value<'b>, b: Value<'b>) -> Value<'b> {
    if selection == Selection::Max { a.ge(b) } else { a.le(b) }
}

/// The elements of the second array where the first is selected.
pub(super) fn select_and_gather<'b>(
    x: Value<'b>,
    other: Value<'b>,
    selection: Selection,
    w: &WindowGeometry,
) -> Result<Value<'b>> {
    let first = worst(x, selection);
    let zero = other.body().scalar(0, other.element());
    // The value that a reduction begins with gives way to all that are not as extreme themselves.
    let combine = |args: &[Value<'b>]| {
        let first_stays = keeps(selection, args[0], args[2]);
        vec![first_stays.select(args[0], args[2]), first_stays.select(args[1], args[3])]
    };
    let arrays = [padded(x, first, w), padded(other, zero, w)];
    Ok(reduce_window(&arrays, &[first, zero], w, combine)?[1])
}

/// The values of windows, each added to the element of its window that is selected.
pub(super) fn select_and_scatter_add<'b>(
    x: Value<'b>,
    values: Value<'b>,
    selection: Selection,
    w: &WindowGeometry,
) -> Result<Value<'b>> {
    if w.window_dilation.iter().any(|&dilation| dilation != 1) {
        return scatter_by_place(x, values, selection, w);
    }
    let body = x.body();
    let element = values.element();
    // XLA wants both in one type of floats.
    let [x, values] = [x, values].map(|x| x.convert(x.element().accumulator()));
    let first = worst(x, selection);
    let whole = padded(x, first, w);
    let scalar = |x: Value<'b>| Type::scalar(x.element());
    let select = body.region(&[scalar(x), scalar(x)], |args| Ok(vec![keeps(selection, args[0], args[1])]))?;
    let add = body.region(&[scalar(values), scalar(values)], |args| Ok(vec![args[0] + args[1]]))?;
    let attributes =
        format!("window_dimensions = {}, window_strides = {}", array(&w.window), array(&w.strides));
    let zero = body.scalar(0, values.element());
    let out = whole.ty().with_element(values.element());
    let args = [whole, values, zero];
    let made = body.generic("stablehlo.select_and_scatter", &args, &attributes, &[select, add], vec![out])[0];
    Ok(unpadded(made, w).convert(element))
}

/// What is left of a padded and dilated array without padding.
fn unpadded<'b>(x: Value<'b>, w: &WindowGeometry) -> Value<'b> {
    // Negative padding took elements away, which get nothing.
    let (mut around, mut starts, mut limits) = (Vec::new(), Vec::new(), Vec::new());
    for (d, &size) in w.shape.iter().enumerate() {
        let (low, high) = w.padding[d];
        around.push(((-low).max(0), (-high).max(0), 0));
        let start = low.max(0) as usize;
        starts.push(start);
        limits.push(start + size.saturating_sub(1) * w.base_dilation[d] + 1);
    }
    let zero = x.body().scalar(0, x.element());
    x.pad(zero, &around).slice(&starts, &limits, &w.base_dilation)
}

/// As [`select_and_scatter_add`], for windows with holes, which StableHLO's own operation does not have: by the place of what each window
/// selects, and a scatter.
fn scatter_by_place<'b>(
    x: Value<'b>,
    values: Value<'b>,
    selection: Selection,
    w: &WindowGeometry,
) -> Result<Value<'b>> {
    let body = x.body();
    let size = x.ty().size();
    // Counted from 1: what is added at 0 was selected in the padding.
    let places = body.positions(&x.shape(), super::indexing::PLACES) + 1;
    let selected = select_and_gather(x, places, selection, w)?;
    let count = selected.ty().size();
    let element = values.element();
    let carried = element.accumulator();
    let sums = body.splat(0, &Type::new(carried, [size + 1]));
    let scalar = Type::scalar(carried);
    let region = body.region(&[scalar.clone(), scalar], |args| Ok(vec![args[0] + args[1]]))?;
    let attributes = format!(
        "indices_are_sorted = false, scatter_dimension_numbers = #stablehlo.scatter<inserted_window_dims = {0}, scatter_dims_to_operand_dims = {0}, index_vector_dim = 1>, unique_indices = false",
        list([0]),
    );
    let args = [sums, selected.reshape([count, 1]), values.convert(carried).reshape([count])];
    let out = vec![sums.ty()];
    let made = body.generic("stablehlo.scatter", &args, &attributes, &[region], out)[0];
    Ok(made.part(0, 1, size + 1).reshape(x.shape()).convert(element))
}
