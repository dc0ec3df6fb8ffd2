//! What becomes of each tensor, as a table.

use std::fmt;

use super::layout::{Made, Target};
use super::plan::{Plan, Role, Source};
use crate::array::DType;
use crate::variables::join;

/// What becomes of each tensor of a state dict: PyTorch's name, shape and dtype, ours, and what is done on the way.
///
/// Made by [`StateDict::report`](super::StateDict::report); it is printed as a table.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a report is to be printed"]
pub struct Report(Vec<Row>);

#[derive(Clone, PartialEq, Eq)]
struct Row {
    source: [String; 2],
    target: [String; 2],
    note: String,
}

impl Report {
    pub(super) fn new(plan: &Plan, cast: Option<DType>) -> Report {
        let mut rows = Vec::new();
        for (name, source) in &plan.sources {
            let stored = source.stored.as_ref().unwrap_or(&source.tensor);
            let left = [name.clone(), stored.aval().to_string()];
            let row = |target: [String; 2], note: String| Row { source: left.clone(), target, note };
            let none = || [String::new(), String::new()];
            match &source.role {
                Ok(Role::Ours(targets)) => {
                    for (index, target) in targets.iter().enumerate() {
                        let aval =
                            source.tensor.aval().with_dtype(source.dtype(cast)).with_shape(target.shape());
                        let row = row([join(&target.path), aval.to_string()], note(source, target, cast));
                        let again = || ["\"".to_owned(), String::new()];
                        rows.push(if index == 0 { row } else { Row { source: again(), ..row } });
                    }
                }
                Ok(Role::LeftOut) => rows.push(row(none(), "left out".to_owned())),
                Ok(Role::Tied(original)) => rows.push(row(none(), format!("is `{original}`"))),
                Ok(Role::Unknown) => rows.push(row(none(), "no rule is for it".to_owned())),
                Err(message) => rows.push(row(none(), format!("wrong: {message}"))),
            }
        }
        Report(rows)
    }
}

fn note(source: &Source, target: &Target, cast: Option<DType>) -> String {
    let mut words: Vec<String> = Vec::new();
    words.extend(source.copy_of.as_ref().map(|original| format!("copy of `{original}`")));
    words.extend(source.change.as_ref().map(|_| "mapped".to_owned()));
    match &target.made {
        Made::Of(way) => words.push(way.to_string()),
        Made::Summand(way) => words.extend([way.to_string(), "added".to_owned()]),
        Made::Zeros(_) => words.push("zeros, as there is no such bias".to_owned()),
    }
    if source.dtype(cast) != source.tensor.dtype() {
        words.push("cast".to_owned());
    }
    words.retain(|word| !word.is_empty());
    words.join(", ")
}

/// A line for each tensor of ours, with the columns below each other.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: fn(&Row) -> &str| {
            self.0.iter().map(|row| column(row).chars().count()).max().unwrap_or(0)
        };
        let widths = [
            width(|row| &row.source[0]),
            width(|row| &row.source[1]),
            width(|row| &row.target[0]),
            width(|row| &row.target[1]),
        ];
        for Row { source: [name, aval], target: [path, into], note } in &self.0 {
            let arrow = if path.is_empty() { "  " } else { "->" };
            let [a, b, c, d] = widths;
            let line = format!("{name:a$}  {aval:b$}  {arrow}  {path:c$}  {into:d$}  {note}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
