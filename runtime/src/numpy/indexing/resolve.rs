//! What a tuple of indices means for a tensor of a shape.

use super::index::Index;
use super::masks;
use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::error::{Error, Result};

/// What becomes of an axis, or where a new one stands.
#[derive(Clone)]
pub(super) enum Item {
    /// One position.
    At(i64),
    /// Positions that are values.
    Positions(Tensor),
    /// From where, how far from one to the next, and how many.
    Slice { start: usize, step: isize, size: usize },
    /// None of the tensor's axes.
    NewAxis,
}

/// One item for every axis of the tensor, and those of new axes among them.
pub(super) struct Resolved {
    pub items: Vec<Item>,
    /// Whether all positions stand side by side, so that their axes replace theirs; or else they come first.
    pub side_by_side: bool,
}

impl Resolved {
    /// Fits indices to the axes of a shape.
    ///
    /// An ellipsis becomes whole axes, of which as many as are left follow the last index, and masks become the positions
    /// where they are true.
    pub fn new(indices: &[Index], shape: &[usize]) -> Result<Resolved> {
        let rest = left(indices, shape)?;
        let (mut items, mut axis) = (Vec::new(), 0);
        // Of the indices as they were written: whether each is a position, as NumPy asks.
        let mut advanced = Vec::new();
        for index in indices {
            match index {
                Index::At(at) => items.push(Item::At(*at)),
                Index::NewAxis => items.push(Item::NewAxis),
                Index::Slice(slice) => {
                    let (start, step, size) = slice.positions("index", shape[axis])?;
                    items.push(Item::Slice { start, step, size });
                }
                Index::Ellipsis => items.extend(shape[axis..axis + rest].iter().map(|&size| whole(size))),
                Index::Tensor(mask) if mask.dtype() == DType::Bool => {
                    let found = masks::positions(mask, &shape[axis..axis + mask.rank()])?;
                    advanced.extend(found.iter().map(|_| true));
                    axis += mask.rank();
                    items.extend(found.into_iter().map(Item::Positions));
                    continue;
                }
                Index::Tensor(positions) => items.push(Item::Positions(positions.clone())),
            }
            advanced.push(matches!(index, Index::At(_) | Index::Tensor(_)));
            axis += consumed(index).unwrap_or(rest);
        }
        items.extend(shape[axis..].iter().map(|&size| whole(size)));
        let from_first = advanced.iter().skip_while(|&&positions| !positions);
        let side_by_side = !from_first.skip_while(|&&positions| positions).any(|&positions| positions);
        Ok(Resolved { items, side_by_side })
    }

    /// Whether all is known while the program is written.
    pub fn is_static(&self) -> bool {
        !self.items.iter().any(|item| matches!(item, Item::Positions(_)))
    }

    /// Whether there are positions with axes: then all that are positions broadcast.
    pub fn is_advanced(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Positions(at) if at.rank() > 0))
    }

    /// The axes of the tensor in order, without new ones.
    pub fn axes(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| !matches!(item, Item::NewAxis))
    }
}

/// The axes that an ellipsis stands for.
pub(super) fn left(indices: &[Index], shape: &[usize]) -> Result<usize> {
    let refuse = |message: String| Err(Error::argument("index", message));
    for index in indices {
        if let Index::Tensor(positions) = index
            && !positions.dtype().is_integer()
            && positions.dtype() != DType::Bool
        {
            return Err(Error::dtype("index", positions.aval(), "integers, or booleans as a mask"));
        }
    }
    let named: usize = indices.iter().filter_map(consumed).sum();
    if indices.iter().filter(|index| matches!(index, Index::Ellipsis)).count() > 1 {
        return refuse("more than one ellipsis: write `..` for one whole axis".to_owned());
    }
    match shape.len().checked_sub(named) {
        Some(rest) => Ok(rest),
        None => refuse(format!("indices of {named} axes for shape {shape:?}: leave some out")),
    }
}

/// How many axes an index is of; None for an ellipsis.
pub(super) fn consumed(index: &Index) -> Option<usize> {
    match index {
        Index::Tensor(mask) if mask.dtype() == DType::Bool => Some(mask.rank()),
        Index::At(_) | Index::Slice(_) | Index::Tensor(_) => Some(1),
        Index::NewAxis => Some(0),
        Index::Ellipsis => None,
    }
}

fn whole(size: usize) -> Item {
    Item::Slice { start: 0, step: 1, size }
}

/// A position counted from the end if negative.
pub(super) fn wrapped(at: i64, size: usize, wrap: bool) -> i64 {
    if wrap && at < 0 { at.saturating_add(size as i64) } else { at }
}

/// The shape of what items without positions of several axes point at.
pub(super) fn static_shape(items: &[Item]) -> Shape {
    let size = |item: &Item| match item {
        Item::Slice { size, .. } => Some(*size),
        Item::NewAxis => Some(1),
        Item::At(_) | Item::Positions(_) => None,
    };
    items.iter().filter_map(size).collect()
}
