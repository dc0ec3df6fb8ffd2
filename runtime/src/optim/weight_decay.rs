//! Decoupled weight decay.

use super::GradientTransformation;
use super::masked::Mask;
use super::moments::{in_dtype_of, saturating_cast, upcast, zip};
use super::scale::ScheduleState;
use super::schedule::Schedule;
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::FINITE;
use crate::error::Result;
use crate::tree::Tree;

/// Updates plus a part of their parameters; see [`add_decayed_weights`].
#[derive(Clone, Debug)]
pub struct AddDecayedWeights {
    pub(super) weight_decay: Schedule,
    pub(super) mask: Mask,
}

/// `u + weight_decay·p`, where the weight decay is a finite number or a schedule.
pub fn add_decayed_weights(weight_decay: impl Into<Schedule>) -> AddDecayedWeights {
    AddDecayedWeights { weight_decay: weight_decay.into(), mask: Mask::default() }
}

impl AddDecayedWeights {
    /// Which parameters decay, by their path and themselves; all by default.
    #[must_use]
    pub fn mask(self, mask: impl Fn(&str, &Tensor) -> bool + Send + Sync + 'static) -> AddDecayedWeights {
        AddDecayedWeights { mask: Mask::new(mask), ..self }
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for AddDecayedWeights {
    type State = ScheduleState;

    fn init(&self, _params: &P) -> ScheduleState {
        ScheduleState { is_masked: self.mask.is_some(), ..ScheduleState::of(&self.weight_decay) }
    }

    fn update(&self, updates: &P, state: &ScheduleState, params: &P) -> Result<(P, ScheduleState)> {
        let (decay, state) = state.advance(&self.weight_decay)?;
        FINITE.check_number("add_decayed_weights", "weight_decay", &decay)?;
        let mut chosen = self.mask.of(params).into_iter();
        let [updates] = zip([updates, params], |[u, p]| {
            if chosen.next() == Some(false) {
                return Ok([u.clone()]);
            }
            let (wide, p) = (upcast(u), upcast(p));
            let sum = wide + &p * in_dtype_of(&decay, &p);
            Ok([if u.dtype() == DType::F16 { saturating_cast(&sum, u.dtype())? } else { sum }])
        })?;
        Ok((updates, state))
    }
}

/// The setters of optimizers that decay weights.
macro_rules! decaying {
    ($type:ident: $decay:ident, $mask:ident) => {
        impl $type {
            /// Which part of each parameter is taken off at each step: a number or a schedule.
            #[must_use]
            pub fn $decay(mut self, $decay: impl Into<$crate::optim::Schedule>) -> Self {
                self.decay.weight_decay = $decay.into();
                self
            }

            /// Which parameters decay, by their path, as in `Dense_0/kernel`, and themselves; all by default.
            #[must_use]
            pub fn $mask(
                mut self,
                mask: impl Fn(&str, &$crate::Tensor) -> bool + Send + Sync + 'static,
            ) -> Self {
                self.decay = self.decay.mask(mask);
                self
            }
        }
    };
}

pub(super) use decaying;
