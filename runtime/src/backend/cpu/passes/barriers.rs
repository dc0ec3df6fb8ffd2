//! Barriers of several values become one each, which memory planning takes for no step at all: they were for the passes over
//! graphs, and go on keeping what is on one side of them from joining a kernel on the other.

use smallvec::smallvec;

use crate::core::op::Op;
use crate::core::{Eqn, Graph};

impl Graph {
    /// One barrier for each value.
    #[must_use]
    pub(crate) fn part_barriers(mut self) -> Graph {
        if !self.eqns.iter().any(|eqn| matches!(eqn.primitive.op(), Op::Barrier)) {
            return self;
        }
        let mut eqns = Vec::with_capacity(self.eqns.len());
        for eqn in self.eqns {
            if !matches!(eqn.primitive.op(), Op::Barrier) {
                eqns.push(eqn);
                continue;
            }
            for (&arg, &out) in eqn.args.iter().zip(&eqn.outs) {
                eqns.push(Eqn { args: smallvec![arg], outs: smallvec![out], ..eqn.clone() });
            }
        }
        self.eqns = eqns;
        self
    }
}
