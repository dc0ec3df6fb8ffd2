//! Flaxen: Flax Linen for Rust.

mod compile;
mod einsum;
mod error;
pub mod kernels;
mod ops;
pub mod primitive;
pub mod random;
mod tensor;
mod trace;
mod transform;
pub mod tree;

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
pub use tensor::{Array, Aval, DType, Element, Shape, Tensor, release_memory};
pub use trace::{Axis, Handle, bind, bind1, trace_handle};
pub use transform::{
    Axes, CustomVjp, DynJit, Jacobian, Jit, Loss, Vmap, checkpoint, custom_vjp, eval_shape, grad, hessian,
    jacfwd, jacrev, jit, jvp, value_and_grad, vjp, vmap,
};
pub use tree::{Static, Tree};

/// What most programs use.
pub mod prelude {
    pub use crate::tree::{self, Static, Tree};
    pub use crate::{
        Aval, ConvOptions, DType, DynJit, Error, Jit, Padding, Result, Tensor, avg_pool, axis_index,
        checkpoint, custom_vjp, einsum, grad, hessian, jacfwd, jacrev, jit, jvp, max_pool, min_pool,
        value_and_grad, vjp, vmap,
    };
}
