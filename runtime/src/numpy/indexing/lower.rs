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
    let Reading { columns, windows, table, shape, dense } = reading;
    let unique = !advanced || common.iter().all(|&size| size == 1);
    Ok(Lowered { positions: positions(&columns, &table)?, windows, shape, dense, unique })
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
