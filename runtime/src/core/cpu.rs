//! What the CPU asks a primitive for.

use std::sync::Arc;

use crate::array::{Array, Aval};
use crate::core::primitive::{Args, Outs, Primitive};
use crate::core::rewrite::{Match, Rewrite};
use crate::error::Result;

/// The CPU's half of a primitive: its kernel, and what makes it faster.
///
/// A primitive without one runs as what it decomposes into ([`Primitive::decompose`]). What `op` says already is not asked for
/// again: whether it becomes part of a fused kernel, for example, follows from its being a function of elements.
pub trait CpuRules: Primitive {
    /// The kernel. The arguments are owned: it may write into one whose buffer nobody else holds.
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>>;

    /// The kernel for arguments and an output of these shapes, if it reads and writes nothing but their elements.
    ///
    /// What depends on shapes alone is found out once, here, and not at every run.
    fn specialize(&self, _args: &[&Aval], _out: &Aval) -> Option<Box<dyn Kernel>> {
        None
    }

    /// The same operation where the first argument and the output have so many examples, along their first axes; none unless
    /// it computes each example of the output from that of the first argument, and from the other arguments, and gives the
    /// same bits for any number of them. Operations that
    /// do so whatever shapes they meet need no such rule.
    fn with_batch_size(&self, _count: usize) -> Option<Arc<dyn Primitive>> {
        None
    }

    /// What may stand in place of this equation, given what is known of its arguments.
    fn simplify(&self, _args: &[Match<'_>]) -> Option<Rewrite> {
        None
    }

    /// Whether it takes no longer to read what argument `i` is made from than the argument itself.
    ///
    /// A rewrite that reads beneath an argument ([`Operand::Inner`](crate::core::rewrite::Operand)) where that does take longer is for
    /// arguments that nobody else needs ([`Match::is_shared`]): many readers would repeat what one step does for all.
    fn reads_beneath(&self, _args: &[Match<'_>], _i: usize) -> bool {
        false
    }

    /// The number all elements of the output have, if the arguments say so.
    fn splat(&self, _args: &[Match<'_>]) -> Option<f64> {
        None
    }
}

/// Says, among the rules of a primitive, that it has [`CpuRules`].
macro_rules! on_cpu {
    () => {
        fn cpu(&self) -> Option<&dyn $crate::core::cpu::CpuRules> {
            Some(self)
        }
    };
}
pub(crate) use on_cpu;

/// A kernel whose shapes are known.
pub trait Kernel: Send + Sync {
    /// Computes the output, all of it, from the elements of the arguments.
    fn run(&self, args: &[&[u8]], out: &mut [u8]);

    /// As [`run`](Kernel::run), and calls `epilogue` with each tile of the output as soon as nothing reads or writes it any
    /// more, and the number of bytes before it. Tiles cover the output and do not overlap; `epilogue` changes them, and may be
    /// called from several threads.
    fn run_with_epilogue(
        &self,
        args: &[&[u8]],
        out: &mut [u8],
        epilogue: &(dyn Fn(usize, &mut [u8]) + Sync),
    ) {
        self.run(args, out);
        epilogue(0, out);
    }

    /// Elements that tiles are whole rows of, 1 if they may be any; none if the output is finished all at once.
    fn tile(&self) -> Option<usize> {
        None
    }
}

impl<F: Fn(&[&[u8]], &mut [u8]) + Send + Sync> Kernel for F {
    fn run(&self, args: &[&[u8]], out: &mut [u8]) {
        self(args, out);
    }
}
