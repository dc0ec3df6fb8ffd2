//! Names of modules with wildcards.

use std::fmt;

/// A name whose parts are between dots; `*` is any one part.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<String>);

impl Pattern {
    pub(super) fn new(text: &str) -> Pattern {
        Pattern(parts(text).map(str::to_owned).collect())
    }

    /// The number of parts.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this is a name's pattern.
    pub(super) fn is(&self, name: &str) -> bool {
        parts(name).count() == self.0.len() && self.covers(name)
    }

    /// Whether this is the pattern of a name, or of something it is inside of.
    pub(super) fn covers(&self, name: &str) -> bool {
        let mut parts = parts(name);
        self.0.iter().all(|wanted| parts.next().is_some_and(|part| wanted == "*" || wanted == part))
    }
}

fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split('.').filter(|part| !part.is_empty())
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_star_is_any_one_part() {
        let pattern = Pattern::new("layers.*.norm");
        assert!(pattern.is("layers.3.norm") && pattern.covers("layers.3.norm.weight"));
        assert!(
            !pattern.is("layers.norm") && !pattern.is("layers.3.norm.weight") && !pattern.covers("layers.3")
        );
        assert!(!pattern.covers("layers.3.norm1.weight"));
        assert!(Pattern::new("").is("") && Pattern::new("").covers("anything"));
    }
}
