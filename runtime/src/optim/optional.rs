//! Parts that an optimizer may be without, and their states.

use std::fmt;
use std::ops::Deref;

use super::{ExtraArgs, GradientTransformation};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::{Builder, Donation, NodeKind, Token, Tree, TreePart};

/// The state of a part that an optimizer may be without, and then has no place for; it reads as an `Option`.
///
/// Optax's chain of the other parts is shorter then, and so it is in a file: those that follow move up.
#[derive(Clone)]
pub struct OptionalState<S>(pub Option<S>);

impl<S> Deref for OptionalState<S> {
    type Target = Option<S>;

    fn deref(&self) -> &Option<S> {
        &self.0
    }
}

impl<S: fmt::Debug> fmt::Debug for OptionalState<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<S: Tree> Tree for OptionalState<S> {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        match &self.0 {
            Some(state) => state.walk(visit),
            None => visit(Token::Node(NodeKind::ABSENT, 0)),
        }
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        self.0.into_leaves(leaves);
    }

    fn donate(self, donation: &mut Donation) {
        self.0.donate(donation);
    }

    fn build(from: &mut Builder<'_>) -> Result<Self> {
        if matches!(from.peek(), Some(TreePart::Node(kind, 0)) if *kind == NodeKind::ABSENT) {
            from.node()?;
            return Ok(OptionalState(None));
        }
        S::build(from).map(|state| OptionalState(Some(state)))
    }
}

/// A transformation that may be missing; its state then is, too.
impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<P> for Option<T> {
    type State = Option<T::State>;

    fn init(&self, params: &P) -> Option<T::State> {
        self.as_ref().map(|transformation| transformation.init(params))
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        self.update_with(updates, state, params, &ExtraArgs::new())
    }

    fn update_with(
        &self,
        updates: &P,
        state: &Self::State,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, Self::State)> {
        match (self, state) {
            (None, state) => Ok((updates.clone(), state.clone())),
            (Some(transformation), Some(state)) => {
                let (updates, state) = transformation.update_with(updates, state, params, extra)?;
                Ok((updates, Some(state)))
            }
            (Some(_), None) => Err(Error::Structure {
                context: "the state is that of another optimizer",
                message: "expected the state of an optional part, found none".to_owned(),
            }),
        }
    }
}

/// As an `Option`, without a place in the chain where there is none.
pub(super) struct Appended<T>(pub(super) Option<T>);

impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<P> for Appended<T> {
    type State = OptionalState<T::State>;

    fn init(&self, params: &P) -> Self::State {
        OptionalState(self.0.init(params))
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        self.update_with(updates, state, params, &ExtraArgs::new())
    }

    fn update_with(
        &self,
        updates: &P,
        state: &Self::State,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, Self::State)> {
        let (updates, state) = self.0.update_with(updates, &state.0, params, extra)?;
        Ok((updates, OptionalState(state)))
    }
}
