//! `callback`: a function of the host is called with its arguments; for debugging.

use smallvec::SmallVec;

use crate::array::{Array, Aval};
use crate::core::callback::Callback;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace;
use crate::core::trace::Axis;
use crate::error::Result;

/// Calls a function each time it runs; it has no outputs, so that nothing but its effect keeps it where it is.
#[derive(Clone, PartialEq)]
struct CallHost(Callback);

/// Calls a function with the values of tensors whenever the program around runs.
pub(crate) fn callback(
    args: Args,
    function: impl Fn(Vec<Array>) -> Result<()> + Send + Sync + 'static,
) -> Result<()> {
    trace::bind(&CallHost(Callback::new(function)), args).map(|_| ())
}

/// Part `i` along the first axis.
fn example(batch: &Array, i: usize) -> Array {
    let aval = batch.aval().with_shape(&batch.shape()[1..]);
    let bytes = aval.bytes();
    Array::build_bytes(aval, |out| out.copy_from_slice(&batch.bytes()[i * bytes..][..bytes]))
}

impl Primitive for CallHost {
    fn name(&self) -> &'static str {
        "callback"
    }

    fn infer(&self, _args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(Outs::new())
    }

    fn op(&self) -> Op<'_> {
        Op::Callback(&self.0)
    }

    fn has_effects(&self) -> bool {
        true
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, _cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        Ok(needs_grad.iter().map(|_| None).collect())
    }

    /// Once for each example, in order, as `jax.debug.callback` is.
    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let (of, mapped, size) = (self.0.clone(), SmallVec::<[bool; 4]>::from_slice(mapped), axis.size);
        let each = move |args: Vec<Array>| {
            (0..size).try_for_each(|i| {
                let args = args.iter().zip(&mapped);
                of.call(
                    args.map(|(arg, &mapped)| if mapped { example(arg, i) } else { arg.clone() }).collect(),
                )
            })
        };
        Ok((trace::bind(&CallHost(Callback::new(each)), args)?, Outs::new()))
    }

    on_cpu!();
}

impl CpuRules for CallHost {
    fn eval(&self, args: Args<Array>, _outs: Outs<Aval>) -> Result<Outs<Array>> {
        self.0.call(args.into_vec())?;
        Ok(Outs::new())
    }
}

impl std::fmt::Debug for CallHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
