//! The transforms, as users call them.

mod axes;
mod carry;
pub mod checkpoint;
mod cond;
mod cost;
mod custom_vjp;
pub mod debug;
mod eval_shape;
mod grad;
mod jacobian;
mod jit;
mod jvp;
mod lazy;
mod scan;
mod stage;
mod vmap;
mod while_loop;

pub use axes::Axes;
pub use checkpoint::{Checkpoint, checkpoint, checkpoint_name};
pub use cond::{Branches, cond, switch};
pub(crate) use cost::{graph_of, vjp_flops};
pub use custom_vjp::{CustomVjp, custom_vjp};
pub use eval_shape::eval_shape;
pub(crate) use grad::vjp_with_aux;
pub use grad::{Loss, grad, value_and_grad, vjp};
pub use jacobian::{Jacobian, hessian, jacfwd, jacrev};
pub use jit::{DynJit, Jit, JitStats, jit};
pub use jvp::jvp;
pub(crate) use lazy::stage_lazily;
pub use scan::{Scan, scan};
pub use vmap::{Vmap, vmap};
pub use while_loop::while_loop;
