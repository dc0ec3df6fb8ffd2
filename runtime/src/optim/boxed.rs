//! Transformations behind a pointer.

use std::fmt;
use std::sync::Arc;

use super::{ExtraArgs, GradientTransformation};
use crate::error::{Error, Result};
use crate::tree::Tree;
use crate::variables::{Dict, Value};

/// A transformation of any type; its state is a [`Value`], and [`Value::to`] gives it its type back.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::{AdamState, DynTransformation};
///
/// let choose = |name: &str| -> DynTransformation {
///     if name == "adam" { optim::adam(1e-3).boxed() } else { optim::sgd(0.1).boxed() }
/// };
/// let params = Dict::new().with("w", Tensor::zeros([2]));
/// let state: AdamState = choose("adam").init(&params).to()?;
/// assert_eq!(state.0.mu, params);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub struct DynTransformation<P = Dict>(Arc<dyn ErasedTransformation<P>>);

impl<P: Tree> DynTransformation<P> {
    /// Puts a transformation behind a pointer.
    pub fn new(transformation: impl GradientTransformation<P> + Send + Sync + 'static) -> Self {
        DynTransformation(Arc::new(transformation))
    }
}

trait ErasedTransformation<P>: Send + Sync {
    fn init(&self, params: &P) -> Value;
    fn update_with(
        &self,
        updates: &P,
        state: &Value,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, Value)>;
}

impl<P: Tree, T: GradientTransformation<P> + Send + Sync> ErasedTransformation<P> for T {
    fn init(&self, params: &P) -> Value {
        Value::of(&GradientTransformation::init(self, params))
    }

    fn update_with(
        &self,
        updates: &P,
        state: &Value,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, Value)> {
        let state = state.to().map_err(|error| Error::Structure {
            context: "the state is that of another optimizer",
            message: format!("`{}` cannot go on from it: {error}", short_type_name::<T>()),
        })?;
        let (updates, state) = GradientTransformation::update_with(self, updates, &state, params, extra)?;
        Ok((updates, Value::try_of(&state)?))
    }
}

impl<P: Tree> GradientTransformation<P> for DynTransformation<P> {
    type State = Value;

    fn init(&self, params: &P) -> Value {
        self.0.init(params)
    }

    fn update(&self, updates: &P, state: &Value, params: &P) -> Result<(P, Value)> {
        GradientTransformation::update_with(self, updates, state, params, &ExtraArgs::new())
    }

    fn update_with(
        &self,
        updates: &P,
        state: &Value,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, Value)> {
        self.0.update_with(updates, state, params, extra)
    }
}

impl<P> Clone for DynTransformation<P> {
    fn clone(&self) -> Self {
        DynTransformation(self.0.clone())
    }
}

impl<P> fmt::Debug for DynTransformation<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynTransformation")
    }
}

/// The name of a type without the modules it is in.
fn short_type_name<T>() -> String {
    let mut short = String::new();
    for part in std::any::type_name::<T>().split_inclusive(['<', '>', ',', '(', ')', ' ']) {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}
