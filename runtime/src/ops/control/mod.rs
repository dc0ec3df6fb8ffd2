//! Control flow as primitives: loops over slices ([`scan`]), loops that find their end themselves ([`while_loop`]), and one of
//! several programs ([`cond`]).
//!
//! Each holds its programs as graphs, made by staging a closure; what the closure captures of other transforms are arguments
//! (closure conversion). Their rules are transforms of these graphs, so any transform of any nesting gives primitives of the same
//! three kinds again.

mod activity;
pub(crate) mod cond;
mod edit;
mod hoist;
mod jvp;
pub(crate) mod kept_in_loops;
pub(crate) mod scan;
mod scan_vjp;
pub(crate) mod unroll;
pub(crate) mod while_loop;
