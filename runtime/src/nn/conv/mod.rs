//! Convolutions.

mod batch;
mod layer;
mod local;
mod padding;
mod transpose;

pub use layer::Conv;
pub use local::ConvLocal;
pub use padding::ConvPadding;
pub use transpose::ConvTranspose;
