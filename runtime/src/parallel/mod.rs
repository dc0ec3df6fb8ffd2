//! Many ranks: threads or processes that run the same program, each on its part of the data.

mod spmd;
mod world;

pub use crate::transport::{DEFAULT_LIMIT, Pending, Reduction, ThreadTransport, Transport, fold};
pub use spmd::{Spmd, spmd};
pub use world::World;
