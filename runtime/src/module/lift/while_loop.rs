//! `while_loop`: a loop over functions of modules that finds its end itself.

use std::cell::RefCell;

use super::groups::{Groups, Role};
use super::pack::Pack;
use super::passes::Passes;
use super::target::Target;
use crate::core::Tensor;
use crate::error::Result;
use crate::scope::Rngs;
use crate::transform;
use crate::tree::{Structure, Tree};
use crate::variables::{Filter, Variables};

/// A loop over functions of modules; see [`while_loop`](fn@while_loop).
#[must_use = "nothing runs before `call`"]
pub struct WhileLoop<L, P, F> {
    target: L,
    cond: P,
    body: F,
    groups: Groups,
}

/// A loop that applies `body` to a state as long as `cond` of the state is true, both functions of modules of the running model;
/// `flax.linen.while_loop`.
///
/// Collections that are [carried](WhileLoop::carry) go from step to step and may be written by `body`, but must be there before; the
/// others are read only. Random streams are [split](WhileLoop::split), so that each step draws its own numbers, or
/// [shared](WhileLoop::share); what is not named is not there.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift;
///
/// #[module]
/// struct Halving;
///
/// impl Layer for Halving {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         let steps = self.variable("state", "steps", || Tensor::from(0))?;
///         let (cond, body) = (
///             |_: &Halving, x: &Tensor| Ok(x.gt(1.0)),
///             |m: &Halving, x: Tensor| {
///                 let steps: Tensor = m.get_variable("state", "steps")?.expect("made before");
///                 m.put_variable("state", "steps", steps + 1)?;
///                 Ok(x * 0.5)
///             },
///         );
///         let x = lift::while_loop(self, cond, body).carry("state").call(x.clone())?;
///         assert!(steps.is_mutable());
///         Ok(x)
///     }
/// }
///
/// let (_, variables) = Halving::new().init_with_output(key(0)).call(&Tensor::from(100.0f32))?;
/// assert_eq!(variables.tensor("state/steps")?.item::<i32>()?, 7);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn while_loop<L, S, P, F>(target: L, cond: P, body: F) -> WhileLoop<L, P, F>
where
    L: Target,
    P: Fn(&L::Inner, &S) -> Result<Tensor>,
    F: Fn(&L::Inner, S) -> Result<S>,
{
    WhileLoop { target, cond, body, groups: Groups::default() }
}

/// The number of the step, the carried variables, and the state.
type State<S> = (Tensor, Vec<Variables>, S);

impl<L: Target, P, F> WhileLoop<L, P, F> {
    /// Hands the collections of a filter from one step to the next.
    pub fn carry(mut self, collections: impl Into<Filter>) -> Self {
        self.groups.add(collections, Role::Carried);
        self
    }

    /// Splits the key of random streams, so that each step draws numbers of its own.
    pub fn split(mut self, streams: impl Into<Filter>) -> Self {
        self.groups.split(streams);
        self
    }

    /// Lets each step draw the same numbers from random streams.
    pub fn share(mut self, streams: impl Into<Filter>) -> Self {
        self.groups.add_shared_streams(streams);
        self
    }

    /// Runs the loop: the last state.
    ///
    /// # Errors
    /// What the functions return; if the condition is no single boolean; if the state or a carried variable changes its structure, a
    /// shape or a dtype.
    pub fn call<S>(&self, init: S) -> Result<S>
    where
        S: Tree,
        P: Fn(&L::Inner, &S) -> Result<Tensor>,
        F: Fn(&L::Inner, S) -> Result<S>,
    {
        let pack = Pack::new("while_loop", &self.target)?;
        let groups = &self.groups;
        let carried = groups.filter(|role| role == Role::Carried).intersect(pack.scopes.mutable());
        let (state, fixed) = (pack.scopes.variables(&carried), pack.scopes.variables(&carried.complement()));
        let rngs = pack.scopes.rngs(&groups.streams());
        // Step `i` draws from the key with `i` folded in, and its condition with `-i`.
        let rngs_of = |i: &Tensor| -> Result<Vec<Rngs>> {
            rngs.iter()
                .map(|rngs| {
                    rngs.map(&groups.streams(), |stream, key| {
                        if groups.is_split(stream) { key.try_fold_in(i) } else { Ok(key.clone()) }
                    })
                })
                .collect()
        };
        let with = |state: &[Variables]| -> Vec<Variables> {
            fixed.iter().zip(state).map(|(fixed, state)| fixed.extended(state)).collect()
        };
        let asks = |(i, state, carry): &State<S>| {
            let rngs = rngs_of(&i.try_neg()?)?;
            Ok(pack.run(&with(state), rngs, &Filter::none(), |inner| (self.cond)(inner, carry))?.0)
        };
        let draws = rngs.iter().any(|rngs| rngs.streams().len() > 0);
        // In the order of Flax, whose condition is traced before its body: it draws first.
        let before_condition = RefCell::new(pack.scopes.counters());
        let passes = Passes::default();
        let body = |(i, state, carry): State<S>| {
            let now = (i, state, carry);
            passes.begin(&pack.scopes, &now);
            let (i, state, carry) = now;
            if draws {
                before_condition.replace(pack.scopes.counters());
                let now = (i.clone(), state.clone(), carry);
                transform::eval_shape(|now: State<S>| asks(&now), &now)?;
                return self.step(&pack, &carried, &with, rngs_of(&now.0)?, now);
            }
            self.step(&pack, &carried, &with, rngs_of(&i)?, (i, state, carry))
        };
        let cond = |now: &State<S>| {
            let after_body = pack.scopes.counters();
            pack.scopes.set_counters(&before_condition.borrow());
            let goes_on = asks(now);
            pack.scopes.set_counters(&after_body);
            goes_on
        };
        let (_, state, carry) = transform::while_loop(cond, body)((Tensor::from(0i32), state, init))
            .map_err(|error| pack.located(error))?;
        pack.scopes.write_back(&state)?;
        Ok(carry)
    }

    fn step<S: Tree>(
        &self,
        pack: &Pack<'_, L>,
        carried: &Filter,
        with: &dyn Fn(&[Variables]) -> Vec<Variables>,
        rngs: Vec<Rngs>,
        (i, state, carry): State<S>,
    ) -> Result<State<S>>
    where
        F: Fn(&L::Inner, S) -> Result<S>,
    {
        let (carry, next) = pack.run(&with(&state), rngs, carried, |inner| (self.body)(inner, carry))?;
        if let Some(difference) = Structure::of(&state).difference(&next) {
            let message = format!(
                "carried variables must be there before the loop, and stay what they are: {difference}. Call the body once before, \
                 while the model is initialised"
            );
            return Err(pack.error("while_loop", message));
        }
        Ok((i.try_add(1)?, next, carry))
    }
}
