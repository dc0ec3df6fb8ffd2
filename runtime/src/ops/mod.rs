//! The primitives, one family a file: struct, rules, methods.

pub mod activation;
pub mod arithmetic;
pub mod barrier;
pub mod binary;
pub(crate) mod call;
pub mod cast;
pub mod collective;
pub mod compare;
pub mod create;
pub mod fma;
pub mod logaddexp;
pub mod operators;
pub mod reduce;
pub mod select;
pub mod shape;
pub(crate) mod support;
pub mod unary;

pub(crate) use support::*;
