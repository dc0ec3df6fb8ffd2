//! Which equations go by blocks: those around matrices that are much larger than what they are made of.

use smallvec::SmallVec;

use super::cuts::{self, Cuts, Made};
use crate::array::Aval;
use crate::backend::cpu::passes::analysis::DefUse;
use crate::core::op::Op;
use crate::core::{Eqn, Graph, Var};

/// Of the operands of a product, both together, a matrix has at least so many elements.
const WIDER: usize = 4;
/// Contracted at most: a block of a matrix is computed once more for the way back, which takes longer than reading it where more is
/// contracted.
const CONTRACTED: usize = 128;

/// A matrix, and all that is made of it by rows.
pub(super) struct Family {
    /// How many rows.
    pub rows: usize,
    /// Elements and bytes of the largest matrix.
    pub size: usize,
    pub bytes: usize,
    pub is_apart: bool,
}

/// A value that is cut.
#[derive(Clone, Copy)]
struct Member {
    family: usize,
    axis: usize,
    level: u32,
}

/// The equations that go by blocks.
///
/// What belongs to one matrix is a family: matrices made of it element by element, what is reduced of its rows and meets it again, and
/// on its border the products and sums that make small things of matrices. The way back makes matrices, too, from what depends on the way
/// there: they are of the same family and of a later *level*. A level is a loop of its own.
pub(super) struct Parts<'a> {
    pub graph: &'a Graph,
    pub uses: DefUse,
    pub families: Vec<Family>,
    /// By family: the one that it has become.
    merged: Vec<usize>,
    members: Vec<Option<Member>>,
    /// By equation: its family and level.
    levels: Vec<Option<(usize, u32)>>,
    /// By equation: whether it only makes, of little, what parts read.
    is_light: Vec<bool>,
}

impl<'a> Parts<'a> {
    /// All families with a matrix of more than `large` bytes.
    pub fn of(graph: &'a Graph, large: usize) -> Option<Parts<'a>> {
        graph.eqns.iter().find_map(|eqn| seed(graph, eqn, large))?;
        let mut parts = Parts {
            graph,
            uses: DefUse::of(graph),
            families: Vec::new(),
            merged: Vec::new(),
            members: vec![None; graph.avals.len()],
            levels: vec![None; graph.eqns.len()],
            is_light: vec![false; graph.eqns.len()],
        };
        parts.gather(large);
        parts.leave_what_is_thin();
        parts.check();
        parts.set_levels();
        parts.find_light();
        Some(parts)
    }

    pub fn family(&self, mut family: usize) -> usize {
        while self.merged[family] != family {
            family = self.merged[family];
        }
        family
    }

    fn merge(&mut self, a: usize, b: usize) {
        let (a, b) = (self.family(a), self.family(b));
        if a != b {
            self.merged[b] = a;
            self.families[a].size = self.families[a].size.max(self.families[b].size);
            self.families[a].bytes = self.families[a].bytes.max(self.families[b].bytes);
        }
    }

    fn member(&self, var: Var) -> Option<Member> {
        let member = self.members[var.index()]?;
        Some(Member { family: self.family(member.family), ..member })
    }

    /// The family and level of an equation.
    pub fn part(&self, at: usize) -> Option<(usize, u32)> {
        self.levels[at].map(|(family, level)| (self.family(family), level))
    }

    /// The family, axis and level of a value that is cut.
    pub fn cut(&self, var: Var) -> Option<(usize, usize, u32)> {
        self.member(var).map(|member| (member.family, member.axis, member.level))
    }

    pub fn is_wide(&self, var: Var, family: usize) -> bool {
        self.graph.aval(var).size().saturating_mul(2) >= self.families[family].size
    }

    /// The cuts of an equation's arguments that are members.
    pub fn cuts(&self, eqn: &Eqn) -> Cuts {
        eqn.args.iter().map(|&arg| Some(self.member(arg)?.axis)).collect()
    }

    /// Whether an equation makes its result of little, so that blocks may make their rows of it.
    pub fn is_light(&self, at: usize) -> bool {
        self.is_light[at]
    }

    /// Every equation that reads a member, and can, becomes a part.
    fn gather(&mut self, large: usize) {
        for (at, eqn) in self.graph.eqns.iter().enumerate() {
            let [out] = eqn.outs[..] else { continue };
            let mut families: SmallVec<[usize; 4]> =
                eqn.args.iter().filter_map(|&arg| Some(self.member(arg)?.family)).collect();
            families.dedup();
            let Some(&first) = families.first() else {
                if let Some(axis) = seed(self.graph, eqn, large) {
                    let aval = self.graph.aval(out);
                    let family = self.families.len();
                    self.families.push(Family {
                        rows: aval.shape[axis],
                        size: aval.size(),
                        bytes: aval.bytes(),
                        is_apart: true,
                    });
                    self.merged.push(family);
                    self.members[out.index()] = Some(Member { family, axis, level: 0 });
                    self.levels[at] = Some((family, 0));
                }
                continue;
            };
            let rows = self.families[first].rows;
            if families.iter().any(|&family| self.families[family].rows != rows) {
                continue;
            }
            let cuts = self.cuts(eqn);
            let Some((made, needed)) = cuts::forward(self.graph, eqn, &cuts, rows) else { continue };
            let is_wide = self.is_wide(out, first);
            let reads_wide =
                eqn.args.iter().any(|&arg| self.member(arg).is_some() && self.is_wide(arg, first));
            let is_product = matches!(eqn.primitive.op(), Op::DotGeneral { .. });
            let stays = match made {
                Made::Sum => None,
                Made::Rows(axis) if is_wide => Some(axis),
                Made::Rows(_) if is_product => None,
                // What is reduced of rows, and functions of that alone.
                Made::Rows(axis) if cuts == needed => Some(axis),
                Made::Rows(_) => continue,
            };
            if stays.is_none() && !reads_wide {
                continue;
            }
            families.iter().for_each(|&family| self.merge(first, family));
            self.members[out.index()] = stays.map(|axis| Member { family: first, axis, level: 0 });
            self.levels[at] = Some((first, 0));
        }
    }

    /// What is reduced of rows, and meets no matrix again, is made outside.
    fn leave_what_is_thin(&mut self) {
        for at in (0..self.levels.len()).rev() {
            let Some((family, _)) = self.part(at) else { continue };
            let eqn = &self.graph.eqns[at];
            let is_wide = |&var: &Var| self.member(var).is_some() && self.is_wide(var, family);
            let is_read = |&out: &Var| self.uses.uses(out).iter().any(|&user| self.levels[user].is_some());
            if !eqn.args.iter().any(is_wide) && !eqn.outs.iter().any(is_wide) && !eqn.outs.iter().any(is_read)
            {
                self.levels[at] = None;
                self.members[eqn.outs[0].index()] = None;
            }
        }
    }

    /// A family whose matrices somebody else reads is left as it is.
    fn check(&mut self) {
        let mut read: Vec<Var> = self.graph.outs.clone();
        for (at, eqn) in self.graph.eqns.iter().enumerate() {
            if self.levels[at].is_none() {
                read.extend(&eqn.args);
            }
        }
        for var in read {
            if let Some(member) = self.member(var)
                && self.is_wide(var, member.family)
            {
                self.families[member.family].is_apart = false;
            }
        }
    }

    /// A part is of a later level than the ones whose results, by way of others, it depends on.
    fn set_levels(&mut self) {
        // By variable: the families that it depends on, and the level that follows.
        let mut after: Vec<SmallVec<[(usize, u32); 2]>> = vec![SmallVec::new(); self.graph.avals.len()];
        for (at, eqn) in self.graph.eqns.iter().enumerate() {
            let mut all: SmallVec<[(usize, u32); 2]> = SmallVec::new();
            let mut level = 0;
            let own = self.part(at).map(|(family, _)| family);
            for &arg in &eqn.args {
                let within = self.member(arg).filter(|member| Some(member.family) == own);
                if let Some(member) = within {
                    level = level.max(member.level);
                }
                for &(family, next) in &after[arg.index()] {
                    if Some(family) == own && within.is_none() {
                        level = level.max(next);
                    }
                    match all.iter_mut().find(|(other, _)| *other == family) {
                        Some((_, other)) => *other = next.max(*other),
                        None => all.push((family, next)),
                    }
                }
            }
            if let Some(own) = own {
                self.levels[at] = Some((own, level));
                if let Some(member) = &mut self.members[eqn.outs[0].index()] {
                    member.level = level;
                }
                all.retain(|(family, _)| *family != own);
                all.push((own, level + 1));
            }
            for out in &eqn.outs {
                after[out.index()].clone_from(&all);
            }
        }
    }

    /// Masks and random numbers that are as large as matrices, and made of little, are made by rows as well, if only parts read them.
    fn find_light(&mut self) {
        let mut is_light = vec![false; self.graph.avals.len()];
        for (at, eqn) in self.graph.eqns.iter().enumerate() {
            let [out] = eqn.outs[..] else { continue };
            let axes = 0..self.graph.aval(out).rank();
            let goes_by_rows = |axis| {
                let rows = self.graph.aval(out).shape[axis];
                cuts::backward(self.graph, eqn, axis, rows).is_some()
            };
            if self.levels[at].is_some() || !axes.into_iter().any(goes_by_rows) {
                continue;
            }
            let heavy = eqn.args.iter().filter(|arg| !is_light[arg.index()]);
            let heavy: usize = heavy.map(|&arg| self.graph.aval(arg).size()).sum();
            let repeats = matches!(eqn.primitive.op(), Op::BroadcastTo);
            let size = self.graph.aval(out).size();
            is_light[out.index()] = size >= WIDER * heavy || (repeats && size > heavy);
            self.is_light[at] = is_light[out.index()];
        }
        for at in (0..self.is_light.len()).rev() {
            let out = self.graph.eqns[at].outs.first();
            let is_apart = |&user: &usize| match self.part(user) {
                Some((family, _)) => self.families[family].is_apart,
                None => self.is_light[user],
            };
            self.is_light[at] &= out.is_some_and(|&out| {
                self.uses.last_use(out) != Some(usize::MAX) && self.uses.uses(out).iter().all(is_apart)
            });
        }
    }
}

/// The axis of rows of a product that is a matrix of more than `large` bytes, and much larger than its operands.
fn seed(graph: &Graph, eqn: &Eqn, large: usize) -> Option<usize> {
    let Op::DotGeneral { dimensions, .. } = eqn.primitive.op() else { return None };
    let (lhs, rhs, out) = (graph.aval(eqn.args[0]), graph.aval(eqn.args[1]), graph.aval(eqn.outs[0]));
    let contracted: usize = dimensions.contracting.0.iter().map(|&axis| lhs.shape[axis]).product();
    let is_matrix = |operand: &Aval| operand.size().saturating_mul(WIDER) <= out.size();
    if out.bytes() <= large
        || contracted > CONTRACTED
        || !is_matrix(lhs)
        || !is_matrix(rhs)
        || (lhs.size() + rhs.size()).saturating_mul(WIDER) > out.size()
    {
        return None;
    }
    let batch = dimensions.batch.0.len();
    let free = lhs.rank() - dimensions.contracting.0.len() - batch;
    // Of several axes the longest.
    (batch..batch + free).max_by_key(|&axis| (out.shape[axis], std::cmp::Reverse(axis)))
}
