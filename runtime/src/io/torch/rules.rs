//! What was said about modules and tensors.

use std::collections::BTreeMap;

use super::change::Change;
use super::layout::{Kind, Order};
use super::pattern::{PathPattern, Pattern};
use crate::core::Tensor;

/// Something said about a module or a tensor.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Layer(Kind),
    Order(Order),
    Rename(PathPattern),
    Ignore,
    Keep,
    Change(Change),
    /// The tensor is another name of this one.
    Tied(String),
    /// The tensor is given the values of this one.
    Copied(String),
}

/// Rules, and which of them were about something.
pub(super) struct Rules<'a> {
    rules: &'a [Rule],
    used: Vec<bool>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(rules: &'a [Rule]) -> Rules<'a> {
        Rules { rules, used: vec![false; rules.len()] }
    }

    /// The most particular of the rules that have a `part` and fit: the one with the longest pattern, of those the last.
    fn find<T>(
        &mut self,
        fits: impl Fn(&Pattern) -> bool,
        part: impl Fn(&'a What) -> Option<T>,
    ) -> Option<(&'a Pattern, T)> {
        let mut found: Option<(&'a Pattern, T)> = None;
        for (rule, used) in self.rules.iter().zip(&mut self.used) {
            let Some(part) = part(&rule.what).filter(|_| fits(&rule.pattern)) else { continue };
            *used = true;
            if found.as_ref().is_none_or(|(pattern, _)| rule.pattern.len() >= pattern.len()) {
                found = Some((&rule.pattern, part));
            }
        }
        found
    }

    pub(super) fn layer(&mut self, module: &str) -> Option<Kind> {
        let kind = |what: &'a What| if let What::Layer(kind) = what { Some(*kind) } else { None };
        Some(self.find(|pattern| pattern.is(module), kind)?.1)
    }

    pub(super) fn order(&mut self, module: &str) -> Option<&'a Order> {
        let order = |what: &'a What| if let What::Order(order) = what { Some(order) } else { None };
        Some(self.find(|pattern| pattern.is(module), order)?.1)
    }

    pub(super) fn ignores(&mut self, name: &str) -> bool {
        self.find(|pattern| pattern.covers(name), |what| matches!(what, What::Ignore).then_some(())).is_some()
    }

    pub(super) fn keeps(&mut self, name: &str) -> bool {
        self.find(|pattern| pattern.covers(name), |what| matches!(what, What::Keep).then_some(())).is_some()
    }

    /// The tensor that this one is another name of.
    pub(super) fn tied(&mut self, name: &str) -> Option<&'a str> {
        let tied = |what: &'a What| if let What::Tied(original) = what { Some(original) } else { None };
        Some(self.find(|pattern| pattern.is(name), tied)?.1)
    }

    /// What is done to a tensor before it is converted.
    pub(super) fn change(&mut self, name: &str) -> Option<&'a Change> {
        let change = |what: &'a What| if let What::Change(change) = what { Some(change) } else { None };
        Some(self.find(|pattern| pattern.covers(name), change)?.1)
    }

    /// Tensors that are given the values of others: the name of each, and the other one's.
    pub(super) fn copies(&mut self) -> impl Iterator<Item = (String, &'a str, &mut bool)> {
        self.rules.iter().zip(&mut self.used).filter_map(|(rule, used)| match &rule.what {
            What::Copied(original) => Some((rule.pattern.to_string(), original.as_str(), used)),
            _ => None,
        })
    }

    /// Names that are tied to a tensor that is there, and are not there themselves; and that tensor.
    pub(super) fn missing_ties(&mut self, tensors: &BTreeMap<String, Tensor>) -> BTreeMap<String, String> {
        let missing = self.rules.iter().zip(&mut self.used).filter_map(|(rule, used)| match &rule.what {
            What::Tied(original) if !*used && tensors.contains_key(original) => {
                *used = true;
                Some((rule.pattern.to_string(), original.clone()))
            }
            _ => None,
        });
        missing.collect()
    }

    /// Where a module is in our model.
    pub(super) fn path(&mut self, module: &str) -> Result<Vec<String>, String> {
        let path = |what: &'a What| if let What::Rename(path) = what { Some(path) } else { None };
        let renamed = self.find(|pattern| pattern.covers(module), path);
        let (len, mut path) = match renamed {
            None => (0, vec![]),
            Some((pattern, path)) => {
                let captures = pattern.captures(module).unwrap_or_default();
                let wrong = |name: String| {
                    format!("there is no `{name}` in `{pattern}`, which has {} stars `*`", pattern.stars())
                };
                (pattern.len(), path.filled(&captures).map_err(wrong)?)
            }
        };
        path.extend(module.split('.').filter(|part| !part.is_empty()).skip(len).map(str::to_owned));
        Ok(path)
    }

    /// The patterns of rules that were about nothing.
    pub(super) fn unused(&self) -> Vec<String> {
        let unused = self.rules.iter().zip(&self.used).filter(|(_, used)| !**used);
        unused.map(|(rule, _)| rule.pattern.to_string()).collect()
    }
}
