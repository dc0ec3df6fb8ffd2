//! The core: tensors, primitives and their interpreters, and programs as data.
//!
//! Users of models do not need what is here; it is for primitives, and for tools, of one's own.

pub(crate) mod add_any;
pub mod backend;
pub(crate) mod cpu;
pub(crate) mod decompose;
pub(crate) mod domain;
mod dot;
mod flops;
pub(crate) mod graph;
pub mod op;
pub mod primitive;
mod print;
mod profile;
pub mod rewrite;
pub(crate) mod tensor;
pub(crate) mod trace;

pub use backend::{Backend, CompileOptions, Executable, ProgramText};
pub use cpu::{CpuRules, Kernel};
pub use graph::{Eqn, Graph, Var};
pub use profile::{Profile, ProfiledStep};
pub use rewrite::{Match, Operand, Rewrite};
pub use tensor::{Tensor, TensorLike};
pub use trace::{Axis, Handle, bind, bind1, trace_handle};
