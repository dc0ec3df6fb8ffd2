//! A staged function as a primitive: its rules are transforms of its graph, staged once and kept.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::{convert, prepend, remembered, zeros_of};
use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::backend::check_placement;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Outs, Primitive, Pullback};
use crate::core::trace;
use crate::core::trace::batch::Batch;
use crate::core::trace::stage::Stage;
use crate::core::trace::tape::Tape;
use crate::core::trace::{Axis, Trace};
use crate::core::{Backend, CompileOptions, Executable, Graph, ProgramText, Var};
use crate::error::Result;

/// A staged function: a graph, and what a backend makes of it once it is run.
#[derive(Clone)]
pub(crate) struct Call(Arc<Callee>);

struct Callee {
    graph: Arc<Graph>,
    target: Target,
    executable: OnceLock<Arc<dyn Executable>>,
    collectives: Vec<Arc<str>>,
    vjp: Mutex<HashMap<VjpKey, VjpCalls>>,
    batched: Mutex<HashMap<BatchedKey, Batched>>,
    /// By which of the last inputs are there.
    without: Mutex<HashMap<Vec<bool>, Call>>,
}

/// What a graph is compiled by, and how.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub backend: &'static dyn Backend,
    pub options: CompileOptions,
}

impl Target {
    /// Whether both are the same backend with the same options. Backends without fields have no addresses to tell them apart by.
    pub(super) fn is(self, other: Target) -> bool {
        let address = |target: Target| std::ptr::from_ref(target.backend).cast::<()>();
        let platform = |target: Target| (target.backend.platform(), target.options);
        address(self) == address(other) && platform(self) == platform(other)
    }
}

#[cfg(test)]
thread_local! {
    static COMPILATIONS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Which gradients are needed, and which named axes there are while the rules run.
pub(crate) type VjpKey = (Vec<bool>, Vec<Axis>);

/// Which inputs are mapped, over which axis, and which outputs are to be, whether they differ or not.
type BatchedKey = (Vec<bool>, Axis, Vec<bool>);

/// A program over a whole batch, and which of its outputs are mapped.
pub(super) type Batched = (Call, Vec<bool>);

/// `forward` returns the outputs and then what `backward` needs before the cotangents.
#[derive(Clone)]
pub(crate) struct VjpCalls {
    pub forward: Call,
    pub backward: Call,
}

/// Refuses constants of a graph that are where the backend does not read them.
fn check_constants(backend: &dyn Backend, graph: &Graph) -> Result<()> {
    for (_, array) in graph.consts() {
        let which = || format!("{}, which the function has captured,", array.aval());
        check_placement(backend, array, "jit", which)?;
    }
    let mut subgraphs = graph.eqns().iter().flat_map(|eqn| eqn.primitive().op().subgraphs());
    subgraphs.try_for_each(|graph| check_constants(backend, graph))
}

fn lock<T>(cache: &Mutex<T>) -> MutexGuard<'_, T> {
    // Entries are inserted whole, and no rule runs under the lock.
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Call {
    /// A call for a backend; its derivatives are for the same one. Calls of equal graphs may be the same one.
    pub(crate) fn new(graph: Graph, target: Target) -> Call {
        remembered::call(graph, target, |graph| Call::of(target.backend.simplify(graph), target))
    }

    /// As [`new`](Call::new), of a graph that the backend has simplified already.
    pub(super) fn of_simplified(graph: Graph, target: Target) -> Call {
        remembered::call(graph, target, |graph| Call::of(graph, target))
    }

    fn of(graph: Graph, target: Target) -> Call {
        let collectives = distinct(graph.eqns.iter().flat_map(|eqn| eqn.primitive.collectives()));
        Call(Arc::new(Callee {
            graph: Arc::new(graph),
            target,
            executable: OnceLock::new(),
            collectives,
            vjp: Mutex::default(),
            batched: Mutex::default(),
            without: Mutex::default(),
        }))
    }

    /// Another graph for the same backend.
    pub(crate) fn compiled_alike(&self, graph: Graph) -> Call {
        Call::new(graph, self.0.target)
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.0.graph
    }

    /// The graph, to be held without the call.
    pub(super) fn shared_graph(&self) -> Arc<Graph> {
        self.0.graph.clone()
    }

    /// What it is compiled by, and how.
    pub(super) fn target(&self) -> Target {
        self.0.target
    }

    /// The graph without primitives that the backend does not know.
    fn lowered(&self) -> Result<Cow<'_, Graph>> {
        let Target { backend, .. } = self.0.target;
        let decomposed = self.0.graph.decomposed(&|primitive| backend.decomposes(primitive))?;
        Ok(decomposed.map_or(Cow::Borrowed(&*self.0.graph), |graph| Cow::Owned(backend.simplify(graph))))
    }

    /// What the backend runs, to be read.
    ///
    /// # Errors
    /// As [`executable`](Call::executable).
    pub(crate) fn list(&self) -> Result<ProgramText> {
        let Target { backend, options } = self.0.target;
        backend.list(&*self.lowered()?, options)
    }

    /// All levels of a step, to be read.
    ///
    /// # Errors
    /// As [`executable`](Call::executable); if there is no such step.
    pub(crate) fn explain(&self, step: usize) -> Result<String> {
        let Target { backend, options } = self.0.target;
        backend.explain(&*self.lowered()?, options, step)
    }

    /// What runs the graph; compiled when it is first asked for, as most calls become part of another graph.
    ///
    /// # Errors
    /// If a primitive of a user's own does not decompose, or the backend does not know one.
    pub(crate) fn executable(&self) -> Result<&dyn Executable> {
        if let Some(found) = self.0.executable.get() {
            return Ok(&**found);
        }
        let Target { backend, options } = self.0.target;
        check_constants(backend, &self.0.graph)?;
        let compiled = backend.compile(&*self.lowered()?, options)?;
        #[cfg(test)]
        COMPILATIONS.with(|count| count.set(count.get() + 1));
        // Of several threads that come here at once, all run what the first has kept.
        Ok(&**self.0.executable.get_or_init(|| compiled))
    }

    /// Bytes of the memory for intermediate values that is kept between calls.
    pub(super) fn arena_bytes(&self) -> usize {
        self.0.executable.get().map_or(0, |executable| executable.arena_bytes())
    }

    /// How often this thread has compiled.
    #[cfg(test)]
    pub(super) fn compilations() -> usize {
        COMPILATIONS.with(std::cell::Cell::get)
    }

    /// Runs it on arrays.
    pub(super) fn run(&self, args: Args<Array>) -> Result<Outs<Array>> {
        let Target { backend, .. } = self.0.target;
        for (i, array) in args.iter().enumerate() {
            check_placement(backend, array, "call", || format!("its argument {i}, {},", array.aval()))?;
        }
        let mut results = Outs::new();
        self.executable()?.run(&mut args.into_iter(), &mut |outs| results.extend(outs))?;
        Ok(results)
    }

    /// Differentiates the graph into two: what the backward stage captures from the forward stage is exactly the
    /// residuals.
    pub(crate) fn vjp(&self, needs_grad: &[bool]) -> Result<VjpCalls> {
        let key = (needs_grad.to_vec(), trace::axes(trace::current().as_ref()));
        if let Some(vjp) = lock(&self.0.vjp).get(&key) {
            return Ok(vjp.clone());
        }
        let graph = &self.0.graph;
        let forward = Stage::new(trace::current());
        let forward_trace = Trace::Stage(forward.clone());
        let vjp = trace::run(forward_trace.clone(), || {
            let tape = Tape::new(Some(forward_trace.clone()));
            let args: Vec<Tensor> = graph
                .inputs
                .iter()
                .zip(needs_grad)
                .map(|(&var, &needed)| {
                    let input = forward.input(graph.aval(var));
                    if needed { tape.watch(input) } else { input }
                })
                .collect();
            let watched = needs_grad.iter().filter(|&&needed| needed).count();
            let outs = trace::run(Trace::Tape(tape.clone()), || graph.interpret(args))?;
            let (mut outs, ids): (Vec<Tensor>, Vec<Option<usize>>) =
                outs.into_iter().map(|out| tape.open(out)).unzip();

            let backward = Stage::new(Some(forward_trace.clone()));
            let cts: Vec<Tensor> = outs.iter().map(|out| backward.input(&strong(out.aval()))).collect();
            let (graph, residuals) = trace::run(Trace::Stage(backward.clone()), || {
                let seeds: Vec<_> = ids.iter().zip(cts).filter_map(|(id, ct)| Some(((*id)?, ct))).collect();
                let grads = tape.finish().run_once(seeds, watched)?;
                let inputs = graph.inputs.iter().zip(needs_grad).filter(|(_, needed)| **needed);
                let grads: Vec<Tensor> = grads
                    .into_iter()
                    .zip(inputs)
                    .map(|(ct, (&var, _))| match ct {
                        Some(ct) => convert(&ct, graph.aval(var).dtype, false),
                        None => zeros_of(&strong(graph.aval(var))),
                    })
                    .collect::<Result<_>>()?;
                Ok::<_, crate::Error>(backward.finish(&grads))
            })?;
            outs.extend(residuals);
            let (forward, captured) = forward.finish(&outs);
            assert!(captured.is_empty(), "a graph holds no traced values");
            Ok::<_, crate::Error>(VjpCalls {
                forward: Call::new(forward, self.0.target),
                backward: Call::new(graph, self.0.target),
            })
        })?;
        // Of several threads that come here at once, all take what the first has kept.
        Ok(lock(&self.0.vjp).entry(key).or_insert(vjp).clone())
    }

    /// The program without those of its last inputs that are not given: they are zeros, which leaves less to compute.
    pub(crate) fn with_zeros_for(&self, given: &[bool]) -> Result<Call> {
        if given.iter().all(|&given| given) {
            return Ok(self.clone());
        }
        if let Some(found) = lock(&self.0.without).get(given) {
            return Ok(found.clone());
        }
        let graph = &self.0.graph;
        let first = graph.inputs.len() - given.len();
        let stage = Stage::new(trace::current());
        let graph = trace::run(Trace::Stage(stage.clone()), || {
            let input = |(i, &var): (usize, &Var)| {
                let is_given = i.checked_sub(first).is_none_or(|i| given[i]);
                if is_given { Ok(stage.input(graph.aval(var))) } else { zeros_of(&strong(graph.aval(var))) }
            };
            let args = graph.inputs.iter().enumerate().map(input).collect::<Result<Vec<_>>>()?;
            let (graph, captured) = stage.finish(&graph.interpret(args)?);
            assert!(captured.is_empty(), "a graph holds no traced values");
            Ok::<_, crate::Error>(graph)
        })?;
        let call = Call::new(graph, self.0.target);
        Ok(lock(&self.0.without).entry(given.to_vec()).or_insert(call).clone())
    }

    /// The graph over a batch, with only some inputs mapped.
    pub(crate) fn batched(&self, mapped: &[bool], axis: &Axis) -> Result<Batched> {
        self.over_batch(mapped, axis, &[])
    }

    /// As [`batched`](Call::batched), with outputs that are mapped for certain.
    pub(super) fn batched_at_least(&self, mapped: &[bool], axis: &Axis, outs: &[bool]) -> Result<Batched> {
        self.over_batch(mapped, axis, outs)
    }

    /// The graph over a batch, with all inputs and outputs mapped.
    pub(crate) fn batched_whole(&self, axis: &Axis) -> Result<Call> {
        let all = vec![true; self.0.graph.inputs.len()];
        Ok(self.over_batch(&all, axis, &vec![true; self.0.graph.outs.len()])?.0)
    }

    fn over_batch(&self, mapped: &[bool], axis: &Axis, wanted: &[bool]) -> Result<Batched> {
        let key = (mapped.to_vec(), axis.clone(), wanted.to_vec());
        if let Some(found) = lock(&self.0.batched).get(&key) {
            return Ok(found.clone());
        }
        let graph = &self.0.graph;
        let stage = Stage::new(trace::current());
        let stage_trace = Trace::Stage(stage.clone());
        let found = trace::run(stage_trace.clone(), || {
            let batch = Batch::new(Some(stage_trace.clone()), axis.clone());
            let args: Vec<Tensor> = graph
                .inputs
                .iter()
                .zip(mapped)
                .map(|(&var, &mapped)| {
                    let aval = graph.aval(var);
                    let whole =
                        if mapped { aval.with_shape(prepend(axis.size, &aval.shape)) } else { aval.clone() };
                    batch.wrap(stage.input(&whole), mapped)
                })
                .collect();
            let outs = trace::run(Trace::Batch(batch.clone()), || graph.interpret(args))?;
            let (mut outs, mut mapped): (Vec<Tensor>, Vec<bool>) =
                outs.into_iter().map(|out| batch.open(out)).unzip();
            for ((out, mapped), _) in
                outs.iter_mut().zip(&mut mapped).zip(wanted).filter(|(_, wanted)| **wanted)
            {
                if !*mapped {
                    *out = out.try_broadcast_to(prepend(axis.size, out.shape()))?;
                    *mapped = true;
                }
            }
            let (graph, captured) = stage.finish(&outs);
            assert!(captured.is_empty(), "a graph holds no traced values");
            Ok::<_, crate::Error>((Call::new(graph, self.0.target), mapped))
        })?;
        Ok(lock(&self.0.batched).entry(key).or_insert(found).clone())
    }
}

/// Appends the cotangents of outputs of these shapes, those that are not there as zeros.
pub(crate) fn cotangents(cts: Cotangents, avals: &[Aval], args: &mut Args) -> Result<()> {
    for (ct, aval) in cts.into_iter().zip(avals) {
        args.push(match ct {
            Some(ct) => convert(&ct, aval.dtype, false)?,
            None => zeros_of(&strong(aval))?,
        });
    }
    Ok(())
}

/// Appends the cotangents of outputs of these shapes, as far as they are there, and says which are.
pub(crate) fn given_cotangents(cts: Cotangents, avals: &[Aval], args: &mut Args) -> Result<Vec<bool>> {
    let given = cts.iter().map(Option::is_some).collect();
    for (ct, aval) in cts.into_iter().zip(avals) {
        args.extend(ct.map(|ct| convert(&ct, aval.dtype, false)).transpose()?);
    }
    Ok(given)
}

/// Names of axes, each once, in order.
pub(super) fn distinct<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> Vec<Arc<str>> {
    let mut found: Vec<Arc<str>> = Vec::new();
    for name in names {
        if !found.contains(name) {
            found.push(name.clone());
        }
    }
    found
}

pub(super) fn strong(aval: &Aval) -> Aval {
    Aval { weak: false, ..aval.clone() }
}

impl Primitive for Call {
    fn name(&self) -> &'static str {
        "call"
    }

    fn infer(&self, _args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(self.0.graph.outs.iter().map(|&var| self.0.graph.aval(var).clone()).collect())
    }

    fn op(&self) -> Op<'_> {
        Op::Call(&self.0.graph)
    }

    fn vjp_fwd(&self, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        let VjpCalls { forward, backward } = self.vjp(needs_grad)?;
        let mut outs = trace::bind(&forward, args)?;
        let residuals: Args = outs.drain(self.0.graph.outs.len()..).collect();
        let avals: Outs<Aval> = self.infer(&[])?;
        let needs_grad: Args<bool> = needs_grad.into();
        let pullback: Pullback = Box::new(move |cts| {
            let mut args = residuals.clone();
            let given = given_cotangents(cts, &avals, &mut args)?;
            let mut grads = trace::bind(&backward.with_zeros_for(&given)?, args)?.into_iter();
            Ok(needs_grad.iter().map(|&needed| if needed { grads.next() } else { None }).collect())
        });
        Ok((outs, pullback))
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let (call, mapped) = self.batched(mapped, axis)?;
        Ok((trace::bind(&call, args)?, mapped.into()))
    }

    fn collectives(&self) -> &[Arc<str>] {
        &self.0.collectives
    }

    fn inline(&self) -> Option<&Graph> {
        Some(&self.0.graph)
    }

    on_cpu!();
}

impl CpuRules for Call {
    fn eval(&self, args: Args<Array>, _outs: Outs<Aval>) -> Result<Outs<Array>> {
        self.run(args)
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Call) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("call")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn threads_that_derive_one_rule_at_once_get_the_same_programs() {
        const THREADS: usize = 16;
        let aval = Aval::new([3], crate::DType::F32);
        let axis = Axis { name: None, size: 2 };
        for _ in 0..10 {
            let stage = Stage::new(None);
            let x = stage.input(&aval);
            let y = trace::run(Trace::Stage(stage.clone()), || x.try_sin()).unwrap();
            let call = Call::new(stage.finish(&[y]).0, crate::backend::CPU);
            let meeting = Barrier::new(THREADS);
            let derive = || {
                meeting.wait();
                let VjpCalls { forward, backward } = call.vjp(&[true]).unwrap();
                [forward, backward, call.batched(&[true], &axis).unwrap().0]
            };
            let found: Vec<[Call; 3]> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(derive)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(found.iter().all(|calls| *calls == found[0]));
        }
    }
}
