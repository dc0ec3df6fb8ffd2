//! How often a step of a loop is traced, as far as random numbers can tell.

use std::cell::RefCell;

use crate::array::DType;
use crate::scope::{CounterState, Lift};
use crate::tree::{self, Tree};

/// The passes over a step: another one draws further numbers only if a dtype of the carry changed, as in JAX.
///
/// Here a step is traced once more, too, when a bare number in the carry stays what it is but is no bare number any more.
#[derive(Default)]
pub(super) struct Passes(RefCell<Option<(Vec<DType>, Vec<CounterState>)>>);

impl Passes {
    /// Begins a pass over a step with this carry.
    pub fn begin(&self, scopes: &Lift, carry: &impl Tree) {
        let dtypes: Vec<DType> = tree::leaves(carry).into_iter().map(crate::Tensor::dtype).collect();
        let mut last = self.0.borrow_mut();
        if let Some((before, counters)) = &*last
            && *before == dtypes
        {
            scopes.set_counters(counters);
        }
        *last = Some((dtypes, scopes.counters()));
    }
}
