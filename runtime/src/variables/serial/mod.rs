//! Variables in the formats of `serde`.
//!
//! Readers and writers carry the location they are at along, as errors of `serde` do not have one. No format is asked what comes
//! next except for the values of a tensor in formats for people, so that formats which cannot tell work, too.

mod location;
mod read;
mod tensor;
mod write;

use location::{At, Location};

/// The variants of a value, in order of their indices.
const KINDS: &[&str] = &["tensor", "dict", "tuple", "partitioned"];
/// The name of a value in formats that have names of types.
const VALUE: &str = "Value";
