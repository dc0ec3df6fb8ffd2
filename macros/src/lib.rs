//! The macros of Flaxen; use them through the `flaxen` crate.
#![forbid(unsafe_code)]
