//! Graphs cut into two, and put together anew.

use std::sync::Arc;

use crate::array::Aval;
use crate::core::primitive::Primitive;
use crate::core::{Eqn, Graph, Var};

impl Graph {
    /// Adds an equation of one output behind the others, as if staged where the last one was.
    pub(super) fn push(
        &mut self,
        primitive: impl Primitive,
        args: impl IntoIterator<Item = Var>,
        aval: Aval,
    ) -> Var {
        let out = self.add_var(aval);
        let (location, path) = match self.eqns.last() {
            Some(last) => (last.location, last.path.clone()),
            None => (std::panic::Location::caller(), None),
        };
        let args = args.into_iter().collect();
        let outs = [out].into_iter().collect();
        self.eqns.push(Eqn { primitive: Arc::new(primitive), args, outs, location, path });
        out
    }

    /// A variable that nothing makes yet.
    pub(crate) fn add_var(&mut self, aval: Aval) -> Var {
        self.avals.push(aval);
        Var(self.avals.len() as u32 - 1)
    }

    /// By variable: whether an equation reads it, or it is an output.
    pub(super) fn is_read(&self) -> Vec<bool> {
        let mut read = vec![false; self.avals.len()];
        let args = self.eqns.iter().flat_map(|eqn| &eqn.args);
        args.chain(&self.outs).for_each(|var| read[var.index()] = true);
        read
    }
}

/// Two graphs over the variables of one, without inputs: the caller knows what these are.
pub(super) struct Cut {
    /// The equations that go out, with what they need; their results are its outputs.
    pub outer: Graph,
    /// The other equations; results of the outer ones are free variables.
    pub inner: Graph,
}

/// Cuts equations out of a graph. What they are made from is computed in the outer graph, and again in the inner one where that
/// needs it; none if the inner graph needs nothing of them.
pub(super) fn cut(graph: &Graph, goes_out: &[bool]) -> Option<Cut> {
    let mut needed = vec![false; graph.avals.len()];
    graph.outs.iter().for_each(|out| needed[out.index()] = true);
    let (mut inner, mut crossing) = (Vec::new(), Vec::new());
    for (eqn, &out) in graph.eqns.iter().zip(goes_out).rev() {
        if !eqn.outs.iter().any(|out| needed[out.index()]) && !eqn.primitive.has_effects() {
            continue;
        }
        if out {
            crossing.extend(eqn.outs.iter().copied().filter(|out| needed[out.index()]));
            continue;
        }
        eqn.args.iter().for_each(|arg| needed[arg.index()] = true);
        inner.push(eqn.clone());
    }
    if crossing.is_empty() {
        return None;
    }
    inner.reverse();
    crossing.reverse();
    let mut needed = vec![false; graph.avals.len()];
    crossing.iter().for_each(|out| needed[out.index()] = true);
    let mut outer = Vec::new();
    for eqn in graph.eqns.iter().rev() {
        if eqn.outs.iter().any(|out| needed[out.index()]) {
            eqn.args.iter().for_each(|arg| needed[arg.index()] = true);
            outer.push(eqn.clone());
        }
    }
    outer.reverse();
    let part = |eqns: Vec<Eqn>, outs: Vec<Var>| Graph {
        avals: graph.avals.clone(),
        inputs: Vec::new(),
        consts: graph.consts.clone(),
        eqns,
        outs,
    };
    Some(Cut { outer: part(outer, crossing), inner: part(inner, graph.outs.clone()) })
}
