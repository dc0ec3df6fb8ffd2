//! Windows: slices that fused kernels read where they lie, without a copy of their elements.
//!
//! A slice along one axis is a part of each row of a matrix, whatever its shape. So the gates of a recurrent cell, which are parts
//! of the columns of one product, are read from that product's own memory.

use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use super::role::{Role, elementwise, is_reshape, role};
use crate::array::Aval;
use crate::backend::cpu::codegen::Window;
use crate::backend::cpu::passes::analysis::DefUse;
use crate::backend::cpu::schedule::{Schedule, Step};
use crate::core::op::Op;
use crate::core::{Eqn, Var};
use crate::ops::slice::part_of;

/// Elements of a row from which on a loop over rows costs no more than a copy.
pub(super) const SHORTEST_ROW: usize = 32;
/// Elements between rows, at most: compiled loops know their bytes as numbers of 32 bits.
pub(super) const LONGEST_PITCH: usize = 1 << 24;

/// A part of each row of an array.
#[derive(Clone)]
pub(super) struct Part {
    /// The array.
    pub source: Var,
    /// The equations that make it otherwise: a slice, and reshapes of that.
    pub eqns: SmallVec<[usize; 2]>,
    /// The function of elements that makes the array, if nobody needs more of it than parts: each is computed where it is read.
    pub made_by: Option<usize>,
    rows: usize,
    /// Elements of its row.
    pub row: usize,
    window: Window,
}

impl Part {
    /// The part along one axis of an array.
    fn of(source: Var, whole: &[usize], part: &[usize], starts: &[usize], eqn: usize) -> Option<Part> {
        let mut cut = (0..whole.len()).filter(|&axis| whole[axis] != part[axis]);
        let (axis, None) = (cut.next()?, cut.next()) else { return None };
        let behind: usize = whole[axis + 1..].iter().product();
        let (row, pitch) = (part[axis] * behind, whole[axis] * behind);
        let rows: usize = whole[..axis].iter().product();
        let window = Window { start: starts[axis] * behind, pitch };
        let is_long = rows == 1 || row >= SHORTEST_ROW;
        (rows * row > 0 && is_long && pitch <= LONGEST_PITCH).then(|| Part {
            source,
            eqns: smallvec![eqn],
            made_by: None,
            rows,
            row,
            window,
        })
    }

    /// The part as rows of so many elements.
    pub fn in_rows_of(&self, cols: usize) -> Option<Window> {
        match self.rows {
            1 => Some(Window { pitch: cols, ..self.window }),
            _ => (self.row == cols).then_some(self.window),
        }
    }

    /// The length of rows that it wants.
    pub fn wanted(&self) -> Option<usize> {
        (self.rows > 1).then_some(self.row)
    }
}

/// By variable: of which array it is a part.
#[derive(Default)]
pub(super) struct Windows(FxHashMap<Var, Part>);

impl Windows {
    pub fn of(graph: &Schedule, uses: &DefUse) -> Windows {
        let mut found: FxHashMap<Var, Part> = FxHashMap::default();
        for (at, eqn) in graph.eqns.iter().enumerate() {
            let part = match eqn.primitive.op() {
                Some(Op::Slice { starts, strides }) if strides.iter().all(|&stride| stride == 1) => {
                    let (whole, part) = (graph.aval(eqn.args[0]), graph.aval(eqn.outs[0]));
                    let part = Part::of(eqn.args[0], &whole.shape, &part.shape, starts, at);
                    part.map(|part| Part { made_by: graph.made_in_parts(eqn.args[0], uses), ..part })
                }
                Some(op) if is_reshape(op) => found.get(&eqn.args[0]).cloned().map(|mut part| {
                    part.eqns.push(at);
                    part
                }),
                _ => None,
            };
            found.extend(part.map(|part| (eqn.outs[0], part)));
        }
        Windows(found)
    }

    pub fn get(&self, var: Var) -> Option<&Part> {
        self.0.get(&var)
    }
}

impl Schedule {
    /// The function of elements that makes an array of which only slices are read, each element once at most, if what it reads is
    /// there without another kernel.
    fn made_in_parts(&self, var: Var, uses: &DefUse) -> Option<usize> {
        let at = uses.def(var)?;
        let Some(Role::Map(_)) = role(self, &self.eqns[at]) else { return None };
        let is_slice = |&reader: &usize| matches!(self.eqns[reader].primitive.op(), Some(Op::Slice { .. }));
        let read = uses.uses(var).iter().map(|&reader| self.aval(self.eqns[reader].outs[0]).size());
        let is_there = |&arg: &Var| {
            uses.def(arg).is_none_or(|maker| {
                let eqn = &self.eqns[maker];
                !eqn.args.is_empty() && role(self, eqn).is_none()
            })
        };
        let fits = uses.last_use(var) != Some(usize::MAX)
            && uses.uses(var).iter().all(is_slice)
            && read.fold(0, usize::saturating_add) <= self.aval(var).size()
            && self.eqns[at].args.iter().all(is_there);
        fits.then_some(at)
    }

    /// Takes arrays apart by slices, where element-wise functions read the parts: they need no copy of those.
    #[must_use]
    pub(super) fn slices_for_splits(mut self) -> Schedule {
        if !self.eqns.iter().any(|eqn| matches!(eqn.primitive.op(), Some(Op::Split { .. }))) {
            return self;
        }
        let uses = DefUse::of(&self);
        let mut eqns = Vec::with_capacity(self.eqns.len());
        for eqn in &self.eqns {
            match self.slices(eqn, &uses) {
                Some(slices) => eqns.extend(slices),
                None => eqns.push(eqn.clone()),
            }
        }
        self.eqns = eqns;
        self
    }

    /// A slice for each part of a split that anybody reads, if all of these are read by element-wise functions.
    fn slices(&self, eqn: &Eqn<Step>, uses: &DefUse) -> Option<Vec<Eqn<Step>>> {
        let Some(Op::Split { axis, sizes }) = eqn.primitive.op() else { return None };
        let whole = self.aval(eqn.args[0]);
        let mut start = 0;
        let mut slices = Vec::new();
        for (&size, &out) in sizes.iter().zip(&eqn.outs) {
            let from = start;
            start += size;
            if uses.last_use(out).is_none() {
                continue;
            }
            let part = self.aval(out);
            let mut starts = vec![0; whole.rank()];
            starts[axis] = from;
            Part::of(eqn.args[0], &whole.shape, &part.shape, &starts, 0)?;
            if !uses.uses(out).iter().any(|&reader| self.reads_all(reader, part)) {
                return None;
            }
            let primitive = Step::Primitive(part_of(whole, axis, from, size));
            slices.push(Eqn { primitive, outs: smallvec![out], ..eqn.clone() });
        }
        Some(slices)
    }

    /// Whether an equation is a function of elements of an array of this shape.
    fn reads_all(&self, reader: usize, part: &Aval) -> bool {
        let eqn = &self.eqns[reader];
        eqn.primitive.op().is_some_and(|op| elementwise(op).is_some())
            && self.aval(eqn.outs[0]).shape == part.shape
    }
}
