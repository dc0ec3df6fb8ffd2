//! What happens to a block of rows.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::cuts::{self, Cuts, Made};
use super::parts::Parts;
use crate::array::{Aval, DType};
use crate::core::op::Op;
use crate::core::trace::stage::Stage;
use crate::core::trace::{self, Trace};
use crate::core::{Eqn, Graph, Tensor, Var};
use crate::error::{Error, Result};
use crate::ops::{create, random_rows};

/// A level of a family: what it makes, and where its last equation is.
pub(super) struct Region {
    pub family: usize,
    pub level: u32,
    /// What is made for others: sums over all rows, then what has rows, with the axis of these.
    pub sums: Vec<Var>,
    pub rows: Vec<(Var, usize)>,
    pub last: usize,
}

/// A program for a block of rows, and the variables that it reads: its inputs are those, the sums so far and the first row, an `I32`;
/// its results the sums and the rows.
pub(super) struct Body {
    pub graph: Graph,
    pub reads: Vec<Var>,
}

/// What an input is.
#[derive(Clone, Copy, PartialEq)]
enum Input {
    Outside(Var),
    Sum,
    Start,
}

struct Block<'a> {
    parts: &'a Parts<'a>,
    region: &'a Region,
    /// Of a block, and of all.
    count: usize,
    rows: usize,
    stage: Arc<Stage>,
    inputs: Vec<Input>,
    start: Tensor,
    outside: FxHashMap<Var, Tensor>,
    made: FxHashMap<(Var, bool), Tensor>,
}

/// Sums of halves are rounded once, not after every block.
pub(super) fn sum_dtype(dtype: DType) -> DType {
    if dtype.is_float() { dtype.promote(DType::F32) } else { dtype }
}

impl Region {
    /// The program for a block of so many rows; none if it cannot be.
    pub fn body(&self, parts: &Parts<'_>, count: usize) -> Option<Body> {
        let stage = Stage::new(trace::current());
        let start = stage.input(&Aval::new([], DType::I32));
        let rows = parts.families[self.family].rows;
        let (inputs, outside, made) = (vec![Input::Start], FxHashMap::default(), FxHashMap::default());
        let mut block =
            Block { parts, region: self, count, rows, stage: stage.clone(), inputs, start, outside, made };
        let outs = trace::run(Trace::Stage(stage.clone()), || block.outs()).ok()?;
        let (mut graph, captured) = stage.finish(&outs);
        if !captured.is_empty() {
            return None;
        }
        let order = |wanted: &dyn Fn(Input) -> bool| {
            let all = block.inputs.iter().zip(&graph.inputs);
            all.filter(|(input, _)| wanted(**input)).map(|(_, &var)| var).collect::<Vec<Var>>()
        };
        let inputs = [
            order(&|input| matches!(input, Input::Outside(_))),
            order(&|input| input == Input::Sum),
            order(&|input| input == Input::Start),
        ];
        let reads = block.inputs.iter().filter_map(|input| match input {
            Input::Outside(var) => Some(*var),
            _ => None,
        });
        let reads = reads.collect();
        graph.inputs = inputs.concat();
        Some(Body { graph, reads })
    }
}

impl Block<'_> {
    fn outs(&mut self) -> Result<Vec<Tensor>> {
        let region = self.region;
        let mut outs = Vec::new();
        for &var in &region.sums {
            let part = self.made_by(var, None)?;
            let aval = Aval::new(part.shape(), sum_dtype(part.dtype()));
            let before = self.input(&aval, Input::Sum);
            outs.push(before.try_add(part.try_cast(aval.dtype)?)?);
        }
        for &(var, axis) in &region.rows {
            outs.push(self.value(var, Some(axis))?);
        }
        Ok(outs)
    }

    fn input(&mut self, aval: &Aval, what: Input) -> Tensor {
        self.inputs.push(what);
        self.stage.input(aval)
    }

    /// A value, or the block's rows of it.
    fn value(&mut self, var: Var, axis: Option<usize>) -> Result<Tensor> {
        if let Some(made) = self.made.get(&(var, axis.is_some())) {
            return Ok(made.clone());
        }
        let made = match axis {
            Some(axis) if self.is_within(var) => self.made_by(var, Some(axis))?,
            Some(axis) => {
                let whole = self.outside(var);
                whole.try_dynamic_slice_axis(axis, &self.start, self.count)?
            }
            None => self.outside(var),
        };
        self.made.insert((var, axis.is_some()), made.clone());
        Ok(made)
    }

    /// Whether a block makes its own rows of a value.
    fn is_within(&self, var: Var) -> bool {
        let Some(at) = self.parts.uses.def(var) else { return false };
        let Region { family, level, .. } = *self.region;
        match self.parts.part(at) {
            // Matrices of an earlier level are made again, what was reduced of them is kept.
            Some((other, of)) => {
                other == family
                    && (of == level
                        || (of < level && self.parts.is_wide(var, family) && self.parts.cut(var).is_some()))
            }
            None => self.parts.is_light(at),
        }
    }

    fn outside(&mut self, var: Var) -> Tensor {
        if let Some((_, array)) = self.parts.graph.consts.iter().find(|(other, _)| *other == var)
            && array.is_scalar()
        {
            return array.clone().into();
        }
        if let Some(known) = self.outside.get(&var) {
            return known.clone();
        }
        let made = self.input(self.parts.graph.aval(var), Input::Outside(var));
        self.outside.insert(var, made.clone());
        made
    }

    /// What the equation of a value makes of the block's rows: its own rows along an axis, or, without one, a summand.
    fn made_by(&mut self, var: Var, axis: Option<usize>) -> Result<Tensor> {
        let (parts, graph) = (self.parts, self.parts.graph);
        let Some(at) = parts.uses.def(var) else { return Err(cannot(var)) };
        let eqn = &graph.eqns[at];
        let cuts = self.cuts_of(at, eqn, axis).ok_or_else(|| cannot(var))?;
        let args = eqn.args.iter().zip(cuts).map(|(&arg, axis)| self.value(arg, axis));
        let args = args.collect::<Result<Vec<Tensor>>>()?;
        self.apply(eqn, &args, axis)
    }

    fn cuts_of(&self, at: usize, eqn: &Eqn, axis: Option<usize>) -> Option<Cuts> {
        let graph = self.parts.graph;
        if self.parts.part(at).is_none() {
            return cuts::backward(graph, eqn, axis?, self.rows);
        }
        let cuts = self.parts.cuts(eqn);
        if cuts.iter().all(Option::is_none) {
            return seed_cuts(graph, eqn, axis?);
        }
        let (made, needed) = cuts::forward(graph, eqn, &cuts, self.rows)?;
        let is_asked = match made {
            Made::Rows(made) => axis == Some(made),
            Made::Sum => axis.is_none(),
        };
        is_asked.then_some(needed)
    }

    fn apply(&self, eqn: &Eqn, args: &[Tensor], axis: Option<usize>) -> Result<Tensor> {
        let aval = self.parts.graph.aval(eqn.outs[0]);
        let mut shape = aval.shape.clone();
        if let Some(axis) = axis {
            shape[axis] = self.count;
        }
        match (eqn.primitive.op(), axis) {
            (Op::Reshape, _) => args[0].try_reshape(shape),
            (Op::BroadcastTo, _) => args[0].try_broadcast_to(shape),
            (Op::Full(number), _) => create::full(aval.with_shape(shape), number),
            (Op::Iota { axis: along }, Some(axis)) => {
                let places = create::iota(shape, aval.dtype, along)?;
                if along == axis { places.try_add(self.start.try_cast(aval.dtype)?) } else { Ok(places) }
            }
            (Op::RandomBits { draw, shape }, Some(axis)) => {
                random_rows::rows(&args[0], draw, shape, axis, &self.start, self.count)
            }
            _ => {
                let outs = trace::bind_at(&*eqn.primitive, args.iter().cloned().collect(), eqn.location)?;
                outs.into_iter().next().ok_or_else(|| cannot(eqn.outs[0]))
            }
        }
    }
}

/// A product of whole operands: rows of the left one are rows of the result.
fn seed_cuts(graph: &Graph, eqn: &Eqn, axis: usize) -> Option<Cuts> {
    let Op::DotGeneral { dimensions, .. } = eqn.primitive.op() else { return None };
    let (contracting, batch) = (&dimensions.contracting.0, &dimensions.batch.0);
    let rank = graph.aval(eqn.args[0]).rank();
    let mut free = (0..rank).filter(|axis| !contracting.contains(axis) && !batch.contains(axis));
    Some([free.nth(axis.checked_sub(batch.len())?), None].into_iter().collect())
}

fn cannot(var: Var) -> Error {
    Error::msg(format!("{var} does not go by rows"))
}
