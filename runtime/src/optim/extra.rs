//! What some transformations ask for beside gradients: losses, and functions of parameters.

use std::collections::BTreeMap;

use super::masked::merge;
use super::moments::same_structure;
use super::regrouped::{Masked, Regrouped};
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::tree::Tree;
use crate::variables::{Dict, Value};

type ValueFn<'a, P> = &'a dyn Fn(&P) -> Result<Tensor>;
type GradFn<'a, P> = &'a dyn Fn(&P, usize) -> Result<P>;

/// What some transformations ask for beside gradients, of
/// [`update_with`](super::GradientTransformation::update_with): optax's extra arguments.
///
/// Every transformation takes them, and most do not look at them. One that needs what is not there says so in an error.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::ExtraArgs;
///
/// let tx = optim::polyak_sgd();
/// let loss = |x: &Tensor| Ok(x.square().sum());
/// let params = Tensor::from([3.0f32, 4.0]);
/// let (value, gradient) = value_and_grad(loss)(&params)?;
/// let (updates, _) = tx.update_with(&gradient, &tx.init(&params), &params, &ExtraArgs::new().value(&value))?;
/// assert_eq!(updates.to_vec::<f32>()?, [-1.5, -2.0]);
/// assert!(tx.update(&gradient, &tx.init(&params), &params).is_err());
/// # Ok::<(), flaxen::Error>(())
/// ```
pub struct ExtraArgs<'a, P = Dict> {
    value: Option<Tensor>,
    grad: Option<&'a P>,
    value_fn: Option<ValueFn<'a, P>>,
    grad_fn: Option<GradFn<'a, P>>,
    others: BTreeMap<String, Value>,
}

impl<'a, P> ExtraArgs<'a, P> {
    /// None of them.
    pub fn new() -> ExtraArgs<'a, P> {
        ExtraArgs { value: None, grad: None, value_fn: None, grad_fn: None, others: BTreeMap::new() }
    }

    /// The loss that the gradients are of, a scalar; it is looked at by [`polyak_sgd`](super::polyak_sgd),
    /// [`contrib::reduce_on_plateau`](super::contrib::reduce_on_plateau) and line searches.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[must_use]
    #[track_caller]
    pub fn value(self, value: impl TensorLike) -> Self {
        ExtraArgs { value: Some(unwrap(value.operand())), ..self }
    }

    /// The gradients, where updates come from elsewhere: for line searches.
    #[must_use]
    pub fn grad(self, grad: &'a P) -> Self {
        ExtraArgs { grad: Some(grad), ..self }
    }

    /// The loss as a function of the parameters: for line searches, and for what looks at curvature.
    #[must_use]
    pub fn value_fn(self, value_fn: &'a dyn Fn(&P) -> Result<Tensor>) -> Self {
        ExtraArgs { value_fn: Some(value_fn), ..self }
    }

    /// The gradient as a function of the parameters and of the number of the step: for [`contrib::sam`](super::contrib::sam).
    #[must_use]
    pub fn grad_fn(self, grad_fn: &'a dyn Fn(&P, usize) -> Result<P>) -> Self {
        ExtraArgs { grad_fn: Some(grad_fn), ..self }
    }

    /// Something by a name of one's own, for a transformation of one's own.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.others.insert(name.into(), value.into());
        self
    }

    /// What [`with`](ExtraArgs::with) put there.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.others.get(name)
    }

    /// The loss.
    ///
    /// # Errors
    /// If there is none; `op` is who asks.
    pub fn need_value(&self, op: &'static str) -> Result<&Tensor> {
        self.value.as_ref().ok_or_else(|| missing(op, "value", "the loss"))
    }

    /// The gradients.
    ///
    /// # Errors
    /// If there are none; `op` is who asks.
    pub fn need_grad(&self, op: &'static str) -> Result<&'a P> {
        self.grad.ok_or_else(|| missing(op, "grad", "the gradients"))
    }

    /// The loss as a function.
    ///
    /// # Errors
    /// If there is none; `op` is who asks.
    pub fn need_value_fn(&self, op: &'static str) -> Result<ValueFn<'a, P>> {
        self.value_fn.ok_or_else(|| missing(op, "value_fn", "the loss as a function of the parameters"))
    }

    /// The gradient as a function.
    ///
    /// # Errors
    /// If there is none; `op` is who asks.
    pub fn need_grad_fn(&self, op: &'static str) -> Result<GradFn<'a, P>> {
        self.grad_fn.ok_or_else(|| missing(op, "grad_fn", "the gradient as a function of the parameters"))
    }
}

fn missing(op: &'static str, name: &str, what: &str) -> Error {
    let message =
        format!("needs {what}: call `update_with` with `ExtraArgs::new().{name}(..)` instead of `update`");
    Error::argument(op, message)
}

impl<P: Tree> ExtraArgs<'_, P> {
    /// The same for parameters in another form.
    pub(super) fn mapped<Q, R>(
        &self,
        to: &dyn Fn(&P) -> Result<Q>,
        from: &dyn Fn(&Q) -> Result<P>,
        f: impl FnOnce(&ExtraArgs<'_, Q>) -> Result<R>,
    ) -> Result<R> {
        let grad = self.grad.map(to).transpose()?;
        let value_fn = self.value_fn.map(|f| move |params: &Q| f(&from(params)?));
        let grad_fn = self.grad_fn.map(|f| move |params: &Q, step| to(&f(&from(params)?, step)?));
        f(&ExtraArgs {
            value: self.value.clone(),
            grad: grad.as_ref(),
            value_fn: value_fn.as_ref().map(|f| f as ValueFn<'_, Q>),
            grad_fn: grad_fn.as_ref().map(|f| f as GradFn<'_, Q>),
            others: self.others.clone(),
        })
    }

    /// The same for some leaves only; functions are of those, at the parameters that the others have.
    pub(super) fn masked<R>(
        &self,
        chosen: &[bool],
        params: &P,
        f: impl FnOnce(&ExtraArgs<'_, Masked<P>>) -> Result<R>,
    ) -> Result<R> {
        let some = |tree: &P| {
            same_structure("the gradients differ from the parameters", &[tree, params])?;
            Ok(Regrouped::select(tree, |i| chosen[i]))
        };
        self.mapped(&some, &|part| Ok(merge(params, chosen, part)), f)
    }
}

impl<P> Default for ExtraArgs<'_, P> {
    fn default() -> Self {
        ExtraArgs::new()
    }
}

impl<P> Clone for ExtraArgs<'_, P> {
    fn clone(&self) -> Self {
        ExtraArgs {
            value: self.value.clone(),
            grad: self.grad,
            value_fn: self.value_fn,
            grad_fn: self.grad_fn,
            others: self.others.clone(),
        }
    }
}

impl<P> std::fmt::Debug for ExtraArgs<'_, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExtraArgs")
            .field("value", &self.value)
            .field("grad", &self.grad.is_some())
            .field("value_fn", &self.value_fn.is_some())
            .field("grad_fn", &self.grad_fn.is_some())
            .field("others", &self.others)
            .finish()
    }
}
