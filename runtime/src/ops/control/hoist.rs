//! Loop-invariant code motion (Allen and Cocke, "A catalogue of optimizing transformations", 1971), and products that do not depend
//! on the carry.
//!
//! What every step would compute from constants alone is computed once, before the loop. A product of a slice with a constant is
//! the same for all steps at once, in front of the loop, as one product that is larger: the input product of a recurrent layer.

use smallvec::SmallVec;

use super::edit::{Cut, cut};
use super::scan::Layout;
use crate::core::op::Op;
use crate::core::primitive::Args;
use crate::core::trace::Axis;
use crate::core::{Eqn, Graph, Tensor, Var};
use crate::error::Result;
use crate::ops::call::{Call, Target};

/// Bytes that products of all steps may take, beside the slices that they are made from.
const MOST_BYTES: usize = 64 << 20;

/// What the steps of a loop compute, and on what.
pub(super) struct Loop {
    pub body: Graph,
    pub layout: Layout,
    /// Constants, first carry, slices.
    pub args: Args,
}

/// A result that is put together from slices.
pub(super) enum Slices {
    /// The loop makes it, as this one of its results.
    Made(usize),
    /// An argument, slice by slice.
    Given(Tensor),
}

impl Loop {
    fn consts(&self) -> &[Var] {
        &self.body.inputs[..self.layout.consts]
    }

    /// By variable: whether it differs from step to step.
    fn varying(&self) -> Vec<bool> {
        let mut varying = vec![false; self.body.avals.len()];
        self.body.inputs[self.layout.consts..].iter().for_each(|var| varying[var.index()] = true);
        for eqn in &self.body.eqns {
            if stays(eqn) || eqn.args.iter().any(|arg| varying[arg.index()]) {
                eqn.outs.iter().for_each(|out| varying[out.index()] = true);
            }
        }
        varying
    }

    /// Takes what no step changes out of the carry; gives where each of these was.
    pub fn split_invariant_carry(&mut self) -> Vec<usize> {
        let Layout { consts, carry, .. } = self.layout;
        let is_fixed = |i: &usize| self.body.outs[*i] == self.body.inputs[consts + *i];
        let fixed: Vec<usize> = (0..carry).filter(is_fixed).collect();
        if fixed.is_empty() {
            return fixed;
        }
        let order = |i: usize| match i.checked_sub(consts) {
            None => 0,
            Some(at) if fixed.contains(&at) => 1,
            Some(_) => 2,
        };
        // Constants, what is one now, and the rest, each in their order.
        let mut inputs: Vec<usize> = (0..self.args.len()).collect();
        inputs.sort_by_key(|&i| order(i));
        self.body.inputs = inputs.iter().map(|&i| self.body.inputs[i]).collect();
        self.args = inputs.iter().map(|&i| self.args[i].clone()).collect();
        let mut at = 0;
        self.body.outs.retain(|_| {
            at += 1;
            !fixed.contains(&(at - 1))
        });
        self.layout.consts += fixed.len();
        self.layout.carry -= fixed.len();
        fixed
    }

    /// Computes once, now, what no step changes; says whether there was such a thing.
    pub fn hoist_invariants(&mut self) -> Result<bool> {
        let varying = self.varying();
        let is_worth = |eqn: &Eqn| !is_free(eqn) && !eqn.outs.iter().any(|out| varying[out.index()]);
        let goes_out: Vec<bool> = self.body.eqns.iter().map(is_worth).collect();
        let Some(Cut { mut outer, inner }) = cut(&self.body, &goes_out) else { return Ok(false) };
        let consts = self.layout.consts;
        outer.inputs = self.consts().to_vec();
        let values = outer.interpret(self.args[..consts].iter().cloned())?;
        let inputs = self.body.inputs[..consts].iter().chain(&outer.outs).chain(&self.body.inputs[consts..]);
        self.body = Graph { inputs: inputs.copied().collect(), ..inner };
        self.layout.consts += values.len();
        let (fixed, rest) = self.args.split_at(consts);
        self.args = fixed.iter().chain(&values).chain(rest).cloned().collect();
        Ok(true)
    }

    /// Computes now, for all steps at once, the products of slices with constants that the carry meets later; says whether there were
    /// any.
    ///
    /// What is hard is to keep memory in bounds: the results of all steps are alive at once. So only a product in which nothing but
    /// cheap functions of the slices meets a constant goes out, with the element-wise functions of its result, and not if all
    /// of them are large. A loop without a carry is one to save memory.
    pub fn hoist_products(&mut self, target: Target) -> Result<bool> {
        let Layout { consts, carry, length, .. } = self.layout;
        if carry == 0 || length < 2 {
            return Ok(false);
        }
        let varying = self.varying();
        let cheap = self.cheap_of_slices(&varying);
        let mut is_out = vec![false; self.body.avals.len()];
        let mut goes_out = Vec::with_capacity(self.body.eqns.len());
        for eqn in &self.body.eqns {
            let of_slices = |arg: &Var| cheap[arg.index()] || is_out[arg.index()];
            let goes = match eqn.primitive.op() {
                Op::DotGeneral { .. } => match &eqn.args[..] {
                    [x, w] => of_slices(x) && !varying[w.index()] || of_slices(w) && !varying[x.index()],
                    _ => false,
                },
                Op::Elementwise(_) | Op::Cast => {
                    let size = |var: &Var| self.body.aval(*var).bytes();
                    eqn.args.iter().any(|arg| is_out[arg.index()] && size(&eqn.outs[0]) <= size(arg))
                        && eqn.args.iter().all(|arg| of_slices(arg) || !varying[arg.index()])
                }
                _ => false,
            };
            goes_out.push(goes);
            if goes {
                eqn.outs.iter().for_each(|out| is_out[out.index()] = true);
            }
        }
        let Some(Cut { mut outer, inner }) = cut(&self.body, &goes_out) else { return Ok(false) };
        let bytes = outer.outs.iter().map(|&out| self.body.aval(out).bytes().saturating_mul(length));
        if bytes.fold(0, usize::saturating_add) > MOST_BYTES {
            return Ok(false);
        }
        let slices = consts + carry..self.body.inputs.len();
        let taken = (0..consts).chain(slices.clone());
        outer.inputs = taken.clone().map(|i| self.body.inputs[i]).collect();
        let mapped: Vec<bool> = taken.clone().map(|i| i >= consts).collect();
        let crossing = outer.outs.clone();
        let wanted = vec![true; crossing.len()];
        let axis = Axis { name: None, size: length };
        let (batched, _) = Call::new(outer, target).batched_at_least(&mapped, &axis, &wanted)?;
        let args: SmallVec<[Tensor; 8]> = taken.map(|i| self.args[i].clone()).collect();
        self.args.extend(batched.graph().interpret(args)?);
        let inputs = self.body.inputs.iter().copied().chain(crossing).collect();
        self.body = Graph { inputs, ..inner };
        Ok(true)
    }

    /// By variable: whether it is a cheap function of slices, and no carry has a part in it.
    fn cheap_of_slices(&self, varying: &[bool]) -> Vec<bool> {
        let Layout { consts, carry, .. } = self.layout;
        let mut cheap = vec![false; self.body.avals.len()];
        self.body.inputs[consts + carry..].iter().for_each(|var| cheap[var.index()] = true);
        for eqn in &self.body.eqns {
            let op = eqn.primitive.op();
            let is_cheap = op.is_data_movement() || matches!(op, Op::Elementwise(_) | Op::Cast);
            let mut args = eqn.args.iter();
            if is_cheap
                && !stays(eqn)
                && eqn.args.iter().any(|arg| cheap[arg.index()])
                && args.all(|arg| cheap[arg.index()] || !varying[arg.index()])
            {
                eqn.outs.iter().for_each(|out| cheap[out.index()] = true);
            }
        }
        cheap
    }

    /// Takes what is there already out of the results that are put together from slices: slices of arguments, and those of another
    /// result; says where each result is.
    pub fn split_known_slices(&mut self) -> Vec<Slices> {
        let Layout { consts, carry, .. } = self.layout;
        let ys = self.body.outs.split_off(carry);
        let mut made: Vec<Var> = Vec::new();
        let slices = ys.into_iter().map(|y| {
            if let Some(x) = self.body.inputs[consts + carry..].iter().position(|&x| x == y) {
                return Slices::Given(self.args[consts + carry + x].clone());
            }
            let at = made.iter().position(|&other| other == y).unwrap_or_else(|| {
                made.push(y);
                made.len() - 1
            });
            Slices::Made(at)
        });
        let slices = slices.collect();
        self.body.outs.extend(made);
        slices
    }

    /// Drops constants and slices that no step reads.
    pub fn drop_unread(&mut self) {
        let read = self.body.is_read();
        self.body.consts.retain(|(var, _)| read[var.index()]);
        let Layout { consts, carry, .. } = self.layout;
        let is_carry = |i: usize| (consts..consts + carry).contains(&i);
        let kept: Vec<usize> =
            (0..self.args.len()).filter(|&i| is_carry(i) || read[self.body.inputs[i].index()]).collect();
        self.layout.consts = kept.iter().filter(|&&i| i < consts).count();
        self.body.inputs = kept.iter().map(|&i| self.body.inputs[i]).collect();
        self.args = kept.iter().map(|&i| self.args[i].clone()).collect();
    }
}

/// Whether an equation is to be where it is, whatever it reads.
fn stays(eqn: &Eqn) -> bool {
    matches!(eqn.primitive.op(), Op::Barrier) || eqn.primitive.has_effects()
}

/// Whether a value costs less to make than to keep.
fn is_free(eqn: &Eqn) -> bool {
    use Op::{BroadcastTo, Full, Iota, Reshape, StopGradient};
    stays(eqn) || matches!(eqn.primitive.op(), Full(_) | Iota { .. } | BroadcastTo | Reshape | StopGradient)
}
