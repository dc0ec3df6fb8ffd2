//! What was said about modules and tensors.

use super::layout::{Kind, Order};
use super::pattern::Pattern;

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
    Rename(Vec<String>),
    Ignore,
    Keep,
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
    ) -> Option<(usize, T)> {
        let mut found: Option<(usize, T)> = None;
        for (rule, used) in self.rules.iter().zip(&mut self.used) {
            let Some(part) = part(&rule.what).filter(|_| fits(&rule.pattern)) else { continue };
            *used = true;
            if found.as_ref().is_none_or(|(len, _)| rule.pattern.len() >= *len) {
                found = Some((rule.pattern.len(), part));
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

    /// Where a module is in our model.
    pub(super) fn path(&mut self, module: &str) -> Vec<String> {
        let path = |what: &'a What| if let What::Rename(path) = what { Some(path) } else { None };
        let renamed = self.find(|pattern| pattern.covers(module), path);
        let (len, begin) = renamed.map_or((0, &[][..]), |(len, path)| (len, path.as_slice()));
        let rest = module.split('.').filter(|part| !part.is_empty()).skip(len).map(str::to_owned);
        begin.iter().cloned().chain(rest).collect()
    }

    /// The patterns of rules that were about nothing.
    pub(super) fn unused(&self) -> Vec<String> {
        let unused = self.rules.iter().zip(&self.used).filter(|(_, used)| !**used);
        unused.map(|(rule, _)| rule.pattern.to_string()).collect()
    }
}
