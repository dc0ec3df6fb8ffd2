//! Fromage: steps in proportion to parameters that do not let them grow.

use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use super::trust_ratio::scale_by_trust_ratio;
use super::weight_decay::add_decayed_weights;
use crate::core::Tensor;
use crate::core::tensor::bare;

/// Fromage; see [`fromage`].
#[derive(Clone, Debug)]
pub struct Fromage {
    learning_rate: Schedule,
    min_norm: Tensor,
}

/// The state of [`fromage`]: of the trust ratio, which has none, of the learning rate, and of the weight decay.
pub type FromageState = ((), ScheduleState, ScheduleState);

/// `p ← (p − lr·g·‖p‖/‖g‖) / √(1 + lr²)` for each leaf, where norms count as at least `min_norm`, itself at least 0 and 10⁻⁶ by
/// default.
///
/// Source: Bernstein et al., *On the distance between two neural networks and the stability of learning*, 2020.
pub fn fromage(learning_rate: impl Into<Schedule>) -> Fromage {
    Fromage { learning_rate: learning_rate.into(), min_norm: bare(1e-6) }
}

setters! { Fromage {
    /// What norms count as at least: at least 0; 10⁻⁶ by default.
    min_norm: Tensor,
} }

/// `1 / √(1 + lr²)`.
fn shrink(rate: &Tensor) -> Tensor {
    1.0 / (rate * rate + 1.0).sqrt()
}

impl Fromage {
    /// The learning rate of the step, and the weight decay.
    fn schedules(&self) -> (Schedule, Schedule) {
        if let Some(rate) = self.learning_rate.number() {
            return ((rate * shrink(rate)).into(), (shrink(rate) - 1.0).into());
        }
        let (step, decay) = (self.learning_rate.clone(), self.learning_rate.clone());
        let step = move |count: &Tensor| step.at(count).map(|rate| &rate * shrink(&rate));
        let decay = move |count: &Tensor| Ok(shrink(&decay.at(count)?) - 1.0);
        (Schedule::new(step), Schedule::new(decay))
    }
}

alias!(Fromage, FromageState, |this| (
    scale_by_trust_ratio().min_norm(&this.min_norm),
    scale_by_learning_rate(this.schedules().0),
    add_decayed_weights(this.schedules().1)
));
