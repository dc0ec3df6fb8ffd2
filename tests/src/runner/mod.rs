//! Runs golden cases from what their manifests say.
//!
//! A runner of a kind builds what `settings` describe, by name and arguments, and compares everything the case has arrays
//! of. A case that says something the runner does not know is unsupported, with the reason; it never passes by accident:
//! arrays that nothing was compared with are a failure, too.

mod activations;
mod arguments;
mod attention;
mod by_hand;
mod call;
pub(crate) mod compare;
pub(crate) mod containers;
mod convolutions;
mod described;
mod functional;
mod initializers;
mod injected;
mod keys;
pub(crate) mod layer;
mod lifted;
mod lifted_draws;
mod losses;
mod models;
mod modules;
mod optimizer;
mod pending;
mod pooling;
mod python;
mod random;
mod recurrent;
mod samplers;
mod samples;
mod schedules;
mod serialization;
mod subject;
mod tables;
mod training;
mod training_losses;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use flaxen::Error;

use crate::golden::{self, Case};
use crate::{scenarios, seeds};

pub use described::attributes;
pub use optimizer::optimizer;

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// It says something that has no counterpart here yet.
    Unsupported(String),
    /// Something differs, or went wrong.
    Failed(String),
}

impl Stop {
    /// The reason.
    pub fn text(&self) -> &str {
        let (Stop::Unsupported(text) | Stop::Failed(text)) = self;
        text
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error.to_string())
    }
}

/// What a passed case has to say beside its name, mostly nothing; or why it did not pass.
pub type Verdict = Result<String, Stop>;

/// Runs a case of any kind.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let has_arrays = case.keys().next().is_some();
    let note = match case.kind() {
        "functional" | "optimizer" | "prng" | "training" if !has_arrays => {
            Err(Stop::Failed("the case has no arrays".to_owned()))
        }
        "layer" => layer::run(case),
        "lifted" => lifted::run(case),
        "functional" => functional::run(case),
        "program" | "program_digest" => seeds::run(case),
        "training" => training::run(case),
        "optimizer" => optimizer::run(case),
        "prng" => random::run(case),
        "scenarios" => scenarios::run(case),
        "serialization" => serialization::run(case),
        "text" => tables::run(case),
        kind => Err(Stop::Unsupported(format!("the kind `{kind}`"))),
    }?;
    match &case.unread()[..] {
        [] => Ok(note),
        unread => Err(Stop::Failed(format!("nothing was compared with the arrays {unread:?}"))),
    }
}

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

    /// The lines of the cases that failed.
    pub fn failures(&self) -> Vec<&str> {
        self.lines.iter().map(String::as_str).filter(|line| line.starts_with("failed ")).collect()
    }

    fn add(&mut self, word: &str, count: usize, name: &str, text: &str) {
        self.counts[count] += 1;
        let colon = if text.is_empty() { "" } else { ": " };
        self.lines.push(format!("{word} {name}{colon}{text}"));
    }
}

/// Runs all cases of a folder, and hands each line to `report` as soon as it is known.
///
/// # Errors
/// If the folder cannot be read, or has no cases.
pub fn run_folder(folder: &Path, report: impl FnMut(&str)) -> Result<Summary, String> {
    run_folder_with(folder, report, pending::what_brings)
}

/// As [`run_folder`], with a table of unsupported cases of one's own: what will bring a case, if it is in there.
///
/// # Errors
/// As [`run_folder`].
pub fn run_folder_with(
    folder: &Path,
    mut report: impl FnMut(&str),
    what_brings: impl Fn(&Case) -> Option<&'static str>,
) -> Result<Summary, String> {
    let names = golden::names(folder)?;
    if names.is_empty() {
        return Err(format!("the folder of golden cases {} has none", folder.display()));
    }
    let mut summary = Summary::default();
    for name in names {
        match Case::read(folder, &name) {
            Err(text) => summary.add("failed", 1, &name, &text),
            Ok(case) => judge(&mut summary, &case, what_brings(&case)),
        }
        if let Some(line) = summary.lines.last() {
            report(line);
        }
    }
    Ok(summary)
}

fn judge(summary: &mut Summary, case: &Case, pending: Option<&str>) {
    let verdict = on_deep_stack(|| catch_unwind(AssertUnwindSafe(|| run(case))));
    let verdict = verdict.unwrap_or_else(|payload| Err(Stop::Failed(message_of(&*payload))));
    let name = case.name();
    match (verdict, pending) {
        (Ok(note), None) => summary.add("passed", 0, name, &note),
        (Ok(_), Some(what)) => {
            let text = format!("it passes, though the table of unsupported cases says it waits for {what}");
            summary.add("failed", 1, name, &text);
        }
        (Err(Stop::Failed(text)), _) => summary.add("failed", 1, name, &text),
        (Err(Stop::Unsupported(reason)), Some(what)) => {
            summary.add("unsupported", 2, name, &format!("{reason}; {what} will bring it"));
        }
        (Err(Stop::Unsupported(reason)), None) => {
            let text = format!("unsupported, and not in the table of unsupported cases: {reason}");
            summary.add("failed", 1, name, &text);
        }
    }
}

/// Runs a function on a stack that is deep enough for the sources of models, each call of which takes several here.
fn on_deep_stack<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, f);
        thread.expect("a thread").join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    })
}

/// Bytes of a case's stack.
const STACK: usize = 256 << 20;

fn message_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string));
    text.unwrap_or_else(|| "panicked".to_owned())
}
