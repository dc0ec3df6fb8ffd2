//! Dead code: equations without effects, and constants, that no result depends on are dropped. Liveness, in one walk from the end: in
//! single-assignment form without branches that is a fixed point.

use crate::core::Graph;
use crate::core::graph::Effects;

impl<P: Effects> Graph<P> {
    pub(crate) fn dce(mut self) -> Graph<P> {
        let mut live = vec![false; self.avals.len()];
        for out in &self.outs {
            live[out.index()] = true;
        }
        let mut kept = Vec::with_capacity(self.eqns.len());
        for eqn in self.eqns.into_iter().rev() {
            if eqn.outs.iter().any(|out| live[out.index()]) || eqn.primitive.has_effects() {
                for arg in &eqn.args {
                    live[arg.index()] = true;
                }
                kept.push(eqn);
            }
        }
        kept.reverse();
        self.eqns = kept;
        self.consts.retain(|(var, _)| live[var.index()]);
        self
    }
}
