//! Parameters, their optimizer and its state in one value.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::moments::{safe_increment, zero_count};
use super::update::apply_updates;
use super::{DynTransformation, ExtraArgs, GradientTransformation};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::{Builder, Donation, Header, NodeKind, Structure, Token, Tree};
use crate::variables::Dict;

/// Parameters, their optimizer, its state, and the number of steps: what a step of training takes and returns.
///
/// A tree, whose structure the optimizer is part of. (A model itself is no part of it: the closure of the step has that.) What else
/// training carries along, such as statistics or a key, are fields of a tree of the user's, [`with`](TrainState::with) which a state is
/// made; they are read and written as if they were fields of the state, and stand under their own names in trees and files, as the fields of a
/// class derived from Flax's do:
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::Adam;
/// use flaxen::random::Key;
///
/// #[derive(Tree, Clone)]
/// struct More {
///     batch_stats: Dict,
///     key: Key,
/// }
/// type State = TrainState<Adam, Dict, More>;
///
/// let params = Dict::from_iter([("w", Tensor::from(1.0f32))]);
/// let mut state: State =
///     TrainState::create(params, optim::adam(0.1)).with(More { batch_stats: Dict::new(), key: key(0) });
/// let [dropout, next] = state.key.split();
/// state.key = next;
/// state = state.apply_gradients(&state.params)?;
/// assert_eq!(state.step.item::<i32>()?, 1);
/// # let _ = dropout;
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// A compiled step. `TrainState` alone is that of any [`boxed`](GradientTransformation::boxed) optimizer, so that nobody has to spell the type
/// of a chain; `TrainState<Adam>` knows its own, whose state then has the names and types of Adam's:
///
/// ```
/// use flaxen::prelude::*;
///
/// let model = Dense::new(1);
/// let (x, y) = (Tensor::from([[1.0f32], [2.0]]), Tensor::from([[3.0f32], [5.0]]));
/// let (params, _) = model.init(key(0)).call(&x)?.pop("params")?;
/// let tx = optim::chain((optim::clip_by_global_norm(1.0), optim::adam(0.1)));
/// let mut state = TrainState::create(params, tx.boxed());
/// let step = jit(|(state, x, y): (TrainState, Tensor, Tensor)| {
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
pub struct TrainState<T: GradientTransformation<P> = DynTransformation, P: Tree = Dict, E: Tree = ()> {
    /// The number of steps so far, `I32`.
    pub step: Tensor,
    /// The parameters.
    pub params: P,
    /// The state of the optimizer.
    pub opt_state: T::State,
    /// The optimizer.
    pub tx: Shared<T>,
    /// What else is carried along; its fields are also reached as those of the state.
    pub extra: E,
}

/// Something behind a pointer; equal to its clones only.
pub struct Shared<T>(Arc<T>);

impl<P: Tree, T: GradientTransformation<P>> TrainState<T, P> {
    /// The state before the first step.
    pub fn create(params: P, tx: T) -> TrainState<T, P> {
        let opt_state = tx.init(&params);
        TrainState { step: zero_count(), params, opt_state, tx: Shared(Arc::new(tx)), extra: () }
    }
}

impl<P: Tree, T: GradientTransformation<P>, E: Tree> TrainState<T, P, E> {
    /// The same state, with other fields of the user's.
    pub fn with<F: Tree>(self, extra: F) -> TrainState<T, P, F> {
        let TrainState { step, params, opt_state, tx, extra: _ } = self;
        TrainState { step, params, opt_state, tx, extra }
    }

    /// The state after one step against the gradients.
    ///
    /// # Errors
    /// If the gradients differ from the parameters in structure or shape.
    pub fn apply_gradients(&self, gradients: &P) -> Result<TrainState<T, P, E>>
    where
        E: Clone,
    {
        self.apply_gradients_with(gradients, &ExtraArgs::new())
    }

    /// As [`apply_gradients`](TrainState::apply_gradients), with what some optimizers need beside gradients.
    ///
    /// # Errors
    /// As [`apply_gradients`](TrainState::apply_gradients), and if something is needed that is not there.
    pub fn apply_gradients_with(&self, gradients: &P, extra: &ExtraArgs<'_, P>) -> Result<TrainState<T, P, E>>
    where
        E: Clone,
    {
        let (updates, opt_state) = self.tx.update_with(gradients, &self.opt_state, &self.params, extra)?;
        let params = apply_updates(&self.params, &updates)?;
        let (step, tx) = (safe_increment(&self.step), self.tx.clone());
        Ok(TrainState { step, params, opt_state, tx, extra: self.extra.clone() })
    }
}

impl<P: Tree, T: GradientTransformation<P>, E: Tree> Deref for TrainState<T, P, E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.extra
    }
}

impl<P: Tree, T: GradientTransformation<P>, E: Tree> DerefMut for TrainState<T, P, E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.extra
    }
}

/// The names of a state's own fields.
const OWN: [&str; 5] = ["step", "params", "opt_state", "tx", "extra"];

/// How fields of the user's stand in the tree of a state.
enum Fields {
    /// There are none: a state is the tree that it is in files of Flax.
    Nothing,
    /// Those of a struct, of which there are so many, among the state's own, as fields of a class derived from Flax's.
    Among(NodeKind, usize),
    /// A tree that has no names of its own, or such as the state has: in a field `extra`.
    Apart,
}

impl Fields {
    fn of(extra: &impl Tree) -> Fields {
        let (mut first, mut open, mut is_own) = (None, Vec::new(), false);
        extra.walk(&mut |token| {
            if let Token::Key(key) = &token {
                is_own |= open.len() == 1 && OWN.contains(key);
                return;
            }
            let children = match token {
                Token::Node(kind, count) => {
                    first.get_or_insert((kind, count));
                    count
                }
                _ => {
                    first.get_or_insert((NodeKind::Tuple, 1));
                    0
                }
            };
            open.push(children);
            // What has all its children is one of what it is in.
            while open.last() == Some(&0) {
                open.pop();
                if let Some(left) = open.last_mut() {
                    *left -= 1;
                }
            }
        });
        match first {
            Some((NodeKind::Tuple, 0)) => Fields::Nothing,
            Some((kind @ NodeKind::Struct(_), count)) if !is_own => Fields::Among(kind, count),
            _ => Fields::Apart,
        }
    }
}

impl<P, T, E> Tree for TrainState<T, P, E>
where
    P: Tree,
    T: GradientTransformation<P> + Send + Sync + 'static,
    E: Tree,
{
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        let fields = Fields::of(&self.extra);
        let more = match &fields {
            Fields::Nothing => 0,
            Fields::Among(_, count) => 1 + count,
            Fields::Apart => 1,
        };
        visit(Token::Node(NodeKind::Struct("TrainState"), 4 + more));
        visit(Token::Key("step"));
        self.step.walk(visit);
        visit(Token::Key("params"));
        self.params.walk(visit);
        visit(Token::Key("opt_state"));
        self.opt_state.walk(visit);
        visit(Token::Key("tx"));
        visit(Token::Static(&self.tx));
        match fields {
            Fields::Nothing => {}
            Fields::Among(kind, count) => {
                visit(Token::Key("extra"));
                visit(Token::Static(Header::of(kind, count)));
                let mut is_head = true;
                self.extra.walk(&mut |token| {
                    if !std::mem::take(&mut is_head) {
                        visit(token);
                    }
                });
            }
            Fields::Apart => {
                visit(Token::Key("extra"));
                self.extra.walk(visit);
            }
        }
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        leaves.push(self.step);
        self.params.into_leaves(leaves);
        self.opt_state.into_leaves(leaves);
        self.extra.into_leaves(leaves);
    }

    fn donate(self, donation: &mut Donation) {
        self.step.donate(donation);
        self.params.donate(donation);
        self.opt_state.donate(donation);
        self.extra.donate(donation);
    }

    fn build(from: &mut Builder<'_>) -> Result<Self> {
        let (kind, count) = from.node()?;
        if kind != NodeKind::Struct("TrainState") || count < 4 {
            let message = format!("expected a TrainState of 4 or more, found a {kind} of {count}");
            return Err(Error::Structure {
                context: "a tree is read as another type than it was written as",
                message,
            });
        }
        from.key()?;
        let step = from.leaf()?;
        from.key()?;
        let params = P::build(from)?;
        from.key()?;
        let opt_state = T::State::build(from)?;
        from.key()?;
        let tx = from.fixed()?;
        let extra = if count > 4 {
            from.key()?;
            from.take_header();
            E::build(from)?
        } else {
            Structure::of(&()).try_build([])?
        };
        Ok(TrainState { step, params, opt_state, tx, extra })
    }
}

impl<P: Tree + Clone, T: GradientTransformation<P>, E: Tree + Clone> Clone for TrainState<T, P, E> {
    fn clone(&self) -> Self {
        TrainState {
            step: self.step.clone(),
            params: self.params.clone(),
            opt_state: self.opt_state.clone(),
            tx: self.tx.clone(),
            extra: self.extra.clone(),
        }
    }
}

impl<P, T, E> fmt::Debug for TrainState<T, P, E>
where
    P: Tree + fmt::Debug,
    T: GradientTransformation<P, State: fmt::Debug>,
    E: Tree + fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrainState")
            .field("step", &self.step)
            .field("params", &self.params)
            .field("opt_state", &self.opt_state)
            .field("extra", &self.extra)
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
