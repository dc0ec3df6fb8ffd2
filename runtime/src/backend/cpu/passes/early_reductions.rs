//! Reductions between ranks are started as soon as their values are there, and waited for where their results are first read:
//! ranks send the gradients of the last layers while they compute those of the first ones.
//!
//! Small values that are ready and needed at about the same time are sent in one flat buffer, as each message has its price (the
//! buckets of S. Li and others, "PyTorch Distributed: experiences on accelerating data parallel training", 2020). What is sent, and in which
//! order, follows from the program alone, and is the same on all ranks.

use std::sync::Arc;

use smallvec::smallvec;

use super::analysis::DefUse;
use crate::array::DType;
use crate::backend::cpu::schedule::{Schedule, Step};
use crate::core::{Eqn, Var};
use crate::ops::collective::started::{FinishReduction, StartReduction, reduction_between_ranks, ticket};
use crate::transport::Reduction;

/// Bytes from which on a buffer is sent, and a value that has so many goes by itself, without being copied.
const FULL: usize = 1 << 20;

/// A reduction between ranks.
struct Found {
    /// The step.
    at: usize,
    /// The first step before which its value is there, and the one before which its result must be.
    ready: usize,
    needed: usize,
    bytes: usize,
    kind: (Reduction, Arc<str>, DType),
}

/// Reductions that are sent together.
struct Bucket {
    members: Vec<usize>,
    bytes: usize,
    start: usize,
    finish: usize,
    kind: (Reduction, Arc<str>, DType),
}

impl Schedule {
    /// Replaces reductions between ranks by one step that starts several, and one that waits for them.
    #[must_use]
    pub(crate) fn start_reductions_early(mut self) -> Schedule {
        let found = self.reductions();
        if found.is_empty() {
            return self;
        }
        let buckets = buckets(&found);
        // And one more: what stands behind the last equation.
        let mut is_moved = vec![false; self.eqns.len() + 1];
        for at in buckets.iter().flat_map(|bucket| &bucket.members) {
            is_moved[*at] = true;
        }
        let eqns = std::mem::take(&mut self.eqns);
        let tickets: Vec<Var> = buckets.iter().map(|_| self.fresh_ticket()).collect();
        let mut placed: Vec<Eqn<Step>> = Vec::with_capacity(eqns.len());
        for (at, is_moved) in is_moved.into_iter().enumerate() {
            for (bucket, &ticket) in buckets.iter().zip(&tickets).filter(|(bucket, _)| bucket.start == at) {
                placed.push(start(&eqns, bucket, ticket));
            }
            for (bucket, &ticket) in buckets.iter().zip(&tickets).filter(|(bucket, _)| bucket.finish == at) {
                placed.push(self.finish(&eqns, bucket, ticket));
            }
            placed.extend(eqns.get(at).filter(|_| !is_moved).cloned());
        }
        self.eqns = placed;
        self
    }

    /// The reductions whose values no other reduction makes: those would wait for a result anyway.
    fn reductions(&self) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        let mut uses = None;
        for (at, eqn) in self.eqns.iter().enumerate() {
            let Step::Primitive(primitive) = &eqn.primitive else { continue };
            let (&[arg], &[out]) = (&eqn.args[..], &eqn.outs[..]) else { continue };
            let aval = self.aval(arg);
            let Some((reduction, name)) = reduction_between_ranks(&**primitive, aval.dtype) else { continue };
            let uses = uses.get_or_insert_with(|| DefUse::of(self));
            let ready = uses.def(arg).map_or(0, |def| def + 1);
            if ready > 0 && found.iter().any(|other| other.at == ready - 1) {
                continue;
            }
            let needed = uses.uses(out).first().copied().unwrap_or(self.eqns.len());
            let kind = (reduction, name.clone(), aval.dtype);
            found.push(Found { at, ready, needed, bytes: aval.bytes(), kind });
        }
        found
    }

    fn fresh_ticket(&mut self) -> Var {
        self.avals.push(ticket());
        Var(self.avals.len() as u32 - 1)
    }

    fn finish(&self, eqns: &[Eqn<Step>], bucket: &Bucket, ticket: Var) -> Eqn<Step> {
        let first = &eqns[bucket.members[0]];
        let outs = bucket.members.iter().map(|&at| eqns[at].outs[0]);
        let avals = outs.clone().map(|out| self.aval(out).clone()).collect();
        Eqn {
            primitive: Step::Primitive(Arc::new(FinishReduction { reduction: bucket.kind.0, avals })),
            args: smallvec![ticket],
            outs: outs.collect(),
            location: first.location,
            path: first.path.clone(),
        }
    }
}

/// The equation that starts what a bucket gathers.
fn start(eqns: &[Eqn<Step>], bucket: &Bucket, ticket: Var) -> Eqn<Step> {
    let first = &eqns[bucket.members[0]];
    let (reduction, name, _) = bucket.kind.clone();
    Eqn {
        primitive: Step::Primitive(Arc::new(StartReduction { reduction, name })),
        args: bucket.members.iter().map(|&at| eqns[at].args[0]).collect(),
        outs: smallvec![ticket],
        location: first.location,
        path: first.path.clone(),
    }
}

/// Which reductions go together: in the order in which their values are there, as long as the last of these is there before the first
/// result is needed.
fn buckets(found: &[Found]) -> Vec<Bucket> {
    let mut by_ready: Vec<&Found> = found.iter().collect();
    by_ready.sort_by_key(|found| (found.ready, found.at));
    let mut buckets: Vec<Bucket> = Vec::new();
    for &Found { at, ready, needed, bytes, ref kind } in by_ready {
        let open = buckets.iter_mut().rev().find(|bucket| bucket.kind == *kind && bucket.bytes < FULL);
        match open {
            Some(bucket) if bytes < FULL && bucket.finish.min(needed) >= bucket.start.max(ready) => {
                bucket.members.push(at);
                bucket.bytes += bytes;
                bucket.start = bucket.start.max(ready);
                bucket.finish = bucket.finish.min(needed);
            }
            _ => buckets.push(Bucket {
                members: vec![at],
                bytes,
                start: ready,
                finish: needed,
                kind: kind.clone(),
            }),
        }
    }
    buckets
}
