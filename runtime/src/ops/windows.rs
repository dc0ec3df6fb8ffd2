//! Which windows of an operand a tensor of indices points at: what gather and scatter share.

use smallvec::SmallVec;

use super::slice::strides_of;
use crate::array::memory;
use crate::array::{Array, Aval, DType, Shape};
use crate::error::{Error, Result};
use crate::kernels::scratch::Scratch;
use crate::kernels::strided::{OUTSIDE, Strided};

/// What happens to a window that is not inside of the operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outside {
    /// It is moved inside.
    Clip,
    /// It reads as NaN (of signed integers the least, of unsigned the greatest, of booleans true); it is not written.
    Invalid,
    /// It reads as 0; it is not written.
    Zero,
}

/// The dimension numbers of gather and scatter, after XLA's.
///
/// The last axis of the indices holds a *position*: the start of a window along the operand axes `indexed`. The *values*
/// (the result of a gather, the updates of a scatter) have the other axes of the indices and those of the window.
#[derive(Clone, PartialEq)]
pub(crate) struct Windows {
    /// Axes of the values along the window, ascending: those of the operand neither `collapsed` nor paired, in order.
    pub(crate) offset: Shape,
    /// Axes of the operand, with a window of size 1, that the values do not have.
    pub(crate) collapsed: Shape,
    /// The axes of the operand whose start a position says.
    pub(crate) indexed: Shape,
    /// Axes of the operand that go along with those of the indices in `indices_paired`.
    pub(crate) paired: Shape,
    /// See `paired`.
    pub(crate) indices_paired: Shape,
    /// The window's size along each axis of the operand.
    pub(crate) sizes: Shape,
    /// Negative starts count from the end.
    pub(crate) wrap: bool,
    /// What to do with windows that are not inside.
    pub(crate) outside: Outside,
}

impl Windows {
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
            self.sizes[axis] <= operand.shape[axis] || (none && dropped && self.sizes[axis] == 1)
        };
        let dropped = |axis: &usize| self.collapsed.contains(axis) || self.paired.contains(axis);
        let fits = depth == self.indexed.len()
            && self.sizes.len() == rank
            && (0..rank).all(|axis| inside(axis, dropped(&axis)))
            && self.collapsed.iter().chain(&self.paired).all(|&axis| axis < rank && self.sizes[axis] == 1)
            && self.indexed.iter().all(|&axis| axis < rank)
            && self.paired.len() == self.indices_paired.len()
            && self
                .paired
                .iter()
                .zip(&self.indices_paired)
                .all(|(&axis, &with)| index_axes.get(with).is_some_and(|&size| size == operand.shape[axis]))
            && self.offset.len() + self.collapsed.len() + self.paired.len() == rank
            && self.offset.iter().all(|&axis| axis < index_axes.len() + self.offset.len());
        if !fits {
            let found = format!("{self:?} of shape {:?} with indices {:?}", operand.shape, indices.shape);
            return Err(Error::shape(op, found, "indices and windows inside of the operand's axes"));
        }
        let mut window = self.window_axes().map(|axis| self.sizes[axis]);
        let mut along_indices = index_axes.iter().copied();
        let size = |axis| if self.offset.contains(&axis) { window.next() } else { along_indices.next() };
        Ok((0..index_axes.len() + self.offset.len()).filter_map(size).collect())
    }

    /// The axes of the operand that the values have, too.
    fn window_axes(&self) -> impl Iterator<Item = usize> {
        (0..self.sizes.len()).filter(|axis| !self.collapsed.contains(axis) && !self.paired.contains(axis))
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
                let step = if self.offset.contains(&axis) {
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
        let axis =
            |&axis: &usize| (operand[axis] as i64, (operand[axis] - self.sizes[axis]) as i64, strides[axis]);
        let axes = self.indexed.iter().map(axis).collect();
        let index_axes = &indices[..indices.len() - 1];
        let paired = self.paired_starts(&strides, index_axes, index_axes.iter().product());
        Starts { paired: paired.into(), axes, wrap: self.wrap, outside: self.outside }
    }

    /// What the paired axes contribute to the starts.
    fn paired_starts(&self, strides: &[usize], index_axes: &[usize], count: usize) -> Vec<usize> {
        if self.paired.is_empty() || count == 0 {
            return memory::zeroed(count);
        }
        let step = |axis: usize| {
            let pair = self.indices_paired.iter().position(|&with| with == axis);
            [pair.map_or(0, |pair| strides[self.paired[pair]] as isize)]
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
    pub(crate) fn batched(&self, size: usize, operand: bool, indices: bool) -> Windows {
        let shifted =
            |axes: &Shape, by: bool| -> Shape { axes.iter().map(|axis| axis + usize::from(by)).collect() };
        let mut out = Windows {
            offset: shifted(&self.offset, true),
            collapsed: shifted(&self.collapsed, operand),
            indexed: shifted(&self.indexed, operand),
            paired: shifted(&self.paired, operand),
            indices_paired: shifted(&self.indices_paired, indices),
            ..self.clone()
        };
        match (operand, indices) {
            (true, true) => {
                out.paired.insert(0, 0);
                out.indices_paired.insert(0, 0);
                out.sizes.insert(0, 1);
            }
            (true, false) => {
                out.offset.insert(0, 0);
                out.sizes.insert(0, size);
            }
            (false, _) => {}
        }
        out
    }

    /// The windows of a gather that reads what a scatter to these writes, or the other way round.
    pub(crate) fn transposed(&self) -> Windows {
        let outside = if self.outside == Outside::Clip { Outside::Clip } else { Outside::Zero };
        Windows { outside, ..self.clone() }
    }

    /// Windows of size 1 along an axis, all of the others, for indices of this rank (without the position's axis).
    pub(crate) fn along(shape: &[usize], axis: usize, index_rank: usize, outside: Outside) -> Windows {
        let mut sizes: Shape = shape.into();
        sizes[axis] = 1;
        Windows {
            offset: (0..axis).chain(axis + index_rank..shape.len() + index_rank - 1).collect(),
            collapsed: Shape::from_elem(axis, 1),
            indexed: Shape::from_elem(axis, 1),
            paired: Shape::new(),
            indices_paired: Shape::new(),
            sizes,
            wrap: outside != Outside::Clip,
            outside,
        }
    }

    /// Positions along an axis that differ between the elements of the other axes, for indices of this shape.
    ///
    /// The other axes have equal sizes, or 1 in either. Returns the shape the indices must be given, too.
    pub(crate) fn paired_along(
        op: &'static str,
        shape: &[usize],
        axis: usize,
        indices: &[usize],
    ) -> Result<(Windows, Shape)> {
        let broadcast =
            |at: usize| at == axis || shape[at] == indices[at] || shape[at] == 1 || indices[at] == 1;
        if shape.len() != indices.len() || !(0..shape.len()).all(broadcast) {
            let found = format!("indices {indices:?} for shape {shape:?}");
            return Err(Error::shape(op, found, format!("shapes that broadcast but for axis {axis}")));
        }
        let mut windows = Windows {
            offset: Shape::new(),
            collapsed: Shape::new(),
            indexed: Shape::from_elem(axis, 1),
            paired: Shape::new(),
            indices_paired: Shape::new(),
            sizes: Shape::from_elem(1, shape.len()),
            wrap: true,
            outside: Outside::Invalid,
        };
        let mut positions = Shape::new();
        for at in 0..shape.len() {
            if at != axis && indices[at] == 1 {
                windows.offset.push(at);
                windows.sizes[at] = shape[at];
                continue;
            }
            if at == axis || shape[at] == 1 {
                windows.collapsed.push(at);
            } else {
                windows.paired.push(at);
                windows.indices_paired.push(positions.len());
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
    paired: Box<[usize]>,
    /// Along each indexed axis: its size, the last start, and the distance between starts.
    axes: SmallVec<[(i64, i64, usize); 4]>,
    wrap: bool,
    outside: Outside,
}

impl Starts {
    /// Where in the operand each window starts for indices of a dtype, or [`OUTSIDE`].
    pub(crate) fn of(&self, indices: &[u8], dtype: DType) -> Positions {
        let mut starts: Positions = self.paired.iter().copied().collect();
        if self.axes.is_empty() {
            return starts;
        }
        match dtype {
            DType::U8 => self.add_positions(indices, &mut starts),
            DType::U32 => self.add_positions(bytemuck::cast_slice::<u8, u32>(indices), &mut starts),
            DType::I32 => self.add_positions(bytemuck::cast_slice::<u8, i32>(indices), &mut starts),
            DType::I64 => self.add_positions(bytemuck::cast_slice::<u8, i64>(indices), &mut starts),
            other => unreachable!("`infer` refuses indices of {other}"),
        }
        starts
    }

    fn add_positions<T: Copy + Into<i64>>(&self, indices: &[T], starts: &mut [usize]) {
        for (start, position) in starts.iter_mut().zip(indices.chunks_exact(self.axes.len())) {
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
    }
}

impl std::fmt::Debug for Windows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[offset={:?} collapsed={:?} indexed={:?}", self.offset, self.collapsed, self.indexed)?;
        if !self.paired.is_empty() {
            write!(f, " paired={:?}:{:?}", self.paired, self.indices_paired)?;
        }
        write!(f, " sizes={:?} outside={:?}]", self.sizes, self.outside)
    }
}
