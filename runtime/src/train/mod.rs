//! What a training loop has around its step: batches, metrics, progress, and a record to look at.
//!
//! The loop itself stays the program's own: these are values that it calls, each of use without the others.
//!
//! - [`Batches`]: shuffled batches of indices from a key, the same in every run, resumable at any step, shared out among ranks;
//!   [`prefetch`] prepares what follows on a thread.
//! - [`metrics`]: [`Average`](metrics::Average), accuracy, [`Confusion`](metrics::Confusion), perplexity: trees of sums, so that a compiled
//!   step returns them, batches are added up, and ranks by `psum`.
//! - `Progress`, with the feature `progress`: how far it is, how fast, and how long it will take.
//! - [`tensorboard`]: scalars, histograms, images and texts in the files that `TensorBoard` shows.
//! - Elsewhere: checkpoints by step in `io::checkpoints`, [`EarlyStopping`](crate::optim::EarlyStopping),
//!   [`TrainState`](crate::optim::TrainState).

mod batches;
pub mod metrics;
mod prefetch;
#[cfg(feature = "progress")]
mod progress;
#[cfg(feature = "io")]
pub mod tensorboard;

pub use batches::{Batch, Batches, Epoch};
pub use prefetch::{Prefetch, prefetch};
#[cfg(feature = "progress")]
pub use progress::Progress;
