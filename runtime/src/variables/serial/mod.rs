//! Variables in the formats of `serde`.
//!
//! A dict is a map; a value is an enum with the variants `tensor`, `dict`, `tuple` and `partitioned` (the names of the axes,
//! then the value). A tensor is a struct of `dtype`, `shape` and `data`: its numbers, row-major, in formats for people, and
//! their little-endian bytes in others. Data without tensors, other boxes and other trees are refused, as nothing could
//! give them their type back.

mod place;
mod read;
mod tensor;
mod write;

use place::{At, Place};

/// The variants of a value, in order of their indices.
const KINDS: &[&str] = &["tensor", "dict", "tuple", "partitioned"];
/// The name of a value in formats that have names of types.
const VALUE: &str = "Value";
