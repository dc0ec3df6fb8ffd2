//! How much work a graph is.

use std::ops::Range;

use crate::array::Aval;
use crate::core::op::Op;
use crate::core::primitive::{Args, Outs};
use crate::core::{Eqn, Graph, Var};

impl Op<'_> {
    /// The floating-point operations that the operation alone tells of.
    pub(crate) fn flops(self, outs: &[&Aval]) -> u64 {
        if self.is_data_movement() {
            return 0;
        }
        let within = self.subgraphs().map(|graph| graph.flops(0..graph.len())).reduce(u64::saturating_add);
        within.unwrap_or_else(|| outs.iter().map(|out| out.size() as u64).fold(0, u64::saturating_add))
    }
}

impl Graph {
    /// The floating-point operations of some of the equations.
    pub(crate) fn flops(&self, equations: Range<usize>) -> u64 {
        let of = |eqn: &Eqn| {
            let args: Args<&Aval> = eqn.args.iter().map(|&var| self.aval(var)).collect();
            let outs: Outs<&Aval> = eqn.outs.iter().map(|&var| self.aval(var)).collect();
            eqn.primitive.flops(&args, &outs)
        };
        self.eqns[equations].iter().map(of).fold(0, u64::saturating_add)
    }

    /// Some of the equations as a graph of their own: what they read is its inputs, what others read of them its outputs.
    pub(crate) fn part(&self, equations: Range<usize>) -> Graph {
        let mut defined = vec![false; self.avals.len()];
        let mut read_within = vec![false; self.avals.len()];
        let mut inputs = Vec::new();
        for eqn in &self.eqns[equations.clone()] {
            for &arg in &eqn.args {
                if !defined[arg.index()] && !inputs.contains(&arg) {
                    inputs.push(arg);
                }
                read_within[arg.index()] = true;
            }
            eqn.outs.iter().for_each(|out| defined[out.index()] = true);
        }
        let mut read_after = vec![false; self.avals.len()];
        let after = self.eqns[equations.end..].iter().flat_map(|eqn| &eqn.args).chain(&self.outs);
        after.for_each(|var| read_after[var.index()] = true);
        let made = self.eqns[equations.clone()].iter().flat_map(|eqn| &eqn.outs).copied();
        // What nobody reads at all is an output, too: the method may have returned it.
        let outs = made.filter(|var| read_after[var.index()] || !read_within[var.index()]).collect();
        // A captured array may be the argument of the part; a captured number is part of its formula.
        let is_number = |input: &Var| self.aval(*input).shape.is_empty();
        let is_const = |input: &Var| is_number(input) && self.consts.iter().any(|(var, _)| var == input);
        let (consts, inputs): (Vec<_>, Vec<_>) = inputs.into_iter().partition(is_const);
        let consts = self.consts.iter().filter(|(var, _)| consts.contains(var)).cloned().collect();
        Graph { avals: self.avals.clone(), inputs, consts, eqns: self.eqns[equations].to_vec(), outs }
    }
}
