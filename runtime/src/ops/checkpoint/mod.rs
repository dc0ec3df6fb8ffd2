//! Rematerialization: computing values again in the backward pass instead of keeping them (Griewank and Walther, *Revolve*, 2000;
//! Chen et al., *Training Deep Nets with Sublinear Memory Cost*, 2016).

mod policy;
mod split;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use policy::{
    Policy, dots, dots_with_no_batch_dims, everything, nothing, save_any_names_but_these,
    save_from_both_policies, save_only_these_names,
};
use split::{Split, split};

use super::call::{Call, VjpKey, given_cotangents};
use crate::array::{Array, Aval};
use crate::core::Graph;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Outs, Primitive, Pullback};
use crate::core::trace;
use crate::core::trace::Axis;
use crate::error::Result;

/// A staged function of which a policy says what is kept for its backward pass.
#[derive(Clone)]
pub(crate) struct Checkpoint {
    call: Call,
    policy: Policy,
    /// What is computed again stands behind a barrier.
    is_walled: bool,
    /// One of the two passes of another: it only stays one equation where it may be differentiated once more.
    is_pass: bool,
    splits: Arc<Mutex<HashMap<VjpKey, Split<Checkpoint>>>>,
}

impl Checkpoint {
    pub fn new(call: Call, policy: Policy, is_walled: bool) -> Checkpoint {
        Checkpoint { call, policy, is_walled, is_pass: false, splits: Arc::default() }
    }

    /// The same settings for another program.
    fn with(&self, call: Call, is_pass: bool) -> Checkpoint {
        Checkpoint {
            call,
            policy: self.policy.clone(),
            is_walled: self.is_walled,
            is_pass,
            splits: Arc::default(),
        }
    }

    /// The two passes of the gradient, each of which is differentiated under the same policy.
    fn split(&self, needs_grad: &[bool]) -> Result<Split<Checkpoint>> {
        let key = (needs_grad.to_vec(), trace::axes(trace::current().as_ref()));
        // Entries are inserted whole, and no rule runs under the lock.
        let lock = || self.splits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(&key) {
            return Ok(found.clone());
        }
        let vjp = self.call.vjp(needs_grad)?;
        let Split { forward, backward, reads } =
            split(&vjp, self.call.graph().outs.len(), &self.policy, self.is_walled)?;
        let pass = |graph: Graph| self.with(self.call.compiled_alike(graph), true);
        let split = Split { forward: pass(forward), backward: pass(backward), reads };
        Ok(lock().entry(key).or_insert(split).clone())
    }
}

impl Primitive for Checkpoint {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        self.call.infer(args)
    }

    fn op(&self) -> Op<'_> {
        Op::Call(self.call.graph())
    }

    fn vjp_fwd(&self, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        let Split { forward, backward, reads } = self.split(needs_grad)?;
        let mut kept: Args = reads.iter().map(|&i| args[i].clone()).collect();
        let mut outs = trace::bind(&forward, args)?;
        let avals: Outs<Aval> = self.call.infer(&[])?;
        kept.extend(outs.drain(avals.len()..));
        let needs_grad: Args<bool> = needs_grad.into();
        let pullback: Pullback = Box::new(move |cts| {
            let mut args = kept.clone();
            let given = given_cotangents(cts, &avals, &mut args)?;
            let backward = backward.with(backward.call.with_zeros_for(&given)?, backward.is_pass);
            let mut grads = trace::bind(&backward, args)?.into_iter();
            Ok(needs_grad.iter().map(|&needed| if needed { grads.next() } else { None }).collect())
        });
        Ok((outs, pullback))
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let (call, mapped) = self.call.batched(mapped, axis)?;
        Ok((trace::bind(&self.with(call, self.is_pass), args)?, mapped.into()))
    }

    fn collectives(&self) -> &[Arc<str>] {
        self.call.collectives()
    }

    fn inline(&self) -> Option<&Graph> {
        self.is_pass.then(|| self.call.graph())
    }

    on_cpu!();
}

impl CpuRules for Checkpoint {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        self.call.eval(args, outs)
    }
}

impl PartialEq for Checkpoint {
    fn eq(&self, other: &Checkpoint) -> bool {
        self.call == other.call
            && self.policy == other.policy
            && self.is_walled == other.is_walled
            && self.is_pass == other.is_pass
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.policy == Policy::default() {
            return f.write_str(self.name());
        }
        write!(f, "{}[policy={:?}]", self.name(), self.policy)
    }
}
