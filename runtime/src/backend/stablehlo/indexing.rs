//! Gathers and scatters, and what is made of them.

use std::sync::Arc;

use super::body::Body;
use super::types::{Element, Number, Type, array, list};
use super::value::Value;
use crate::array::{DType, Shape};
use crate::core::op::{GatherDimensions, Outside, ScatterOp};
use crate::error::Result;
use crate::kernels::banded::Bands;
use crate::kernels::sort::Bound;

/// The table of indices in signed integers that hold every place, with starts from the end counted from the front.
fn indices<'b>(table: Value<'b>, operand: &Type, d: &GatherDimensions) -> Value<'b> {
    let element = table.element();
    let is_narrow = element.bits() < 32 || element == Element::I32;
    let wide = !is_narrow || operand.shape.iter().any(|&size| i32::try_from(size).is_err());
    let table = table.convert(if wide { Element::I64 } else { Element::I32 });
    if !d.wrap || element.is_unsigned() {
        return table;
    }
    let sizes = per_place(table, d.start_index_map.iter().map(|&axis| operand.shape[axis]));
    table.lt(table.like(0)).select(table + sizes, table)
}

/// A number for each entry of a position, in the type of the table.
fn per_place(table: Value<'_>, numbers: impl IntoIterator<Item = usize>) -> Value<'_> {
    let numbers: Vec<i64> = numbers.into_iter().map(|number| number as i64).collect();
    let row = table.body().integers(&[numbers.len()], numbers);
    row.convert(table.element()).broadcast_to(table.shape())
}

/// The last start of each axis at which the window is inside.
fn last_starts<'b>(table: Value<'b>, operand: &Type, d: &GatherDimensions) -> Value<'b> {
    per_place(table, d.start_index_map.iter().map(|&axis| operand.shape[axis] - d.slice_sizes[axis]))
}

fn lists(d: &GatherDimensions, names: [&str; 5]) -> String {
    let lists = [
        &d.offset_dims,
        &d.collapsed_slice_dims,
        &d.operand_batching_dims,
        &d.start_indices_batching_dims,
        &d.start_index_map,
    ];
    let fields = names.iter().zip(lists).filter(|(_, list)| !list.is_empty());
    let fields: Vec<String> = fields.map(|(name, dims)| format!("{name} = {}, ", list(dims))).collect();
    fields.concat()
}

/// Windows of the operand where the table says.
pub(super) fn gather<'b>(
    operand: Value<'b>,
    table: Value<'b>,
    d: &GatherDimensions,
    out: &Type,
) -> Result<Value<'b>> {
    let body = operand.body();
    let of = operand.ty();
    if of.size() == 0 {
        return Ok(body.splat(outside(d.outside, of.element), out));
    }
    let table = indices(table, &of, d);
    let depth = table.rank() - 1;
    let names = [
        "offset_dims",
        "collapsed_slice_dims",
        "operand_batching_dims",
        "start_indices_batching_dims",
        "start_index_map",
    ];
    let attributes = format!(
        "dimension_numbers = #stablehlo.gather<{}index_vector_dim = {depth}>, indices_are_sorted = false, slice_sizes = {}",
        lists(d, names),
        array(&d.slice_sizes),
    );
    let found = body.op("gather", &[operand, table], &attributes, out.clone());
    if d.outside == Outside::Clip {
        return Ok(found);
    }
    let inside = table.ge(table.like(0)) & table.le(last_starts(table, &of, d));
    let inside = super::reductions::reduce_with(inside, "and", body.scalar(1, Element::BOOL), &[depth])?;
    let along_indices: Vec<usize> = (0..out.rank()).filter(|axis| !d.offset_dims.contains(axis)).collect();
    let inside = inside.broadcast_in_dim(&out.shape, &along_indices);
    Ok(inside.select(found, found.like(outside(d.outside, of.element))))
}

/// What a window that is not inside reads as.
fn outside(outside: Outside, element: Element) -> Number {
    match element {
        _ if outside != Outside::Invalid => Number::Int(0),
        _ if element.is_bool() => Number::Int(1),
        _ if element.is_unsigned() => element.greatest(),
        _ if element.is_integer() => element.least(),
        _ => Number::Float(f64::NAN),
    }
}

/// The operand, updated in windows that the table says.
pub(super) fn scatter<'b>(
    [operand, table, updates]: [Value<'b>; 3],
    op: ScatterOp,
    d: &GatherDimensions,
    unique: bool,
) -> Result<Value<'b>> {
    let body = operand.body();
    let of = operand.ty();
    if of.size() == 0 || updates.ty().size() == 0 {
        return Ok(operand);
    }
    let mut table = indices(table, &of, d);
    if d.outside == Outside::Clip {
        table = table.max(table.like(0)).min(last_starts(table, &of, d));
    }
    let names = [
        "update_window_dims",
        "inserted_window_dims",
        "input_batching_dims",
        "scatter_indices_batching_dims",
        "scatter_dims_to_operand_dims",
    ];
    let attributes = format!(
        "indices_are_sorted = false, scatter_dimension_numbers = #stablehlo.scatter<{}index_vector_dim = {}>, unique_indices = {unique}",
        lists(d, names),
        table.rank() - 1,
    );
    // Sums and products of halves are carried in single precision.
    let carried = match op {
        ScatterOp::Add | ScatterOp::Mul => of.element.accumulator(),
        _ => of.element,
    };
    let scalar = Type::scalar(carried);
    let region = body.region(&[scalar.clone(), scalar], |args| {
        let [old, update] = [args[0], args[1]];
        Ok(vec![match op {
            ScatterOp::Set => update,
            ScatterOp::Add => old + update,
            ScatterOp::Mul => old * update,
            ScatterOp::Min => old.min(update),
            ScatterOp::Max => old.max(update),
        }])
    })?;
    let args = [operand.convert(carried), table, updates.convert(carried)];
    let out = of.with_element(carried);
    let made = body.generic("stablehlo.scatter", &args, &attributes, &[region], vec![out])[0];
    Ok(made.convert(of.element))
}

/// The dimensions of places along the last axis, the same in every row.
fn along_rows(rank: usize) -> GatherDimensions {
    let lead: Shape = (0..rank - 1).collect();
    let mut slice_sizes = lead.clone();
    slice_sizes.iter_mut().for_each(|size| *size = 1);
    slice_sizes.push(1);
    GatherDimensions {
        offset_dims: Shape::new(),
        collapsed_slice_dims: [rank - 1].into_iter().collect(),
        start_index_map: [rank - 1].into_iter().collect(),
        operand_batching_dims: lead.clone(),
        start_indices_batching_dims: lead,
        slice_sizes,
        wrap: false,
        outside: Outside::Clip,
    }
}

fn with_unit_axis(table: Value<'_>) -> Value<'_> {
    let mut shape = table.shape();
    shape.push(1);
    table.reshape(shape)
}

/// From rows and places to the elements there, along the last axis.
pub(super) fn take_rows<'b>(x: Value<'b>, places: Value<'b>) -> Result<Value<'b>> {
    let out = places.ty().with_element(x.element());
    gather(x, with_unit_axis(places), &along_rows(x.rank()), &out)
}

/// From elements and their distinct places to rows of a size, zero elsewhere.
pub(super) fn put_rows<'b>(x: Value<'b>, places: Value<'b>, out: &Type) -> Result<Value<'b>> {
    let zeros = x.body().splat(0, out);
    scatter([zeros, with_unit_axis(places), x], ScatterOp::Set, &along_rows(x.rank()), true)
}

/// The elements at known places along an axis.
fn take_along<'b>(x: Value<'b>, axis: usize, places: &[usize]) -> Result<Value<'b>> {
    let mut out = x.ty();
    out.shape[axis] = places.len();
    let mut slice_sizes = x.shape();
    slice_sizes[axis] = 1;
    let d = GatherDimensions {
        offset_dims: (0..x.rank()).filter(|&d| d != axis).collect(),
        collapsed_slice_dims: [axis].into_iter().collect(),
        start_index_map: [axis].into_iter().collect(),
        operand_batching_dims: Shape::new(),
        start_indices_batching_dims: Shape::new(),
        slice_sizes,
        wrap: false,
        outside: Outside::Clip,
    };
    let table = x.body().integers(&[places.len(), 1], places.iter().map(|&place| place as i64));
    gather(x, table, &d, &out)
}

/// The elements at known places along some axes.
pub(super) fn pick<'b>(x: Value<'b>, axes: &[(usize, Arc<[usize]>)]) -> Result<Value<'b>> {
    axes.iter().try_fold(x, |x, (axis, places)| take_along(x, *axis, places))
}

/// The product with a banded matrix along an axis: for each of the numbers of a row, the elements that it meets.
pub(super) fn banded<'b>(x: Value<'b>, axis: usize, bands: &Bands) -> Result<Value<'b>> {
    let body = x.body();
    let (rows, element) = (bands.rows(), x.element());
    let taps = bands.row(0).1.len();
    let carried = element.accumulator();
    let mut sum: Option<Value<'b>> = None;
    for tap in 0..taps {
        let places: Vec<usize> = (0..rows).map(|row| bands.row(row).0 + tap).collect();
        let weights: Vec<f64> = (0..rows).map(|row| bands.row(row).1[tap]).collect();
        let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        // Rounded to the elements first, as they are where a matrix is multiplied.
        let weights = body.dense_bytes(&Type::new(Element::F64, [rows]), &bytes);
        let weights = super::elementwise::cast(weights, element).convert(carried);
        let part = take_along(x, axis, &places)?.convert(carried);
        let term = part * weights.broadcast_in_dim(part.shape(), &[axis]);
        sum = Some(sum.map_or(term, |sum| sum + term));
    }
    Ok(sum.unwrap_or(x).convert(element))
}

/// From ascending rows `[L.., n]` and queries `[L.., Q..]` to the places where the queries belong, by bisection.
pub(super) fn search_sorted<'b>(rows: Value<'b>, queries: Value<'b>, bound: Bound) -> Result<Value<'b>> {
    let name = if bound == Bound::Left { "search_left" } else { "search_right" };
    rows.body().call1(name, &[rows, queries], |body: &Body<'_>, args| {
        let [rows, queries] = [args[0], args[1]];
        let (lead, size) = (rows.rank() - 1, rows.shape()[rows.rank() - 1]);
        let shape = queries.shape();
        let each: usize = shape[lead..].iter().product();
        let flat: Shape = shape[..lead].iter().copied().chain([each]).collect();
        let queries = queries.reshape(&flat);
        let of = Type::new(Element::I32, &flat);
        let (mut low, mut high) = (body.splat(0, &of), body.splat(size, &of));
        // As many halvings as there are binary digits in the number of places.
        for _ in 0..usize::BITS - size.leading_zeros() {
            let middle = (low + high).binary("shift_right_logical", low.like(1));
            let found = take_rows(rows, middle)?;
            let before = match bound {
                Bound::Left => super::sorting::before(found, queries),
                Bound::Right => !super::sorting::before(queries, found),
            };
            let open = low.lt(high);
            low = (open & before).select(middle + 1, low);
            high = (open & !before).select(middle, high);
        }
        Ok(low.reshape(shape))
    })
}

/// The element types that positions have.
pub(super) const PLACES: Element = Element::Of(DType::I32);
