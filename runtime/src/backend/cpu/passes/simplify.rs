//! Algebraic simplification and constant folding: what each primitive says may stand in its place, and arithmetic on constants.
//!
//! A rewrite system applied in one walk, arguments before what reads them (bottom-up), with the rules beside the primitives
//! ([`CpuRules::simplify`](crate::core::CpuRules::simplify)); each equation is rewritten until no rule fits.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::array::{Array, Aval};
use crate::core::add_any::AddAny;
use crate::core::primitive::{Args, Outs, Primitive};
use crate::core::rewrite::{Operand, Rewrite, View, matches};
use crate::core::{Eqn, Graph, Var};
use crate::ops::elementwise::Elementwise;
use crate::scalar::op::ScalarOp;

/// Constants of up to this many elements together are computed at compile time.
const FOLDED: usize = 64;

/// Rewrites of one equation after another; a longer chain is left as it is.
const ROUNDS: usize = 16;

impl Graph {
    /// Equations are looked at in order, so that the rules for one see its arguments as they are by then.
    ///
    /// What is hard: a rule may put several equations in place of one (they go to `kept` before it), or a value that is there
    /// already (then the variable is `renamed`, and later equations read the other). Whether a rule that reads beneath an argument
    /// pays depends on who else reads that, which is counted once, before anything is rewritten.
    pub(crate) fn simplify(mut self) -> Graph {
        let mut consts: FxHashMap<Var, Array> = self.consts.iter().cloned().collect();
        let mut renamed: Vec<Var> = (0..self.avals.len() as u32).map(Var).collect();
        let mut made_by: Vec<Option<usize>> = vec![None; self.avals.len()];
        let needed = self.needed(&consts);
        let mut kept: Vec<Eqn> = Vec::with_capacity(self.eqns.len());
        for mut eqn in std::mem::take(&mut self.eqns) {
            eqn.args.iter_mut().for_each(|arg| *arg = renamed[arg.index()]);
            // Sums of gradients become additions, for which there are more rules.
            if eqn.primitive_as::<AddAny>().is_some() {
                eqn.primitive = Arc::new(Elementwise(ScalarOp::Add));
            }
            let mut replaced = None;
            for _ in 0..ROUNDS {
                let view = View {
                    avals: &self.avals,
                    consts: &consts,
                    eqns: &kept,
                    made_by: &made_by,
                    needed: &needed,
                };
                let Some(rewrite) =
                    eqn.primitive.cpu().and_then(|rules| rules.simplify(&matches(&eqn.args, &view)))
                else {
                    break;
                };
                let mut steps = match rewrite {
                    Rewrite::Value(operand) => {
                        replaced = Some(value(operand, &eqn, &kept, &made_by, &[]));
                        break;
                    }
                    Rewrite::Apply(primitive, args) => vec![(primitive, args)],
                    Rewrite::Steps(steps) => steps,
                };
                let Some((primitive, args)) = steps.pop() else { break };
                let mut made: Vec<Var> = Vec::new();
                for (primitive, args) in steps {
                    let args = args.into_iter().map(|arg| value(arg, &eqn, &kept, &made_by, &made)).collect();
                    let step = self.step(primitive, args, &eqn);
                    made_by.extend(step.outs.iter().map(|_| Some(kept.len())));
                    made.push(step.outs[0]);
                    kept.push(step);
                }
                let args = args.into_iter().map(|arg| value(arg, &eqn, &kept, &made_by, &made)).collect();
                eqn = Eqn { primitive, args, ..eqn };
            }
            // A weak value does not stand for a strong one: it would take on the dtype of what it meets next.
            let as_weak = |var: &Var| self.avals[var.index()].weak == self.avals[eqn.outs[0].index()].weak;
            if let Some(var) = replaced.filter(as_weak) {
                let (new, old) = (&self.avals[var.index()], &self.avals[eqn.outs[0].index()]);
                assert!(new.shape == old.shape && new.dtype == old.dtype, "{new} in place of {old}");
                renamed[eqn.outs[0].index()] = var;
                continue;
            }
            if let Some(folded) = fold(&eqn, &self.avals, &consts) {
                for (var, array) in eqn.outs.iter().zip(folded) {
                    self.consts.push((*var, array.clone()));
                    consts.insert(*var, array);
                }
                continue;
            }
            for out in &eqn.outs {
                made_by[out.index()] = Some(kept.len());
            }
            kept.push(eqn);
        }
        self.eqns = kept;
        self.outs.iter_mut().for_each(|out| *out = renamed[out.index()]);
        self
    }

    /// By variable: how many read it and do not read as well what it is made from.
    fn needed(&self, consts: &FxHashMap<Var, Array>) -> Vec<usize> {
        let mut needed = vec![0; self.avals.len()];
        let mut made_by = vec![None; self.avals.len()];
        for (at, eqn) in self.eqns.iter().enumerate() {
            eqn.outs.iter().for_each(|out| made_by[out.index()] = Some(at));
        }
        let view = View { avals: &self.avals, consts, eqns: &self.eqns, made_by: &made_by, needed: &[] };
        for eqn in &self.eqns {
            let args = matches(&eqn.args, &view);
            for (i, arg) in eqn.args.iter().enumerate() {
                needed[arg.index()] +=
                    usize::from(!eqn.primitive.cpu().is_some_and(|rules| rules.reads_beneath(&args, i)));
            }
        }
        self.outs.iter().for_each(|out| needed[out.index()] += 1);
        needed
    }

    /// A new equation of one output, on the way to another one.
    fn step(&mut self, primitive: Arc<dyn Primitive>, args: Args<Var>, to: &Eqn) -> Eqn {
        let inferred = primitive.infer(&args.iter().map(|&arg| self.aval(arg)).collect::<Args<_>>());
        let out = match inferred {
            Ok(mut outs) if outs.len() == 1 => outs.remove(0),
            other => unreachable!("a rewrite fits the shapes it is made for: {other:?}"),
        };
        self.avals.push(out);
        let outs = [Var(self.avals.len() as u32 - 1)].into_iter().collect();
        Eqn { primitive, args, outs, location: to.location, path: to.path.clone() }
    }
}

fn value(operand: Operand, eqn: &Eqn, kept: &[Eqn], made_by: &[Option<usize>], steps: &[Var]) -> Var {
    match operand {
        Operand::Arg(i) => eqn.args[i],
        Operand::Inner(i, j) => match made_by[eqn.args[i].index()] {
            Some(at) => kept[at].args[j],
            None => unreachable!("a rule has looked beneath this argument"),
        },
        Operand::Step(i) => steps[i],
    }
}

/// The outputs of a small equation on constants.
fn fold(eqn: &Eqn, avals: &[Aval], consts: &FxHashMap<Var, Array>) -> Option<Outs<Array>> {
    let args: Option<Args<Array>> = eqn.args.iter().map(|var| consts.get(var).cloned()).collect();
    let is_pure = || eqn.primitive.collectives().is_empty() && !eqn.primitive.has_effects();
    let args = args.filter(|args| !args.is_empty() && is_pure())?;
    let outs: Outs<Aval> = eqn.outs.iter().map(|var| avals[var.index()].clone()).collect();
    let size = args.iter().map(Array::aval).chain(&outs).map(Aval::size).fold(0, usize::saturating_add);
    if size > FOLDED {
        return None;
    }
    // An equation that fails is left to fail when it runs.
    eqn.primitive.cpu()?.eval(args, outs).ok()
}
