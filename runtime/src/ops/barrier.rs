//! A wall for the compiler: what is behind it is not merged with an equal computation elsewhere.

use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace;
use crate::core::trace::Axis;
use crate::error::Result;
use crate::tree::{Structure, Tree};

/// Its arguments, unchanged. `checkpoint` puts it in front of what it computes a second time.
#[derive(Clone)]
struct Barrier;

/// No two are equal, so equal equations on their outputs are not, either.
impl PartialEq for Barrier {
    fn eq(&self, _other: &Barrier) -> bool {
        false
    }
}

impl Primitive for Barrier {
    fn name(&self) -> &'static str {
        "barrier"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(args.iter().map(|&aval| aval.clone()).collect())
    }

    fn op(&self) -> Op<'_> {
        Op::Barrier
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(cts.into_iter().collect())
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((trace::bind(self, args)?, mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Barrier {
    fn eval(&self, args: Args<Array>, _outs: Outs<Aval>) -> Result<Outs<Array>> {
        Ok(args.into_iter().collect())
    }
}

impl std::fmt::Debug for Barrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The same values, behind a wall for the compiler: what is computed of them is not merged with an equal computation elsewhere, as
/// `lax.optimization_barrier`.
///
/// ```
/// use flaxen::prelude::*;
/// let f = jit(|x: Tensor| Ok(x.sin() + flaxen::optimization_barrier(x)?.sin()));
/// let x = Tensor::from([1.0f32]);
/// assert_eq!(f.graph(&x)?.primitives().filter(|name| *name == "sin").count(), 2);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If a tensor is a value of a transform that has returned.
pub fn optimization_barrier<T: Tree>(values: T) -> Result<T> {
    let structure = Structure::of(&values);
    let mut leaves = Vec::new();
    values.into_leaves(&mut leaves);
    Ok(structure.build(barrier(leaves)?))
}

pub(crate) fn barrier(values: Vec<Tensor>) -> Result<Vec<Tensor>> {
    if values.is_empty() {
        return Ok(values);
    }
    Ok(trace::bind(&Barrier, values.into())?.into_vec())
}
