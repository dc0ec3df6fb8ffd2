//! Updates times a number, a learning rate, or a schedule.

use super::GradientTransformation;
use super::moments::{in_dtype_of, safe_increment, zero_count, zip};
use super::schedule::{Rate, Schedule};
use super::settings::{setters, stateless};
use crate::core::domain::FINITE;
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::error::unwrap;
use crate::tree::{Builder, Donation, NodeKind, Token, Tree};

/// Updates times a number; see [`scale`].
#[derive(Clone, Debug)]
pub struct Scale {
    step_size: Tensor,
}

/// Updates times a number, which is finite.
pub fn scale(step_size: impl TensorLike) -> Scale {
    Scale { step_size: unwrap(step_size.operand()) }
}

stateless!(Scale, |this, u, _p| {
    FINITE.check_number("scale", "step_size", &this.step_size)?;
    u * &this.step_size
});

/// Updates times a schedule; see [`scale_by_schedule`].
#[derive(Clone, Debug)]
pub struct ScaleBySchedule {
    schedule: Schedule,
}

/// How many updates there were.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByScheduleState {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
}

/// Updates times what a schedule says for their number, from 0; all that it says is finite.
pub fn scale_by_schedule(schedule: impl Into<Schedule>) -> ScaleBySchedule {
    ScaleBySchedule { schedule: schedule.into() }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleBySchedule {
    type State = ScaleByScheduleState;

    fn init(&self, _params: &P) -> ScaleByScheduleState {
        ScaleByScheduleState { count: zero_count() }
    }

    fn update(&self, updates: &P, state: &ScaleByScheduleState, _params: &P) -> Result<(P, Self::State)> {
        let size = self.schedule.at(&state.count)?;
        FINITE.check_number("scale_by_schedule", "schedule", &size)?;
        let [updates] = zip([updates], |[u]| Ok([u * in_dtype_of(&size, u)]))?;
        Ok((updates, ScaleByScheduleState { count: safe_increment(&state.count) }))
    }
}

/// Updates times a learning rate, and turned around; see [`scale_by_learning_rate`].
#[derive(Clone, Debug)]
pub struct ScaleByLearningRate {
    learning_rate: Schedule,
    flip_sign: bool,
}

/// How many updates there were, if a schedule wants to know.
#[derive(Clone, Debug, Default)]
pub struct ScheduleState {
    /// The number of updates so far, `I32`; None where the number is constant.
    pub count: Option<Tensor>,
    /// Whether it is that of a part that is for some leaves only, which is one level deeper in Optax.
    pub(super) is_masked: bool,
}

/// What a part for some leaves only is in.
const MASKED: NodeKind = NodeKind::Struct("MaskedState");

/// Without a count it has no fields, as Optax's `EmptyState`.
impl Tree for ScheduleState {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        if self.is_masked {
            visit(Token::Node(MASKED, 1));
            visit(Token::Key("inner_state"));
        }
        visit(Token::Node(NodeKind::Struct("ScheduleState"), usize::from(self.count.is_some())));
        if let Some(count) = &self.count {
            visit(Token::Key("count"));
            count.walk(visit);
        }
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        leaves.extend(self.count);
    }

    fn donate(self, donation: &mut Donation) {
        self.count.donate(donation);
    }

    fn build(from: &mut Builder<'_>) -> Result<Self> {
        let (kind, mut fields) = from.node()?;
        let is_masked = kind == MASKED;
        if is_masked {
            from.key()?;
            (_, fields) = from.node()?;
        }
        let count = (fields > 0).then(|| from.key().map(drop).and_then(|()| from.leaf()));
        Ok(ScheduleState { count: count.transpose()?, is_masked })
    }
}

/// Updates times a number or a schedule, and against the gradient; a learning rate is finite.
pub fn scale_by_learning_rate(learning_rate: impl Into<Schedule>) -> ScaleByLearningRate {
    ScaleByLearningRate { learning_rate: learning_rate.into(), flip_sign: true }
}

setters! { ScaleByLearningRate {
    /// Whether the updates point against the gradient, which is the default.
    flip_sign: bool,
} }

impl ScheduleState {
    pub(super) fn of(schedule: &Schedule) -> ScheduleState {
        ScheduleState { count: schedule.number().is_none().then(zero_count), is_masked: false }
    }

    /// The schedule's number for this update, and the state for the next.
    pub(super) fn advance(&self, schedule: &Schedule) -> Result<(Tensor, ScheduleState)> {
        match (&schedule.0, &self.count) {
            (Rate::Number(number), count) => {
                Ok((number.clone(), ScheduleState { count: count.clone(), ..*self }))
            }
            (Rate::Function(_), Some(count)) => {
                Ok((schedule.at(count)?, ScheduleState { count: Some(safe_increment(count)), ..*self }))
            }
            (Rate::Function(_), None) => Err(crate::error::Error::Structure {
                context: "the state is that of another optimizer",
                message: "expected the count of a schedule, found none".to_owned(),
            }),
        }
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByLearningRate {
    type State = ScheduleState;

    fn init(&self, _params: &P) -> ScheduleState {
        ScheduleState::of(&self.learning_rate)
    }

    fn update(&self, updates: &P, state: &ScheduleState, _params: &P) -> Result<(P, ScheduleState)> {
        let (rate, state) = state.advance(&self.learning_rate)?;
        FINITE.check_number("scale_by_learning_rate", "learning_rate", &rate)?;
        let rate = if self.flip_sign { -rate } else { rate };
        let [updates] = zip([updates], |[u]| Ok([u * in_dtype_of(&rate, u)]))?;
        Ok((updates, state))
    }
}
