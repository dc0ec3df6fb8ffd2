//! Layers, and what they start from.

pub mod init;
mod sequential;

pub use sequential::Sequential;
