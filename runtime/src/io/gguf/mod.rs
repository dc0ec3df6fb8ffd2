//! The files of llama.cpp: [GGUF](https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), whose weights are mostly quantised.
//!
//! ```no_run
//! use flaxen::io::gguf::{File, Metadata};
//! use flaxen::prelude::*;
//!
//! let file = File::map("model-Q4_K_M.gguf")?;
//! let heads = file.metadata("llama.attention.head_count")?.as_ref().and_then(Metadata::as_int);
//! println!("{heads:?} heads, {:?} layers", file.metadata("llama.block_count")?);
//! println!("{} as {}", file.kind("blk.0.attn_q.weight")?, file.aval("blk.0.attn_q.weight")?); // Q4_K as f32[4096,4096]
//! let kernel = file.tensor("blk.0.attn_q.weight")?;
//! let half_as_large = file.tensor_as("blk.0.attn_q.weight", DType::BF16)?;
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! # What is read
//! Versions 2 and 3 of the format, little-endian. A tensor that is quantised becomes one of `F32`, or of `BF16` where it is
//! [asked for](File::tensor_as):
//!
//! | kinds | a block | values |
//! |---|---|---|
//! | `F32` `F16` `BF16` `F64` `I8` `I16` `I32` `I64` | | as they are |
//! | `Q4_0` `Q5_0` `Q8_0` | 32 numbers | *d*·*q* |
//! | `Q4_1` `Q5_1` | 32 numbers | *d*·*q* + *m* |
//! | `Q4_K` `Q5_K` | 8 × 32 numbers | *d*·*s*·*q* − *e*·*m*, with *s* and *m* of each 32, of 6 bits |
//! | `Q6_K` | 16 × 16 numbers | *d*·*s*·*q*, with *s* of each 16, of 8 bits |
//!
//! *d*, *e* and the *m* of `Q4_1` and `Q5_1` are halves. The values are those of ggml, bit for bit. A tensor of another kind spoils only
//! itself.
//!
//! Shapes are those of NumPy and PyTorch, `[out, in]` for a `Linear`: the format has their sizes the other way round.
//! [`StateDict::open`](super::torch::StateDict::open) reads such a file, too. (That llama.cpp puts the rows of some models' queries and
//! keys into another order when it makes a file is not undone.)

mod blocks;
mod file;
mod header;
mod metadata;

pub use file::File;
pub use metadata::Metadata;
