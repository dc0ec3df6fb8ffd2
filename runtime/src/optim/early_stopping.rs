//! An end of training when a metric gets no better.

/// Tells when to stop training: after `patience` updates without an improvement by more than `min_delta`; as
/// `flax.training.early_stopping.EarlyStopping`.
///
/// A smaller metric is a better one: give the negative of one that grows.
///
/// ```
/// use flaxen::optim::EarlyStopping;
///
/// let mut early_stop = EarlyStopping::new(1e-3, 2);
/// for loss in [1.0, 0.5, 0.5, 0.4999, 0.6, 0.7] {
///     early_stop = early_stop.update(loss);
/// }
/// assert!(early_stop.should_stop && !early_stop.has_improved);
/// assert_eq!(early_stop.best_metric, 0.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlyStopping {
    /// What a metric has to get less by to count as an improvement.
    pub min_delta: f64,
    /// How many updates without an improvement are waited for.
    pub patience: usize,
    /// The least metric so far; infinite before the first.
    pub best_metric: f64,
    /// The number of updates since the last improvement.
    pub patience_count: usize,
    /// Whether to stop.
    pub should_stop: bool,
    /// Whether the last update was an improvement.
    pub has_improved: bool,
}

impl EarlyStopping {
    /// Before the first update.
    pub fn new(min_delta: f64, patience: usize) -> EarlyStopping {
        EarlyStopping {
            min_delta,
            patience,
            best_metric: f64::INFINITY,
            patience_count: 0,
            should_stop: false,
            has_improved: false,
        }
    }

    /// As before the first update.
    #[must_use]
    pub fn reset(self) -> EarlyStopping {
        EarlyStopping::new(self.min_delta, self.patience)
    }

    /// After one more value of the metric.
    #[must_use]
    pub fn update(self, metric: f64) -> EarlyStopping {
        if self.best_metric.is_infinite() || self.best_metric - metric > self.min_delta {
            return EarlyStopping { best_metric: metric, patience_count: 0, has_improved: true, ..self };
        }
        EarlyStopping {
            should_stop: self.patience_count >= self.patience || self.should_stop,
            patience_count: self.patience_count + 1,
            has_improved: false,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Every step as `flax.training.early_stopping` of Flax 0.12.8 makes it.
    #[test]
    fn the_steps_are_those_of_flax() {
        let mut state = EarlyStopping::new(0.1, 1);
        let steps = [
            (2.0, 2.0, 0, false, true),
            (1.95, 2.0, 1, false, false),
            (1.85, 1.85, 0, false, true),
            (1.9, 1.85, 1, false, false),
            (1.8, 1.85, 2, true, false),
            (1.0, 1.0, 0, true, true),
            (f64::NAN, 1.0, 1, true, false),
        ];
        for (metric, best, count, stop, improved) in steps {
            state = state.update(metric);
            let found = (state.best_metric, state.patience_count, state.should_stop, state.has_improved);
            assert_eq!(found, (best, count, stop, improved), "after {metric}");
        }
        assert_eq!(state.reset(), EarlyStopping::new(0.1, 1));
    }
}
