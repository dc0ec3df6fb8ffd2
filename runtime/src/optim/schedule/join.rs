//! Schedules one after the other.

use super::{Schedule, WarmupCosineDecay};
use crate::error::Error;

/// Each schedule from its boundary on, where it begins to count from 0.
///
/// The first has no boundary, so there is one boundary less than there are schedules.
///
/// ```
/// use flaxen::prelude::*;
///
/// let schedule = optim::join_schedules([1.0.into(), optim::linear_schedule(0.5, 0.0, 10).into()], &[3]);
/// assert_eq!(schedule.at(2)?.item::<f32>()?, 1.0);
/// assert_eq!(schedule.at(3)?.item::<f32>()?, 0.5);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// If the counts do not fit, every [`at`](Schedule::at) is an error.
pub fn join_schedules(schedules: impl Into<Vec<Schedule>>, boundaries: &[i32]) -> Schedule {
    let (schedules, boundaries) = (schedules.into(), boundaries.to_vec());
    Schedule::new(move |count| {
        if schedules.len() != boundaries.len() + 1 {
            let (schedules, boundaries) = (schedules.len(), boundaries.len());
            let message = format!(
                "expects one boundary between every two schedules, found {schedules} schedules and {boundaries} boundaries"
            );
            return Err(Error::argument("join_schedules", message));
        }
        let mut value = super::float(&schedules[0].at(count)?);
        for (schedule, &boundary) in schedules[1..].iter().zip(&boundaries) {
            let next = super::float(&schedule.at(count - boundary)?);
            value = count.try_lt(boundary)?.try_select(&value, &next)?;
        }
        Ok(value)
    })
}

/// Warm restarts: cycles of warm-up and cosine decay, each of which lasts for its `decay_steps`.
///
/// Source: Loshchilov and Hutter, *SGDR*, 2017.
///
/// If there is no cycle, every [`at`](Schedule::at) is an error.
pub fn sgdr_schedule(cycles: impl Into<Vec<WarmupCosineDecay>>) -> Schedule {
    let cycles = cycles.into();
    if cycles.is_empty() {
        return Schedule::new(|_| {
            Err(Error::argument("sgdr_schedule", "expects one cycle at least, found none"))
        });
    }
    let ends = cycles.iter().scan(0, |end: &mut i32, cycle| {
        *end = end.saturating_add(cycle.decay_steps());
        Some(*end)
    });
    let boundaries: Vec<i32> = ends.take(cycles.len() - 1).collect();
    join_schedules(cycles.into_iter().map(Into::into).collect::<Vec<Schedule>>(), &boundaries)
}
