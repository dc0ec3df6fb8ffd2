//! What the CPU kernels of Flaxen are made of; use it through the `flaxen` crate.
//!
//! - [`simd`]: loops that are compiled for several instruction sets.
//! - [`threads`]: data parallelism.
//! - `microkernels`: the innermost loops of products, convolutions and transposes.
//! - `fourier`: transforms of rows.
//! - `memory` and `scratch`: what kernels compute in.
//!
//! It is a crate of its own so that builds without optimisation can optimise these few loops all the same, in which most of the
//! time is spent. What says so is in the workspace's profile; a program that depends on `flaxen` says it in its own:
//!
//! ```toml
//! [profile.dev.package.flaxen-kernels]
//! opt-level = 3
//! debug-assertions = false
//! overflow-checks = false
//! ```
#![allow(unsafe_code)]
// Only code that is inlined into a function with target features is compiled for them.
#![allow(clippy::inline_always)]

#[doc(hidden)]
pub mod fourier;
#[doc(hidden)]
pub mod memory;
#[doc(hidden)]
pub mod microkernels;
#[doc(hidden)]
pub mod scratch;
pub mod simd;
pub mod threads;
