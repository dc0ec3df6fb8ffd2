//! Which names of a scope are taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

/// The names taken so far: by a submodule as a whole, by a variable within its collection.
#[derive(Clone, Default)]
pub(crate) struct Reserved(BTreeMap<Arc<str>, Takers>);

/// The collections whose variables have a name; None for a submodule.
type Takers = SmallVec<[Option<Arc<str>>; 1]>;

impl Reserved {
    /// Whether a name is taken for a collection, or for a submodule (None), which takes it whole.
    pub fn takes(&self, name: &str, collection: Option<&str>) -> bool {
        self.0.get(name).is_some_and(|taken| match collection {
            None => true,
            Some(collection) => taken.iter().any(|c| c.as_deref().is_none_or(|c| c == collection)),
        })
    }

    /// The names that are taken, each with a collection, or None for a submodule.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().flat_map(|(name, takers)| takers.iter().map(|taker| (&**name, taker.as_deref())))
    }

    pub fn add(&mut self, name: Arc<str>, collection: Option<&str>) {
        self.0.entry(name).or_default().push(collection.map(Into::into));
    }
}
