//! Hyperparameters in the state, as optax's `inject_hyperparams`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::moments::{safe_increment, zero_count};
use super::schedule::Schedule;
use super::{ExtraArgs, GradientTransformation};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::tree::Tree;
use crate::variables::Dict;

/// A transformation whose hyperparameters are part of its state; see [`inject_hyperparams`].
pub struct InjectHyperparams<T> {
    hyperparams: BTreeMap<String, Schedule>,
    make: Arc<Make<T>>,
}

type Make<T> = dyn Fn(&BTreeMap<String, Tensor>) -> T + Send + Sync;

/// Hyperparameters beside the state they are for.
#[derive(Clone, Debug, Tree)]
pub struct InjectHyperparamsState<S> {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The hyperparameters of the last update, `F32`; those that are no schedules may be changed.
    pub hyperparams: Dict,
    /// The state of the transformation.
    pub inner_state: S,
}

/// Puts hyperparameters into the state, where they can be read and changed between updates without tracing a compiled step
/// again.
///
/// `make` is given their present values by name. A schedule is evaluated at each update.
///
/// The values are `F32`, whatever the dtype of the parameters. (optax 0.2.8 takes that of the parameters, in which a number
/// such as 0.999 may be 1: with parameters of `BF16` its Adam then makes NaN.)
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::inject_hyperparams([("learning_rate", 0.1), ("momentum", 0.9)], |values| {
///     optim::sgd(&values["learning_rate"]).momentum(&values["momentum"])
/// });
/// let params = Tensor::from(1.0f32);
/// let mut state = tx.init(&params);
/// state.hyperparams = state.hyperparams.with("learning_rate", 0.5f32);
/// let (update, state) = tx.update(&Tensor::from(1.0f32), &state, &params)?;
/// assert_eq!(update.item::<f32>()?, -0.5);
/// assert_eq!(state.hyperparams.tensor("learning_rate")?.item::<f32>()?, 0.5);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn inject_hyperparams<T>(
    hyperparams: impl IntoIterator<Item = (impl Into<String>, impl Into<Schedule>)>,
    make: impl Fn(&BTreeMap<String, Tensor>) -> T + Send + Sync + 'static,
) -> InjectHyperparams<T> {
    let entry = |(name, value): (_, _)| (Into::<String>::into(name), Into::<Schedule>::into(value));
    InjectHyperparams { hyperparams: hyperparams.into_iter().map(entry).collect(), make: Arc::new(make) }
}

impl<T> Clone for InjectHyperparams<T> {
    fn clone(&self) -> Self {
        InjectHyperparams { hyperparams: self.hyperparams.clone(), make: self.make.clone() }
    }
}

impl<T> fmt::Debug for InjectHyperparams<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InjectHyperparams").field("hyperparams", &self.hyperparams).finish_non_exhaustive()
    }
}

impl<T> InjectHyperparams<T> {
    /// The values for an update: of schedules at its number, of others as the state has them.
    fn values(&self, count: &Tensor, state: &Dict) -> Result<BTreeMap<String, Tensor>> {
        let value = |(name, schedule): (&String, &Schedule)| {
            let value = match schedule.number() {
                Some(_) => state.tensor([name])?.clone(),
                None => schedule.at(count)?,
            };
            Ok((name.clone(), value.try_cast(DType::F32)?))
        };
        self.hyperparams.iter().map(value).collect()
    }
}

fn dict(values: &BTreeMap<String, Tensor>) -> Dict {
    values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect()
}

impl<P: Tree, T: GradientTransformation<P>> GradientTransformation<P> for InjectHyperparams<T> {
    type State = InjectHyperparamsState<T::State>;

    fn init(&self, params: &P) -> Self::State {
        let count = zero_count();
        // What a schedule refuses is an error of the first update.
        let number = |schedule: &Schedule| match schedule.number() {
            Some(number) => number.try_cast(DType::F32),
            None => schedule.at(&count)?.try_cast(DType::F32),
        };
        let first = |(name, schedule): (&String, &Schedule)| {
            (name.clone(), number(schedule).unwrap_or_else(|_| Tensor::zeros_of([], DType::F32)))
        };
        let values = self.hyperparams.iter().map(first).collect();
        let inner_state = (self.make)(&values).init(params);
        InjectHyperparamsState { count, hyperparams: dict(&values), inner_state }
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
        let values = self.values(&state.count, &state.hyperparams)?;
        let (updates, inner_state) =
            (self.make)(&values).update_with(updates, &state.inner_state, params, extra)?;
        let count = safe_increment(&state.count);
        Ok((updates, InjectHyperparamsState { count, hyperparams: dict(&values), inner_state }))
    }
}
