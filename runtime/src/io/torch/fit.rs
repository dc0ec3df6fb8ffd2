//! Names and shapes that do not fit, all of them together, with what is nearest.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Plan, Planned};
use super::template::Template;
use crate::array::Aval;
use crate::error::near::distance;
use crate::io::names;

/// So many names of each kind are in a message.
const SHOWN: usize = 8;

/// What does not fit, a line each.
pub(super) struct Misfit<'a> {
    plan: &'a Plan,
    planned: &'a BTreeMap<String, Planned>,
    unknown: Vec<String>,
    lines: Vec<String>,
    is_like_model: bool,
}

/// Whether dtypes must be the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dtypes {
    Same,
    Any,
}

impl<'a> Misfit<'a> {
    /// Tensors that no rule is for, and rules that are about nothing.
    pub(super) fn new(plan: &'a Plan, planned: &'a BTreeMap<String, Planned>) -> Misfit<'a> {
        let mut misfit =
            Misfit { plan, planned, unknown: plan.unknown(), lines: vec![], is_like_model: false };
        misfit.unused_rules();
        misfit
    }

    /// A rule that is about nothing is most likely misspelt.
    fn unused_rules(&mut self) {
        if self.plan.unused.is_empty() {
            return;
        }
        let all: Vec<String> = self.plan.sources.keys().cloned().collect();
        let mut modules = BTreeSet::new();
        for name in &all {
            modules.extend(name.match_indices('.').map(|(at, _)| &name[..at]).chain([name.as_str()]));
        }
        let nearest = |rule: &String| {
            let near = nearest(rule, modules.iter().map(|&name| (name, name, false)))?;
            Some(format!(", nearest to `{rule}` is `{near}`"))
        };
        let nearest: String = self.plan.unused.iter().take(SHOWN).filter_map(nearest).collect();
        self.lines.push(format!(
            "nothing is there that the rules for {} are about{nearest}; there is {}",
            names::list(&self.plan.unused),
            names::list(&all)
        ));
    }

    /// Also what a model has otherwise.
    pub(super) fn with_model(mut self, model: &Template, dtypes: Dtypes) -> Misfit<'a> {
        self.is_like_model = true;
        let (mut missing, mut wrong) = (Vec::new(), Vec::new());
        for name in &model.order {
            let expected = model.tensors[name].aval();
            match self.planned.get(name) {
                None => missing.push((name.as_str(), expected)),
                Some(planned) if !fits(&planned.aval, expected, dtypes) => {
                    wrong.push(wrong_line(name, planned, expected));
                }
                Some(_) => {}
            }
        }
        let extra = self.planned.iter().filter(|(name, _)| model.aval(name).is_none());
        let extra: Vec<(&str, &Planned)> = extra.map(|(name, planned)| (name.as_str(), planned)).collect();

        // What is missing is most likely one of those that are not used, under another name, and the other way round.
        let line = |&(name, aval): &(&str, &Aval)| {
            let unused = extra.iter().map(|(path, planned)| {
                (
                    format!("`{}` -> `{path}` {}", planned.sources.join("`, `"), planned.aval),
                    *path,
                    &planned.aval,
                )
            });
            let unknown = self.unknown.iter().map(|source| {
                let aval = self.plan.sources[source].tensor.aval();
                (format!("`{source}` {aval}"), source.as_str(), aval)
            });
            let near = nearest(
                name,
                unused.chain(unknown).map(|(text, key, found)| (text, key, found.shape == aval.shape)),
            );
            format!("the model has `{name}` {aval}, which the file has not{}", near_text(near))
        };
        let missing_lines: Vec<String> = missing.iter().take(SHOWN).map(line).collect();
        let line = |&(path, planned): &(&str, &Planned)| {
            let candidates = missing
                .iter()
                .map(|(name, aval)| (format!("`{name}` {aval}"), *name, aval.shape == planned.aval.shape));
            format!(
                "the file has `{}` -> `{path}` {}, which the model has not{}",
                planned.sources.join("`, `"),
                planned.aval,
                near_text(nearest(path, candidates))
            )
        };
        let extra_lines: Vec<String> = extra.iter().take(SHOWN).map(line).collect();
        let kinds = [(missing_lines, missing.len()), (extra_lines, extra.len())];
        for (lines, count) in kinds {
            self.lines.extend(lines);
            self.more(count);
        }
        let count = wrong.len();
        self.lines.extend(wrong.into_iter().take(SHOWN));
        self.more(count);
        self
    }

    fn more(&mut self, count: usize) {
        if let Some(more) = count.checked_sub(SHOWN).filter(|&more| more > 0) {
            self.lines.push(format!("… and {more} more"));
        }
    }

    /// All of it, or none if everything fits.
    pub(super) fn message(mut self) -> Option<String> {
        if !self.unknown.is_empty() {
            let line = format!(
                "no rule says what becomes of {}: say it with `.layer(module, kind)`, `.keep(name)` or `.ignore(name)`",
                names::list(&self.unknown)
            );
            self.lines.insert(0, line);
        }
        match self.lines.as_slice() {
            [] => None,
            [line] if !self.is_like_model => Some(line.clone()),
            lines => {
                let what = if self.is_like_model { "it does not fit the model" } else { "names do not fit" };
                Some(format!("{what}:\n  {}", lines.join("\n  ")))
            }
        }
    }
}

fn fits(found: &Aval, expected: &Aval, dtypes: Dtypes) -> bool {
    found.shape == expected.shape && (dtypes == Dtypes::Any || found.dtype == expected.dtype)
}

fn wrong_line(name: &str, planned: &Planned, expected: &Aval) -> String {
    let cast = if planned.aval.shape == expected.shape {
        format!(": `.cast(DType::{:?})` makes it so", expected.dtype)
    } else {
        String::new()
    };
    format!(
        "`{name}` is {}, made of `{}`, but the model has {expected}{cast}",
        planned.aval,
        planned.sources.join("`, `")
    )
}

fn near_text(near: Option<String>) -> String {
    near.map(|near| format!(": nearest is {near}")).unwrap_or_default()
}

/// The nearest of several texts by their names; one of the same shape is nearer than any other.
fn nearest<T: Into<String>>(
    name: &str,
    candidates: impl Iterator<Item = (T, impl AsRef<str>, bool)>,
) -> Option<String> {
    let ranked = candidates.map(|(text, key, same_shape)| {
        let key = key.as_ref();
        (!same_shape, distance(name, key), key.len(), text)
    });
    let best = ranked.min_by_key(|(other_shape, distance, len, _)| (*other_shape, *distance, *len))?;
    let (other_shape, distance, len, text) = best;
    // What shares neither shape nor half of its letters is no help.
    (!other_shape || 2 * distance <= name.chars().count().max(len)).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_shape_is_nearer_than_a_name_and_nothing_is_better_than_something_far() {
        let near = |candidates: &[(&str, bool)]| {
            nearest("layer_0/down/kernel", candidates.iter().map(|&(name, same)| (name, name, same)))
        };
        assert_eq!(
            near(&[("layer_0/down/bias", false), ("layer/0/out/kernel", true)]).unwrap(),
            "layer/0/out/kernel"
        );
        assert_eq!(near(&[("layer_0/down/bias", false), ("other", false)]).unwrap(), "layer_0/down/bias");
        assert_eq!(near(&[("x", false)]), None);
        assert_eq!(near(&[]), None);
    }
}
