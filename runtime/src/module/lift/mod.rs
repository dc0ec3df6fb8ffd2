//! Lifted transforms: [`vmap`](crate::vmap()), [`checkpoint`](crate::checkpoint()), [`jit`](crate::jit()), `scan` and their like
//! for modules, whose variables and random keys pass through them.

mod branches;
mod custom_vjp;
mod fold_rngs;
mod gradients;
pub(super) mod groups;
mod jit;
mod map_variables;
mod metadata;
pub(super) mod module;
mod pack;
mod passes;
mod remat;
mod remat_scan;
mod scan;
mod target;
mod vmap;
mod while_loop;

pub use branches::{Branches, cond, switch};
pub use custom_vjp::custom_vjp;
pub use fold_rngs::{FoldRngs, fold_rngs};
pub use gradients::{Pullback, grad, jvp, value_and_grad, vjp, vjp_of};
pub use jit::{Jit, JitOver, jit};
pub(crate) use map_variables::with_mapped_params;
pub use map_variables::{MapVariables, map_variables};
pub use metadata::add_metadata_axis;
pub use module::Parameter;
pub use remat::{Remat, RematOver, remat};
pub use remat_scan::RematScan;
pub use scan::{Scan, ScanOver, scan};
pub use target::{Found, Inside, Target};
pub use vmap::{Vmap, VmapOver, vmap};
pub use while_loop::{WhileLoop, while_loop};
