//! Densities and distribution functions, as `jax.scipy.stats` has them: a module for each distribution.
//!
//! All take tensors or numbers, which broadcast; integers become `F32`.
//!
//! ```
//! use flaxen::stats;
//!
//! let p = stats::norm::logpdf([0.0f32, 1.0], 0.0, 1.0);
//! assert!(p.all_close([-0.918_938_5f32, -1.418_938_5], 1e-6, 0.0)?);
//! # Ok::<(), flaxen::Error>(())
//! ```

pub mod beta;
pub mod expon;
pub mod gamma;
pub mod laplace;
pub mod logistic;
pub mod norm;
pub mod poisson;
pub mod uniform;
