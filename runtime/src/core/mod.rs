//! The core: tensors, primitives and their interpreters, programs as data, and what a backend is.
//!
//! Users of models do not need what is here; it is for primitives, for tools, and for backends of one's own.
//!
//! # A primitive of one's own
//! says what it is called, which shapes it gives, and what it decomposes into. That is enough for every transform and every
//! backend:
//!
//! ```
//! use flaxen::Aval;
//! use flaxen::core::bind1;
//! use flaxen::core::primitive::{Outs, Primitive};
//! use flaxen::prelude::*;
//!
//! /// `log(1 + eˣ)`.
//! #[derive(Clone, Debug, PartialEq)]
//! struct Softplus;
//!
//! impl Primitive for Softplus {
//!     fn name(&self) -> &'static str {
//!         "softplus"
//!     }
//!
//!     fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
//!         Ok(Outs::from_iter([args[0].clone()]))
//!     }
//!
//!     fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
//!         Ok(Outs::from_iter([args[0].logaddexp(0.0)]))
//!     }
//! }
//!
//! let softplus = |x: &Tensor| bind1(&Softplus, [x.clone()]);
//! let derivative = grad(softplus)(&Tensor::from(0.0))?;
//! assert_eq!(derivative.item::<f32>()?, 0.5);
//! // A graph has it as one equation; a program has what it decomposes into.
//! let f = jit(|x: Tensor| vmap(|x: Tensor| softplus(&x)).call(x));
//! assert!(f.graph(&Tensor::zeros([3]))?.primitives().eq(["softplus"]));
//! assert_eq!(f.call(Tensor::zeros([3]))?.to_vec::<f32>()?, [2f32.ln(); 3]);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! [`Primitive::vjp`](primitive::Primitive::vjp) gives it a gradient of its own, and [`CpuRules`] a kernel of its own. Under `vmap` that
//! runs if [`Primitive::batch`](primitive::Primitive::batch) binds what has one, and else the decomposition.
//!
//! # A backend of one's own
//! implements [`Backend`]: one match over [`Op`](op::Op) for the equations of a [`Graph`]. `tests/src/naive_backend` is one.

pub(crate) mod add_any;
pub mod backend;
pub(crate) mod callback;
pub(crate) mod cpu;
pub(crate) mod decompose;
pub(crate) mod domain;
mod dot;
mod flops;
pub(crate) mod graph;
pub mod op;
pub(crate) mod precision;
pub mod primitive;
mod print;
mod profile;
pub mod rewrite;
pub(crate) mod tensor;
pub(crate) mod trace;

pub use crate::array::DeviceBuffer;
pub use backend::{Backend, CacheLookup, CompileOptions, Executable, IntoBackend, ProgramText};
pub use callback::Callback;
pub use cpu::{CpuRules, Kernel};
pub use graph::{Eqn, Graph, Var};
pub use profile::{Profile, ProfiledStep};
pub use rewrite::{Match, Operand, Rewrite};
pub use tensor::{Tensor, TensorLike};
pub use trace::{Axis, Handle, bind, bind1, trace_handle};
