//! Arrays without transforms: dtypes, shapes, and memory for elements. Kernels and files need no more of tensors than this.

mod aval;
mod device;
pub(crate) mod dtype;
mod limits;
pub(crate) mod memory;
pub(crate) mod object_pool;
pub(crate) mod pool;
mod storage;

pub(crate) use aval::promote;
pub use aval::{Aval, Shape};
pub use device::DeviceBuffer;
pub use dtype::{DType, Element};
pub use limits::{FloatLimits, IntegerLimits};
pub(crate) use pool::release;
pub use storage::Array;
