//! Parameters, their optimizer and its state in one value.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::GradientTransformation;
use super::moments::{safe_increment, zero_count};
use super::update::try_apply_updates;
use crate::core::Tensor;
use crate::error::Result;
use crate::tree::{Builder, Donation, NodeKind, Token, Tree};
use crate::variables::Dict;

/// Parameters, their optimizer, its state, and the number of steps: what a step of training takes and returns.
///
/// A tree, whose structure the optimizer is part of. What else a model has, such as statistics, goes beside it, or into a
/// struct of one's own around it. (A model itself is no part of it: the closure of the step has that.)
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::Adam;
///
/// let model = Dense::new(1);
/// let (x, y) = (Tensor::from([[1.0f32], [2.0]]), Tensor::from([[3.0f32], [5.0]]));
/// let (params, _) = model.init(key(0)).call(&x)?.pop("params")?;
/// let mut state = TrainState::create(params, optim::adam(0.1));
/// let step = jit(|(state, x, y): (TrainState<Adam>, Tensor, Tensor)| {
///     let grads = grad(|params: &Dict| {
///         let predicted = model.apply(Variables::new().with("params", params)).call(&x)?;
///         Ok(losses::squared_error(&predicted, &y).mean())
///     })(&state.params)?;
///     state.apply_gradients(&grads)
/// });
/// for _ in 0..3 {
///     state = step.call((state, x.clone(), y.clone()))?;
/// }
/// assert_eq!(state.step.item::<i32>()?, 3);
/// assert_eq!(step.traces(), 1);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub struct TrainState<T: GradientTransformation<P>, P: Tree = Dict> {
    /// The number of steps so far, `I32`.
    pub step: Tensor,
    /// The parameters.
    pub params: P,
    /// The state of the optimizer.
    pub opt_state: T::State,
    /// The optimizer.
    pub tx: Shared<T>,
}

/// Something behind a pointer; equal to its clones only.
pub struct Shared<T>(Arc<T>);

impl<P: Tree, T: GradientTransformation<P>> TrainState<T, P> {
    /// The state before the first step.
    pub fn create(params: P, tx: T) -> TrainState<T, P> {
        let opt_state = tx.init(&params);
        TrainState { step: zero_count(), params, opt_state, tx: Shared(Arc::new(tx)) }
    }

    /// The state after one step against the gradients.
    ///
    /// # Errors
    /// If the gradients differ from the parameters in structure or shape.
    pub fn apply_gradients(&self, gradients: &P) -> Result<TrainState<T, P>> {
        let (updates, opt_state) = self.tx.update(gradients, &self.opt_state, &self.params)?;
        let params = try_apply_updates(&self.params, &updates)?;
        Ok(TrainState { step: safe_increment(&self.step), params, opt_state, tx: self.tx.clone() })
    }
}

impl<P, T> Tree for TrainState<T, P>
where
    P: Tree,
    T: GradientTransformation<P> + Send + Sync + 'static,
{
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node(NodeKind::Struct("TrainState"), 4));
        visit(Token::Key("step"));
        self.step.walk(visit);
        visit(Token::Key("params"));
        self.params.walk(visit);
        visit(Token::Key("opt_state"));
        self.opt_state.walk(visit);
        visit(Token::Key("tx"));
        visit(Token::Static(&self.tx));
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        leaves.push(self.step);
        self.params.into_leaves(leaves);
        self.opt_state.into_leaves(leaves);
    }

    fn donate(self, donation: &mut Donation) {
        self.step.donate(donation);
        self.params.donate(donation);
        self.opt_state.donate(donation);
    }

    fn build(from: &mut Builder<'_>) -> Result<Self> {
        from.expect(NodeKind::Struct("TrainState"), 4)?;
        from.key()?;
        let step = from.leaf()?;
        from.key()?;
        let params = P::build(from)?;
        from.key()?;
        let opt_state = T::State::build(from)?;
        from.key()?;
        Ok(TrainState { step, params, opt_state, tx: from.fixed()? })
    }
}

impl<P: Tree + Clone, T: GradientTransformation<P>> Clone for TrainState<T, P> {
    fn clone(&self) -> Self {
        TrainState {
            step: self.step.clone(),
            params: self.params.clone(),
            opt_state: self.opt_state.clone(),
            tx: self.tx.clone(),
        }
    }
}

impl<P, T> fmt::Debug for TrainState<T, P>
where
    P: Tree + fmt::Debug,
    T: GradientTransformation<P, State: fmt::Debug>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrainState")
            .field("step", &self.step)
            .field("params", &self.params)
            .field("opt_state", &self.opt_state)
            .finish_non_exhaustive()
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(self.0.clone())
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared<{}>", std::any::type_name::<T>())
    }
}
