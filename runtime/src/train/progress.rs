//! How far a long loop is.

use std::fmt;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How far a loop is, how fast, and how long it will take: a bar on a terminal, nothing where output goes to a file; with the feature
/// `progress`.
///
/// ```
/// use flaxen::train::Progress;
///
/// let mut progress = Progress::new("training", 3).unit("images");
/// for loss in [0.9, 0.5, 0.3] {
///     progress.step(128, format_args!("loss {loss:.3}"));
/// }
/// assert!(progress.rate() > 0.0);
/// progress.finish();
/// ```
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    unit: String,
    items: usize,
    start: Instant,
}

impl Progress {
    /// Of a loop of `steps` steps.
    pub fn new(name: impl Into<String>, steps: usize) -> Progress {
        let bar = ProgressBar::new(steps as u64).with_prefix(name.into());
        let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len}  {msg}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress { bar, unit: "items".to_owned(), items: 0, start: Instant::now() }
    }

    /// What is counted beside steps, in the plural; "items" by default.
    #[must_use]
    pub fn unit(self, unit: impl Into<String>) -> Progress {
        Progress { unit: unit.into(), ..self }
    }

    /// Shows nothing, for all ranks but one.
    #[must_use]
    pub fn hidden(self, is_hidden: bool) -> Progress {
        if is_hidden {
            self.bar.disable_steady_tick();
            self.bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        self
    }

    /// One more step, of so many items, and what to say of it.
    pub fn step(&mut self, items: usize, note: impl fmt::Display) {
        self.items += items;
        let (rate, unit) = (self.rate(), &self.unit);
        self.bar.set_message(format!("{rate:.0} {unit}/s  {note}"));
        self.bar.inc(1);
    }

    /// Items in a second, from the beginning on.
    pub fn rate(&self) -> f64 {
        self.items as f64 / self.start.elapsed().as_secs_f64().max(1e-9)
    }

    /// Leaves the bar as it is.
    pub fn finish(self) {
        self.bar.finish();
    }

    /// Removes the bar, for programs that print a line of their own.
    pub fn clear(self) {
        self.bar.finish_and_clear();
    }
}
