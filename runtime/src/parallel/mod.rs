//! Many ranks: threads or processes that run the same program, each on its part of the data.
//!
//! ```
//! use flaxen::parallel::{World, spmd};
//! use flaxen::prelude::*;
//!
//! let x = Tensor::from([1.0f32, 2.0, 3.0, 6.0]);
//! let shares = spmd(|x: Tensor| Ok(&x / x.sum().psum("ranks")?)).axis_name("ranks");
//! assert_eq!(shares.run_whole(&World::threads(2), x)?.to_vec::<f32>()?, [1.0 / 12.0, 2.0 / 12.0, 0.25, 0.5]);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! [`guide::parallel`](crate::guide::parallel) goes from here to a training.

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
