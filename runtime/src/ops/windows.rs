//! Which windows of an operand a tensor of indices points at: what gather and scatter share.

use smallvec::SmallVec;

use super::slice::strides_of;
use crate::array::memory;
use crate::array::{Array, Aval, DType, Shape};
use crate::core::op::{GatherDimensions, Outside};
use crate::error::{Error, Result};
use crate::kernels::accumulate::Axis;
use crate::kernels::scratch::Scratch;
use crate::kernels::strided::{OUTSIDE, Strided};
use crate::kernels::threads;

impl GatherDimensions {
    /// The shape of the values; refuses what does not fit together.
    pub(crate) fn values_shape(&self, op: &'static str, operand: &Aval, indices: &Aval) -> Result<Shape> {
        if !indices.dtype.is_integer() {
            return Err(Error::dtype(op, indices.dtype, "indices of an integer dtype"));
        }
        let (Some((&depth, index_axes)), rank) = (indices.shape.split_last(), operand.rank()) else {
            return Err(Error::shape(op, "indices without axes", "a last axis that holds a position"));
        };
        // Where there are no windows, none reaches outside, also not on an axis without elements.
        let none = index_axes.contains(&0);
        let inside = |axis: usize, dropped: bool| {
            self.slice_sizes[axis] <= operand.shape[axis] || (none && dropped && self.slice_sizes[axis] == 1)
        };
        let dropped = |axis: &usize| {
            self.collapsed_slice_dims.contains(axis) || self.operand_batching_dims.contains(axis)
        };
        let fits = depth == self.start_index_map.len()
            && self.slice_sizes.len() == rank
            && (0..rank).all(|axis| inside(axis, dropped(&axis)))
            && self
                .collapsed_slice_dims
                .iter()
                .chain(&self.operand_batching_dims)
                .all(|&axis| axis < rank && self.slice_sizes[axis] == 1)
            && self.start_index_map.iter().all(|&axis| axis < rank)
            && self.operand_batching_dims.len() == self.start_indices_batching_dims.len()
            && self
                .operand_batching_dims
                .iter()
                .zip(&self.start_indices_batching_dims)
                .all(|(&axis, &with)| index_axes.get(with).is_some_and(|&size| size == operand.shape[axis]))
            && self.offset_dims.len() + self.collapsed_slice_dims.len() + self.operand_batching_dims.len()
                == rank
            && self.offset_dims.iter().all(|&axis| axis < index_axes.len() + self.offset_dims.len());
        if !fits {
            let found = format!("{self:?} of shape {:?} with indices {:?}", operand.shape, indices.shape);
            return Err(Error::shape(op, found, "indices and windows inside of the operand's axes"));
        }
        let mut window = self.window_axes().map(|axis| self.slice_sizes[axis]);
        let mut along_indices = index_axes.iter().copied();
        let size = |axis| if self.offset_dims.contains(&axis) { window.next() } else { along_indices.next() };
        Ok((0..index_axes.len() + self.offset_dims.len()).filter_map(size).collect())
    }

    /// The axes of the operand that the values have, too.
    fn window_axes(&self) -> impl Iterator<Item = usize> {
        (0..self.slice_sizes.len()).filter(|axis| {
            !self.collapsed_slice_dims.contains(axis) && !self.operand_batching_dims.contains(axis)
        })
    }

    /// How the table of starts, and the operand from such a start on, are read along the values.
    pub(crate) fn layout(&self, operand: &[usize], indices: &[usize], values: &[usize]) -> Strided<2> {
        let (strides, table) = (strides_of(operand), strides_of(&indices[..indices.len() - 1]));
        let mut window = self.window_axes();
        let mut along_indices = table.iter();
        let dims: Vec<(usize, [isize; 2])> = values
            .iter()
            .enumerate()
            .map(|(axis, &size)| {
                let step = if self.offset_dims.contains(&axis) {
                    [0, window.next().map_or(0, |axis| strides[axis] as isize)]
                } else {
                    [along_indices.next().map_or(0, |&stride| stride as isize), 0]
                };
                (size, step)
            })
            .collect();
        Strided::new(dims.into_iter())
    }

    /// Where in the operand each window starts, or [`OUTSIDE`].
    pub(crate) fn starts(&self, operand: &[usize], indices: &Array) -> Positions {
        self.prepared(operand, indices.shape()).of(indices.bytes(), indices.dtype())
    }

    /// What of the starts is known from shapes.
    pub(crate) fn prepared(&self, operand: &[usize], indices: &[usize]) -> Starts {
        let strides = strides_of(operand);
        let axis = |&axis: &usize| {
            (operand[axis] as i64, (operand[axis] - self.slice_sizes[axis]) as i64, strides[axis])
        };
        let axes = self.start_index_map.iter().map(axis).collect();
        let index_axes = &indices[..indices.len() - 1];
        let batching = self.batching_starts(&strides, index_axes, index_axes.iter().product());
        Starts { batching: batching.into(), axes, wrap: self.wrap, outside: self.outside }
    }

    /// What the batching axes contribute to the starts.
    fn batching_starts(&self, strides: &[usize], index_axes: &[usize], count: usize) -> Vec<usize> {
        if self.operand_batching_dims.is_empty() || count == 0 {
            return memory::zeroed(count);
        }
        let step = |axis: usize| {
            let pair = self.start_indices_batching_dims.iter().position(|&with| with == axis);
            [pair.map_or(0, |pair| strides[self.operand_batching_dims[pair]] as isize)]
        };
        let dims: Vec<(usize, [isize; 1])> =
            index_axes.iter().enumerate().map(|(axis, &size)| (size, step(axis))).collect();
        let layout = Strided::new(dims.into_iter());
        let mut starts = memory::with_capacity(count);
        layout.rows(0, count / layout.row, &mut |_, [at]| {
            starts.extend((0..layout.row as isize).map(|j| (at + j * layout.step[0]) as usize));
        });
        starts
    }

    /// The same windows of a whole batch, whose axis is in front of the operand or the indices or both.
    pub(crate) fn batched(&self, size: usize, operand: bool, indices: bool) -> GatherDimensions {
        let shifted =
            |axes: &Shape, by: bool| -> Shape { axes.iter().map(|axis| axis + usize::from(by)).collect() };
        let mut out = GatherDimensions {
            offset_dims: shifted(&self.offset_dims, true),
            collapsed_slice_dims: shifted(&self.collapsed_slice_dims, operand),
            start_index_map: shifted(&self.start_index_map, operand),
            operand_batching_dims: shifted(&self.operand_batching_dims, operand),
            start_indices_batching_dims: shifted(&self.start_indices_batching_dims, indices),
            ..self.clone()
        };
        match (operand, indices) {
            (true, true) => {
                out.operand_batching_dims.insert(0, 0);
                out.start_indices_batching_dims.insert(0, 0);
                out.slice_sizes.insert(0, 1);
            }
            (true, false) => {
                out.offset_dims.insert(0, 0);
                out.slice_sizes.insert(0, size);
            }
            (false, _) => {}
        }
        out
    }

    /// If the windows are whole rows of the first axis, and their positions numbers of 32 bits: how these are read.
    pub(crate) fn whole_rows(&self, operand: &[usize], indices: &Array) -> Option<Axis> {
        let (front, rank) = (indices.shape().len() - 1, operand.len());
        let rows = indices.dtype() == DType::I32
            && self.start_index_map[..] == [0]
            && self.collapsed_slice_dims[..] == [0]
            && self.operand_batching_dims.is_empty()
            && self.slice_sizes[1..] == operand[1..]
            && self.offset_dims.iter().copied().eq(front..front + rank - 1);
        let size = i32::try_from(*operand.first()?).ok().filter(|&size| rows && size > 0)?;
        Some(Axis { size, wrap: self.wrap, clip: self.outside == Outside::Clip })
    }

    /// The windows of a gather that reads what a scatter to these writes, or the other way round.
    pub(crate) fn transposed(&self) -> GatherDimensions {
        let outside = if self.outside == Outside::Clip { Outside::Clip } else { Outside::Zero };
        GatherDimensions { outside, ..self.clone() }
    }

    /// Windows of size 1 along an axis, all of the others, for indices of this rank (without the position's axis).
    pub(crate) fn along(
        shape: &[usize],
        axis: usize,
        index_rank: usize,
        outside: Outside,
    ) -> GatherDimensions {
        let mut sizes: Shape = shape.into();
        sizes[axis] = 1;
        GatherDimensions {
            offset_dims: (0..axis).chain(axis + index_rank..shape.len() + index_rank - 1).collect(),
            collapsed_slice_dims: Shape::from_elem(axis, 1),
            start_index_map: Shape::from_elem(axis, 1),
            operand_batching_dims: Shape::new(),
            start_indices_batching_dims: Shape::new(),
            slice_sizes: sizes,
            wrap: outside != Outside::Clip,
            outside,
        }
    }

    /// Positions along an axis that differ between the elements of the other axes, for indices of this shape.
    ///
    /// The other axes have equal sizes, or 1 in either. Returns the shape the indices must be given, too.
    pub(crate) fn batching_along(
        op: &'static str,
        shape: &[usize],
        axis: usize,
        indices: &[usize],
    ) -> Result<(GatherDimensions, Shape)> {
        let broadcast =
            |at: usize| at == axis || shape[at] == indices[at] || shape[at] == 1 || indices[at] == 1;
        if shape.len() != indices.len() || !(0..shape.len()).all(broadcast) {
            let found = format!("indices {indices:?} for shape {shape:?}");
            return Err(Error::shape(op, found, format!("shapes that broadcast but for axis {axis}")));
        }
        let mut windows = GatherDimensions {
            offset_dims: Shape::new(),
            collapsed_slice_dims: Shape::new(),
            start_index_map: Shape::from_elem(axis, 1),
            operand_batching_dims: Shape::new(),
            start_indices_batching_dims: Shape::new(),
            slice_sizes: Shape::from_elem(1, shape.len()),
            wrap: true,
            outside: Outside::Invalid,
        };
        let mut positions = Shape::new();
        for at in 0..shape.len() {
            // An axis along which all share their indices is part of the window, as long as the operand is; one that both have is of
            // the batch; one that only the indices have is theirs, and the operand's single element collapses.
            if at != axis && indices[at] == 1 {
                windows.offset_dims.push(at);
                windows.slice_sizes[at] = shape[at];
                continue;
            }
            if at == axis || shape[at] == 1 {
                windows.collapsed_slice_dims.push(at);
            } else {
                windows.operand_batching_dims.push(at);
                windows.start_indices_batching_dims.push(positions.len());
            }
            positions.push(indices[at]);
        }
        positions.push(1);
        Ok((windows, positions))
    }
}

/// The starts of windows.
pub(crate) type Positions = Scratch<usize>;

/// What is known of the starts of windows before the indices are.
pub(crate) struct Starts {
    batching: Box<[usize]>,
    /// Along each indexed axis: its size, the last start, and the distance between starts.
    axes: SmallVec<[(i64, i64, usize); 4]>,
    wrap: bool,
    outside: Outside,
}

impl Starts {
    /// Where in the operand each window starts for indices of a dtype, or [`OUTSIDE`].
    pub(crate) fn of(&self, indices: &[u8], dtype: DType) -> Positions {
        let mut starts: Positions = self.batching.iter().copied().collect();
        if self.axes.is_empty() {
            return starts;
        }
        match dtype {
            DType::U8 => self.add_positions(indices, &mut starts),
            DType::I8 => self.add_positions(bytemuck::cast_slice::<u8, i8>(indices), &mut starts),
            DType::U16 => self.add_positions(bytemuck::cast_slice::<u8, u16>(indices), &mut starts),
            DType::I16 => self.add_positions(bytemuck::cast_slice::<u8, i16>(indices), &mut starts),
            DType::U32 => self.add_positions(bytemuck::cast_slice::<u8, u32>(indices), &mut starts),
            DType::I32 => self.add_positions(bytemuck::cast_slice::<u8, i32>(indices), &mut starts),
            DType::I64 => self.add_positions(bytemuck::cast_slice::<u8, i64>(indices), &mut starts),
            other => unreachable!("`infer` refuses indices of {other}"),
        }
        starts
    }

    fn add_positions<T: Copy + Into<i64> + Sync>(&self, indices: &[T], starts: &mut [usize]) {
        let depth = self.axes.len();
        threads::split(starts, 1, 4 * depth, |first, starts| {
            for (start, position) in starts.iter_mut().zip(indices[first * depth..].chunks_exact(depth)) {
                for (&i, &(size, last, stride)) in position.iter().zip(&self.axes) {
                    let mut at: i64 = i.into();
                    if self.wrap && at < 0 {
                        at += size;
                    }
                    if self.outside == Outside::Clip {
                        at = at.clamp(0, last);
                    } else if at < 0 || at > last {
                        *start = OUTSIDE;
                        break;
                    }
                    *start += at as usize * stride;
                }
            }
        });
    }
}
