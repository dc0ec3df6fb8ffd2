//! Transformations that are made of functions, or that only say when others apply.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::finite::choose;
use super::moments::{
    in_dtype_of, safe_divide, safe_increment, same_structure, zero_count, zeros, zip, zip_moments,
};
use super::settings::setters;
use super::update::wide_norm;
use super::{ExtraArgs, GradientTransformation};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{COUNT, NOT_NEGATIVE, POSITIVE};
use crate::core::tensor::bare;
use crate::error::{Error, Result};
use crate::transform::custom_vjp;
use crate::tree::{self, Tree};
use crate::variables::Dict;

/// A transformation without state; see [`stateless`].
#[derive(Clone, Copy, Debug)]
pub struct Stateless<F>(F);

/// A function of updates and parameters as a transformation.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::stateless(|updates: &Tensor, params: &Tensor| updates.try_sub(params * 0.5));
/// let (updates, ()) = tx.update(&Tensor::from(1.0f32), &(), &Tensor::from(2.0f32))?;
/// assert_eq!(updates.item::<f32>()?, 0.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn stateless<P: Tree, F: Fn(&P, &P) -> Result<P>>(f: F) -> Stateless<F> {
    Stateless(f)
}

impl<P: Tree, F: Fn(&P, &P) -> Result<P>> GradientTransformation<P> for Stateless<F> {
    type State = ();

    fn init(&self, _params: &P) {}

    fn update(&self, updates: &P, _state: &(), params: &P) -> Result<(P, ())> {
        Ok(((self.0)(updates, params)?, ()))
    }
}

/// A transformation of each leaf; see [`stateless_with_tree_map`].
#[derive(Clone, Copy, Debug)]
pub struct StatelessWithTreeMap<F>(F);

/// A function of an update and a parameter as a transformation of each leaf.
pub fn stateless_with_tree_map<F: Fn(&Tensor, &Tensor) -> Result<Tensor>>(f: F) -> StatelessWithTreeMap<F> {
    StatelessWithTreeMap(f)
}

impl<P: Tree, F: Fn(&Tensor, &Tensor) -> Result<Tensor>> GradientTransformation<P>
    for StatelessWithTreeMap<F>
{
    type State = ();

    fn init(&self, _params: &P) {}

    fn update(&self, updates: &P, _state: &(), params: &P) -> Result<(P, ())> {
        let [updates] = zip([updates, params], |[u, p]| Ok([(self.0)(u, p)?]))?;
        Ok((updates, ()))
    }
}

/// Transformations one after the other, by name; see [`named_chain`].
#[derive(Clone, Debug)]
pub struct NamedChain<T>(Vec<(String, T)>);

/// Transformations one after the other, whose states are found by name.
///
/// Transformations of different types are [`boxed`](GradientTransformation::boxed).
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::AdamState;
///
/// let tx = optim::named_chain([("clip", optim::clip(1.0).boxed()), ("adam", optim::adam(0.1).boxed())]);
/// let params = Dict::new().with("w", Tensor::ones([2]));
/// let state = tx.init(&params);
/// let adam: AdamState = state["adam"].to()?;
/// assert_eq!(adam.0.mu.tensor("w")?.shape(), [2]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// A name that is there twice is an error of [`update`](GradientTransformation::update).
pub fn named_chain<T>(transformations: impl IntoIterator<Item = (impl Into<String>, T)>) -> NamedChain<T> {
    NamedChain(transformations.into_iter().map(|(name, tx)| (name.into(), tx)).collect())
}

impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<P> for NamedChain<T> {
    type State = BTreeMap<String, T::State>;

    fn init(&self, params: &P) -> Self::State {
        self.0.iter().map(|(name, tx)| (name.clone(), tx.init(params))).collect()
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
        let (mut updates, mut next) = (updates.clone(), BTreeMap::new());
        for (name, tx) in &self.0 {
            let Some(old) = state.get(name) else {
                return Err(Error::argument("named_chain", format!("the state has nothing for `{name}`")));
            };
            let new;
            (updates, new) = tx.update_with(&updates, old, params, extra)?;
            if next.insert(name.clone(), new).is_some() {
                let message = format!("`{name}` is there twice: names are unique");
                return Err(Error::argument("named_chain", message));
            }
        }
        Ok((updates, next))
    }
}

type Condition = dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync;

/// A transformation that applies sometimes; see [`conditionally_transform`].
#[derive(Clone)]
pub struct Conditionally<T> {
    inner: T,
    condition: Arc<Condition>,
}

/// The state of a transformation that applies sometimes.
#[derive(Clone, Debug, Tree)]
pub struct ConditionallyTransformState<S> {
    /// The state of the transformation.
    pub inner_state: S,
    /// The number of updates so far, `I32`.
    pub step: Tensor,
}

/// Transforms updates where a condition on their number, from 0, is true; otherwise they stay as they are.
///
/// The condition is a function of the step, an `I32` scalar, to a boolean one. (Optax's `forward_extra_args` is left out: it is no
/// function of other things.)
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::conditionally_transform(optim::scale(2.0), |step| step.try_ge(1));
/// let one = Tensor::from(1.0f32);
/// let (first, state) = tx.update(&one, &tx.init(&one), &one)?;
/// let (second, _) = tx.update(&one, &state, &one)?;
/// assert_eq!((first.item::<f32>()?, second.item::<f32>()?), (1.0, 2.0));
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn conditionally_transform<T>(
    inner: T,
    should_transform_fn: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Conditionally<T> {
    Conditionally { inner, condition: Arc::new(should_transform_fn) }
}

/// As [`conditionally_transform`], with zeros for updates where the condition is false.
pub fn conditionally_mask<T>(
    inner: T,
    should_transform_fn: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> ConditionallyMask<T> {
    ConditionallyMask(conditionally_transform(inner, should_transform_fn))
}

/// A transformation that applies sometimes, and masks otherwise; see [`conditionally_mask`].
#[derive(Clone, Debug)]
pub struct ConditionallyMask<T>(Conditionally<T>);

/// The state of a transformation that applies sometimes, and masks otherwise.
#[derive(Clone, Debug, Tree)]
pub struct ConditionallyMaskState<S> {
    /// The number of updates so far, `I32`.
    pub step: Tensor,
    /// The state of the transformation.
    pub inner_state: S,
}

impl<T> Conditionally<T> {
    /// The updates and the state of the transformation, or others.
    fn choose<P: Tree + Clone>(
        &self,
        [updates, params, other]: [&P; 3],
        (step, state): (&Tensor, &<T as GradientTransformation<P>>::State),
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, <T as GradientTransformation<P>>::State)>
    where
        T: GradientTransformation<P>,
    {
        let applies = (self.condition)(step)?;
        let (new, inner) = self.inner.update_with(updates, state, params, extra)?;
        Ok((choose(&applies, &new, other)?, choose(&applies, &inner, state)?))
    }
}

impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<P> for ConditionallyMask<T> {
    type State = ConditionallyMaskState<T::State>;

    fn init(&self, params: &P) -> Self::State {
        ConditionallyMaskState { step: zero_count(), inner_state: self.0.inner.init(params) }
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
        let none = zeros(updates, None);
        let before = (&state.step, &state.inner_state);
        let (updates, inner_state) = self.0.choose([updates, params, &none], before, extra)?;
        Ok((updates, ConditionallyMaskState { step: safe_increment(&state.step), inner_state }))
    }
}

impl<T: fmt::Debug> fmt::Debug for Conditionally<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conditionally").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<P> for Conditionally<T> {
    type State = ConditionallyTransformState<T::State>;

    fn init(&self, params: &P) -> Self::State {
        ConditionallyTransformState { inner_state: self.inner.init(params), step: zero_count() }
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
        let before = (&state.step, &state.inner_state);
        let (updates, inner_state) = self.choose([updates, params, updates], before, extra)?;
        Ok((updates, ConditionallyTransformState { inner_state, step: safe_increment(&state.step) }))
    }
}

/// Sums of several updates; see [`apply_every`].
#[derive(Clone, Copy, Debug)]
pub struct ApplyEvery {
    k: i32,
}

/// The sum so far.
#[derive(Clone, Debug, Tree)]
pub struct ApplyEveryState<P = Dict> {
    /// How many updates there are since the last step, `I32`.
    pub count: Tensor,
    /// Their sum.
    pub grad_acc: P,
}

/// The sum of every `k` updates, which is at least 1, and zeros in between; [`multi_steps`](super::multi_steps) also leaves other
/// transformations out in between.
pub fn apply_every(k: i32) -> ApplyEvery {
    ApplyEvery { k }
}

impl<P: Tree + Clone> GradientTransformation<P> for ApplyEvery {
    type State = ApplyEveryState<P>;

    fn init(&self, params: &P) -> Self::State {
        ApplyEveryState { count: zero_count(), grad_acc: zeros(params, None) }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        COUNT.check("apply_every", "k", self.k.into())?;
        let (first, last) = (state.count.try_eq(0)?, state.count.try_eq(self.k - 1)?);
        let [updates, grad_acc] = zip_moments([updates, &state.grad_acc], 2, |[g, sum]| {
            let sum = first.try_select(g, sum + g)?;
            Ok([last.try_select(&sum, sum.like(0.0))?, sum])
        })?;
        Ok((updates, ApplyEveryState { count: (&state.count + 1) % self.k, grad_acc }))
    }
}

/// Updates of one length; see [`normalize_by_update_norm`].
#[derive(Clone, Debug)]
pub struct NormalizeByUpdateNorm {
    scale_factor: Tensor,
    eps: Tensor,
}

/// `scale_factor·u / (‖u‖ + eps)` with the norm of all leaves together; zeros stay zeros.
pub fn normalize_by_update_norm() -> NormalizeByUpdateNorm {
    NormalizeByUpdateNorm { scale_factor: bare(1.0), eps: bare(1e-6) }
}

setters! { NormalizeByUpdateNorm {
    /// The length of updates: above 0; 1 by default.
    scale_factor: Tensor,
    /// What is added to the norm: at least 0; 10⁻⁶ by default.
    eps: Tensor,
} }

impl<P: Tree + Clone> GradientTransformation<P> for NormalizeByUpdateNorm {
    type State = ();

    fn init(&self, _params: &P) {}

    fn update(&self, updates: &P, _state: &(), _params: &P) -> Result<(P, ())> {
        POSITIVE.check_number("normalize_by_update_norm", "scale_factor", &self.scale_factor)?;
        NOT_NEGATIVE.check_number("normalize_by_update_norm", "eps", &self.eps)?;
        let norm = (wide_norm(updates)? + &self.eps) / &self.scale_factor;
        let [updates] = zip_moments([updates], 1, |[u]| Ok([safe_divide(u, &in_dtype_of(&norm, u), true)?]))?;
        Ok((updates, ()))
    }
}

/// A transformation of all leaves as one vector; see [`flatten`].
#[derive(Clone, Copy, Debug)]
pub struct Flatten<T>(T);

/// Transforms all leaves as one vector, which is faster for many small leaves; the state is of that vector.
pub fn flatten<T>(inner: T) -> Flatten<T> {
    Flatten(inner)
}

/// All elements of a tree as one vector.
fn flat<P: Tree>(tree: &P) -> Result<Tensor> {
    let rows = tree::leaves(tree).into_iter().map(|leaf| leaf.try_reshape([leaf.size()]));
    let rows: Vec<Tensor> = rows.collect::<Result<_>>()?;
    let dtype = rows.iter().map(Tensor::dtype).reduce(DType::promote).unwrap_or(DType::F32);
    let rows: Vec<Tensor> = rows.iter().map(|row| row.try_cast(dtype)).collect::<Result<_>>()?;
    if rows.is_empty() { Ok(Tensor::zeros([0])) } else { Tensor::try_concatenate(&rows, 0) }
}

/// The tree of a vector, in the shapes of another.
fn unflat<P: Tree>(like: &P, vector: &Tensor) -> Result<P> {
    let mut at = 0;
    tree::map(like, |leaf| {
        let end = at + leaf.size() as isize;
        let part = vector.try_slice_axis(0, at..end)?;
        at = end;
        part.try_reshape(leaf.shape())?.try_cast(leaf.dtype())
    })
}

impl<P: Tree + Clone, T: GradientTransformation<Tensor>> GradientTransformation<P> for Flatten<T> {
    type State = T::State;

    fn init(&self, params: &P) -> T::State {
        self.0.init(&crate::error::unwrap(flat(params)))
    }

    fn update(&self, updates: &P, state: &T::State, params: &P) -> Result<(P, T::State)> {
        self.update_with(updates, state, params, &ExtraArgs::new())
    }

    fn update_with(
        &self,
        updates: &P,
        state: &T::State,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, T::State)> {
        same_structure("the gradients differ from the parameters", &[updates, params])?;
        let (to, from) = (|tree: &P| flat(tree), |vector: &Tensor| unflat(params, vector));
        let (vector, state) = extra
            .mapped(&to, &from, |extra| self.0.update_with(&flat(updates)?, state, &flat(params)?, extra))?;
        Ok((unflat(updates, &vector)?, state))
    }
}

/// A tree as it is, whose gradient is multiplied by a number.
///
/// With 1 nothing is done, and with 0 no gradient comes through.
///
/// ```
/// use flaxen::prelude::*;
///
/// let gradient = grad(|x: &Tensor| optim::scale_gradient(x, 0.5)?.try_square())(&Tensor::from(3.0f32))?;
/// assert_eq!(gradient.item::<f32>()?, 3.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If a leaf is a value of a transform that has returned.
pub fn scale_gradient<P: Tree + Clone>(inputs: &P, scale: f64) -> Result<P> {
    if scale == 1.0 {
        return Ok(inputs.clone());
    }
    if scale == 0.0 {
        return tree::map(inputs, |leaf| Ok(leaf.stop_gradient()));
    }
    let scaled = custom_vjp(
        |inputs: &P| Ok(inputs.clone()),
        |inputs: &P| Ok((inputs.clone(), ())),
        |(): &(), cotangent: &P| tree::map(cotangent, |leaf| leaf.try_mul(scale)),
    );
    scaled.call(inputs)
}
