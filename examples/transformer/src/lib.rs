//! The parts of the program `transformer`, which `generate` goes on from: its model, its text, its training and its file.

pub mod model;
pub mod saved;
pub mod text;
pub mod train;
