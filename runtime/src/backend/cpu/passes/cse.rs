//! Common subexpressions, by value numbering: equations that apply the same primitive to the same variables become one, and so do
//! small constants of the same elements.
//!
//! A hash table of what was computed already, in one walk; as the graph is in single-assignment form and has no branches, one walk
//! finds all there are (Alpern, Wegman and Zadeck, "Detecting equality of variables in programs", 1988; Cocke and Schwartz before).

use rustc_hash::FxHashMap;

use crate::array::Aval;
use crate::core::primitive::Args;
use crate::core::{Eqn, Graph, Var};

/// Bytes of constants that are compared.
const SMALL: usize = 64;

impl Graph {
    pub(crate) fn cse(mut self) -> Graph {
        let mut renamed: FxHashMap<Var, Var> = FxHashMap::default();
        let mut numbers: FxHashMap<(&Aval, &[u8]), Var> = FxHashMap::default();
        for (var, array) in self.consts.iter().filter(|(_, array)| array.bytes().len() <= SMALL) {
            let first = *numbers.entry((array.aval(), array.bytes())).or_insert(*var);
            if first != *var {
                renamed.insert(*var, first);
            }
        }
        let mut seen: FxHashMap<(&'static str, Args<Var>), Vec<Eqn>> = FxHashMap::default();
        let mut kept = Vec::with_capacity(self.eqns.len());
        for mut eqn in self.eqns {
            for arg in &mut eqn.args {
                *arg = *renamed.get(arg).unwrap_or(arg);
            }
            // To do a thing twice is not to do it once.
            if eqn.primitive.has_effects() {
                kept.push(eqn);
                continue;
            }
            let bucket = seen.entry((eqn.primitive.name(), eqn.args.clone())).or_default();
            match bucket.iter().find(|other| other.primitive.same(&*eqn.primitive)) {
                Some(other) => renamed.extend(eqn.outs.iter().copied().zip(other.outs.iter().copied())),
                None => {
                    bucket.push(eqn.clone());
                    kept.push(eqn);
                }
            }
        }
        self.eqns = kept;
        for out in &mut self.outs {
            *out = *renamed.get(out).unwrap_or(out);
        }
        self
    }
}
