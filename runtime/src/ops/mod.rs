//! The primitives, one family a file: struct, rules, methods.

pub(crate) mod axes;
pub mod barrier;
pub(crate) mod call;
pub(crate) mod callback;
pub mod cast;
pub mod checkpoint;
pub mod collective;
pub mod concat;
pub(crate) mod control;
pub mod conv;
pub mod create;
pub mod cumulative;
pub mod dot_general;
pub mod dynamic_slice;
pub mod elementwise;
pub(crate) mod gather;
pub mod linalg;
pub(crate) mod name;
pub mod next_after;
pub mod pad;
pub mod padding;
pub(crate) mod random_below;
pub(crate) mod random_bits;
pub(crate) mod random_order;
pub(crate) mod recurrence;
pub mod reduce;
pub mod reduce_window;
pub(crate) mod rows;
pub(crate) mod scatter;
pub mod shape;
pub mod slice;
pub mod sort;
pub(crate) mod support;
mod window_product;
pub(crate) mod windows;

pub(crate) use support::*;
