//! Indices as the dimension numbers of a gather or scatter, and a tensor of positions.

use super::resolve::{Item, Resolved};
use crate::array::{Array, Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::op::{GatherDimensions, Outside};
use crate::error::Result;
use crate::ops::{broadcast_shapes, convert_wrapping, create};

/// Which windows the indices mean.
pub(super) struct Lowered {
    pub windows: GatherDimensions,
    /// Of the tensor that has the windows: neighbouring axes with positions are one.
    pub operand: Shape,
    /// `[index axes.., indexed axes]`.
    pub positions: Tensor,
    /// Of the values as the user sees them, with new axes.
    pub shape: Shape,
    /// Of the values as the primitive sees them.
    pub dense: Shape,
    /// Whether there is one window only, or each is another.
    pub unique: bool,
}

/// Positions along an axis, and the axis of the table that their own first one is.
enum Column {
    One(i64),
    Of(Tensor, usize),
}

/// What has been seen of the values while the items are read from left to right.
struct Reading {
    columns: Vec<Column>,
    windows: GatherDimensions,
    /// The sizes of the index axes.
    table: Shape,
    shape: Shape,
    dense: Shape,
}

impl Reading {
    /// An axis of the table, which the values have as well.
    fn index_axis(&mut self, size: usize) {
        self.table.push(size);
        self.shape.push(size);
        self.dense.push(size);
    }

    fn column(&mut self, axis: usize, column: Column) {
        self.columns.push(column);
        self.windows.start_index_map.push(axis);
    }
}

/// As NumPy and JAX read them: positions with axes broadcast together, and their axes stand where the first of them stands if
/// all are side by side, or else first. Slices with a step are positions of their own; others are parts of the window.
pub(super) fn lower(resolved: &Resolved, shape: &[usize], wrap: bool, outside: Outside) -> Result<Lowered> {
    match merged(resolved, shape, wrap, outside)? {
        Some((merged, operand)) => lower_merged(&merged, &operand, wrap, outside),
        None => lower_merged(resolved, shape, wrap, outside),
    }
}

/// The positions of neighbouring axes as positions of one, and the shape that has it. One column of positions is read faster
/// than it is put beside another, and what computes it is fused with what the positions come from.
fn merged(
    resolved: &Resolved,
    shape: &[usize],
    wrap: bool,
    outside: Outside,
) -> Result<Option<(Resolved, Shape)>> {
    let (mut items, mut operand): (Vec<Item>, Shape) = (Vec::new(), Shape::new());
    // Where in the items the axis is that is being merged, and its positions.
    let mut run: Option<(usize, Tensor)> = None;
    let (mut any, mut axis) = (false, 0);
    for item in &resolved.items {
        let size = match item {
            Item::NewAxis => {
                items.push(Item::NewAxis);
                continue;
            }
            _ => shape[axis],
        };
        axis += 1;
        run = match (run, item) {
            (Some((at, first)), Item::Positions(second))
                if fits(operand[operand.len() - 1], size, [&first, second]) =>
            {
                let front = operand.pop().unwrap_or(1);
                operand.push(front * size);
                let joined = joined((&first, front), (second, size), wrap, outside)?;
                items[at] = Item::Positions(joined.clone());
                any = true;
                Some((at, joined))
            }
            (_, Item::Positions(first)) => {
                operand.push(size);
                items.push(item.clone());
                Some((items.len() - 1, first.clone()))
            }
            _ => {
                operand.push(size);
                items.push(item.clone());
                None
            }
        };
    }
    Ok((any && resolved.is_advanced())
        .then_some((Resolved { items, side_by_side: resolved.side_by_side }, operand)))
}

/// Whether positions of both axes, and those of both as one, are numbers of 32 bits.
fn fits(first: usize, second: usize, positions: [&Tensor; 2]) -> bool {
    first > 0
        && second > 0
        && first.checked_mul(second).is_some_and(|both| i32::try_from(both).is_ok())
        && positions.iter().all(|at| !matches!(at.dtype(), DType::U32 | DType::I64))
}

/// Positions along two axes as positions along both as one; outside of it if either is.
fn joined(
    (first, rows): (&Tensor, usize),
    (second, columns): (&Tensor, usize),
    wrap: bool,
    outside: Outside,
) -> Result<Tensor> {
    let read = |at: &Tensor, size: usize| {
        let at = convert_wrapping(at, DType::I32, false)?;
        let at = if wrap { at.try_lt(0)?.try_select(at.try_add(size as i64)?, &at)? } else { at };
        if outside == Outside::Clip { at.try_clip(0, size as i64 - 1) } else { Ok(at) }
    };
    let (first, second) = (read(first, rows)?, read(second, columns)?);
    let both = first.try_mul(columns as i64)?.try_add(&second)?;
    if outside == Outside::Clip {
        return Ok(both);
    }
    // Without a sign, what is negative is beyond all sizes.
    let inside = |at: &Tensor, size: usize| convert_wrapping(at, DType::U32, false)?.try_lt(size as i64);
    // Also outside if it is counted from the end.
    inside(&first, rows)?.try_bitand(inside(&second, columns)?)?.try_select(both, i64::from(i32::MIN))
}

fn lower_merged(resolved: &Resolved, shape: &[usize], wrap: bool, outside: Outside) -> Result<Lowered> {
    let advanced = resolved.is_advanced();
    let joined: Vec<&Tensor> = resolved
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Positions(at) if advanced => Some(at),
            _ => None,
        })
        .collect();
    let common = broadcast_shapes("index", &joined.iter().map(|at| at.shape()).collect::<Vec<_>>())?;
    let windows = GatherDimensions {
        offset_dims: Shape::new(),
        collapsed_slice_dims: Shape::new(),
        start_index_map: Shape::new(),
        operand_batching_dims: Shape::new(),
        start_indices_batching_dims: Shape::new(),
        slice_sizes: shape.into(),
        wrap,
        outside,
    };
    let mut reading = Reading {
        columns: Vec::new(),
        windows,
        table: Shape::new(),
        shape: Shape::new(),
        dense: Shape::new(),
    };
    // Where the axes of the joined positions begin in the table, once they have been met.
    let mut front = None;
    let mut join = |reading: &mut Reading| {
        *front.get_or_insert_with(|| {
            let first = reading.table.len();
            common.iter().for_each(|&size| reading.index_axis(size));
            first
        })
    };
    if advanced && !resolved.side_by_side {
        join(&mut reading);
    }
    let mut axis = 0;
    for item in &resolved.items {
        match item {
            Item::NewAxis => {
                reading.shape.push(1);
                continue;
            }
            Item::At(at) => {
                if advanced {
                    join(&mut reading);
                }
                reading.column(axis, Column::One(*at));
                reading.windows.slice_sizes[axis] = 1;
                reading.windows.collapsed_slice_dims.push(axis);
            }
            Item::Positions(at) => {
                let first = if advanced { join(&mut reading) + common.len() - at.rank() } else { 0 };
                reading.column(axis, Column::Of(at.clone(), first));
                reading.windows.slice_sizes[axis] = 1;
                reading.windows.collapsed_slice_dims.push(axis);
            }
            &Item::Slice { start, step: 1, size } => {
                if size != shape[axis] {
                    reading.column(axis, Column::One(start as i64));
                }
                reading.windows.slice_sizes[axis] = size;
                reading.windows.offset_dims.push(reading.dense.len());
                reading.shape.push(size);
                reading.dense.push(size);
            }
            &Item::Slice { start, step, size } => {
                let numbers = create::iota([size], DType::I64, 0)?.try_mul(step as i64)?;
                let column = Column::Of(numbers.try_add(start as i64)?, reading.table.len());
                reading.column(axis, column);
                reading.windows.slice_sizes[axis] = 1;
                reading.windows.collapsed_slice_dims.push(axis);
                reading.index_axis(size);
            }
        }
        axis += 1;
    }
    let operand = shape.into();
    let Reading { columns, windows, table, shape, dense } = reading;
    let unique = !advanced || common.iter().all(|&size| size == 1);
    Ok(Lowered { positions: positions(&columns, &table)?, windows, operand, shape, dense, unique })
}

/// The columns beside one another, broadcast to the axes of the table.
fn positions(columns: &[Column], table: &[usize]) -> Result<Tensor> {
    let wide = |column: &Column| match column {
        Column::One(at) => i32::try_from(*at).is_err(),
        Column::Of(at, _) => matches!(at.dtype(), DType::U32 | DType::I64),
    };
    // A single column is read as it is.
    if let [Column::Of(at, 0)] = columns
        && at.shape() == table
    {
        return at.try_expand_dims([-1]);
    }
    let dtype = if columns.iter().any(wide) { DType::I64 } else { DType::I32 };
    let mut full: Shape = table.into();
    full.push(1);
    let column = |column: &Column| match column {
        Column::One(at) => {
            convert_wrapping(&Array::scalar(*at, false).into(), dtype, false)?.try_broadcast_to(&full)
        }
        Column::Of(at, first) => {
            let mut shape = Shape::from_elem(1, full.len());
            shape[*first..first + at.rank()].copy_from_slice(at.shape());
            convert_wrapping(at, dtype, false)?.try_reshape(&shape)?.try_broadcast_to(&full)
        }
    };
    let columns: Vec<Tensor> = columns.iter().map(column).collect::<Result<_>>()?;
    if columns.is_empty() {
        full[table.len()] = 0;
        return create::full(Aval::unchecked(&full, dtype), 0.0);
    }
    Tensor::try_concatenate(&columns, -1)
}
