//! Convolutions.

mod batch;
mod conv;
mod padding;

pub use conv::Conv;
pub use padding::ConvPadding;
