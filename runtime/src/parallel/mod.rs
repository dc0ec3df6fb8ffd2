//! Many ranks: threads or processes that run the same program, each on its part of the data.

mod replicas;
mod spmd;
mod world;
mod zero;

#[cfg(feature = "mpi")]
pub use crate::transport::MpiTransport;
pub use crate::transport::{DEFAULT_LIMIT, Pending, Reduction, ThreadTransport, Transport, fold};
pub use replicas::Replicas;
pub use spmd::{Spmd, spmd};
pub use world::World;
pub use zero::{Zero, zero};
