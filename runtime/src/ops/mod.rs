//! The primitives, one family a file: struct, rules, methods.

pub mod barrier;
pub mod binary;
pub(crate) mod call;
pub mod cast;
pub mod collective;
pub mod compare;
pub mod concat;
pub mod create;
pub mod create_range;
pub mod dot_general;
pub mod dynamic_slice;
pub mod einsum;
pub(crate) mod gather;
pub mod operators;
pub mod pad;
pub mod reduce;
pub(crate) mod scatter;
pub mod select;
pub mod shape;
pub mod slice;
pub(crate) mod support;
pub mod tile;
pub mod unary;
pub(crate) mod windows;

pub(crate) use support::*;
