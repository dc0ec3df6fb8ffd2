//! Custom derivative rules: a function with a derivative in forward mode of one's own, from which reverse mode follows.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use super::custom_rule::{agree, check_closed_over, close_together, collectives, out_avals, same};
use super::stage::{avals, stage};
use crate::array::{Array, Aval};
use crate::backend::CPU;
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Outs, Primitive, Pullback};
use crate::core::tensor::Repr;
use crate::core::trace;
use crate::core::trace::stage::Stage;
use crate::core::trace::{Axis, Trace};
use crate::error::{Error, Result};
use crate::ops::call::{Call, VjpCalls, VjpKey, cotangents};
use crate::ops::{batch_all, zeros_of};
use crate::tree::{self, Structure, Tree};

/// A function with a derivative of one's own; see [`custom_jvp`].
pub struct CustomJvp<F, J, P, R> {
    f: F,
    rule: J,
    types: PhantomData<fn(P) -> R>,
}

/// Gives a function a derivative of one's own, in forward mode.
///
/// `rule` takes a point and a tangent there, and returns the result at the point and its tangent, which depends linearly on the tangent
/// given. [`grad`](crate::grad) and its like transpose it, so that it serves both modes, and derivatives of derivatives differentiate it.
/// Tangents have the structure, the shapes and the dtypes of what they are tangents of. What is not differentiated has tangents of
/// zeros, and so have integers and booleans, whose tangents in the result are not read.
///
/// Under a transform both functions are staged, so they may not ask for values then. They may close over values of a transform, but
/// for values that are differentiated: no rule says how the function depends on them.
///
/// ```
/// use flaxen::prelude::*;
///
/// // log(1 + eˣ), whose derivative is a number also where eˣ is not.
/// let softplus = custom_jvp(
///     |x: &Tensor| Ok((x.exp() + 1.0).log()),
///     |x: &Tensor, dx: &Tensor| Ok(((x.exp() + 1.0).log(), dx * x.sigmoid())),
/// );
/// let x = Tensor::from(100.0f32);
/// assert_eq!(grad(|x: &Tensor| softplus.call(x))(&x)?.item::<f32>()?, 1.0);
/// let (_, tangent) = jvp(|x: &Tensor| softplus.call(x), &x, &Tensor::from(3.0f32))?;
/// assert_eq!(tangent.item::<f32>()?, 3.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn custom_jvp<F, J, P, R>(f: F, rule: J) -> CustomJvp<F, J, P, R>
where
    P: Tree,
    R: Tree,
    F: Fn(&P) -> Result<R>,
    J: Fn(&P, &P) -> Result<(R, R)>,
{
    CustomJvp { f, rule, types: PhantomData }
}

impl<F, J, P, R> CustomJvp<F, J, P, R>
where
    P: Tree,
    R: Tree,
    F: Fn(&P) -> Result<R>,
    J: Fn(&P, &P) -> Result<(R, R)>,
{
    /// Calls the function.
    ///
    /// # Errors
    /// What the functions return; if the rule's results have another structure, other shapes or dtypes than that of the function; if it
    /// is differentiated with respect to a value that one of the functions closes over.
    pub fn call(&self, params: &P) -> Result<R> {
        let leaves = tree::leaves(params);
        if trace::current().is_none() && leaves.iter().all(|leaf| matches!(leaf.repr, Repr::Array(_))) {
            return (self.f)(params);
        }
        let (inputs, in_avals) = (Structure::of(params), avals(params));
        let mut primal = stage(&inputs, &in_avals, |params: P| (self.f)(&params))?;
        let point = || inputs.build::<P>(in_avals.iter().map(|aval| Tensor::abstract_value(aval.clone())));
        let both = Structure::of(&(point(), point()));
        let pair: Vec<Aval> = in_avals.iter().chain(&in_avals).cloned().collect();
        let mut differs = None;
        let mut rule = stage(&both, &pair, |(params, tangents): (P, P)| {
            let (out, tangent) = (self.rule)(&params, &tangents)?;
            differs = primal.outs.difference(&out).or_else(|| primal.outs.difference(&tangent));
            Ok((out, tangent))
        })?;
        if let Some(message) = differs {
            let context = "the results of a rule of `custom_jvp` and of its function differ";
            return Err(Error::Structure { context, message });
        }
        let (primal_avals, rule_avals) = (out_avals(&primal), out_avals(&rule));
        let (values, tangents) = rule_avals.split_at(primal_avals.len());
        agree("custom_jvp", "value of the rule", &primal_avals, values, same)?;
        let is_tangent = |value: &Aval, tangent: &Aval| !value.dtype.is_inexact() || same(value, tangent);
        agree("custom_jvp", "tangent of the rule", &primal_avals, tangents, is_tangent)?;
        let captured = close_together([&mut primal, &mut rule]);
        let calls = [primal.graph, rule.graph].map(|graph| Call::new(graph, CPU));
        let custom = Custom::new(calls, captured.len());
        let outs = trace::bind(&custom, captured.into_iter().chain(leaves.into_iter().cloned()).collect())?;
        Ok(primal.outs.build(outs))
    }
}

#[derive(Clone)]
struct Custom {
    primal: Call,
    /// From a point and a tangent to the results and their tangents.
    rule: Call,
    /// So many leading arguments of both are values that the functions close over.
    captured: usize,
    collectives: Vec<Arc<str>>,
    vjp: Arc<Mutex<HashMap<VjpKey, VjpCalls>>>,
}

impl Custom {
    fn new([primal, rule]: [Call; 2], captured: usize) -> Custom {
        let collectives = collectives(&[&primal, &rule]);
        Custom { primal, rule, captured, collectives, vjp: Arc::default() }
    }

    /// The rule at tangents of zero, and its transpose: as it is linear in the tangents, its gradient with respect to them is the same
    /// at all of them, and what that reads depends on the point alone.
    fn transposed(&self, needs_grad: &[bool]) -> Result<VjpCalls> {
        let key = (needs_grad.to_vec(), trace::axes(trace::current().as_ref()));
        // Entries are inserted whole, and no rule runs under the lock.
        let lock = || self.vjp.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(&key) {
            return Ok(found.clone());
        }
        let (inputs, outs) = (needs_grad.len(), self.primal.graph().outs.len());
        let tangents = &needs_grad[self.captured..];
        let needed: Vec<bool> = std::iter::repeat_n(&false, inputs).chain(tangents).copied().collect();
        let vjp = self.rule.vjp(&needed)?;

        let whole = vjp.forward.graph();
        let forward = Stage::new(trace::current());
        let forward = trace::run(Trace::Stage(forward.clone()), || {
            let avals: Vec<&Aval> = whole.inputs.iter().map(|&var| whole.aval(var)).collect();
            let (point, tangents) = avals.split_at(inputs);
            let args: Vec<Tensor> = point.iter().map(|aval| forward.input(aval)).collect();
            let zeros = tangents.iter().map(|aval| zeros_of(aval)).collect::<Result<Vec<_>>>()?;
            let mut all = whole.interpret(args.into_iter().chain(zeros))?;
            // The tangents of the results are not asked for.
            all.drain(outs..2 * outs);
            Ok::<_, Error>(forward.finish(&all).0)
        })?;

        let pullback = vjp.backward.graph();
        let backward = Stage::new(trace::current());
        let backward = trace::run(Trace::Stage(backward.clone()), || {
            let avals: Vec<&Aval> = pullback.inputs.iter().map(|&var| pullback.aval(var)).collect();
            let (residuals, cts) = avals.split_at(avals.len() - 2 * outs);
            let residuals: Vec<Tensor> = residuals.iter().map(|aval| backward.input(aval)).collect();
            let zeros = cts[..outs].iter().map(|aval| zeros_of(aval)).collect::<Result<Vec<_>>>()?;
            let cts: Vec<Tensor> = cts[outs..].iter().map(|aval| backward.input(aval)).collect();
            let grads = pullback.interpret(residuals.into_iter().chain(zeros).chain(cts))?;
            Ok::<_, Error>(backward.finish(&grads).0)
        })?;
        let vjp = VjpCalls { forward: Call::new(forward, CPU), backward: Call::new(backward, CPU) };
        Ok(lock().entry(key).or_insert(vjp).clone())
    }
}

impl Primitive for Custom {
    fn name(&self) -> &'static str {
        "custom_jvp"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        self.primal.infer(args)
    }

    fn op(&self) -> Op<'_> {
        Op::Call(self.primal.graph())
    }

    fn vjp_fwd(&self, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        check_closed_over("custom_jvp", &needs_grad[..self.captured])?;
        let VjpCalls { forward, backward } = self.transposed(needs_grad)?;
        let mut outs = trace::bind(&forward, args)?;
        let avals: Outs<Aval> = self.primal.infer(&[])?;
        let residuals: Args = outs.drain(avals.len()..).collect();
        let needs_grad = Args::<bool>::from_slice(needs_grad);
        let pullback: Pullback = Box::new(move |cts| {
            let mut args = residuals.clone();
            cotangents(cts, &avals, &mut args)?;
            let mut grads = trace::bind(&backward, args)?.into_iter();
            Ok(needs_grad.iter().map(|&needed| if needed { grads.next() } else { None }).collect())
        });
        Ok((outs, pullback))
    }

    // With every argument mapped, so that both functions agree on what is.
    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let calls = [self.primal.batched_whole(axis)?, self.rule.batched_whole(axis)?];
        let outs = trace::bind(&Custom::new(calls, self.captured), batch_all(axis.size, args, mapped)?)?;
        let mapped = Outs::from_elem(true, outs.len());
        Ok((outs, mapped))
    }

    fn collectives(&self) -> &[Arc<str>] {
        &self.collectives
    }

    on_cpu!();
}

impl CpuRules for Custom {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        self.primal.eval(args, outs)
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Custom) -> bool {
        self.primal == other.primal && self.rule == other.rule
    }
}

impl std::fmt::Debug for Custom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("custom_jvp")
    }
}
