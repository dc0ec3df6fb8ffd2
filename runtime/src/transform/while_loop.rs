//! `while_loop`: a loop that finds its end itself.

use std::panic::Location;

use super::carry::{Carry, Prepared};
use super::stage::stage;
use crate::array::{Aval, DType};
use crate::backend::CPU;
use crate::core::Tensor;
use crate::core::primitive::Args;
use crate::core::trace;
use crate::error::{Error, Result};
use crate::ops::call::Call;
use crate::ops::control::while_loop::While;
use crate::tree::{Structure, Tree};

/// A loop that applies `body` to a state as long as `cond` of the state is true.
///
/// As `jax.lax.while_loop`. Both functions are traced once; under [`jit`](crate::jit()) the steps are one loop. The state keeps its
/// structure, shapes and dtypes (a bare number takes on the dtype that it meets). Under `vmap` examples go on for different numbers of steps, as long
/// as any of them does. Forward mode works. Reverse mode, whose memory grows with the number of steps, is an error, under `jit` as soon as
/// it is traced: use [`scan`](crate::scan()), or a [`fori_loop`](crate::fori_loop()) with known bounds.
///
/// ```
/// use flaxen::prelude::*;
///
/// // How often a number can be halved until it is 1 at most.
/// let halvings = while_loop(
///     |(x, _): &(Tensor, Tensor)| Ok(x.gt(1.0)),
///     |(x, n): (Tensor, Tensor)| Ok((x * 0.5, n + 1)),
/// );
/// let (_, n) = halvings((Tensor::from(1000.0f32), Tensor::from(0)))?;
/// assert_eq!(n.item::<i32>()?, 10);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// The returned function returns what `cond` and `body` return; if the condition is no single boolean; if the state changes its
/// structure, a shape or a dtype.
#[track_caller]
pub fn while_loop<S, P, F>(cond: P, body: F) -> impl Fn(S) -> Result<S>
where
    S: Tree,
    P: Fn(&S) -> Result<Tensor>,
    F: Fn(S) -> Result<S>,
{
    while_loop_at(Location::caller(), cond, body)
}

/// As [`while_loop`], of a line of the program.
pub(super) fn while_loop_at<S, P, F>(
    location: &'static Location<'static>,
    cond: P,
    body: F,
) -> impl Fn(S) -> Result<S>
where
    S: Tree,
    P: Fn(&S) -> Result<Tensor>,
    F: Fn(S) -> Result<S>,
{
    const OP: &str = "while_loop";
    move |state: S| {
        let carry = Carry::new(OP, state);
        let nothing = Structure::of(&());
        let Prepared { init, graph, captured, .. } =
            carry.prepare(&nothing, &[], |state: S, (): ()| Ok((body(state)?, ())))?;
        let avals: Vec<Aval> = init.iter().map(|leaf| leaf.aval().clone()).collect();
        let asked = stage(carry.structure(), &avals, |state: S| {
            let goes_on = cond(&state)?;
            if goes_on.rank() > 0 || goes_on.dtype() != DType::Bool {
                let found = format!("a condition {}", goes_on.aval());
                return Err(Error::shape(
                    OP,
                    found,
                    "a single boolean; `try_any`, `try_all` or a comparison give one",
                ));
            }
            Ok(goes_on)
        })?;
        let consts = [asked.captured.len(), captured.len()];
        let loops = While::new([Call::new(asked.graph, CPU), Call::new(graph, CPU)], consts, location);
        let args: Args = asked.captured.into_iter().chain(captured).chain(init).collect();
        carry.structure().try_build(trace::bind(&loops, args)?)
    }
}
