//! Line searches: how far to go along an update.

mod backtracking;
mod zoom;

pub use backtracking::{
    BacktrackingLinesearchInfo, ScaleByBacktrackingLinesearch, ScaleByBacktrackingLinesearchState,
    scale_by_backtracking_linesearch,
};
pub use zoom::{
    InitialGuess, ScaleByZoomLinesearch, ScaleByZoomLinesearchState, ZoomLinesearchInfo,
    scale_by_zoom_linesearch,
};

use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::transform::{cond, value_and_grad};
use crate::tree::{Tree, leaves};

/// A state that has the loss and the gradient at the parameters which its update leads to.
pub trait StoredGradient<P> {
    /// The loss, a scalar; infinite as long as there is none.
    fn value(&self) -> &Tensor;

    /// The gradient, if it is stored.
    fn grad(&self) -> Option<&P>;
}

/// The loss and its gradient as the line search found them, and computed where there are none yet: of the parameters, and of the state of
/// [`scale_by_zoom_linesearch`], or of [`scale_by_backtracking_linesearch`] that stores gradients.
///
/// # Errors
/// The returned function returns what `value_fn` does, and an error if the state stores no gradient.
pub fn value_and_grad_from_state<P: Tree + Clone, S: StoredGradient<P>>(
    value_fn: impl Fn(&P) -> Result<Tensor>,
) -> impl Fn(&P, &S) -> Result<(Tensor, P)> {
    move |params: &P, state: &S| {
        let Some(grad) = state.grad() else {
            let message = "the state has no gradient: ask for `store_grad(true)`".to_owned();
            return Err(Error::argument("value_and_grad_from_state", message));
        };
        let value = state.value();
        let known = value.try_is_finite()?;
        let both = cond(
            &known,
            |(value, grad, _): (Tensor, P, P)| Ok((value, grad)),
            |(value, grad, params): (Tensor, P, P)| {
                let (found, gradient) = value_and_grad(&value_fn)(&params)?;
                Ok((found.try_cast(value.dtype())?, super::tree_math::cast_like(&gradient, &grad)?))
            },
        );
        both((value.clone(), grad.clone(), params.clone()))
    }
}

/// The dtype of losses: that of the first leaf.
fn value_dtype(params: &impl Tree) -> crate::DType {
    leaves(params).first().map_or(crate::DType::F32, |leaf| leaf.dtype())
}

/// NaN becomes ∞.
fn without_nan(error: &Tensor) -> Result<Tensor> {
    error.try_is_nan()?.try_select(error.like(f64::INFINITY), error)
}
