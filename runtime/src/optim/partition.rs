//! Different transformations for different leaves.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::masked::{MaskedState, update_masked};
use super::moments::zip;
use super::regrouped::{Masked, Regrouped};
use super::{ExtraArgs, GradientTransformation};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::{Tree, leaves_with_path};
use crate::variables::Value;

/// A transformation for each label; see [`multi_transform`].
#[derive(Clone)]
pub struct MultiTransform<T> {
    transforms: BTreeMap<String, T>,
    label: Arc<LabelFn>,
}

type LabelFn = dyn Fn(&str, &Tensor) -> Cow<'static, str> + Send + Sync;

/// The states of transformations by their labels, each of which knows of its leaves only.
#[derive(Clone, Debug, Tree)]
pub struct MultiTransformState<S = Value> {
    /// The states.
    pub inner_states: BTreeMap<String, MaskedState<S>>,
}

/// Transforms each leaf by what its label says; the label is a function of the leaf's path, written with `/`, and of its
/// parameter.
///
/// Transformations of different types are [`boxed`](GradientTransformation::boxed).
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::multi_transform(
///     [("fast", optim::adam(1e-2).boxed()), ("slow", optim::sgd(1e-4).boxed()), ("frozen", optim::set_to_zero().boxed())],
///     |path, _| match path {
///         _ if path.starts_with("encoder/") => "frozen",
///         _ if path.ends_with("bias") => "fast",
///         _ => "slow",
///     },
/// );
/// let params = Dict::new().with("encoder/kernel", Tensor::ones([2])).with("head/bias", Tensor::ones([2]));
/// let (updates, _) = tx.update(&params, &tx.init(&params), &params)?;
/// assert_eq!(updates.tensor("encoder/kernel")?.to_vec::<f32>()?, [0.0, 0.0]);
/// assert!(updates.tensor("head/bias")?.all_close(-0.01f32, 1e-4, 0.0)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// A label without a transformation is an error of [`update`](GradientTransformation::update).
#[doc(alias = "partition")]
pub fn multi_transform<T, L: Into<Cow<'static, str>>>(
    transforms: impl IntoIterator<Item = (impl Into<String>, T)>,
    label: impl Fn(&str, &Tensor) -> L + Send + Sync + 'static,
) -> MultiTransform<T> {
    MultiTransform {
        transforms: transforms.into_iter().map(|(label, transform)| (label.into(), transform)).collect(),
        label: Arc::new(move |path, leaf| label(path, leaf).into()),
    }
}

/// [`multi_transform`] by the name that optax has for it now.
pub fn partition<T, L: Into<Cow<'static, str>>>(
    transforms: impl IntoIterator<Item = (impl Into<String>, T)>,
    param_labels: impl Fn(&str, &Tensor) -> L + Send + Sync + 'static,
) -> MultiTransform<T> {
    multi_transform(transforms, param_labels)
}

impl<T> MultiTransform<T> {
    fn labels(&self, params: &impl Tree) -> Vec<Cow<'static, str>> {
        let label = |(path, leaf): (crate::tree::Path, &Tensor)| (self.label)(&path.join("/"), leaf);
        leaves_with_path(params).into_iter().map(label).collect()
    }
}

impl<T: fmt::Debug> fmt::Debug for MultiTransform<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiTransform").field("transforms", &self.transforms).finish_non_exhaustive()
    }
}

impl<P: Tree + Clone, T: GradientTransformation<Masked<P>>> GradientTransformation<P> for MultiTransform<T> {
    type State = MultiTransformState<T::State>;

    fn init(&self, params: &P) -> Self::State {
        let labels = self.labels(params);
        let state = |(label, transform): (&String, &T)| {
            let some = Regrouped::select(params, |i| labels[i] == **label);
            (label.clone(), MaskedState { inner_state: transform.init(&some) })
        };
        MultiTransformState { inner_states: self.transforms.iter().map(state).collect() }
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
        let labels = self.labels(params);
        if let Some(unknown) = labels.iter().find(|label| !self.transforms.contains_key(&***label)) {
            let known = self.transforms.keys().map(|label| format!("`{label}`")).collect::<Vec<_>>();
            let message = format!(
                "a leaf is labelled `{unknown}`, but there are transformations for {}",
                known.join(", ")
            );
            return Err(Error::argument("multi_transform", message));
        }
        let [mut merged] = zip([updates, params], |[u, _]| Ok([u.clone()]))?;
        let mut inner_states = BTreeMap::new();
        for (label, transform) in &self.transforms {
            let Some(MaskedState { inner_state }) = state.inner_states.get(label) else {
                let message = format!("the state has nothing for `{label}`");
                return Err(Error::argument("multi_transform", message));
            };
            let chosen: Vec<bool> = labels.iter().map(|of| of == label).collect();
            let inner_state = update_masked(transform, &chosen, &mut merged, inner_state, params, extra)?;
            inner_states.insert(label.clone(), MaskedState { inner_state });
        }
        Ok((merged, MultiTransformState { inner_states }))
    }
}
