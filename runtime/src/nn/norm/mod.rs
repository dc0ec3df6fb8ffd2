//! Normalisation: layers that give their features a mean of 0 and a variance of 1.

mod batch;
mod layer;
mod normalize;
mod statistics;

pub use batch::BatchNorm;
pub use layer::LayerNorm;
