//! What functions with derivatives of one's own share: the staging of several functions together, and what they close over.

use std::sync::Arc;

use super::stage::Staged;
use crate::array::Aval;
use crate::core::Tensor;
use crate::core::primitive::Primitive;
use crate::error::{Error, Result};
use crate::ops::call::Call;

/// Gives all functions the inputs that any of them closes over, in front of their own, and returns these values.
///
/// A rule says how a function depends on its argument and nothing else, so that [`check_closed_over`] refuses gradients by them.
pub(super) fn close_together<const N: usize>(functions: [&mut Staged; N]) -> Vec<Tensor> {
    let captured: Vec<Vec<Tensor>> = functions.iter().map(|staged| staged.captured.clone()).collect();
    for (which, staged) in functions.into_iter().enumerate() {
        let own = staged.captured.len();
        let given = staged.graph.inputs.split_off(own);
        let mut own = std::mem::take(&mut staged.graph.inputs);
        let mut inputs = Vec::new();
        for (other, values) in captured.iter().enumerate() {
            if other == which {
                inputs.append(&mut own);
            } else {
                inputs.extend(values.iter().map(|value| staged.graph.add_var(value.aval().clone())));
            }
        }
        inputs.extend(given);
        staged.graph.inputs = inputs;
    }
    captured.into_iter().flatten().collect()
}

/// Refuses a gradient with respect to a value that a function closes over.
pub(super) fn check_closed_over(op: &'static str, needs_grad: &[bool]) -> Result<()> {
    if !needs_grad.contains(&true) {
        return Ok(());
    }
    let message = "a function is differentiated with respect to a value that it closes over, for which its rule has no \
                   derivative: pass it as part of the argument, or stop its gradient (`stop_gradient`)";
    Err(Error::argument(op, message))
}

/// What a staged function returns.
pub(super) fn out_avals(staged: &Staged) -> Vec<Aval> {
    staged.graph.outs.iter().map(|&var| staged.graph.aval(var).clone()).collect()
}

pub(super) fn same(a: &Aval, b: &Aval) -> bool {
    a.shape == b.shape && a.dtype == b.dtype
}

pub(super) fn agree(
    op: &'static str,
    what: &str,
    expected: &[Aval],
    found: &[Aval],
    same: impl Fn(&Aval, &Aval) -> bool,
) -> Result<()> {
    if expected.len() == found.len() && expected.iter().zip(found).all(|(a, b)| same(a, b)) {
        return Ok(());
    }
    let list = |avals: &[Aval]| avals.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(Error::shape(op, format!("a {what} of ({})", list(found)), format!("({})", list(expected))))
}

/// The named axes that any of several programs talks over: a derivative may talk over one that the value does not.
pub(super) fn collectives(calls: &[&Call]) -> Vec<Arc<str>> {
    let mut collectives: Vec<Arc<str>> = Vec::new();
    for name in calls.iter().flat_map(|call| call.collectives()) {
        if !collectives.contains(name) {
            collectives.push(name.clone());
        }
    }
    collectives
}
