//! Flaxen: Flax Linen for Rust.
//!
//! What is here is the core that modules stand on: tensors, and functions of functions of them.
//!
//! - [`Tensor`]: dynamic shape and dtype, NumPy's broadcasting, JAX's promotion; in and out through `ndarray`.
//! - [`grad`], [`value_and_grad`], [`vjp`], [`jvp`], [`jacrev`], [`jacfwd`], [`hessian`]: derivatives, of any order.
//! - [`vmap`]: a function of one example over a whole batch, with named axes to talk over.
//! - [`jit()`]: traced once, simplified, run many times; the graph can be printed.
//! - [`checkpoint`], [`custom_vjp`], [`eval_shape`]: less memory, gradients of one's own, shapes without numbers.
//! - [`random`]: the numbers of `jax.random` for the same seed, bit for bit.
//! - [`tree`]: everything a transform takes or returns is a tree of tensors; [`Tree`](macro@Tree) makes structs trees.
//!
//! All of them compose, in any order and to any depth:
//!
//! ```
//! use flaxen::prelude::*;
//!
//! // One example, as a formula.
//! let predict = |w: &Tensor, x: &Tensor| (x * w).sum().tanh();
//!
//! // A batch of examples, the gradient of their loss, and one compiled step of gradient descent.
//! let step = jit(|(w, xs, ys): (Tensor, Tensor, Tensor)| {
//!     let (loss, dw) = value_and_grad(|w: &Tensor| {
//!         let predicted = vmap(|x: Tensor| Ok(predict(w, &x))).call(xs.clone())?;
//!         Ok((predicted - &ys).square().mean())
//!     })(&w)?;
//!     Ok((w - dw * 0.5, loss))
//! });
//!
//! let xs = random::normal(&random::key(0), [32, 3]);
//! let ys = xs.index_axis(1, 0).tanh();
//! let mut w = Tensor::zeros([3]);
//! let mut losses = vec![];
//! for _ in 0..50 {
//!     let loss;
//!     (w, loss) = step.call((w, xs.clone(), ys.clone()))?;
//!     losses.push(loss.item::<f32>()?);
//! }
//! assert!(losses[49] < 0.1 * losses[0]);
//! # Ok::<(), flaxen::Error>(())
//! ```
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
pub mod kernels;
pub mod module;
pub mod nn;
mod ops;
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
    pub use crate::nn::{BatchNorm, Conv, Dense, Dropout, LayerNorm, Sequential, init};
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
