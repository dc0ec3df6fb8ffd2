//! What runs graphs.

pub(crate) mod cpu;
