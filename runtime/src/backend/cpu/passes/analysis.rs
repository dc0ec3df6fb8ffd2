//! Definitions and uses (def-use chains): who makes each variable, and who reads it.
//!
//! Equations are in single-assignment form, so each variable has one definition, and one walk over them finds all uses (Cytron et
//! al., "Efficiently computing static single assignment form and the control dependence graph", 1991).

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::core::graph::Effects;
use crate::core::{Graph, Var};

/// Something for some of the variables of a graph: a list by their numbers, as looking up costs nothing then, and most have it.
#[derive(Clone)]
pub(crate) struct VarMap<T>(Vec<Option<T>>);

impl<T: Copy> VarMap<T> {
    /// For so many variables.
    pub fn new(variables: usize) -> VarMap<T> {
        VarMap(vec![None; variables])
    }

    pub fn of(variables: usize, pairs: impl IntoIterator<Item = (Var, T)>) -> VarMap<T> {
        let mut map = VarMap::new(variables);
        map.extend(pairs);
        map
    }

    pub fn get(&self, var: Var) -> Option<T> {
        self.0.get(var.index()).copied().flatten()
    }

    pub fn contains(&self, var: Var) -> bool {
        self.get(var).is_some()
    }

    /// Later ones take the place of earlier ones.
    pub fn insert(&mut self, var: Var, thing: T) {
        self.0[var.index()] = Some(thing);
    }

    pub fn extend(&mut self, pairs: impl IntoIterator<Item = (Var, T)>) {
        pairs.into_iter().for_each(|(var, thing)| self.insert(var, thing));
    }
}

/// By variable: its definition and its uses.
pub(crate) struct DefUse {
    defs: Vec<Option<usize>>,
    uses: Vec<SmallVec<[usize; 2]>>,
    is_returned: Vec<bool>,
    effects: EffectOrder,
}

/// The equations with effects, in the order that they keep.
#[derive(Default)]
struct EffectOrder {
    before: FxHashMap<usize, usize>,
    after: FxHashMap<usize, usize>,
}

impl DefUse {
    pub fn of<P: Effects>(graph: &Graph<P>) -> DefUse {
        let count = graph.avals.len();
        let mut all = DefUse {
            defs: vec![None; count],
            uses: vec![SmallVec::new(); count],
            is_returned: vec![false; count],
            effects: EffectOrder::default(),
        };
        let mut last = None;
        for (at, eqn) in graph.eqns.iter().enumerate() {
            eqn.outs.iter().for_each(|out| all.defs[out.index()] = Some(at));
            eqn.args.iter().for_each(|arg| all.uses[arg.index()].push(at));
            if eqn.primitive.has_effects()
                && let Some(before) = last.replace(at)
            {
                all.effects.before.insert(at, before);
                all.effects.after.insert(before, at);
            }
        }
        graph.outs.iter().for_each(|out| all.is_returned[out.index()] = true);
        all
    }

    /// The equation that makes a variable; none for inputs and constants.
    pub fn def(&self, var: Var) -> Option<usize> {
        self.defs[var.index()]
    }

    /// The equations that read a variable, in order; one that reads it twice is there twice.
    pub fn uses(&self, var: Var) -> &[usize] {
        &self.uses[var.index()]
    }

    /// The equation with effects before one that has some.
    pub fn effect_before(&self, equation: usize) -> Option<usize> {
        self.effects.before.get(&equation).copied()
    }

    /// The equation with effects behind one that has some.
    pub fn effect_after(&self, equation: usize) -> Option<usize> {
        self.effects.after.get(&equation).copied()
    }

    /// The equation that alone reads a variable, once, which is not a result of the graph either.
    pub fn only_use(&self, var: Var) -> Option<usize> {
        match self.uses(var) {
            &[at] if !self.is_returned[var.index()] => Some(at),
            _ => None,
        }
    }

    pub fn first_use(&self, var: Var) -> Option<usize> {
        self.uses(var).first().copied()
    }

    /// The last equation that reads a variable; results of the graph are read after all equations, by `usize::MAX`.
    pub fn last_use(&self, var: Var) -> Option<usize> {
        if self.is_returned[var.index()] { Some(usize::MAX) } else { self.uses(var).last().copied() }
    }
}
