//! Policies of `checkpoint` inside of loops: a loop that also returns what is kept of each step, and the same loop reading that.
//!
//! As the rule of partial evaluation by a policy that JAX has for `scan` (`_scan_partial_eval_custom`).

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::scan::{Scan, with_length};
use crate::array::Aval;
use crate::core::primitive::Primitive;
use crate::core::{Eqn, Graph, Var};
use crate::ops::call::Call;
use crate::ops::name::Name;

/// A loop of which a policy keeps something.
pub(crate) struct KeepingLoop {
    /// Has what is kept of all steps as results, behind the others.
    pub forward: Arc<dyn Primitive>,
    /// Takes it as arguments, behind the others, and does not compute it.
    pub again: Arc<dyn Primitive>,
    /// The shapes of what is kept.
    pub kept: Vec<Aval>,
}

/// A program and what is kept of it: the variable that is made, and the one that is read in its place.
struct Cut {
    forward: Graph,
    again: Graph,
    kept: Vec<(Var, Var)>,
}

/// The two loops that an equation becomes; none if it is no loop, or nothing of its steps is kept that they read.
pub(crate) fn keeping(eqn: &Eqn, keeps: &dyn Fn(&Eqn, &Graph) -> bool) -> Option<KeepingLoop> {
    let scan = eqn.primitive_as::<Scan>()?;
    if scan.has_effects() {
        return None;
    }
    let Cut { mut forward, mut again, kept } = cut(scan.body.graph(), keeps);
    if kept.is_empty() {
        return None;
    }
    let avals = kept.iter().map(|(made, _)| with_length(forward.aval(*made), scan.layout.length)).collect();
    forward.outs.extend(kept.iter().map(|(made, _)| *made));
    again.inputs.extend(kept.iter().map(|(_, read)| *read));
    let looped =
        |body| Arc::new(Scan::new(Call::new(body, scan.body.target()), scan.layout)) as Arc<dyn Primitive>;
    Some(KeepingLoop { forward: looped(forward), again: looped(again), kept: avals })
}

/// Cuts a program where its equations make what is kept.
///
/// What is hard: what is kept under a name is read also where the value in front of the name was, as it is the same; and of what may be
/// kept only that counts which is still read once everything kept is given.
fn cut(graph: &Graph, keeps: &dyn Fn(&Eqn, &Graph) -> bool) -> Cut {
    let without = Graph { eqns: Vec::with_capacity(graph.eqns.len()), ..graph.clone() };
    let (mut forward, mut again) = (without.clone(), without);
    let mut kept: Vec<(Var, Var)> = Vec::new();
    let mut given: FxHashMap<Var, Var> = FxHashMap::default();
    for eqn in &graph.eqns {
        if keeps(eqn, graph) {
            for &out in &eqn.outs {
                let read = again.add_var(graph.aval(out).clone());
                kept.push((out, read));
                given.insert(out, read);
                if eqn.primitive_as::<Name>().is_some() {
                    given.entry(eqn.args[0]).or_insert(read);
                }
            }
            forward.eqns.push(eqn.clone());
        } else if let Some(inner) = keeping(eqn, keeps) {
            let (mut makes, mut reads) = (eqn.clone(), eqn.clone());
            (makes.primitive, reads.primitive) = (inner.forward, inner.again);
            for aval in inner.kept {
                let pair = (forward.add_var(aval.clone()), again.add_var(aval));
                makes.outs.push(pair.0);
                reads.args.push(pair.1);
                kept.push(pair);
            }
            forward.eqns.push(makes);
            again.eqns.push(reads);
        } else {
            forward.eqns.push(eqn.clone());
            again.eqns.push(eqn.clone());
        }
    }
    let rename = |var: &mut Var| *var = *given.get(var).unwrap_or(var);
    again.eqns.iter_mut().flat_map(|eqn| &mut eqn.args).for_each(rename);
    again.outs.iter_mut().for_each(rename);

    let mut read: FxHashSet<Var> = again.outs.iter().copied().collect();
    for eqn in again.eqns.iter().rev() {
        if eqn.outs.iter().any(|out| read.contains(out)) {
            read.extend(&eqn.args);
        }
    }
    kept.retain(|(_, given)| read.contains(given));
    Cut { forward, again, kept }
}
