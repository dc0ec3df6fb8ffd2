//! Packing: matrices that every step of a loop multiplies with, but reads along their columns, are transposed once, before the first
//! step. The product would transpose them again each time (loop-invariant code motion of what is hidden in a kernel).

use rustc_hash::FxHashMap;
use smallvec::smallvec;
use std::sync::Arc;

use crate::core::{Eqn, Graph, Var};
use crate::ops::dot_general::by_rows_of_right;
use crate::ops::shape::Transpose;

/// A loop whose constants are packed.
pub(crate) struct Packed {
    /// From all constants to those that are packed.
    pub before: Graph,
    /// The body, which takes those behind the constants.
    pub body: Graph,
    /// How many they are.
    pub count: usize,
}

impl Graph {
    /// This body of a loop with packed constants, if there is anything to pack.
    pub(crate) fn packed(&self, consts: usize) -> Option<Packed> {
        let given = &self.inputs[..consts];
        let mut body = self.clone();
        let mut before = Graph { avals: self.avals.clone(), inputs: given.to_vec(), ..Graph::empty() };
        let mut packed: FxHashMap<Var, Var> = FxHashMap::default();
        for eqn in &mut body.eqns {
            let [left, right] = eqn.args[..] else { continue };
            if !given.contains(&right) {
                continue;
            }
            let avals = [self.aval(left), self.aval(right)];
            let Some(product) = by_rows_of_right(&*eqn.primitive, avals) else { continue };
            let new = *packed.entry(right).or_insert_with(|| {
                let aval = self.aval(right);
                let transposed =
                    aval.with_shape(aval.shape.iter().rev().copied().collect::<crate::array::Shape>());
                let new = Var(before.avals.len() as u32);
                before.avals.push(transposed);
                let primitive = Arc::new(Transpose(smallvec![1, 0]));
                let (args, outs) = (smallvec![right], smallvec![new]);
                before.eqns.push(Eqn { primitive, args, outs, ..eqn.clone() });
                before.outs.push(new);
                new
            });
            (eqn.primitive, eqn.args[1]) = (product, new);
        }
        if packed.is_empty() {
            return None;
        }
        body.avals.clone_from(&before.avals);
        let inputs = given.iter().chain(&before.outs).chain(&self.inputs[consts..]).copied().collect();
        body.inputs = inputs;
        let count = before.outs.len();
        Some(Packed { before, body, count })
    }
}
