//! Loops by rows: where each row of a batch goes its own way through all steps of a loop, shares of the rows are loops of their own,
//! which threads run beside each other without a word between them. Otherwise threads would meet several times in each step,
//! which in a recurrent network takes a few microseconds. It is the data parallelism of the batch, moved out of the loop
//! (loop interchange, as Allen and Kennedy call it in "Automatic loop interchange", 1984).
//!
//! How many shares there are depends on shapes alone, never on the number of threads, and so do the results.

use smallvec::smallvec;

use crate::array::Aval;
use crate::backend::cpu::passes::fuse::{elementwise, is_reshape};
use crate::backend::cpu::rules;
use crate::core::op::Op;
use crate::core::primitive::Args;
use crate::core::{Eqn, Graph, Var};

/// Floating-point operations of all steps from which on threads are worth their while.
const LEAST: u64 = 1 << 21;
/// Floating-point operations of a step that a share has, about.
const SHARE: u64 = 1 << 21;
/// Rows of a share at least: with fewer, products read their weights more often than they compute.
const ROWS: usize = 8;

/// How a value depends on rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The same for all rows.
    Whole,
    /// An element of the first axis for each row, made from that row alone.
    Rows,
}

impl Graph {
    /// This body of a loop for a share of the rows, and how many shares there are; none if rows do not go their own ways, or it is
    /// not worth it.
    pub(crate) fn by_rows(&self, consts: usize, length: usize) -> Option<(Graph, usize)> {
        let work = self.flops(0..self.len());
        if work.saturating_mul(length as u64) < LEAST {
            return None;
        }
        let rows = *self.aval(*self.inputs.get(consts)?).shape.first()?;
        let most = rows / ROWS;
        // Equal shares, as many as there is work for, or half as many: with fewer, a step has enough in it for threads to meet.
        let wanted = (work / SHARE).next_power_of_two().max(2);
        let shares = [wanted, wanted / 2].into_iter().map(|shares| shares as usize);
        let shares =
            shares.filter(|&shares| shares > 1 && shares <= most && rows.is_multiple_of(shares)).max()?;
        let mut cut = Cut::new(self, rows, rows / shares);
        for (i, &input) in self.inputs.iter().enumerate() {
            let kind = if i < consts { Kind::Whole } else { Kind::Rows };
            if kind == Kind::Rows && self.aval(input).shape.first() != Some(&rows) {
                return None;
            }
            let new = cut.variable(input, kind);
            cut.graph.inputs.push(new);
        }
        for (var, array) in &self.consts {
            let new = cut.variable(*var, Kind::Whole);
            cut.graph.consts.push((new, array.clone()));
        }
        for eqn in &self.eqns {
            cut.equation(eqn)?;
        }
        for &out in &self.outs {
            let new = cut.rows_of(out)?;
            cut.graph.outs.push(new);
        }
        Some((cut.graph, shares))
    }
}

/// A body for a share of the rows, while it is made.
struct Cut<'a> {
    of: &'a Graph,
    rows: usize,
    share: usize,
    graph: Graph,
    /// By variable of the whole body.
    renamed: Vec<Option<(Var, Kind)>>,
    /// The same of values that all rows share, repeated for these rows.
    repeated: Vec<Option<Var>>,
}

impl Cut<'_> {
    fn new(of: &Graph, rows: usize, share: usize) -> Cut<'_> {
        let count = of.avals.len();
        Cut {
            of,
            rows,
            share,
            graph: Graph::empty(),
            renamed: vec![None; count],
            repeated: vec![None; count],
        }
    }

    fn variable(&mut self, var: Var, kind: Kind) -> Var {
        let aval = self.of.aval(var);
        let aval = if kind == Kind::Rows { self.cut(aval) } else { aval.clone() };
        let new = self.add(aval);
        self.renamed[var.index()] = Some((new, kind));
        new
    }

    fn add(&mut self, aval: Aval) -> Var {
        self.graph.avals.push(aval);
        Var(self.graph.avals.len() as u32 - 1)
    }

    fn cut(&self, aval: &Aval) -> Aval {
        let mut shape = aval.shape.clone();
        shape[0] = self.share;
        aval.with_shape(shape)
    }

    fn kind(&self, var: Var) -> Option<Kind> {
        self.renamed[var.index()].map(|(_, kind)| kind)
    }

    fn is_by_rows(&self, var: Var) -> bool {
        self.kind(var) == Some(Kind::Rows)
    }

    /// An equation for the share of rows; none if rows meet in it, or it is not known that they do not.
    fn equation(&mut self, eqn: &Eqn) -> Option<()> {
        let op = eqn.primitive.op();
        if eqn.primitive.has_effects() {
            return None;
        }
        if !eqn.args.iter().any(|&arg| self.is_by_rows(arg)) {
            let args =
                eqn.args.iter().map(|arg| Some(self.renamed[arg.index()]?.0)).collect::<Option<_>>()?;
            let outs = eqn.outs.iter().map(|&out| self.variable(out, Kind::Whole)).collect();
            self.graph.eqns.push(Eqn { args, outs, ..eqn.clone() });
            return Some(());
        }
        if !eqn.outs.iter().all(|&out| self.of.aval(out).shape.first() == Some(&self.rows)) {
            return None;
        }
        let args: Args<Var> = match op {
            _ if elementwise(op).is_some() => {
                let out = self.of.aval(eqn.outs[0]);
                eqn.args.iter().map(|&arg| self.operand(arg, out)).collect::<Option<_>>()?
            }
            Op::Concatenate { axis } if axis > 0 => {
                eqn.args.iter().map(|&arg| self.rows_of(arg)).collect::<Option<_>>()?
            }
            Op::DotGeneral { dimensions, .. } => {
                let ((contracted, _), (batch, _)) = (&dimensions.contracting, &dimensions.batch);
                let is_free = batch.is_empty() && !contracted.contains(&0);
                if !is_free || !self.is_by_rows(eqn.args[0]) || self.is_by_rows(eqn.args[1]) {
                    return None;
                }
                eqn.args.iter().map(|&arg| Some(self.renamed[arg.index()]?.0)).collect::<Option<_>>()?
            }
            _ if is_apart(op) => smallvec![self.rows_of(eqn.args[0])?],
            _ => return None,
        };
        let primitive = rules_of(eqn).with_batch_size(self.share).unwrap_or_else(|| eqn.primitive.clone());
        let inferred = {
            let avals: Args<&Aval> = args.iter().map(|&arg| self.graph.aval(arg)).collect();
            primitive.infer(&avals).ok()?
        };
        let outs =
            eqn.outs.iter().map(|&out| self.variable(out, Kind::Rows)).collect::<smallvec::SmallVec<_>>();
        let fits = inferred.len() == outs.len()
            && inferred.iter().zip(&outs).all(|(made, &out)| made.shape == self.graph.aval(out).shape);
        fits.then(|| self.graph.eqns.push(Eqn { primitive, args, outs, ..eqn.clone() }))
    }

    /// An argument of a function of elements: its rows, or what all rows share.
    fn operand(&mut self, arg: Var, out: &Aval) -> Option<Var> {
        let aval = self.of.aval(arg);
        match self.kind(arg)? {
            // Axes are aligned at the end: the first of a smaller array would be another one.
            Kind::Rows => (aval.rank() == out.rank()).then(|| self.rows_of(arg))?,
            Kind::Whole if aval.rank() < out.rank() || aval.shape[0] == 1 => {
                Some(self.renamed[arg.index()]?.0)
            }
            Kind::Whole => self.rows_of(arg),
        }
    }

    /// The rows of a value; of one that all rows share, only if it says the same for each of them.
    fn rows_of(&mut self, var: Var) -> Option<Var> {
        let (new, kind) = self.renamed[var.index()]?;
        if kind == Kind::Rows {
            return Some(new);
        }
        if let Some(known) = self.repeated[var.index()] {
            return Some(known);
        }
        let whole = self.of.aval(var);
        let eqn = self.of.eqns.iter().find(|eqn| eqn.outs[..] == [var])?;
        let is_alike = |arg: &Var| {
            let shape = &self.of.aval(*arg).shape;
            shape.len() < whole.rank() || shape[0] == 1
        };
        let repeats =
            matches!(eqn.primitive.op(), Op::Full(_) | Op::BroadcastTo) && eqn.args.iter().all(is_alike);
        if !repeats || whole.shape.first() != Some(&self.rows) {
            return None;
        }
        let primitive = rules_of(eqn).with_batch_size(self.share)?;
        let args = eqn.args.iter().map(|arg| Some(self.renamed[arg.index()]?.0)).collect::<Option<_>>()?;
        let new = self.add(self.cut(whole));
        self.repeated[var.index()] = Some(new);
        self.graph.eqns.push(Eqn { primitive, args, outs: smallvec![new], ..eqn.clone() });
        Some(new)
    }
}

fn rules_of(eqn: &Eqn) -> &dyn crate::core::CpuRules {
    rules(&*eqn.primitive)
}

/// Whether each row of the results is made of the same row of the only argument.
fn is_apart(op: Op<'_>) -> bool {
    match op {
        Op::Reduce(_, axes) | Op::Any(axes) | Op::All(axes) | Op::Rev { axes } => !axes.contains(&0),
        Op::ArgReduce { axis, .. }
        | Op::Cumulative { axis, .. }
        | Op::Split { axis, .. }
        | Op::Shift { axis, .. } => axis > 0,
        Op::Transpose { axes } => axes[0] == 0,
        Op::Slice { starts, strides } => starts[0] == 0 && strides[0] == 1,
        _ => is_reshape(op),
    }
}
