//! Transformations of some leaves only.

use std::fmt;
use std::sync::Arc;

use super::moments::zip;
use super::regrouped::{Masked, Regrouped};
use super::{ExtraArgs, GradientTransformation, SetToZero, set_to_zero};
use crate::core::Tensor;
use crate::error::Result;
use crate::tree::{Structure, Tree, leaves, leaves_with_path};

/// Which leaves something is for, by their paths and themselves; all by default.
#[derive(Clone, Default)]
pub(super) struct Mask(Option<Arc<Predicate>>);

type Predicate = dyn Fn(&str, &Tensor) -> bool + Send + Sync;

impl Mask {
    pub(super) fn new(mask: impl Fn(&str, &Tensor) -> bool + Send + Sync + 'static) -> Mask {
        Mask(Some(Arc::new(mask)))
    }

    /// For each leaf, in order.
    /// Whether leaves are chosen at all.
    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn of(&self, params: &impl Tree) -> Vec<bool> {
        match &self.0 {
            None => vec![true; leaves(params).len()],
            Some(mask) => {
                let chosen = |(path, leaf): (crate::tree::Path, &Tensor)| mask(&path.join("/"), leaf);
                leaves_with_path(params).into_iter().map(chosen).collect()
            }
        }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Mask" } else { "all" })
    }
}

/// A transformation of some leaves; see [`masked`].
#[derive(Clone, Debug)]
pub struct MaskedTransformation<T> {
    inner: T,
    mask: Mask,
}

/// The state of a transformation of some leaves, which are all that it knows of.
#[derive(Clone, Debug, Tree)]
pub struct MaskedState<S> {
    /// The state of the transformation.
    pub inner_state: S,
}

/// Transforms the leaves for which `mask` of their path and parameter is true; **all other updates stay as they are**,
/// so gradients stay gradients. To leave parameters alone, use [`freeze`].
///
/// Paths are written with `/`: `Dense_0/kernel`.
///
/// ```
/// use flaxen::prelude::*;
///
/// let decay = optim::masked(optim::add_decayed_weights(0.1), |path, _| path.ends_with("kernel"));
/// let params = Dict::new().with("kernel", Tensor::from([1.0f32])).with("bias", Tensor::from([1.0f32]));
/// let (updates, _) = decay.update(&params, &decay.init(&params), &params)?;
/// assert_eq!(updates.tensor("kernel")?.to_vec::<f32>()?, [1.1]);
/// assert_eq!(updates.tensor("bias")?.to_vec::<f32>()?, [1.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn masked<T>(
    inner: T,
    mask: impl Fn(&str, &Tensor) -> bool + Send + Sync + 'static,
) -> MaskedTransformation<T> {
    MaskedTransformation { inner, mask: Mask::new(mask) }
}

/// Zeros instead of the updates that [`freeze`] is for.
pub type Freeze = MaskedTransformation<SetToZero>;

/// No updates for the leaves for which `frozen` of their path and parameter is true: their parameters stay, bit by bit.
///
/// It comes last in a chain.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = (optim::adam(1e-3), optim::freeze(|path, _| path.starts_with("encoder/")));
/// let params = Dict::new().with("encoder/w", Tensor::from([1.0f32])).with("head/w", Tensor::from([1.0f32]));
/// let (updates, _) = tx.update(&params, &tx.init(&params), &params)?;
/// let params = optim::apply_updates(&params, &updates)?;
/// assert_eq!(params.tensor("encoder/w")?.to_vec::<f32>()?, [1.0]);
/// assert_eq!(params.tensor("head/w")?.to_vec::<f32>()?, [0.999]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn freeze(frozen: impl Fn(&str, &Tensor) -> bool + Send + Sync + 'static) -> Freeze {
    masked(set_to_zero(), frozen)
}

impl<P: Tree + Clone, T: GradientTransformation<Masked<P>>> GradientTransformation<P>
    for MaskedTransformation<T>
{
    type State = MaskedState<T::State>;

    fn init(&self, params: &P) -> Self::State {
        let mask = self.mask.of(params);
        MaskedState { inner_state: self.inner.init(&Regrouped::select(params, |i| mask[i])) }
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
        // Compared here, so that a difference is reported in terms of the whole trees.
        let [mut merged] = zip([updates, params], |[u, _]| Ok([u.clone()]))?;
        let mask = self.mask.of(params);
        let inner_state = update_masked(&self.inner, &mask, &mut merged, &state.inner_state, params, extra)?;
        Ok((merged, MaskedState { inner_state }))
    }
}

/// Replaces the updates of the chosen leaves; returns the next state.
pub(super) fn update_masked<P: Tree, T: GradientTransformation<Masked<P>>>(
    inner: &T,
    chosen: &[bool],
    updates: &mut P,
    state: &T::State,
    params: &P,
    extra: &ExtraArgs<'_, P>,
) -> Result<T::State> {
    let some = |tree: &P| Regrouped::select(tree, |i| chosen[i]);
    let (new, state) = extra
        .masked(chosen, params, |extra| inner.update_with(&some(updates), state, &some(params), extra))?;
    *updates = merge(updates, chosen, &new);
    Ok(state)
}

/// A tree with other chosen leaves.
pub(super) fn merge<P: Tree>(tree: &P, chosen: &[bool], part: &Masked<P>) -> P {
    let mut new = part.tensors().iter();
    let merged: Vec<Tensor> = leaves(tree)
        .into_iter()
        .zip(chosen)
        .map(|(old, &chosen)| if chosen { new.next().unwrap_or(old) } else { old }.clone())
        .collect();
    Structure::of(tree).build(merged)
}
