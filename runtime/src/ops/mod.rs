//! The primitives, one family a file: struct, rules, methods.

pub mod barrier;
pub mod binary;
pub(crate) mod call;
pub mod cast;
pub mod collective;
pub mod compare;
pub mod conv;
pub mod create;
pub mod dot_general;
pub mod einsum;
pub mod operators;
pub mod padding;
pub mod pooling;
pub mod reduce;
pub mod reduce_window;
pub mod select;
pub mod shape;
pub(crate) mod support;
pub mod unary;

pub(crate) use support::*;
