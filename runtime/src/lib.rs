//! Flaxen: Flax Linen for Rust.
//!
//! Neural networks are plain structs, variables are plain values, and transforms work over ordinary functions of them:
//!
//! ```
//! use flaxen::prelude::*;
//!
//! #[module]
//! struct Mlp {
//!     hidden: usize,
//! }
//!
//! impl Layer for Mlp {
//!     #[compact]
//!     fn call(&self, x: &Tensor) -> Result<Tensor> {
//!         let x = Dense::new(self.hidden).call(x)?.tanh();
//!         Dense::new(1).call(&x)
//!     }
//! }
//!
//! let (model, x) = (Mlp::new(16), random::normal(&key(0), [64, 3]));
//! let y = x.sum_keep(1);
//! let (mut params, _) = model.init(key(1)).call(&x)?.pop("params")?;
//!
//! // One compiled step of gradient descent.
//! let step = jit(|(params, x, y): (Dict, Tensor, Tensor)| {
//!     let (loss, slopes) = value_and_grad(|p: &Dict| {
//!         let predicted = model.apply(Variables::new().with("params", p)).call(&x)?;
//!         Ok((predicted - &y).square().mean())
//!     })(&params)?;
//!     Ok((tree::zip_map(&params, &slopes, |p, slope| Ok(p - slope * 0.05))?, loss))
//! });
//! let mut losses = vec![];
//! for _ in 0..50 {
//!     let loss;
//!     (params, loss) = step.call((params, x.clone(), y.clone()))?;
//!     losses.push(loss.item::<f32>()?);
//! }
//! assert!(losses[49] < 0.1 * losses[0]);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! # What is where
//! - [`Module`], [`Layer`] and the attributes [`module`](macro@module) and [`compact`]: models. [`mod@module`] says how they work.
//! - [`nn`]: layers, and [`init`] for how their parameters begin.
//! - [`losses`], [`optim`]: what is minimised, and how.
//! - [`Dict`], [`Variables`]: parameters and state; [`variables`] has the tools for them. [`Scope`]: the place of a module.
//! - [`Tensor`]: dynamic shape and dtype, NumPy's broadcasting, JAX's promotion; in and out through `ndarray`.
//! - [`grad`], [`value_and_grad`], [`vjp`], [`jvp`], [`jacrev`], [`jacfwd`], [`hessian`]: derivatives, of any order.
//! - [`vmap`]: a function of one example over a whole batch, with named axes to talk over.
//! - [`jit()`]: traced once, simplified, run many times; the graph can be printed.
//! - [`checkpoint`], [`custom_vjp`], [`eval_shape`]: less memory, gradients of one's own, shapes without numbers.
//! - [`losses`], and [`optim`]: optimizers, schedules, and the state of training.
//! - [`io`]: variables and training states in files, and the weights of PyTorch models.
//! - [`random`]: the numbers of `jax.random` for the same seed, bit for bit.
//! - [`tree`]: everything a transform takes or returns is a tree of tensors; [`Tree`](macro@Tree) makes structs trees.
//!
//! All of them compose, in any order and to any depth.
//!
//! # Numbers
//! Dtypes are those of [`DType`]. A bare Rust number takes on the dtype of the tensor it meets (`bf16 * 2.0` is `bf16`).
//! Operators mean what they mean on JAX arrays: `/` divides integers as floats, `%` has the sign of the divisor.
//! Arithmetic panics on shapes that do not fit, at the caller's line, and has `try_` twins that return an [`Error`];
//! transforms, random keys and files always return `Result`.
//!
//! # Threads
//! Kernels use all cores from a certain size on, and results do not depend on how many there are. Tensors, compiled
//! functions and transforms are `Send` and `Sync`; a thread of one's own inside a transform takes a [`trace_handle`] along.

// What the macros expand to names `::flaxen`, in here as in any other crate.
extern crate self as flaxen;

mod compile;
mod einsum;
mod error;
#[cfg(feature = "io")]
pub mod io;
pub mod kernels;
pub mod module;
pub mod nn;
mod ops;
pub mod optim;
pub mod primitive;
pub mod random;
pub mod scope;
mod tensor;
mod trace;
mod transform;
pub mod tree;
pub mod variables;

pub use flaxen_macros::{compact, module};
pub use module::{Layer, Module};
pub use nn::init;
pub use nn::losses;

pub use compile::{Graph, Known, Operand, Rewrite, Var};
pub use error::{Error, Result};
pub use kernels::linalg::{Side, Triangle};
pub use ops::axes::IntoAxes;
pub use ops::collective::{axis_index, axis_size};
pub use ops::conv::{ConvLayout, ConvOptions};
pub use ops::dot_general::DotDimensions;
pub use ops::einsum::{einsum, try_einsum};
pub use ops::operators::Scalar;
pub use ops::pad::PadMode;
pub use ops::padding::Padding;
pub use ops::pooling::{AvgPool, Pool, avg_pool, max_pool, min_pool};
pub use ops::reduce_window::{WindowOptions, WindowReduction};
pub use scope::{Initializer, Rngs, Scope, Variable};
pub use tensor::{Array, Aval, DType, Element, Shape, Tensor, release_memory};
pub use trace::{Axis, Handle, bind, bind1, trace_handle};
pub use transform::{
    Axes, CustomVjp, DynJit, Jacobian, Jit, Loss, Vmap, checkpoint, custom_vjp, eval_shape, grad, hessian,
    jacfwd, jacrev, jit, jvp, value_and_grad, vjp, vmap,
};
pub use tree::{Static, Tree};
pub use variables::{DenyList, Dict, Filter, Value, Variables};

/// What expansions of the macros name.
#[doc(hidden)]
pub mod __private {
    pub use crate::module::private::*;
}

/// What most programs use.
pub mod prelude {
    pub use crate::module::{Layer, Module};
    pub use crate::nn::losses::{self, softmax_cross_entropy, softmax_cross_entropy_with_integer_labels};
    pub use crate::nn::{self, BatchNorm, Conv, Dense, Dropout, LayerNorm, Sequential, init};
    pub use crate::optim::{self, AdamState, GradientTransformation, TrainState};
    pub use crate::random::{self, key};
    pub use crate::scope::{Initializer, Rngs, Scope, Variable};
    pub use crate::tree::{self, Static, Tree};
    pub use crate::variables::{DenyList, Dict, Filter, Value, Variables};
    pub use crate::{
        Aval, ConvOptions, DType, DynJit, Error, Jit, Padding, Result, Tensor, avg_pool, axis_index,
        checkpoint, custom_vjp, einsum, grad, hessian, jacfwd, jacrev, jit, jvp, max_pool, min_pool,
        value_and_grad, vjp, vmap,
    };
    pub use crate::{compact, module, sequential};
}

/// The README's program compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
