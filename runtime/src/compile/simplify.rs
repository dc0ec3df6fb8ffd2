//! Algebra: what each primitive says may stand in its place, and arithmetic on constants.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::graph::{Eqn, Graph, Var};
use crate::primitive::{Args, Outs, Primitive};
use crate::tensor::{Array, Aval};

/// Constants of up to this many elements together are computed at compile time.
const FOLDED: usize = 64;

/// Rewrites of one equation after another; a longer chain is left as it is.
const ROUNDS: usize = 16;

/// What is known of an argument when its equation is simplified.
pub struct Known<'a> {
    var: Var,
    view: &'a View<'a>,
}

/// The graph as far as it is rewritten.
struct View<'a> {
    avals: &'a [Aval],
    consts: &'a FxHashMap<Var, Array>,
    eqns: &'a [Eqn],
    /// Variable → equation that makes it.
    made_by: &'a FxHashMap<Var, usize>,
    /// By variable of the graph as it was: how many read it and do not read as well what it is made from.
    needed: &'a [usize],
}

/// What may stand in place of an equation with one output.
pub enum Rewrite {
    /// A value that is there already.
    Value(Operand),
    /// Another operation, whose output has the same shape and dtype.
    Apply(Arc<dyn Primitive>, Args<Operand>),
    /// Several operations in order; the output of the last has the same shape and dtype.
    Steps(Vec<(Arc<dyn Primitive>, Args<Operand>)>),
}

/// A value as seen from the equation that is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Its argument `i`.
    Arg(usize),
    /// Argument `j` of the equation that makes its argument `i`.
    Inner(usize, usize),
    /// The output of an earlier one of several operations.
    Step(usize),
}

impl<'a> Known<'a> {
    /// Shape and dtype.
    pub fn aval(&self) -> &'a Aval {
        &self.view.avals[self.var.index()]
    }

    /// The number all its elements have, where that is known.
    pub fn uniform(&self) -> Option<f64> {
        if let Some(array) = self.view.consts.get(&self.var) {
            return uniform(array);
        }
        let eqn = &self.view.eqns[*self.view.made_by.get(&self.var)?];
        eqn.primitive.uniform(&known(&eqn.args, self.view))
    }

    /// The primitive that makes it, as its own type.
    pub fn made_by<P: Primitive>(&self) -> Option<&'a P> {
        self.view.eqns[*self.view.made_by.get(&self.var)?].primitive_as()
    }

    /// Whether it is computed anyway, for somebody else.
    ///
    /// Who may read what it is made from instead repeats the work that makes it; that pays for one reader, not for many. See
    /// [`Primitive::reads_beneath`].
    pub fn is_shared(&self) -> bool {
        self.view.needed.get(self.var.index()).is_some_and(|&readers| readers > 1)
    }

    /// The arguments of the equation that makes it.
    pub fn inner(&self) -> Vec<Known<'a>> {
        match self.view.made_by.get(&self.var) {
            Some(&at) => known(&self.view.eqns[at].args, self.view),
            None => Vec::new(),
        }
    }

    /// Whether two arguments are one value.
    pub fn is(&self, other: &Known<'_>) -> bool {
        self.var == other.var
    }
}

fn known<'a>(vars: &[Var], view: &'a View<'a>) -> Vec<Known<'a>> {
    vars.iter().map(|&var| Known { var, view }).collect()
}

/// The single number of a one-element array, if an `f64` can hold it.
fn uniform(array: &Array) -> Option<f64> {
    use crate::tensor::DType;
    if array.size() != 1 {
        return None;
    }
    Some(match array.dtype() {
        DType::Bool | DType::U8 => f64::from(array.data::<u8>()[0]),
        DType::U32 => f64::from(array.data::<u32>()[0]),
        DType::I32 => f64::from(array.data::<i32>()[0]),
        DType::I64 => Some(array.data::<i64>()[0]).filter(|x| x.unsigned_abs() < 1 << 53)? as f64,
        DType::F16 => array.data::<half::f16>()[0].to_f64(),
        DType::BF16 => array.data::<half::bf16>()[0].to_f64(),
        DType::F32 => f64::from(array.data::<f32>()[0]),
        DType::F64 => array.data::<f64>()[0],
    })
}

impl Graph {
    pub(crate) fn simplify(mut self) -> Graph {
        let mut consts: FxHashMap<Var, Array> = self.consts.iter().cloned().collect();
        let mut renamed: FxHashMap<Var, Var> = FxHashMap::default();
        let mut made_by: FxHashMap<Var, usize> = FxHashMap::default();
        let needed = self.needed(&consts);
        let mut kept: Vec<Eqn> = Vec::with_capacity(self.eqns.len());
        for mut eqn in std::mem::take(&mut self.eqns) {
            for arg in &mut eqn.args {
                *arg = *renamed.get(arg).unwrap_or(arg);
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
                let Some(rewrite) = eqn.primitive.simplify(&known(&eqn.args, &view)) else { break };
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
                    made_by.extend(step.outs.iter().map(|&out| (out, kept.len())));
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
                renamed.insert(eqn.outs[0], var);
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
                made_by.insert(*out, kept.len());
            }
            kept.push(eqn);
        }
        self.eqns = kept;
        for out in &mut self.outs {
            *out = *renamed.get(out).unwrap_or(out);
        }
        self
    }

    /// By variable: how many read it and do not read as well what it is made from.
    fn needed(&self, consts: &FxHashMap<Var, Array>) -> Vec<usize> {
        let mut needed = vec![0; self.avals.len()];
        let makers = self.eqns.iter().enumerate();
        let made_by = makers.flat_map(|(at, eqn)| eqn.outs.iter().map(move |&out| (out, at))).collect();
        let view = View { avals: &self.avals, consts, eqns: &self.eqns, made_by: &made_by, needed: &[] };
        for eqn in &self.eqns {
            let args = known(&eqn.args, &view);
            for (i, arg) in eqn.args.iter().enumerate() {
                needed[arg.index()] += usize::from(!eqn.primitive.reads_beneath(&args, i));
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
        Eqn { primitive, args, outs, location: to.location, place: to.place.clone() }
    }
}

fn value(operand: Operand, eqn: &Eqn, kept: &[Eqn], made_by: &FxHashMap<Var, usize>, steps: &[Var]) -> Var {
    match operand {
        Operand::Arg(i) => eqn.args[i],
        Operand::Inner(i, j) => kept[made_by[&eqn.args[i]]].args[j],
        Operand::Step(i) => steps[i],
    }
}

/// The outputs of a small equation on constants.
fn fold(eqn: &Eqn, avals: &[Aval], consts: &FxHashMap<Var, Array>) -> Option<Outs<Array>> {
    let args: Option<Args<Array>> = eqn.args.iter().map(|var| consts.get(var).cloned()).collect();
    let args = args.filter(|args| !args.is_empty() && eqn.primitive.collectives().is_empty())?;
    let outs: Outs<Aval> = eqn.outs.iter().map(|var| avals[var.index()].clone()).collect();
    let size = args.iter().map(Array::aval).chain(&outs).map(Aval::size).fold(0, usize::saturating_add);
    if size > FOLDED {
        return None;
    }
    // An equation that fails is left to fail when it runs.
    eqn.primitive.eval(args, outs).ok()
}
