//! Metrics as trees of sums: returned by compiled steps, added up over batches and ranks, and computed at the end.
//!
//! What a metric holds are sums, never means: then a batch of another size, a mask, or another rank's part counts as much as it should.
//! [`merge`] adds two of them leaf by leaf, and so merges any struct of metrics that derives [`Tree`]. Across ranks or a
//! mapped axis it is `collectives::psum`.
//!
//! ```
//! use flaxen::prelude::*;
//! use flaxen::train::metrics::{self, Average};
//!
//! #[derive(Clone, Tree)]
//! struct Metrics {
//!     loss: Average,
//!     accuracy: Average,
//! }
//!
//! let test = jit(|(logits, labels): (Tensor, Tensor)| {
//!     Ok(Metrics {
//!         loss: Average::of(losses::softmax_cross_entropy_with_integer_labels(&logits, &labels))?,
//!         accuracy: metrics::accuracy(&logits, &labels)?,
//!     })
//! });
//! let batches = [
//!     (Tensor::from([[2.0f32, 0.0], [0.0, 2.0]]), Tensor::from([0, 0])),
//!     (Tensor::from([[2.0f32, 0.0]]), Tensor::from([0])),
//! ];
//! let mut all: Option<Metrics> = None;
//! for batch in batches {
//!     let one = test.call(batch)?;
//!     all = Some(match all {
//!         Some(all) => metrics::merge(&all, &one)?,
//!         None => one,
//!     });
//! }
//! let all = all.unwrap();
//! // Two of three, however they were batched.
//! assert_eq!(all.accuracy.value()?, 2.0 / 3.0);
//! assert_eq!(metrics::perplexity(&all.loss)?, all.loss.value()?.exp());
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! The names are those of `clu.metrics`, which official examples of Flax use.

mod average;
mod confusion;

pub use average::{Average, accuracy, perplexity, top_k_accuracy};
pub use confusion::Confusion;

use crate::error::Result;
use crate::tree::{self, Tree};

/// The metrics of two batches together: every sum of the one plus that of the other.
///
/// # Errors
/// If they differ in structure or shape.
pub fn merge<M: Tree>(a: &M, b: &M) -> Result<M> {
    tree::zip_map(a, b, |a, b| a.try_add(b))
}
