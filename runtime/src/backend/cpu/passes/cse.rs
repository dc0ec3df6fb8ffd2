//! Common subexpressions, by value numbering: equations that apply the same primitive to the same variables become one, and so do
//! small constants of the same elements.
//!
//! A hash table of what was computed already, in one walk; as the graph is in single-assignment form and has no branches, one walk
//! finds all there are (Alpern, Wegman and Zadeck, "Detecting equality of variables in programs", 1988; Cocke and Schwartz before).

use std::any::{Any, TypeId};

use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use crate::array::Aval;
use crate::core::primitive::Args;
use crate::core::{Eqn, Graph, Var};

/// Bytes of constants that are compared.
const SMALL: usize = 64;

impl Graph {
    pub(crate) fn cse(mut self) -> Graph {
        let mut renamed: Vec<Var> = (0..self.avals.len() as u32).map(Var).collect();
        let mut numbers: FxHashMap<(&Aval, &[u8]), Var> = FxHashMap::default();
        for (var, array) in self.consts.iter().filter(|(_, array)| array.bytes().len() <= SMALL) {
            let first = *numbers.entry((array.aval(), array.bytes())).or_insert(*var);
            renamed[var.index()] = first;
        }
        // By the type of a primitive and the arguments: equations that are kept.
        let mut seen: FxHashMap<(TypeId, Args<Var>), SmallVec<[u32; 2]>> =
            FxHashMap::with_capacity_and_hasher(self.eqns.len(), FxBuildHasher);
        let mut kept: Vec<Eqn> = Vec::with_capacity(self.eqns.len());
        for mut eqn in self.eqns {
            eqn.args.iter_mut().for_each(|arg| *arg = renamed[arg.index()]);
            // To do a thing twice is not to do it once.
            if eqn.primitive.has_effects() {
                kept.push(eqn);
                continue;
            }
            let kind = (&*eqn.primitive as &dyn Any).type_id();
            let bucket = seen.entry((kind, eqn.args.clone())).or_default();
            let same = |at: &&u32| kept[**at as usize].primitive.same(&*eqn.primitive);
            match bucket.iter().find(same) {
                Some(&at) => {
                    let pairs = eqn.outs.iter().zip(&kept[at as usize].outs);
                    pairs.for_each(|(out, other)| renamed[out.index()] = *other);
                }
                None => {
                    bucket.push(kept.len() as u32);
                    kept.push(eqn);
                }
            }
        }
        self.eqns = kept;
        self.outs.iter_mut().for_each(|out| *out = renamed[out.index()]);
        self
    }
}
