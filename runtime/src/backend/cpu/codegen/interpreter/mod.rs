//! The interpreter of tile programs: one call through a table for each instruction and tile, vectorised loops within.

pub(crate) mod fold;
