//! What the CPU asks a primitive for.

use crate::array::Shape;
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

/// How a primitive fits into a fused kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum Fusible {
    /// It computes each element from those of its arguments, all of which broadcast to the output.
    Elementwise(ScalarOp),
    /// It folds the elements along ascending axes.
    Reduce(ReduceOp, Shape),
    /// Its output is its argument, element by element in row-major order, under another shape.
    Reshape,
}

/// A kernel whose shapes are known.
pub trait Kernel: Send + Sync {
    /// Computes the output, all of it, from the numbers of the arguments.
    fn run(&self, args: &[&[u8]], out: &mut [u8]);

    /// As [`run`](Kernel::run), and calls `then` with each piece of the output as soon as nothing reads or writes it any
    /// more, and the number of bytes before it. Pieces cover the output and do not overlap; `then` changes them, and may be
    /// called from several threads.
    fn run_with_epilogue(&self, args: &[&[u8]], out: &mut [u8], then: &(dyn Fn(usize, &mut [u8]) + Sync)) {
        self.run(args, out);
        then(0, out);
    }

    /// Elements that pieces are whole rows of, 1 if they may be any; none if the output is finished all at once.
    fn tile(&self) -> Option<usize> {
        None
    }
}

impl<F: Fn(&[&[u8]], &mut [u8]) + Send + Sync> Kernel for F {
    fn run(&self, args: &[&[u8]], out: &mut [u8]) {
        self(args, out);
    }
}
