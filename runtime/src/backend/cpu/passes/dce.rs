//! Dead code: equations without effects, and constants, that no result depends on are dropped, and so are results that nobody reads
//! of equations that can do without them. Liveness, in one walk from the end: in single-assignment form without branches that is a
//! fixed point.

use crate::backend::cpu::schedule::Schedule;
use crate::core::Graph;
use crate::core::graph::Effects;
use crate::core::primitive::{Outs, Pruned};

impl Graph {
    pub(crate) fn dce(self) -> Graph {
        self.without_dead(|primitive, live| {
            let Pruned { primitive, args, outs } = primitive.prune(live)?;
            Some((primitive, args, outs))
        })
    }
}

impl Schedule {
    /// Programs within were pruned when the graph was.
    pub(crate) fn dce(self) -> Schedule {
        self.without_dead(|_, _| None)
    }
}

impl<P: Effects> Graph<P> {
    /// `prune` gives what applies instead where only some outputs are live, with the numbers of its arguments and outputs.
    fn without_dead(
        mut self,
        prune: impl Fn(&P, &[bool]) -> Option<(P, Vec<usize>, Vec<usize>)>,
    ) -> Graph<P> {
        let mut live = vec![false; self.avals.len()];
        for out in &self.outs {
            live[out.index()] = true;
        }
        let mut kept = Vec::with_capacity(self.eqns.len());
        for mut eqn in self.eqns.into_iter().rev() {
            let read: Outs<bool> = eqn.outs.iter().map(|out| live[out.index()]).collect();
            if !read.contains(&true) && !eqn.primitive.has_effects() {
                continue;
            }
            if read.contains(&false)
                && let Some((pruned, args, outs)) = prune(&eqn.primitive, &read)
            {
                eqn.primitive = pruned;
                eqn.args = args.iter().map(|&i| eqn.args[i]).collect();
                eqn.outs = outs.iter().map(|&i| eqn.outs[i]).collect();
            }
            for arg in &eqn.args {
                live[arg.index()] = true;
            }
            kept.push(eqn);
        }
        kept.reverse();
        self.eqns = kept;
        self.consts.retain(|(var, _)| live[var.index()]);
        self
    }
}
