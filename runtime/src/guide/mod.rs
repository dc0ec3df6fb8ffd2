//! Guides: how things are done, a page for each kind of work.
//!
//! | page | what it is about |
//! |---|---|
//! | [`recipes`] | a loop with metrics and checkpoints, averages of parameters, accumulated gradients, half precision, a gradient for each example, decoding, serving |
//! | [`intermediates`] | looking into a model: `sow`, captured outputs, gradients of what layers return, printing while it runs |
//! | [`surgery`] | parameters and an optimizer's state taken apart, edited and put together again; frozen and grafted weights |
//! | [`state`] | parameters, running statistics and random streams through a training, alone, under `jit` and under `vmap` |
//! | [`parallel`] | training on many ranks, threads or processes: gradients averaged, optimizers shared out, files and faults |
//! | [`devices`] | programs on accelerators, through plugins of XLA: where tensors are, what is copied when, what is an error |
//! | [`from_pytorch`] | a PyTorch model line by line, and its weights |
//! | [`accelerators`] | a compiled function as a file in StableHLO |
//! | [`decoders`] | blocks of language models of today, tied weights, and adapters for a finished model |
//! | [`coming_from_jax`] | the names of JAX and optax, and what they are here |
//! | [`differences_from_jax`] | what gives other numbers than JAX, and why |
//! | [`not_there`] | what is not there, and what to do instead |
//! | [`from_orbax`] | checkpoints of Orbax: how they come here, and what takes their place |
//!
//! The [first page](crate) goes from the first model to its training, and [`module`](mod@crate::module) says how modules work.
//! Each page but the last four has a program in `examples/` that goes further.

#[doc = include_str!("recipes.md")]
pub mod recipes {}

#[doc = include_str!("intermediates.md")]
pub mod intermediates {}

#[doc = include_str!("surgery.md")]
pub mod surgery {}

#[doc = include_str!("state.md")]
pub mod state {}

#[doc = include_str!("parallel.md")]
pub mod parallel {}

#[doc = include_str!("devices.md")]
pub mod devices {}

#[doc = include_str!("from_pytorch.md")]
pub mod from_pytorch {}

#[doc = include_str!("accelerators.md")]
pub mod accelerators {}

#[doc = include_str!("decoders.md")]
pub mod decoders {}

#[doc = include_str!("not_there.md")]
pub mod not_there {}

#[doc = include_str!("from_orbax.md")]
pub mod from_orbax {}

#[doc = include_str!("coming_from_jax.md")]
pub mod coming_from_jax {}

#[doc = include_str!("differences_from_jax.md")]
pub mod differences_from_jax {}
