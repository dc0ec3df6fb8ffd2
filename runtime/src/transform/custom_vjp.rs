//! Custom derivative rules: a function with a vector-Jacobian product of one's own.

use std::marker::PhantomData;
use std::sync::Arc;

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
use crate::core::trace::Axis;
use crate::error::Result;
use crate::ops::call::{Call, cotangents};
use crate::ops::{batch_all, convert};
use crate::tree::{self, Structure, Tree};

/// A function with a gradient of one's own; see [`custom_vjp`].
pub struct CustomVjp<F, G, B, P, R, S> {
    f: F,
    forward: G,
    backward: B,
    types: PhantomData<fn(P, S) -> R>,
}

/// Gives a function a gradient of one's own.
///
/// `forward` returns the result and what `backward` needs; `backward` takes that and the cotangent of the result, and
/// returns the cotangent of the argument. Under a transform all three are staged, so they may not ask for values then. They may
/// close over values of a transform, but for values that are differentiated: no rule says how the function depends on them.
///
/// ```
/// use flaxen::prelude::*;
///
/// // Clips the gradient, not the value.
/// let gentle = custom_vjp(
///     |x: &Tensor| Ok(x.clone()),
///     |x: &Tensor| Ok((x.clone(), ())),
///     |_: &(), ct: &Tensor| Ok(ct.clamp(-1.0, 1.0)),
/// );
/// let dx = grad(|x: &Tensor| Ok(gentle.call(x)? * 100.0))(&Tensor::from(2.0f32))?;
/// assert_eq!(dx.item::<f32>()?, 1.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn custom_vjp<F, G, B, P, R, S>(f: F, forward: G, backward: B) -> CustomVjp<F, G, B, P, R, S>
where
    P: Tree,
    R: Tree,
    S: Tree,
    F: Fn(&P) -> Result<R>,
    G: Fn(&P) -> Result<(R, S)>,
    B: Fn(&S, &R) -> Result<P>,
{
    CustomVjp { f, forward, backward, types: PhantomData }
}

impl<F, G, B, P, R, S> CustomVjp<F, G, B, P, R, S>
where
    P: Tree,
    R: Tree,
    S: Tree,
    F: Fn(&P) -> Result<R>,
    G: Fn(&P) -> Result<(R, S)>,
    B: Fn(&S, &R) -> Result<P>,
{
    /// Calls the function.
    ///
    /// # Errors
    /// What the functions return; if they disagree on the structure or the shapes of argument and result; if it is differentiated with
    /// respect to a value that one of them closes over.
    pub fn call(&self, params: &P) -> Result<R> {
        let leaves = tree::leaves(params);
        if trace::current().is_none() && leaves.iter().all(|leaf| matches!(leaf.repr, Repr::Array(_))) {
            return (self.f)(params);
        }
        let (inputs, in_avals) = (Structure::of(params), avals(params));
        let mut primal = stage(&inputs, &in_avals, |params: P| (self.f)(&params))?;
        // What the forward function keeps has a type of the user's, so its structure is only known once it has run.
        let mut residuals = None;
        let mut forward = stage(&inputs, &in_avals, |params: P| {
            let (out, kept) = (self.forward)(&params)?;
            residuals = Some(Structure::of(&kept));
            Ok((out, kept))
        })?;
        let outs = primal.graph.outs.len();
        let (primal_avals, forward_avals) = (out_avals(&primal), out_avals(&forward));
        agree(
            "custom_vjp",
            "result of the forward function",
            &primal_avals,
            &forward_avals[..outs.min(forward_avals.len())],
            same,
        )?;
        let Some(residuals) = residuals else { unreachable!("the forward function was staged") };
        let (kept, result) = (residuals, &primal.outs);
        let pair: Vec<Aval> = forward_avals[outs..].iter().chain(&primal_avals).cloned().collect();
        // The structure of `(residuals, result)`, as `backward` takes them.
        let both = Structure::of(&(
            kept.build::<S>(forward_avals[outs..].iter().map(|aval| Tensor::abstract_value(aval.clone()))),
            result.build::<R>(primal_avals.iter().map(|aval| Tensor::abstract_value(aval.clone()))),
        ));
        let mut backward = stage(&both, &pair, |(kept, ct): (S, R)| (self.backward)(&kept, &ct))?;
        agree("custom_vjp", "result of the backward function", &in_avals, &out_avals(&backward), |a, b| {
            a.shape == b.shape || !a.dtype.is_inexact()
        })?;
        let captured = close_together([&mut primal, &mut forward, &mut backward]);
        let calls = [primal.graph, forward.graph, backward.graph].map(|graph| Call::new(graph, CPU));
        let custom = Custom::new(calls, captured.len());
        let outs = trace::bind(&custom, captured.into_iter().chain(leaves.into_iter().cloned()).collect())?;
        Ok(primal.outs.build(outs))
    }
}

#[derive(Clone, PartialEq)]
struct Custom {
    primal: Call,
    /// Returns the results and then the residuals.
    forward: Call,
    /// Takes the residuals and then the cotangents, behind what all close over.
    backward: Call,
    /// So many leading arguments of all three are values that the functions close over.
    captured: usize,
    collectives: Vec<Arc<str>>,
}

impl Custom {
    fn new([primal, forward, backward]: [Call; 3], captured: usize) -> Custom {
        let collectives = collectives(&[&primal, &forward, &backward]);
        Custom { primal, forward, backward, captured, collectives }
    }
}

impl Primitive for Custom {
    fn name(&self) -> &'static str {
        "custom_vjp"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        self.primal.infer(args)
    }

    fn op(&self) -> Op<'_> {
        Op::Call(self.primal.graph())
    }

    fn vjp_fwd(&self, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        check_closed_over("custom_vjp", &needs_grad[..self.captured])?;
        let avals: Args<Aval> = args[self.captured..].iter().map(|arg| arg.aval().clone()).collect();
        let captured: Args = args[..self.captured].iter().cloned().collect();
        let mut outs = trace::bind(&self.forward, args)?;
        let out_avals: Outs<Aval> = self.primal.infer(&[])?;
        let none: Args<Option<Tensor>> = captured.iter().map(|_| None).collect();
        let residuals: Args = captured.into_iter().chain(outs.drain(out_avals.len()..)).collect();
        let (backward, needs_grad) =
            (self.backward.clone(), Args::<bool>::from_slice(&needs_grad[self.captured..]));
        let pullback: Pullback = Box::new(move |cts| {
            let mut args = residuals.clone();
            cotangents(cts, &out_avals, &mut args)?;
            let grads = trace::bind(&backward, args)?;
            let needed = |((grad, &needed), aval): ((Tensor, &bool), &Aval)| {
                if needed { convert(&grad, aval.dtype, false).map(Some) } else { Ok(None) }
            };
            let grads = grads.into_iter().zip(&needs_grad).zip(&avals).map(needed);
            none.iter().cloned().map(Ok).chain(grads).collect()
        });
        Ok((outs, pullback))
    }

    // With every argument mapped, so that the three functions agree on what is.
    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let whole = |call: &Call| call.batched_whole(axis);
        let custom =
            Custom::new([whole(&self.primal)?, whole(&self.forward)?, whole(&self.backward)?], self.captured);
        let outs = trace::bind(&custom, batch_all(axis.size, args, mapped)?)?;
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

impl std::fmt::Debug for Custom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("custom_vjp")
    }
}
