//! Batch tiling: chains of kernels that each work example by example run for a few examples at a time, so that what is between
//! a convolution and the pooling behind it never leaves the cache, and threads meet once for the whole chain. It is the
//! "fused-layer" order of Alwani et al., "Fused-layer CNN accelerators" (2016), along the batch, where no halo is recomputed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use smallvec::smallvec;

use super::analysis::DefUse;
use crate::array::{Array, Aval};
use crate::backend::cpu::passes::fuse::elementwise;
use crate::backend::cpu::schedule::{Schedule, Step};
use crate::backend::cpu::{Program, rules};
use crate::core::op::Op;
use crate::core::primitive::Args;
use crate::core::{Eqn, Graph, Var};
use crate::error::{Error, Result};
use crate::kernels::threads;

/// Bytes of the largest value between the kernels of a tile: it and its neighbours fit into L2.
const TILE: usize = 1 << 19;
/// Tiles at least, and two for each thread.
const LEAST_TILES: usize = 8;
/// Bytes of the largest value between kernels, for all examples, from which on tiles pay: less stays in the cache anyway.
const LARGE: usize = 1 << 21;
/// Bytes of what is the same for all examples: kernels may repack it for each tile.
const SHARED: usize = 1 << 18;

/// A chain, compiled for a tile of the batch.
pub(crate) struct BatchTiled {
    /// Examples of a tile.
    each: usize,
    /// For so many examples, with those as the first input.
    tile: Program,
    /// For the examples that are left.
    rest: Option<Program>,
    graph: Graph,
    flops: u64,
}

/// Equations that follow each other, and what they are for a tile.
struct Chain {
    eqns: Vec<usize>,
    /// The value that is cut.
    input: Var,
    examples: usize,
    each: usize,
}

impl Graph {
    /// Joins chains from one kernel to another that makes less of what is between them, where nobody else reads that.
    #[must_use]
    pub(crate) fn tile_batch(self) -> Schedule {
        self.tile_batch_from(LARGE)
    }

    /// The same where the largest value between kernels has so many bytes or more.
    #[must_use]
    pub(crate) fn tile_batch_from(self, large: usize) -> Schedule {
        let uses = DefUse::of(&self);
        let mut gone = vec![false; self.eqns.len()];
        let mut tiled: Vec<(usize, Eqn<Step>)> = Vec::new();
        for at in 0..self.eqns.len() {
            if gone[at] {
                continue;
            }
            let Some(chain) = self.chain(at, large, &uses) else { continue };
            let Some(joined) = self.tiled(&chain, &uses) else { continue };
            let Some((&last, before)) = chain.eqns.split_last() else { continue };
            before.iter().for_each(|&at| gone[at] = true);
            // Another chain does not begin in the middle of this one.
            gone[last] = true;
            tiled.push((last, joined));
        }
        let mut schedule = Schedule::from(self);
        if tiled.is_empty() {
            return schedule;
        }
        for (last, joined) in tiled {
            schedule.eqns[last] = joined;
            gone[last] = false;
        }
        schedule.without(&gone).dce()
    }

    /// The chain that begins with an equation, if there is one and it is worth it.
    ///
    /// It is followed as far as each value has one reader, and cut behind the last kernel that makes less of what it reads (`kept`
    /// equations), as the values behind that need no cache. It is worth it if the largest value within does not fit into the cache for
    /// all examples, and what all tiles share is small.
    fn chain(&self, first: usize, large: usize, uses: &DefUse) -> Option<Chain> {
        let eqn = &self.eqns[first];
        if !is_kernel(eqn) {
            return None;
        }
        let (input, mut value) = (eqn.args[0], *eqn.outs.first()?);
        let examples = *self.aval(input).shape.first()?;
        let (mut eqns, mut kept, mut kernels) = (vec![first], 0, 1);
        let (mut shared, mut largest, mut largest_kept) =
            (self.shared(eqn, input), self.aval(value).bytes(), 0);
        // Each value is the only one that its reader does not share between examples.
        while let Some(reader) = uses.only_use(value) {
            let Some(eqn) = self.eqns.get(reader).filter(|eqn| eqn.outs.len() == 1) else { break };
            let is_kernel = is_kernel(eqn) && eqn.args[0] == value;
            if !is_kernel && !self.is_map(eqn, value, uses) {
                break;
            }
            if is_kernel {
                shared += self.shared(eqn, value);
            }
            let shrinks = is_kernel && self.aval(eqn.outs[0]).size() < self.aval(value).size();
            let follows = !is_kernel && kept == eqns.len();
            value = eqn.outs[0];
            eqns.push(reader);
            kernels += is_kernel as usize;
            if (shrinks && kernels > 1) || follows {
                (kept, largest_kept) = (eqns.len(), largest);
            }
            largest = largest.max(self.aval(value).bytes());
        }
        if kept == 0 || shared > SHARED || largest_kept < large {
            return None;
        }
        eqns.truncate(kept);
        let most = TILE / (largest_kept / examples).max(1);
        let tiles = LEAST_TILES.max(2 * threads::count());
        let each = most.min(examples / tiles).max(1);
        (examples >= tiles).then_some(Chain { eqns, input, examples, each })
    }

    /// Bytes of the arguments of an equation but for one.
    fn shared(&self, eqn: &Eqn, cut: Var) -> usize {
        let shared = eqn.args.iter().filter(|&&arg| arg != cut).map(|&arg| self.aval(arg).bytes());
        shared.fold(0, usize::saturating_add)
    }

    /// Whether an equation computes each element from that of `value` and from what is the same for all examples.
    fn is_map(&self, eqn: &Eqn, value: Var, uses: &DefUse) -> bool {
        let out = self.aval(eqn.outs[0]);
        elementwise(eqn.primitive.op()).is_some()
            && out.shape == self.aval(value).shape
            && eqn.args.iter().all(|&arg| {
                arg == value || self.is_shared(arg, out) || self.repeated(arg, out, uses).is_some()
            })
    }

    /// Whether all examples of an operation with this result have the same of an argument.
    fn is_shared(&self, arg: Var, out: &Aval) -> bool {
        let shape = &self.aval(arg).shape;
        shape.len() < out.rank() || shape[0] == 1
    }

    /// The equation that makes an argument by repeating something for each example.
    fn repeated(&self, arg: Var, out: &Aval, uses: &DefUse) -> Option<&Eqn> {
        let eqn = &self.eqns[uses.def(arg)?];
        eqn.primitive.cpu()?.with_batch_size(1)?;
        (elementwise(eqn.primitive.op()).is_some() && self.is_shared(eqn.args[0], out)).then_some(eqn)
    }

    /// A chain as one equation.
    fn tiled(&self, chain: &Chain, uses: &DefUse) -> Option<Eqn<Step>> {
        let last = &self.eqns[*chain.eqns.last()?];
        let (graph, args) = self.cut(chain, chain.each, uses)?;
        let rest = match chain.examples % chain.each {
            0 => None,
            rest => Some(Program::new(&self.cut(chain, rest, uses)?.0.fused())),
        };
        let flops = chain.eqns.iter().map(|&at| self.flops(at..at + 1)).fold(0, u64::saturating_add);
        let tile = Program::new(&graph.clone().fused());
        let tiled = BatchTiled { each: chain.each, tile, rest, graph, flops };
        let step = last.clone().map(|_| Step::BatchTiled(Arc::new(tiled)));
        Some(Eqn { args: args.into(), ..step })
    }

    /// The graph of a chain for so many examples, and what its inputs are here.
    fn cut(&self, chain: &Chain, count: usize, uses: &DefUse) -> Option<(Graph, Vec<Var>)> {
        let mut part =
            TileGraph { of: self, count, graph: Graph::empty(), renamed: HashMap::new(), args: Vec::new() };
        let input = part.of.aval(chain.input);
        let mut shape = input.shape.clone();
        shape[0] = count;
        part.input(chain.input, input.with_shape(shape));
        for &at in &chain.eqns {
            let eqn = &self.eqns[at];
            for &arg in &eqn.args {
                if part.renamed.contains_key(&arg) {
                    continue;
                }
                match self.repeated(arg, self.aval(eqn.outs[0]), uses) {
                    Some(repeated) if !self.is_shared(arg, self.aval(eqn.outs[0])) => {
                        part.shared(repeated.args[0]);
                        part.equation(repeated)?;
                    }
                    _ => part.shared(arg),
                }
            }
            part.equation(eqn)?;
        }
        let out = self.eqns[*chain.eqns.last()?].outs[0];
        part.graph.outs.push(part.renamed[&out]);
        Some((part.graph, part.args))
    }
}

/// Whether an equation works example by example, and is more than an element-wise operation.
fn is_kernel(eqn: &Eqn) -> bool {
    let op = eqn.primitive.op();
    let is_fusible = elementwise(op).is_some() || op.is_data_movement() || matches!(op, Op::Reduce(..));
    eqn.outs.len() == 1
        && !is_fusible
        && eqn.primitive.cpu().is_some_and(|rules| rules.with_batch_size(1).is_some())
}

/// The graph of a tile, while it is made.
struct TileGraph<'a> {
    of: &'a Graph,
    count: usize,
    graph: Graph,
    /// By variable of the whole graph.
    renamed: HashMap<Var, Var>,
    args: Vec<Var>,
}

impl TileGraph<'_> {
    fn variable(&mut self, var: Var, aval: Aval) -> Var {
        let new = Var(self.graph.avals.len() as u32);
        self.graph.avals.push(aval);
        self.renamed.insert(var, new);
        new
    }

    fn input(&mut self, var: Var, aval: Aval) {
        let new = self.variable(var, aval);
        self.graph.inputs.push(new);
        self.args.push(var);
    }

    /// What is the same for all tiles; a captured number is part of the formula.
    fn shared(&mut self, var: Var) {
        let aval = self.of.aval(var).clone();
        if self.renamed.contains_key(&var) {
            return;
        }
        match self.of.consts.iter().find(|(const_, _)| *const_ == var) {
            Some((_, array)) if aval.shape.is_empty() => {
                let new = self.variable(var, aval);
                self.graph.consts.push((new, array.clone()));
            }
            _ => self.input(var, aval),
        }
    }

    /// The equation for a tile; none if it is not what the chain takes it for.
    fn equation(&mut self, eqn: &Eqn) -> Option<()> {
        let primitive =
            rules(&*eqn.primitive).with_batch_size(self.count).unwrap_or_else(|| eqn.primitive.clone());
        let args: Args<Var> = eqn.args.iter().map(|arg| self.renamed[arg]).collect();
        let inferred = {
            let avals: Args<&Aval> = args.iter().map(|&arg| self.graph.aval(arg)).collect();
            primitive.infer(&avals).ok()?
        };
        let [made] = &inferred[..] else { return None };
        let whole = self.of.aval(eqn.outs[0]);
        if made.shape.first() != Some(&self.count) || made.shape[1..] != whole.shape[1..] {
            return None;
        }
        let out = self.variable(eqn.outs[0], made.clone());
        self.graph.eqns.push(Eqn { primitive, args, outs: smallvec![out], ..eqn.clone() });
        Some(())
    }
}

impl BatchTiled {
    /// What happens to a tile.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    pub(crate) fn flops(&self) -> u64 {
        self.flops
    }

    /// The programs of a tile.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &Program> {
        std::iter::once(&self.tile).chain(&self.rest)
    }

    /// Runs the tiles on all threads; the first argument is the one that is cut.
    pub(crate) fn run(&self, args: &[Array], out: Aval) -> Result<Array> {
        let (whole, shared) = (&args[0], &args[1..]);
        let examples = whole.shape()[0];
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let (from, to) = (whole.bytes().len() / examples, out.bytes() / examples);
        let mut out = Array::scratch(out);
        let Some(bytes) = out.unique_bytes() else { unreachable!("a new array is nobody else's") };
        threads::chunks(bytes, self.each * to, |i, piece| {
            let count = piece.len() / to;
            let program = if count == self.each { Some(&self.tile) } else { self.rest.as_ref() };
            let Some(program) = program else { unreachable!("examples are left only if there is a rest") };
            let mut shape = whole.aval().shape.clone();
            shape[0] = count;
            let mut tile = Array::scratch(whole.aval().with_shape(shape));
            if let Some(bytes) = tile.unique_bytes() {
                bytes.copy_from_slice(&whole.bytes()[i * self.each * from..][..count * from]);
            }
            match program.run([tile].into_iter().chain(shared.iter().cloned())) {
                Ok(outs) => piece.copy_from_slice(outs[0].bytes()),
                Err(error) => *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(out),
        }
    }
}

impl std::fmt::Debug for BatchTiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.graph.to_string();
        write!(f, "by {} examples {text}", self.each)
    }
}
