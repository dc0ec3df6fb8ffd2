//! Decomposition: primitives that run as what others compute in their place.
//!
//! A primitive of a user's own has no kernel. Evaluated, it runs its decomposition; staged, it stays one equation, so that its
//! own gradient is used, and decomposes when a backend compiles the graph. Gradients and batches that it does not define are
//! those of the decomposition.

use std::cell::Cell;
use std::sync::Arc;

use smallvec::smallvec;

use super::op::Op;
use super::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use super::trace::batch::Batch;
use super::trace::stage::Stage;
use super::trace::tape::Tape;
use super::trace::{self, Axis, Trace};
use super::{Graph, Tensor};
use crate::array::{Aval, Shape};
use crate::error::{Error, Result};

/// How often a primitive decomposes into another that decomposes: a bound, as one that leads back to itself never ends.
const DEEPEST: usize = 100;

fn check_depth(primitive: &dyn Primitive, depth: usize) -> Result<()> {
    if depth < DEEPEST {
        return Ok(());
    }
    let text = format!("`{}` decomposes into itself, or over more than {DEEPEST} others", primitive.name());
    Err(Error::msg(text))
}

/// Runs what decomposes a primitive, within the decompositions that this thread is in already.
fn nested<R>(primitive: &dyn Primitive, f: impl FnOnce() -> Result<R>) -> Result<R> {
    thread_local! {
        static DEPTH: Cell<usize> = const { Cell::new(0) };
    }
    // A guard, because `f` may panic and the thread may go on.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
        }
    }
    check_depth(primitive, DEPTH.get())?;
    DEPTH.set(DEPTH.get() + 1);
    let _leave = Leave;
    f()
}

/// What a primitive decomposes into, in the current trace; it must be what was inferred.
pub(crate) fn run(primitive: &dyn Primitive, args: &[Tensor], inferred: &[Aval]) -> Result<Outs> {
    let outs = nested(primitive, || primitive.decompose(args))?;
    let alike = |(out, aval): (&Tensor, &Aval)| out.shape() == &aval.shape[..] && out.dtype() == aval.dtype;
    if outs.len() != inferred.len() || !outs.iter().zip(inferred).all(alike) {
        let list = |avals: &mut dyn Iterator<Item = &Aval>| {
            let all: Vec<String> = avals.map(Aval::to_string).collect();
            if all.is_empty() { "nothing".to_owned() } else { all.join(" and ") }
        };
        let found = format!("a decomposition into {}", list(&mut outs.iter().map(Tensor::aval)));
        return Err(Error::shape(primitive.name(), found, list(&mut inferred.iter())));
    }
    Ok(outs)
}

/// The gradient of the decomposition.
pub(crate) fn vjp(
    primitive: &dyn Primitive,
    residuals: &Residuals,
    cts: Cotangents,
    needs_grad: &[bool],
) -> Result<Grads> {
    let tape = Tape::new(trace::current());
    let mut watched = 0;
    let args: Args = needs_grad
        .iter()
        .enumerate()
        .map(|(i, &needed)| {
            let arg = residuals.arg(i).clone();
            watched += usize::from(needed);
            if needed { tape.watch(arg) } else { arg }
        })
        .collect();
    // The pullback of what it decomposes into may be that of another decomposition.
    let grads = nested(primitive, || {
        let outs = trace::run(Trace::Tape(tape.clone()), || primitive.decompose(&args))?;
        let ids = outs.into_iter().map(|out| tape.open(out).1);
        let seeds = ids.zip(cts).filter_map(|(id, ct)| Some((id?, ct?))).collect();
        tape.finish().run_once(seeds, watched)
    })?;
    let mut grads = grads.into_iter();
    Ok(needs_grad.iter().map(|&needed| if needed { grads.next().flatten() } else { None }).collect())
}

/// The primitive over a batch, as one primitive: its gradient stays its own.
pub(crate) fn batch(
    primitive: Arc<dyn Primitive>,
    axis: &Axis,
    args: Args,
    mapped: &[bool],
) -> Result<(Outs, Outs<bool>)> {
    let collectives =
        primitive.collectives().iter().filter(|name| axis.name.as_ref() != Some(*name)).cloned();
    let collectives = collectives.collect();
    let batched = Batched { of: primitive, axis: axis.clone(), mapped: mapped.into(), collectives };
    let outs = trace::bind(&batched, args)?;
    let mapped = smallvec![true; outs.len()];
    Ok((outs, mapped))
}

/// A primitive of a user's own over the examples of a batch.
#[derive(Clone)]
struct Batched {
    of: Arc<dyn Primitive>,
    axis: Axis,
    /// Which arguments have the axis, in front; all outputs have it.
    mapped: Args<bool>,
    /// The named axes around this one that it talks over.
    collectives: Vec<Arc<str>>,
}

impl PartialEq for Batched {
    fn eq(&self, other: &Batched) -> bool {
        self.of.same(&*other.of) && self.axis == other.axis && self.mapped == other.mapped
    }
}

impl std::fmt::Debug for Batched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}[batch={}]", self.of, self.axis.size)
    }
}

impl Batched {
    fn with_axis(&self, shape: &[usize]) -> Shape {
        std::iter::once(self.axis.size).chain(shape.iter().copied()).collect()
    }

    /// With the axis in front.
    fn whole(&self, value: Tensor, has_axis: bool) -> Result<Tensor> {
        if has_axis { Ok(value) } else { value.try_broadcast_to(self.with_axis(value.shape())) }
    }
}

impl Primitive for Batched {
    fn name(&self) -> &'static str {
        self.of.name()
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let each: Args<Aval> = args
            .iter()
            .zip(&self.mapped)
            .map(|(aval, &mapped)| if mapped { aval.with_shape(&aval.shape[1..]) } else { (*aval).clone() })
            .collect();
        let outs = self.of.infer(&each.iter().collect::<Args<_>>())?;
        Ok(outs.into_iter().map(|aval| aval.with_shape(self.with_axis(&aval.shape))).collect())
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        let batch = Batch::new(trace::current(), self.axis.clone());
        let args: Args =
            args.iter().zip(&self.mapped).map(|(arg, &mapped)| batch.wrap(arg.clone(), mapped)).collect();
        let outs = trace::run(Trace::Batch(batch.clone()), || self.of.decompose(&args))?;
        let opened = outs.into_iter().map(|out| batch.open(out));
        opened.map(|(out, has_axis)| self.whole(out, has_axis)).collect()
    }

    fn residuals(&self, needs_grad: &[bool]) -> ResidualMask {
        self.of.residuals(needs_grad)
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let batch = Batch::new(trace::current(), self.axis.clone());
        let each = residuals.map(
            |i, arg| batch.wrap(arg.clone(), self.mapped[i]),
            |_, out| batch.wrap(out.clone(), true),
            |i, arg| if self.mapped[i] { arg.with_shape(&arg.shape[1..]) } else { arg.clone() },
            |_, out| out.with_shape(&out.shape[1..]),
        );
        let cts = cts.into_iter().map(|ct| Some(batch.wrap(ct?, true))).collect();
        let grads = trace::run(Trace::Batch(batch.clone()), || self.of.vjp(&each, cts, needs_grad))?;
        let whole = |(i, grad): (usize, Option<Tensor>)| {
            let Some(grad) = grad else { return Ok(None) };
            let (grad, has_axis) = batch.open(grad);
            // What all examples share has the gradient of all of them.
            Ok(Some(match (self.mapped[i], has_axis) {
                (true, _) => self.whole(grad, has_axis)?,
                (false, true) => grad.try_sum_axes(0)?,
                (false, false) => grad.try_mul(grad.like(self.axis.size as f64))?,
            }))
        };
        grads.into_iter().enumerate().map(whole).collect()
    }

    fn collectives(&self) -> &[Arc<str>] {
        &self.collectives
    }

    fn has_effects(&self) -> bool {
        self.of.has_effects()
    }
}

/// What a primitive decomposes into for arguments like these, as a graph that no backend has simplified; `depth` says within how many other
/// decompositions.
///
/// # Errors
/// What the decomposition returns; if it leads back to itself, or needs a value of a transform.
pub(crate) fn graph_of(
    primitive: &dyn Primitive,
    args: &[Aval],
    outs: &[Aval],
    depth: usize,
) -> Result<Graph> {
    check_depth(primitive, depth)?;
    let stage = Stage::new(trace::current());
    let inputs: Vec<Tensor> = args.iter().map(|aval| stage.input(aval)).collect();
    let outs = trace::run(Trace::Stage(stage.clone()), || run(primitive, &inputs, outs))?;
    closed(stage.finish(&outs))
}

/// The graph, if nothing was captured.
fn closed((graph, captured): (Graph, Vec<Tensor>)) -> Result<Graph> {
    if captured.is_empty() {
        return Ok(graph);
    }
    Err(Error::msg("a primitive decomposes into what holds a value of a transform"))
}

impl Graph {
    /// The graph with every primitive for which `is_foreign` holds replaced by what it decomposes into, however deep, and with the
    /// programs within that hold one in line; none if there is no such primitive.
    ///
    /// # Errors
    /// What the decompositions return; if one of them leads back to itself, or needs a value of a transform.
    pub fn decomposed(&self, is_foreign: &dyn Fn(&dyn Primitive) -> bool) -> Result<Option<Graph>> {
        let (mut decomposed, mut depth) = (None, 0);
        while let Some(primitive) = decomposed.as_ref().unwrap_or(self).find(is_foreign) {
            check_depth(primitive, depth)?;
            depth += 1;
            decomposed = Some(decomposed.as_ref().unwrap_or(self).decomposed_once(is_foreign)?);
        }
        Ok(decomposed)
    }

    /// A primitive for which `is_foreign` holds, here or in a program within.
    pub(crate) fn find(&self, is_foreign: &dyn Fn(&dyn Primitive) -> bool) -> Option<&dyn Primitive> {
        self.eqns.iter().find_map(|eqn| {
            let primitive = &*eqn.primitive;
            if is_foreign(primitive) {
                return Some(primitive);
            }
            primitive.op().subgraphs().find_map(|graph| graph.find(is_foreign))
        })
    }

    fn decomposed_once(&self, is_foreign: &dyn Fn(&dyn Primitive) -> bool) -> Result<Graph> {
        let stage = Stage::new(trace::current());
        let inputs: Vec<Tensor> = self.inputs.iter().map(|&var| stage.input(self.aval(var))).collect();
        let outs = trace::run(Trace::Stage(stage.clone()), || {
            self.interpret_with(inputs, |eqn, args| {
                if is_foreign(&*eqn.primitive) {
                    let inferred: Outs<Aval> = eqn.outs.iter().map(|&out| self.aval(out).clone()).collect();
                    return run(&*eqn.primitive, &args, &inferred);
                }
                match eqn.primitive.op() {
                    // No gradient is taken any more, so what the program's own would have been does not matter.
                    Op::Call(graph) if graph.find(is_foreign).is_some() => {
                        graph.interpret(args).map(Outs::from_vec)
                    }
                    op if op.subgraphs().any(|graph| graph.find(is_foreign).is_some()) => {
                        let within = |graph: &Graph| {
                            Ok(graph.decomposed(is_foreign)?.unwrap_or_else(|| graph.clone()))
                        };
                        match eqn.primitive.with_subgraphs(&within)? {
                            Some(primitive) => trace::bind_at(&*primitive, args, eqn.location),
                            None => unreachable!("`{}` takes other programs", eqn.primitive.name()),
                        }
                    }
                    _ => trace::bind_at(&*eqn.primitive, args, eqn.location),
                }
            })
        })?;
        closed(stage.finish(&outs))
    }
}
