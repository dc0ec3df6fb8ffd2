//! What runs graphs.

pub(crate) mod cpu;

use crate::core::CompileOptions;
use crate::ops::call::Target;

/// What functions are compiled by, unless told otherwise.
pub(crate) const CPU: Target = Target { backend: &cpu::Cpu, options: CompileOptions { fuse: true } };
