//! Filters: sets of collections.

use std::collections::BTreeSet;
use std::sync::Arc;

/// A set of collections, by what it accepts.
///
/// `true` accepts all, `false` none, a name itself, a list of names each of them, and [`DenyList`] all but what it
/// contains. Everything that takes a filter takes these directly.
///
/// ```
/// use flaxen::prelude::*;
///
/// let mutable = Filter::from(["batch_stats", "cache"]);
/// assert!(mutable.accepts("cache"));
/// assert!(!mutable.accepts("params"));
/// assert!(Filter::from(DenyList("params")).accepts("cache"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The collections of these names.
    Only(BTreeSet<Arc<str>>),
    /// All but the collections of these names.
    AllBut(BTreeSet<Arc<str>>),
}

/// All collections but those that a filter accepts.
///
/// ```
/// use flaxen::prelude::*;
///
/// assert!(!Filter::from(DenyList(["params", "cache"])).accepts("cache"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenyList<F>(pub F);

impl Filter {
    /// No collection.
    pub fn none() -> Filter {
        Filter::Only(BTreeSet::new())
    }

    /// Every collection.
    pub fn all() -> Filter {
        Filter::AllBut(BTreeSet::new())
    }

    /// Whether a collection is in the set.
    pub fn accepts(&self, collection: &str) -> bool {
        match self {
            Filter::Only(names) => names.contains(collection),
            Filter::AllBut(names) => !names.contains(collection),
        }
    }

    /// The names that are accepted, as far as they are listed.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Filter::Only(names) => names.iter().map(|name| (**name).to_owned()).collect(),
            Filter::AllBut(_) => Vec::new(),
        }
    }

    /// What this filter does not accept.
    #[must_use]
    pub fn complement(&self) -> Filter {
        match self.clone() {
            Filter::Only(names) => Filter::AllBut(names),
            Filter::AllBut(names) => Filter::Only(names),
        }
    }

    /// What either accepts.
    #[must_use]
    pub fn union(&self, other: impl Into<Filter>) -> Filter {
        match (self, other.into()) {
            (Filter::Only(a), Filter::Only(b)) => Filter::Only(a | &b),
            (Filter::AllBut(a), Filter::AllBut(b)) => Filter::AllBut(a & &b),
            (Filter::Only(only), Filter::AllBut(but)) => Filter::AllBut(&but - only),
            (Filter::AllBut(but), Filter::Only(only)) => Filter::AllBut(but - &only),
        }
    }

    /// What both accept.
    #[must_use]
    pub fn intersect(&self, other: impl Into<Filter>) -> Filter {
        self.complement().union(other.into().complement()).complement()
    }

    /// What this filter accepts and the other does not.
    #[must_use]
    pub fn subtract(&self, other: impl Into<Filter>) -> Filter {
        self.intersect(other.into().complement())
    }
}

impl From<&Filter> for Filter {
    fn from(filter: &Filter) -> Filter {
        filter.clone()
    }
}

impl From<bool> for Filter {
    fn from(all: bool) -> Filter {
        if all { Filter::all() } else { Filter::none() }
    }
}

impl From<&str> for Filter {
    fn from(name: &str) -> Filter {
        Filter::Only([name.into()].into())
    }
}

impl From<String> for Filter {
    fn from(name: String) -> Filter {
        name.as_str().into()
    }
}

impl<S: AsRef<str>, const N: usize> From<[S; N]> for Filter {
    fn from(names: [S; N]) -> Filter {
        names.as_slice().into()
    }
}

impl<S: AsRef<str>> From<&[S]> for Filter {
    fn from(names: &[S]) -> Filter {
        Filter::Only(names.iter().map(|name| name.as_ref().into()).collect())
    }
}

impl<S: AsRef<str>> From<Vec<S>> for Filter {
    fn from(names: Vec<S>) -> Filter {
        names.as_slice().into()
    }
}

impl<F: Into<Filter>> From<DenyList<F>> for Filter {
    fn from(deny: DenyList<F>) -> Filter {
        deny.0.into().complement()
    }
}

/// Deals the collections out to filters: each goes to the first filter that accepts it.
///
/// Returns a group for each filter; collections that no filter accepts are in none of them.
pub fn group_collections(variables: &super::Variables, filters: &[Filter]) -> Vec<super::Variables> {
    let mut left = Filter::all();
    let group = |filter: &Filter| {
        let mine = left.intersect(filter);
        left = left.subtract(filter);
        variables.filtered(mine)
    };
    filters.iter().map(group).collect()
}
