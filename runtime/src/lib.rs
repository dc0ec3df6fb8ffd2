//! Flaxen: Flax Linen for Rust.
//!
//! Neural networks are plain structs, variables are plain values, and `grad`, `vmap` and `jit` work over ordinary functions of
//! them. This page goes from a first model to its training; the [guides](guide) go on from there.
//!
//! # A model
//!
//! A model is a struct with the attribute [`module`](macro@module). Its fields are its configuration. A method with the attribute
//! [`compact`] may build submodules where it calls them:
//!
//! ```
//! use flaxen::prelude::*;
//!
//! #[module]
//! struct Mlp {
//!     hidden: usize,
//!     #[module(default = 1)]
//!     outputs: usize,
//! }
//!
//! impl Layer for Mlp {
//!     #[compact]
//!     fn call(&self, x: &Tensor) -> Result<Tensor> {
//!         let x = Dense::new(self.hidden).call(x)?.tanh();
//!         Dense::new(self.outputs).call(&x)
//!     }
//! }
//!
//! // Required fields are arguments of `new`, the others have setters.
//! let model = Mlp::new(16).outputs(2);
//! # assert_eq!(model.outputs, 2);
//! ```
//!
//! [`Layer`] is for models that take a tensor and return one. Any other signature does as well, in a plain `impl`.
//!
//! # Its variables
//!
//! The model holds no values. [`init`](Module::init) makes its parameters from a random key and an example of its input, and returns
//! them: a [`Dict`] for each collection, named by the submodules. [`apply`](Module::apply) takes them.
//!
//! ```
//! # use flaxen::prelude::*;
//! # #[module]
//! # struct Mlp {
//! #     hidden: usize,
//! #     #[module(default = 1)]
//! #     outputs: usize,
//! # }
//! # impl Layer for Mlp {
//! #     #[compact]
//! #     fn call(&self, x: &Tensor) -> Result<Tensor> {
//! #         let x = Dense::new(self.hidden).call(x)?.tanh();
//! #         Dense::new(self.outputs).call(&x)
//! #     }
//! # }
//! let model = Mlp::new(16);
//! let x = random::normal(&key(0), [64, 3]);
//! let variables = model.init(key(1)).call(&x)?;
//! assert_eq!(variables.tensor("params/Dense_0/kernel")?.shape(), [3, 16]);
//!
//! let y = model.apply(&variables).call(&x)?;
//! assert_eq!(y.shape(), [64, 1]);
//! // A table of all submodules, with their shapes and counts.
//! println!("{}", model.tabulate(key(1)).call(&x)?);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! The same key gives the values that Flax gives.
//!
//! # A loss and its gradient
//!
//! [`value_and_grad`] takes a function and returns one: of the same argument, which it differentiates by. A function of
//! parameters is a closure that applies the model:
//!
//! ```
//! # use flaxen::prelude::*;
//! # let model = sequential![Dense::new(16), Tensor::tanh, Dense::new(1)];
//! # let x = random::normal(&key(0), [64, 3]);
//! let y = x.sum_keep(1);
//! let (params, _) = model.init(key(1)).call(&x)?.pop("params")?;
//! let loss = |params: &Dict| {
//!     let predicted = model.apply(Variables::new().with("params", params)).call(&x)?;
//!     Ok((predicted - &y).square().mean())
//! };
//! let (value, grads) = value_and_grad(loss)(&params)?;
//! // The gradient has the structure of the parameters.
//! let stepped = tree::zip_map(&params, &grads, |p, gradient| Ok(p - gradient * 0.05))?;
//! assert!(loss(&stepped)?.item::<f32>()? < value.item::<f32>()?);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! # Training
//!
//! [`optim`] has the optimizers: values again, with a state of their own. A step of training takes parameters, state and data, and
//! returns what became of them; [`jit`](jit()) traces it once for each shape of its arguments, and compiles it.
//!
//! ```
//! # use flaxen::prelude::*;
//! # let model = sequential![Dense::new(16), Tensor::tanh, Dense::new(1)];
//! # let x = random::normal(&key(0), [64, 3]);
//! # let y = x.sum_keep(1);
//! let (mut params, _) = model.init(key(1)).call(&x)?.pop("params")?;
//! let tx = optim::adam(0.02);
//! let mut state = tx.init(&params);
//!
//! let step = jit(|(params, state, x, y): (Dict, AdamState, Tensor, Tensor)| {
//!     let (loss, grads) = value_and_grad(|params: &Dict| {
//!         let predicted = model.apply(Variables::new().with("params", params)).call(&x)?;
//!         Ok((predicted - &y).square().mean())
//!     })(&params)?;
//!     let (updates, state) = tx.update(&grads, &state, &params)?;
//!     Ok((optim::apply_updates(&params, &updates)?, state, loss))
//! });
//!
//! let mut losses = vec![];
//! for _ in 0..100 {
//!     let loss;
//!     // By value: the step writes the new parameters into the memory of the old ones.
//!     (params, state, loss) = step.call((params, state, x.clone(), y.clone()))?;
//!     losses.push(loss.item::<f32>()?);
//! }
//! assert!(losses[99] < 0.05 * losses[0]);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! # On disk
//!
//! ```
//! # use flaxen::prelude::*;
//! # let model = Dense::new(1);
//! # let x = random::normal(&key(0), [64, 3]);
//! # let (params, _) = model.init(key(1)).call(&x)?.pop("params")?;
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("model.safetensors");
//! use flaxen::io::safetensors;
//!
//! safetensors::save(&path, &params)?;
//! let params = safetensors::load(&path)?;
//! let y = model.apply(Variables::new().with("params", &params)).call(&x)?;
//! # assert_eq!(y.shape(), [64, 1]);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! `examples/mnist` is all of this for a convolutional network on handwritten digits, and `examples/template` a project of its own, to be
//! copied. From here, read the guides: training loops, averages, half precision and serving in [`guide::recipes`], running statistics
//! and dropout in [`guide::state`], what goes on inside a model in [`guide::intermediates`], edits of parameters in
//! [`guide::surgery`], and [`guide::from_pytorch`].
//!
//! # What is where
//! - [`Module`], [`Layer`] and the attributes [`module`](macro@module) and [`compact`]: models. [`mod@module`] says how they work.
//! - [`nn`]: layers, and [`init`] for how their parameters begin.
//! - [`losses`], and [`optim`]: optimizers, schedules, and the state of training.
//! - [`Dict`], [`Variables`]: parameters and state; [`variables`] has the tools for them. [`Scope`]: the path of a module, and what
//!   it may read and write there.
//! - [`train`]: batches, metrics and progress around a step; [`explore`]: a model as a page to look at.
//! - [`io`]: variables and training states in files, and the weights of PyTorch models.
//! - [`Tensor`]: dynamic shape and dtype, NumPy's broadcasting, JAX's promotion; in and out through `ndarray`.
//! - [`grad`], [`value_and_grad`], [`vjp`], [`jvp`], [`jacrev`], [`jacfwd`], [`hessian`]: derivatives, of any order.
//! - [`vmap`](vmap()): a function of one example over a whole batch, with named axes to talk over.
//! - [`jit`](jit()): traced once, simplified, run many times; the graph can be printed. [`Jit::buckets`]: lengths that change.
//! - [`scan`](scan()), [`while_loop`](while_loop()), [`fori_loop`](fori_loop()), [`cond`](cond()), [`switch`](switch()), [`map`](map()),
//!   [`associative_scan`](associative_scan()): loops and branches that stay such when they are compiled; [`debug`] looks into them.
//! - [`lift`]: transforms of modules, whose variables and random keys pass through them.
//! - [`checkpoint`](checkpoint()), [`custom_vjp`], [`custom_jvp`], [`eval_shape`]: less memory, derivatives of one's own, shapes without
//!   values.
//! - [`parallel`]: many ranks, threads or processes, that run one program on parts of the data; [`guide::parallel`].
//! - [`random`]: the samples of `jax.random` for the same seed, bit for bit.
//! - [`tree`]: everything a transform takes or returns is a tree of tensors; [`Tree`](macro@Tree) makes structs trees.
//! - [`core`](mod@core): graphs and their rewrites, and primitives of one's own.
//!
//! All of them compose, in any order and to any depth.
//!
//! # Numbers
//! Dtypes are those of [`DType`]: 32 bits unless more are asked for, as in JAX. Data that come without a dtype, from literals,
//! slices, `ndarray`, [`full`](Tensor::full), [`arange`](Tensor::arange) or a distribution, become `F32` where they are `f64`,
//! and `I32` where they are `i64`; an integer that does not fit is an error. All bits stay in what names its dtype, which needs
//! no switch, unlike in JAX: [`Tensor::of`], functions whose names end in `_of`, `cast`, `param_dtype`, and files, which are read
//! as they were written. [`enable_f64`] keeps untyped data at 64 bits for the whole process. A layer does not compute in
//! `F64` because its input is: beside parameters of `F32` that is an error.
//!
//! ```
//! # use flaxen::prelude::*;
//! assert_eq!(Tensor::from([0.1, 0.2]).dtype(), DType::F32);
//! assert_eq!(Tensor::of([0.1, 0.2], DType::F64).dtype(), DType::F64);
//! // Numbers come out as their own type or a wider one.
//! let half: f64 = Tensor::from([0.25, 0.75]).mean().item()?;
//! assert_eq!(half, 0.5);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! A bare number beside a tensor is *weak*, in operators and methods alike: it takes on the tensor's dtype (`x * 2.0` and
//! `x.maximum(2.0)` are `BF16` if `x` is), unless it is of a larger kind (`I32` with `0.5` is `F32`). A tensor never is, also
//! not one of a single number: `Tensor::from(2.0)` is an `F32`, whatever it meets.
//!
//! Operators mean what they mean on JAX arrays: `/` divides integers as floats, `%` has the sign of the divisor.
//! What makes a tensor of tensors panics on what does not fit, at the caller's line, and has a `try_` twin that returns an [`Error`]:
//! arithmetic, samplers, losses, indexing. Everything else that can fail returns a `Result`: modules, transforms, optimizers, files.
//! Sizes that cannot be addressed, and memory that is not there ([`Error::OutOfMemory`]), are errors in what returns `Result`,
//! and panics that say so elsewhere.
//!
//! These have the same bits on every processor, one by one, fused and compiled:
//!
//! | what | gives |
//! |---|---|
//! | `F32` and `F64` to `F16` | the nearest number, ties to even, in one rounding, as NumPy; JAX on CPU rounds `F64` twice |
//! | `F64` and integers to `BF16` | by way of `F32`, as JAX and `ml_dtypes` |
//! | integers to `F16` | the nearest number |
//! | the larger of 0 and -0 | 0 in either order, and the smaller is -0, in reductions, windows and updates too: `relu(-0)` is 0. JAX says so as well, but for some large sums by column |
//! | the larger or the smaller of NaN and anything | the NaN without sign and payload |
//! | signed integers `//` 0 | -2, but 0 // 0 is -1; the least number // -1 is itself |
//! | unsigned integers `//` 0 | the largest number |
//! | integers `%` 0, and `fmod` by 0 | 0 |
//!
//! # Threads
//! Kernels use all cores from a certain size on, or as many threads as the variable `FLAXEN_NUM_THREADS` or [`set_num_threads`]
//! says, and results do not depend on how many there are. Tensors, compiled
//! functions and transforms are `Send` and `Sync`; a thread of one's own inside a transform takes a [`trace_handle`] along.
//!
//! # Development builds
//! Models train at a usable speed without `--release` if the innermost loops are optimised all the same, which takes some seconds, once.
//! Profiles are a matter of the program, so its own `Cargo.toml` has to say so:
//!
//! ```toml
//! [profile.dev.package.flaxen-kernels]
//! opt-level = 3
//! debug-assertions = false
//! overflow-checks = false
//! ```

// What the macros expand to names `::flaxen`, in here as in any other crate.
extern crate self as flaxen;

// First, so that the page of `Tensor` begins with what tensors are made of.
pub mod core;
mod numpy;

mod array;
mod backend;
mod error;
#[cfg(feature = "io")]
pub mod explore;
pub mod guide;
#[cfg(feature = "io")]
pub mod io;
pub mod kernels;
pub mod module;
pub mod nn;
mod ops;
pub mod optim;
pub mod parallel;
pub mod random;
pub mod scalar;
pub mod scope;
pub mod train;
mod transform;
mod transport;
pub mod tree;
pub mod variables;

pub use flaxen_macros::{compact, module};
pub use module::{Layer, Module, lift};
pub use nn::init;
pub use nn::losses;

pub use array::{Array, Aval, DType, Element, FloatLimits, IntegerLimits, Shape};
pub use backend::device::{Device, MemoryStats};
#[cfg(feature = "pjrt")]
pub use backend::pjrt::PjrtOption;
pub use backend::{compilation_cache, no_compilation_cache, release_memory};
pub use core::op::DotDimensions;
pub use core::precision::{OperandPrecision, Precision, default_matmul_precision};
pub use core::tensor::enable_f64;
pub use core::{Axis, Handle, Profile, Tensor, TensorLike, trace_handle};
pub use error::{Cause, Error, Result};
pub use kernels::linalg::{Side, Triangle};
pub use kernels::threads::{count as num_threads, set_count as set_num_threads};
pub use numpy::convolution::ConvolveMode;
pub use numpy::create_range::RangeNumber;
pub use numpy::differences::Beyond;
pub use numpy::einsum::{einsum, einsum_with, try_einsum, try_einsum_with};
pub use numpy::grids::Indexing;
pub use numpy::indexing::{At, Ellipsis, Index, IndexMode, Indices, IntoIndex, NewAxis, Slice};
pub use numpy::linalg::{MatrixNorm, multi_dot, try_multi_dot};
pub use numpy::nonzero::RavelMode;
pub use numpy::operators::Scalar;
pub use numpy::pooling::{AvgPool, Pool, avg_pool, max_pool, min_pool};
pub use numpy::quantile::QuantileMethod;
pub use numpy::ravel::{Unravel, ravel};
pub use numpy::sets::Unique;
#[doc(inline)]
pub use numpy::{fft, image, signal, special, stats};
pub use ops::axes::{Int, IntoAxes, IntoShape};
pub use ops::barrier::optimization_barrier;
pub use ops::collective::{AxisNames, axis_index, axis_size};
pub use ops::conv::{ConvLayout, ConvOptions};
pub use ops::dot_general::DotOptions;
pub use ops::elementwise::ClipBound;
pub use ops::pad::PadMode;
pub use ops::padding::Padding;
pub use ops::reduce_window::{WindowOptions, WindowReduction};
pub use scope::{Initializer, Rngs, Scope, Variable};
pub use transform::collectives;
pub use transform::debug;
pub use transform::{
    AssociativeScan, Axes, Bounds, Branches, Bucketed, Checkpoint, CustomJvp, CustomVjp, DynJit, Jacobian,
    Jit, JitStats, Lengths, Loss, Map, Scan, Vmap, associative_scan, checkpoint, checkpoint_name, cond,
    custom_jvp, custom_vjp, eval_shape, fori_loop, grad, hessian, jacfwd, jacrev, jit, jvp, map, scan,
    switch, value_and_grad, vjp, vmap, while_loop,
};
pub use tree::{Static, Tree};
pub use variables::{DenyList, Dict, Filter, Value, Variables};

/// Compiled functions as text in StableHLO, which JAX, IREE and devices of XLA run.
///
/// The text is one module in the dialects `func` and `stablehlo`. Its function `main` takes the leaves of the argument in order, and
/// returns those of the result; their paths are attributes, `jax.arg_info` and `jax.result_info`, and locations. Numbers in the program
/// are bits, and random bits are computed in the text, so that it computes the same wherever it runs.
///
/// ```
/// use flaxen::export;
/// use flaxen::prelude::*;
///
/// let f = jit(|(w, x): (Tensor, Tensor)| Ok((x.dot(&w)).tanh()));
/// let text = export::stablehlo(&f, &(Tensor::ones([3, 2]), Tensor::ones([4, 3])))?;
/// assert!(text.contains("func.func public @main(%0: tensor<3x2xf32>"));
/// assert!(text.contains("stablehlo.dot_general") && text.contains("stablehlo.tanh"));
/// # Ok::<(), flaxen::Error>(())
/// ```
pub mod export {
    #[cfg(feature = "io")]
    pub use crate::io::export::{load, save};
    pub use crate::transform::export::{Exported, Leaf, graph, stablehlo};
    #[cfg(feature = "pjrt")]
    pub use crate::transform::loaded::Loaded;
}

/// What expansions of the macros name.
#[doc(hidden)]
pub mod __private {
    pub use crate::module::private::*;
}

/// What most programs use.
pub mod prelude {
    #[cfg(feature = "io")]
    pub use crate::explore::Explore;
    pub use crate::module::{Layer, Module};
    pub use crate::nn::losses::{self, softmax_cross_entropy, softmax_cross_entropy_with_integer_labels};
    pub use crate::nn::{self, BatchNorm, Cell, Conv, Dense, Dropout, LayerNorm, Sequential, init};
    pub use crate::numpy::einsum::einsum;
    pub use crate::optim::{self, AdamState, GradientTransformation, TrainState};
    pub use crate::random::{self, key};
    pub use crate::scope::{Initializer, Rngs, Scope, Variable};
    pub use crate::tree::{self, Static, Tree};
    pub use crate::variables::{DenyList, Dict, Filter, Value, Variables};
    pub use crate::{
        Aval, ConvOptions, DType, DynJit, Error, Jit, Lengths, Padding, Result, Tensor, TensorLike, avg_pool,
        axis_index, checkpoint, cond, custom_jvp, custom_vjp, fori_loop, grad, hessian, jacfwd, jacrev, jit,
        jvp, max_pool, min_pool, scan, switch, value_and_grad, vjp, vmap, while_loop,
    };
    pub use crate::{compact, module, sequential};
}

/// The README's program compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
