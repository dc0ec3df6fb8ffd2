//! The primitives, one family a file: struct, rules, methods.

pub(crate) mod axes;
pub mod barrier;
pub mod binary;
pub(crate) mod call;
pub mod cast;
pub mod collective;
pub mod compare;
pub mod create;
pub mod cumulative;
pub mod dot_general;
pub mod einsum;
pub mod linalg;
pub mod next_after;
pub mod operators;
pub(crate) mod random_below;
pub(crate) mod random_bits;
pub(crate) mod random_order;
pub(crate) mod recurrence;
pub mod reduce;
pub(crate) mod rows;
pub mod select;
pub mod shape;
pub mod sort;
pub mod statistics;
pub(crate) mod support;
pub mod unary;

pub(crate) use support::*;
