//! Rows without a gradient are left alone: gradients of embeddings stay indices and rows as far as element-wise functions go.
//!
//! The gradient of a table by a few of its rows is a table of zeros to which those rows are added. What an optimizer makes of it element by
//! element is, everywhere else, what it makes of zero, which is told from the functions alone ([`Known`]):
//!
//! | what becomes of a value where the gradient is zero | what is run |
//! |---|---|
//! | nothing, as in gradient descent, in Adagrad, and wherever a selection by rows says so | the few rows are computed, and written where they belong |
//! | something else, as with momentum or weight decay | all of it is computed with zero for a gradient, and the few rows again |
//! | it is summed, as by clipping to a global norm | the few rows are summed |
//!
//! So neither the table of zeros is written nor, in the first row, are tables read; a table that is given away is written where it lies.
//! Rows that several indices name are added together first, as they would be in the table.
//!
//! **Numbers.** Each element is computed by the functions that were written. A row without a gradient stays as it is also where zero times
//! what a function multiplies it by, or zero divided by it, would be NaN.

mod known;
#[cfg(test)]
mod tests;

use rustc_hash::FxHashMap;

use super::analysis::DefUse;
use super::by_blocks::cuts::{self, Cuts, Made};
use crate::array::{DType, Shape};
use crate::core::op::{GatherDimensions, Op, Outside, ScatterOp};
use crate::core::trace;
use crate::core::{Eqn, Graph, Tensor, Var};
use crate::error::{Error, Result};
use crate::ops::create;
use known::{Known, number};

/// Bytes of a table from which on it pays.
const LARGE: usize = 1 << 20;
/// A table has at least so many times the rows that are added.
const FEW: usize = 8;

/// Rows that are added to zeros.
struct Rows<'a> {
    at: usize,
    /// Of the table.
    count: usize,
    dimensions: &'a GatherDimensions,
    indices: Var,
    updates: Var,
    /// What is made of them, by variable, with the equations that do: those that stay tables and those that sum them.
    members: FxHashMap<Var, Known>,
    parts: FxHashMap<usize, Made>,
    /// Members that others read.
    exports: Vec<Var>,
}

impl Graph {
    /// Computes only the rows that have a gradient, where it goes through functions of elements.
    pub(crate) fn sparse_rows(self) -> Graph {
        self.sparse_rows_from(LARGE)
    }

    /// The same for tables of so many bytes or more.
    fn sparse_rows_from(mut self, large: usize) -> Graph {
        let mut from = 0;
        // Each in turn, as what one becomes may be read with another.
        while let Some(at) = (from..self.len()).find(|&at| few_rows(&self, at, large).is_some()) {
            from = at + 1;
            let made = Rows::of(&self, at, large).and_then(|rows| rows.applied(&self));
            if let Some(made) = made {
                from = at;
                self = made.dce();
            }
        }
        self
    }
}

/// The dimensions of rows that an equation adds to a table of zeros, if they are few.
fn few_rows(graph: &Graph, at: usize, large: usize) -> Option<&GatherDimensions> {
    let eqn = &graph.eqns[at];
    let Op::Scatter { op: ScatterOp::Add, dimensions, .. } = eqn.primitive.op() else { return None };
    let (table, indices) = (graph.aval(eqn.args[0]), graph.aval(eqn.args[1]));
    let front = indices.rank().checked_sub(1)?;
    let are_rows = indices.dtype == DType::I32
        && table.rank() > 0
        && i32::try_from(table.shape[0]).is_ok()
        && dimensions.start_index_map[..] == [0]
        && dimensions.collapsed_slice_dims[..] == [0]
        && dimensions.operand_batching_dims.is_empty()
        && dimensions.slice_sizes[1..] == table.shape[1..]
        && dimensions.offset_dims.iter().copied().eq(front..front + table.rank() - 1);
    let is_few = table.bytes() >= large && FEW * indices.size() <= table.shape[0] && indices.size() > 0;
    (are_rows && is_few && table.dtype.is_float() && number(graph, eqn.args[0]) == Some(0.0))
        .then_some(dimensions)
}

impl<'a> Rows<'a> {
    /// What is made of the rows that an equation adds to zeros; none if anybody needs the table.
    fn of(graph: &'a Graph, at: usize, large: usize) -> Option<Rows<'a>> {
        let dimensions = few_rows(graph, at, large)?;
        let eqn = &graph.eqns[at];
        let mut rows = Rows {
            at,
            count: graph.aval(eqn.outs[0]).shape[0],
            dimensions,
            indices: eqn.args[1],
            updates: eqn.args[2],
            members: std::iter::once((eqn.outs[0], Known::Zero)).collect(),
            parts: FxHashMap::default(),
            exports: Vec::new(),
        };
        for (at, eqn) in graph.eqns.iter().enumerate().skip(at + 1) {
            let cuts = rows.cuts(eqn);
            if cuts.iter().all(Option::is_none) {
                continue;
            }
            if let Some(made) = rows.part(graph, eqn, &cuts) {
                rows.parts.insert(at, made);
                continue;
            }
            let read = eqn.args.iter().filter(|arg| rows.members.contains_key(arg));
            rows.exports.extend(read.copied().collect::<Vec<Var>>());
        }
        let uses = DefUse::of(graph);
        let mut returned: Vec<Var> =
            rows.members.keys().copied().filter(|&var| uses.last_use(var) == Some(usize::MAX)).collect();
        returned.sort_unstable();
        rows.exports.extend(returned);
        rows.exports.sort_unstable();
        rows.exports.dedup();
        let is_table = |var: &Var| matches!(rows.members[var], Known::Same(_) | Known::Other);
        (!rows.parts.is_empty() && rows.exports.iter().all(is_table)).then_some(rows)
    }

    fn cuts(&self, eqn: &Eqn) -> Cuts {
        eqn.args.iter().map(|arg| self.members.contains_key(arg).then_some(0)).collect()
    }

    /// What an equation makes of members, if it goes by rows.
    fn part(&mut self, graph: &Graph, eqn: &Eqn, cuts: &Cuts) -> Option<Made> {
        if matches!(eqn.primitive.op(), Op::DotGeneral { .. }) {
            return None;
        }
        let (made, _) = cuts::forward(graph, eqn, cuts, self.count)?;
        let known = known::of(graph, eqn, &self.members);
        match made {
            Made::Rows(0) => {
                self.members.insert(eqn.outs[0], known);
                Some(made)
            }
            Made::Rows(_) => None,
            Made::Sum => (known == Known::Zero).then_some(made),
        }
    }

    /// The graph with rows in place of the table.
    fn applied(&self, graph: &Graph) -> Option<Graph> {
        let mut new = Graph { eqns: Vec::with_capacity(graph.len()), ..graph.clone() };
        let mut writer = None;
        for (at, eqn) in graph.eqns.iter().enumerate() {
            if at == self.at {
                let [places, rows] = self.gathered(&mut new, eqn)?;
                let made = std::iter::once((eqn.outs[0], rows)).collect();
                writer = Some(Writer { rows: self, graph, places, made, rest: FxHashMap::default() });
                continue;
            }
            match (self.parts.get(&at), &mut writer) {
                (Some(made), Some(writer)) => writer.part(&mut new, eqn, *made)?,
                _ => new.eqns.push(eqn.clone()),
            }
        }
        Some(new)
    }

    /// The distinct indices, those outside of the table behind its end, and the sum of the rows of each; as many as there are indices, and
    /// behind the end for those that are there again.
    fn gathered(&self, graph: &mut Graph, origin: &Eqn) -> Option<[Var; 2]> {
        let (count, dimensions) = (self.count as i32, self.dimensions);
        let row: Shape = dimensions.slice_sizes[1..].into();
        let args = [self.indices, self.updates];
        let distinct = |indices: &Tensor| -> Result<[Tensor; 3]> {
            let mut places = indices.try_reshape(indices.size())?;
            if dimensions.wrap {
                places = places.try_lt(0)?.try_select(places.try_add(count)?, &places)?;
            }
            let is_outside = places.try_lt(0)?.try_bitor(places.try_ge(count)?)?;
            places = match dimensions.outside {
                Outside::Clip => places.try_maximum(0)?.try_minimum(count - 1)?,
                _ => is_outside.try_select(count, &places)?,
            };
            let order = places.try_argsort(0)?;
            let sorted = places.try_take(&order, 0)?;
            let size = sorted.shape()[0] as isize;
            let is_new = sorted.try_slice_axis(0, 1..size)?.try_ne(sorted.try_slice_axis(0, 0..size - 1)?)?;
            let number = Tensor::try_concatenate(
                &[Tensor::zeros_of([1], DType::I32), is_new.try_cast(DType::I32)?],
                0,
            )?
            .try_cumsum(0)?;
            let none = create::full(sorted.aval().clone(), f64::from(count))?;
            Ok([none.try_index_set(0, &number, &sorted)?, order, number])
        };
        let places = graph.apply(&args[..1], origin, |args| Ok(distinct(&args[0])?[0].clone()))?;
        let rows = graph.apply(&args, origin, |args| {
            let [_, order, number] = distinct(&args[0])?;
            let mut shape = row.clone();
            shape.insert(0, order.shape()[0]);
            let updates = args[1].try_reshape(&shape)?.try_take(&order, 0)?;
            create::full(updates.aval().with_shape(shape), 0.0)?.try_index_add(0, &number, updates)
        })?;
        Some([places, rows])
    }
}

/// Writes what a table's functions are for its rows.
struct Writer<'a> {
    rows: &'a Rows<'a>,
    graph: &'a Graph,
    places: Var,
    /// By variable: its rows.
    made: FxHashMap<Var, Var>,
    /// By member: what it is in the rows without a gradient.
    rest: FxHashMap<Var, Var>,
}

impl Writer<'_> {
    fn part(&mut self, new: &mut Graph, eqn: &Eqn, made: Made) -> Option<()> {
        let out = eqn.outs[0];
        let cuts = self.rows.cuts(eqn);
        let (_, needed) = cuts::forward(self.graph, eqn, &cuts, self.rows.count)?;
        let args = self.args(new, eqn, &needed)?;
        if made == Made::Sum {
            return new.apply_as(&args, out, eqn, |args| bound(eqn, args));
        }
        let rows = self.bind(new, eqn, &args)?;
        self.made.insert(out, rows);
        if self.rows.members[&out] == Known::Other {
            let args: Vec<Var> =
                eqn.args.iter().map(|&arg| self.rest(new, arg, eqn)).collect::<Option<_>>()?;
            let shape = &self.graph.aval(out).shape;
            let rest = new.apply(&args, eqn, |args| applied(eqn, args, shape)?.try_broadcast_to(shape))?;
            self.rest.insert(out, rest);
        }
        if self.rows.exports.contains(&out) {
            let rest = self.rest(new, out, eqn)?;
            return new.apply_as(&[rest, self.places, rows], out, eqn, |args| {
                args[0].try_index_set(0, &args[1], &args[2])
            });
        }
        Some(())
    }

    fn args(&mut self, new: &mut Graph, eqn: &Eqn, needed: &Cuts) -> Option<Vec<Var>> {
        let args = eqn.args.iter().zip(needed);
        args.map(|(&arg, cut)| if cut.is_some() { self.rows_of(new, arg, eqn) } else { Some(arg) }).collect()
    }

    /// The rows of a value: of a function of tables the function of their rows.
    fn rows_of(&mut self, new: &mut Graph, var: Var, origin: &Eqn) -> Option<Var> {
        if let Some(&made) = self.made.get(&var) {
            return Some(made);
        }
        let by = self.graph.eqns.iter().find(|eqn| eqn.outs[..] == [var]);
        let needed = by.and_then(|eqn| Some((eqn, cuts::backward(self.graph, eqn, 0, self.rows.count)?)));
        let made = match needed.filter(|(eqn, _)| super::fuse::elementwise(eqn.primitive.op()).is_some()) {
            Some((eqn, needed)) => {
                let args = self.args(new, eqn, &needed)?;
                self.bind(new, eqn, &args)?
            }
            None => new.apply(&[var, self.places], origin, |args| args[0].try_take_clip(&args[1], 0))?,
        };
        self.made.insert(var, made);
        Some(made)
    }

    fn bind(&self, new: &mut Graph, eqn: &Eqn, args: &[Var]) -> Option<Var> {
        let mut shape = self.graph.aval(eqn.outs[0]).shape.clone();
        shape[0] = new.aval(self.places).shape[0];
        new.apply(args, eqn, |args| applied(eqn, args, &shape))
    }

    /// What a value is in the rows without a gradient.
    fn rest(&mut self, new: &mut Graph, var: Var, origin: &Eqn) -> Option<Var> {
        let dtype = self.graph.aval(var).dtype;
        match self.rows.members.get(&var) {
            None => Some(var),
            Some(Known::Same(other)) => Some(*other),
            Some(Known::Other) => self.rest.get(&var).copied(),
            Some(Known::Zero | Known::False) => {
                new.apply(&[], origin, |_| create::full(crate::array::Aval::new([], dtype), 0.0))
            }
        }
    }
}

/// An equation for arguments of another size, whose result has this shape.
fn applied(eqn: &Eqn, args: &[Tensor], shape: &[usize]) -> Result<Tensor> {
    match eqn.primitive.op() {
        Op::Reshape => args[0].try_reshape(shape),
        Op::BroadcastTo => args[0].try_broadcast_to(shape),
        _ => bound(eqn, args),
    }
}

fn bound(eqn: &Eqn, args: &[Tensor]) -> Result<Tensor> {
    let outs = trace::bind_at(&*eqn.primitive, args.iter().cloned().collect(), eqn.location)?;
    outs.into_iter().next().ok_or_else(|| Error::msg("an equation of one result"))
}
