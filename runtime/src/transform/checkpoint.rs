//! Rematerialization: recomputing values in the backward pass instead of keeping them (Griewank and Walther, *Revolve*, 2000;
//! Chen et al., *Training Deep Nets with Sublinear Memory Cost*, 2016).

use smallvec::SmallVec;

use super::stage::{avals, stage};
use crate::array::{Array, Aval};
use crate::backend::CPU;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Outs, Primitive, Pullback};
use crate::core::trace;
use crate::core::trace::Axis;
use crate::error::Result;
use crate::ops::barrier::barrier;
use crate::ops::call::Call;
use crate::tree::{self, Structure, Tree};

/// A function that keeps only its arguments for the backward pass, and computes what it needs in between once more.
///
/// The function is staged, as under [`jit`](crate::jit()), each time it is called.
///
/// ```
/// use flaxen::prelude::*;
///
/// let block = checkpoint(|x: &Tensor| Ok(x.sin().sin().sin()));
/// let dx = grad(|x: &Tensor| block(x))(&Tensor::from(0.5f32))?;
/// let plain = grad(|x: &Tensor| Ok(x.sin().sin().sin()))(&Tensor::from(0.5f32))?;
/// assert_eq!(dx.item::<f32>()?, plain.item::<f32>()?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// The returned function returns what `f` returns; if `f` asks for the elements of its argument.
pub fn checkpoint<P, R, F>(f: F) -> impl Fn(&P) -> Result<R>
where
    P: Tree,
    R: Tree,
    F: Fn(&P) -> Result<R>,
{
    move |params| {
        let staged = stage(&Structure::of(params), &avals(params), |params: P| f(&params))?;
        let primitive = Checkpoint(Call::new(staged.graph, CPU));
        let args: Args =
            staged.captured.into_iter().chain(tree::leaves(params).into_iter().cloned()).collect();
        Ok(staged.outs.build(trace::bind(&primitive, args)?))
    }
}

#[derive(Clone, PartialEq)]
struct Checkpoint(Call);

impl Primitive for Checkpoint {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        self.0.infer(args)
    }

    fn op(&self) -> Op<'_> {
        Op::Call(self.0.graph())
    }

    fn vjp_fwd(&self, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        let outs = trace::bind(&self.0, args.clone())?;
        let (call, needs_grad) = (self.0.clone(), SmallVec::<[bool; 3]>::from_slice(needs_grad));
        let pullback: Pullback = Box::new(move |cts| {
            // Behind a barrier, or the compiler would find the first computation and keep its values.
            let args = barrier(args.to_vec())?;
            let (_, pullback) = call.vjp_fwd(args.into(), &needs_grad)?;
            pullback(cts)
        });
        Ok((outs, pullback))
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let (call, mapped) = self.0.batched(mapped, axis)?;
        Ok((trace::bind(&Checkpoint(call), args)?, mapped.into()))
    }

    fn collectives(&self) -> &[std::sync::Arc<str>] {
        self.0.collectives()
    }

    on_cpu!();
}

impl CpuRules for Checkpoint {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        self.0.eval(args, outs)
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
