//! Several axes at once, as NumPy indexes: `x.index((&i, 1..3))`, `x.at((&i, &j)).add(updates)`.
//!
//! What an index may be is in `index`, what a tuple of them means for a shape in `resolve`, how it becomes a gather or a
//! scatter in `lower`, and the methods are in `at`; `masks` has those by booleans.

mod at;
mod index;
mod lower;
mod masks;
mod resolve;

pub use crate::ops::range::Slice;
pub use at::{At, IndexMode};
pub use index::{Ellipsis, Index, Indices, IntoIndex, NewAxis};
