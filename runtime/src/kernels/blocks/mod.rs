//! Vectorised interpretation: each function of elements is one loop over a block of memory, found in a table by function and
//! dtype, so that the cost of interpreting is paid once a block (P. A. Boncz, M. Zukowski and N. Nes, "MonetDB/X100:
//! hyper-pipelining query execution", 2005).
//!
//! Operations one by one and the interpreter of fused kernels run the same loops, so that there is one instance of each
//! function and dtype, and not one for each way of calling it.

mod complex;
mod loops;
mod power;
mod table;
#[cfg(test)]
mod tests;
mod widened;

pub(crate) use loops::{Block, expand, read, wide, write};
pub(crate) use table::{InPlace, copy, entry, in_place, mixed};
