//! Layers, and what they start from.

mod arguments;
mod conv;
mod dense;
mod dropout;
pub mod init;
mod norm;
mod precision;
mod sequential;
mod support;

pub use arguments::{AxisList, Constant, Sizes, Steps};
pub use conv::{Conv, ConvPadding};
pub use dense::Dense;
pub use dropout::Dropout;
pub use norm::{BatchNorm, LayerNorm};
pub use sequential::Sequential;
pub use support::merge_param;
