//! Recurrent layers: cells, which make one step, and what runs them over sequences.

mod bidirectional;
mod cell;
mod collections;
mod conv_lstm;
mod flip;
mod gru;
mod lstm;
mod mgu;
mod optimized_lstm;
mod rnn;
mod sequence;
mod simple;

pub use bidirectional::Bidirectional;
pub use cell::Cell;
pub use collections::{SplitRngs, VariableAxes};
pub use conv_lstm::ConvLstmCell;
pub use flip::flip_sequences;
pub use gru::GruCell;
pub use lstm::LstmCell;
pub use mgu::MguCell;
pub use optimized_lstm::OptimizedLstmCell;
pub use rnn::Rnn;
pub use sequence::{Recurrent, Sequence};
pub use simple::SimpleCell;
