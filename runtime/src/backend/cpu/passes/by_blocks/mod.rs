//! Matrices that are only passed through go by blocks of rows: attention without its matrix.
//!
//! `softmax(q kᵀ) v` makes a matrix of all pairs of places, of which little is left in the end. Where such a matrix does not fit into
//! the cache anyway, everything around it (masks, biases, dropout, the softmax, and the way back with all that it sums) is computed for
//! a block of rows after another, in a loop: memory grows with the number of places and not with its square. On the way back, matrices
//! of the way there are made again from the same operands, block by block, with the sums and extremes of rows that were kept.
//!
//! That is the order of FlashAttention (Dao et al., "FlashAttention: fast and memory-efficient exact attention with IO-awareness", 2022,
//! and Dao, "FlashAttention-2", 2023, whose loops over queries are these). A block here has whole rows, so that the softmax is the one
//! that was written, with its own rounding, and anything else may stand there as well: it is told by its shapes
//! ([`Parts`](parts::Parts)), not by its formula. Rows of a block are as many as fit into the cache, and [64](LEAST_ROWS) at least.
//!
//! **Numbers.** Elements are those of the same formulas; sums over rows are added block after block, those of halves in `F32`. Products of
//! a block may be summed in another order than those of the whole.

mod body;
pub(super) mod cuts;
mod parts;
#[cfg(test)]
mod tests;

use super::splice;
use crate::array::Aval;
use crate::backend::CPU;
use crate::core::graph::Effects;
use crate::core::{Eqn, Graph, Tensor, Var};
use crate::error::Result;
use crate::ops::control::scan::{Layout, scan_as_it_is};
use crate::ops::create;
use body::{Body, Region, sum_dtype};
use parts::Parts;

/// Bytes of a matrix from which on it goes by blocks: less is as fast in one go.
const LARGE: usize = 16 << 20;
/// Bytes of a block of a matrix: it fits into the last cache, and has rows enough for products to pack their operands once for many.
const BLOCK: usize = 8 << 20;
/// Rows of a block at least, as products of fewer pack their operands longer than they compute.
const LEAST_ROWS: usize = 64;

impl Graph {
    /// Puts loops over blocks of rows in place of what makes and uses large matrices.
    pub(crate) fn by_blocks(self) -> Graph {
        self.by_blocks_of([BLOCK, LEAST_ROWS], LARGE)
    }

    /// The same with blocks of so many bytes, or rows if those are more, for matrices of more than `large` bytes.
    fn by_blocks_of(self, most: [usize; 2], large: usize) -> Graph {
        let Some(parts) = Parts::of(&self, large) else { return self };
        let Some(loops) = loops(&parts, most) else { return self };
        if loops.is_empty() {
            return self;
        }
        let is_gone = |at: usize| {
            parts.part(at).is_some_and(|(family, _)| loops.iter().any(|l| l.region.family == family))
        };
        let mut graph = Graph { eqns: Vec::with_capacity(self.eqns.len()), ..self.clone() };
        for (at, eqn) in self.eqns.iter().enumerate() {
            for made in loops.iter().filter(|made| made.region.last == at) {
                graph.splice(&made.program, &made.reads, &made.outs, eqn);
            }
            if !is_gone(at) {
                graph.eqns.push(eqn.clone());
            }
        }
        drop(loops);
        match graph.in_order() {
            Some(graph) => graph.dce(),
            None => self,
        }
    }

    /// The equations behind those that they read from, otherwise in the order they have; none if effects would change theirs.
    fn in_order(mut self) -> Option<Graph> {
        let mut is_there = vec![false; self.avals.len()];
        self.inputs
            .iter()
            .chain(self.consts.iter().map(|(var, _)| var))
            .for_each(|var| is_there[var.index()] = true);
        let mut waiting: Vec<Eqn> = Vec::new();
        let mut sorted: Vec<Eqn> = Vec::with_capacity(self.eqns.len());
        for eqn in std::mem::take(&mut self.eqns) {
            let is_ready = |eqn: &Eqn, is_there: &[bool]| eqn.args.iter().all(|arg| is_there[arg.index()]);
            if !is_ready(&eqn, &is_there) {
                if Effects::has_effects(&eqn.primitive) {
                    return None;
                }
                waiting.push(eqn);
                continue;
            }
            eqn.outs.iter().for_each(|out| is_there[out.index()] = true);
            sorted.push(eqn);
            let mut at = 0;
            while at < waiting.len() {
                if is_ready(&waiting[at], &is_there) {
                    let eqn = waiting.remove(at);
                    eqn.outs.iter().for_each(|out| is_there[out.index()] = true);
                    sorted.push(eqn);
                    at = 0;
                } else {
                    at += 1;
                }
            }
        }
        self.eqns = sorted;
        waiting.is_empty().then_some(self)
    }
}

/// A region as a program in place of its equations.
struct Loop {
    region: Region,
    program: Graph,
    reads: Vec<Var>,
    outs: Vec<Var>,
}

/// The loops of all families that can go by blocks.
fn loops(parts: &Parts<'_>, most: [usize; 2]) -> Option<Vec<Loop>> {
    let mut all = Vec::new();
    for family in 0..parts.families.len() {
        let of_family = || (0..parts.graph.len()).filter_map(|at| Some((at, parts.part(at)?)));
        let levels =
            of_family().filter(|(_, (other, _))| *other == family).map(|(_, (_, level))| level).max();
        let Some(levels) = levels.filter(|_| parts.families[family].is_apart) else { continue };
        let Some(count) = block(parts, family, most) else { continue };
        // What a later level reads of an earlier one, that makes for it.
        let mut made: Vec<Loop> = Vec::new();
        let mut complete = true;
        for level in (0..=levels).rev() {
            let read: Vec<Var> = made.iter().flat_map(|later| later.reads.iter().copied()).collect();
            let Some(region) = region(parts, family, level, &read) else { continue };
            match looped(parts, region, count) {
                Some(looped) => made.push(looped),
                None => complete = false,
            }
        }
        if complete {
            all.extend(made);
        }
    }
    Some(all)
}

/// Rows of a block; none if a few blocks would be all.
fn block(parts: &Parts<'_>, family: usize, [bytes, least]: [usize; 2]) -> Option<usize> {
    let family = &parts.families[family];
    let most = (bytes / (family.bytes / family.rows).max(1)).max(least);
    // A divisor of all leaves no rest.
    let even = (most.div_ceil(2)..=most).rev().find(|count| family.rows.is_multiple_of(*count));
    (2 * most <= family.rows).then(|| even.unwrap_or(most))
}

/// What a level makes for others.
fn region(parts: &Parts<'_>, family: usize, level: u32, read: &[Var]) -> Option<Region> {
    let graph = parts.graph;
    let (mut sums, mut rows, mut last) = (Vec::new(), Vec::new(), None);
    for (at, eqn) in graph.eqns.iter().enumerate().filter(|(at, _)| parts.part(*at) == Some((family, level)))
    {
        last = Some(at);
        let out = eqn.outs[0];
        let is_other = |&user: &usize| match parts.part(user) {
            Some((other, _)) => other != family,
            None => true,
        };
        let is_read = read.contains(&out)
            || parts.uses.last_use(out) == Some(usize::MAX)
            || parts.uses.uses(out).iter().any(is_other);
        match parts.cut(out) {
            Some((_, axis, _)) if is_read && !parts.is_wide(out, family) => rows.push((out, axis)),
            None if is_read => {
                match cuts::forward(graph, eqn, &parts.cuts(eqn), parts.families[family].rows)? {
                    (cuts::Made::Rows(axis), _) => rows.push((out, axis)),
                    (cuts::Made::Sum, _) => sums.push(out),
                }
            }
            Some(_) | None => {}
        }
    }
    let last = last?;
    (!sums.is_empty() || !rows.is_empty()).then_some(Region { family, level, sums, rows, last })
}

/// The loop over blocks of `count` rows, and what is left behind it.
fn looped(parts: &Parts<'_>, region: Region, count: usize) -> Option<Loop> {
    let all = parts.families[region.family].rows;
    let body = region.body(parts, count)?;
    let rest = match all % count {
        0 => None,
        rest => Some(region.body(parts, rest).filter(|rest| rest.reads == body.reads)?),
    };
    let outs: Vec<Var> = region.sums.iter().copied().chain(region.rows.iter().map(|(var, _)| *var)).collect();
    let avals = |vars: &[Var]| vars.iter().map(|&var| parts.graph.aval(var)).collect::<Vec<&Aval>>();
    let made = avals(&outs);
    let program = splice::program(&avals(&body.reads), &made, |args| {
        run(&region, &body, rest.as_ref(), args, &made, [all, count])
    })?;
    let reads = body.reads;
    Some(Loop { region, program, reads, outs })
}

fn run(
    region: &Region,
    body: &Body,
    rest: Option<&Body>,
    args: &[Tensor],
    outs: &[&Aval],
    [all, count]: [usize; 2],
) -> Result<Vec<Tensor>> {
    let blocks = all / count;
    let sums = &outs[..region.sums.len()];
    let zeros =
        sums.iter().map(|aval| create::full(Aval::new(aval.shape.clone(), sum_dtype(aval.dtype)), 0.0));
    let zeros = zeros.collect::<Result<Vec<Tensor>>>()?;
    let starts: Vec<i32> = (0..blocks).map(|i| (i * count) as i32).collect();
    let starts = Tensor::try_from_vec(starts, [blocks])?;
    let layout = Layout { consts: args.len(), carry: zeros.len(), length: blocks, reverse: false };
    let given = args.iter().cloned().chain(zeros).chain([starts]).collect();
    let made = scan_as_it_is(body.graph.clone(), CPU, layout, given)?;
    let (mut sums, parts) = (made[..sums.len()].to_vec(), &made[sums.len()..]);
    let mut rows = Vec::new();
    for (part, &(_, axis)) in parts.iter().zip(&region.rows) {
        // Blocks are in front, and belong before the rows.
        let part = part.try_move_axis(0, axis as isize)?;
        let mut shape = part.shape().to_vec();
        shape.splice(axis..axis + 2, [blocks * count]);
        rows.push(part.try_reshape(shape)?);
    }
    if let Some(rest) = rest {
        let start = Tensor::from((blocks * count) as i32);
        let given = args.iter().chain(&sums).cloned().chain([start]);
        let last = rest.graph.interpret(given)?;
        let (last_sums, last_rows) = last.split_at(sums.len());
        sums = last_sums.to_vec();
        for ((whole, last), &(_, axis)) in rows.iter_mut().zip(last_rows).zip(&region.rows) {
            *whole = Tensor::try_concatenate(&[whole.clone(), last.clone()], axis as isize)?;
        }
    }
    let made = sums.into_iter().chain(rows).zip(outs);
    made.map(|(made, aval)| made.try_cast(aval.dtype)).collect()
}
