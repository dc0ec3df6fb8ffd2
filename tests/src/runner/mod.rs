//! Runs golden cases from what their manifests say.
//!
//! A runner of a kind builds what `settings` describe, by name and arguments, and compares everything the case has arrays
//! of. A case that says something the runner does not know is unsupported, with the reason; it never passes by accident.

mod arguments;
mod call;
mod compare;
mod containers;
mod layer;
mod losses;
mod models;
mod modules;
mod optimizer;
mod schedules;
mod wrappers;

use std::panic::{AssertUnwindSafe, catch_unwind};

use flaxen::Error;

use crate::golden::{self, Case};

pub use layer::run_layer;
pub use losses::run_losses;
pub use optimizer::{optimizer, run_optimizer};

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// It says something that has no counterpart here yet.
    Unsupported(String),
    /// Something differs, or went wrong.
    Failed(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error.to_string())
    }
}

/// What a passed case has to say beside its name, mostly nothing; or why it did not pass.
pub type Verdict = Result<String, Stop>;

/// What a run over many cases came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// A line for each case.
    pub lines: Vec<String>,
    /// How many passed, failed and were skipped.
    pub counts: [usize; 3],
}

impl Summary {
    /// The last line.
    pub fn closing(&self) -> String {
        let [passed, failed, skipped] = self.counts;
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }

    fn add(&mut self, name: &str, verdict: Verdict) {
        let (word, count, text) = match verdict {
            Ok(note) => ("passed", 0, note),
            Err(Stop::Failed(text)) => ("FAILED", 1, text),
            Err(Stop::Unsupported(text)) => ("unsupported", 2, text),
        };
        self.counts[count] += 1;
        let colon = if text.is_empty() { "" } else { ": " };
        self.lines.push(format!("{word} {name}{colon}{text}"));
    }
}

/// Runs all cases of a kind in the folder of golden cases, prints a line for each and their number.
///
/// # Panics
/// If one fails.
pub fn run_all(kind: &str, run: impl Fn(&Case) -> Verdict) {
    let mut summary = Summary::default();
    for name in golden::names() {
        let case = Case::load(&name);
        if case.manifest()["kind"] == kind {
            let verdict = catch_unwind(AssertUnwindSafe(|| run(&case)));
            summary.add(&name, verdict.unwrap_or_else(|payload| Err(Stop::Failed(message_of(&*payload)))));
        }
    }
    for line in &summary.lines {
        println!("{line}");
    }
    println!("{}", summary.closing());
    assert_eq!(summary.counts[1], 0, "{}", summary.lines.join("\n"));
}

fn message_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string));
    format!("panicked: {}", text.unwrap_or_default())
}
