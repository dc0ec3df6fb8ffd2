//! The ledger of a scope's names: who took which.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use smallvec::SmallVec;

use super::{Scope, lock};
use crate::error::{Error, Result};

/// The names taken in a scope: by a submodule as a whole, by a variable within its collection.
#[derive(Default)]
pub(super) struct NameLedger {
    taken: BTreeMap<Arc<str>, SmallVec<[TakenBy; 1]>>,
    /// Whether several modules use the scope: the names of each are refused to the others for as long as it lives.
    is_shared: bool,
}

#[derive(Clone)]
struct TakenBy {
    /// None for a submodule.
    collection: Option<Arc<str>>,
    by: Taker,
}

/// Who takes a name, and for how long.
#[derive(Clone)]
pub(crate) struct Taker {
    /// None for whoever has the scope itself.
    module: Option<ModuleId>,
    /// The running method that takes it, by its number in the module.
    method: Option<u64>,
    lasts: Lasts,
}

/// How long a name stays taken.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Lasts {
    /// As long as the scope.
    AsScope,
    /// As long as the scope, and its module may take it again: a method that is a scope of its own.
    Reentered,
    /// Until the method ends: its next call gives out the same names.
    AsMethod,
}

/// A module that is part of a running model.
#[derive(Clone)]
pub(crate) struct ModuleId(Weak<()>);

/// A name that was taken in a scope.
pub(crate) struct Name {
    pub(super) scope: Scope,
    pub(super) name: Arc<str>,
}

impl ModuleId {
    /// The module that holds this and no other.
    pub fn of(held: &Arc<()>) -> ModuleId {
        ModuleId(Arc::downgrade(held))
    }
}

impl Taker {
    pub const SCOPE: Taker = Taker { module: None, method: None, lasts: Lasts::AsScope };

    pub fn module(module: ModuleId, method: Option<u64>, lasts: Lasts) -> Taker {
        Taker { module: Some(module), method, lasts }
    }

    fn is_of_module_of(&self, other: &Taker) -> bool {
        matches!((&self.module, &other.module), (Some(a), Some(b)) if a.0.ptr_eq(&b.0))
    }

    fn is_alive(&self) -> bool {
        self.module.as_ref().is_some_and(|module| module.0.strong_count() > 0)
    }

    /// Whether the name that this one has taken is refused to another: all that there is to collisions of names.
    fn refuses(&self, other: &Taker) -> bool {
        match self.lasts {
            Lasts::AsScope => true,
            Lasts::Reentered => other.lasts != Lasts::Reentered || !self.is_of_module_of(other),
            // Whoever has the scope itself does not see what runs in it.
            Lasts::AsMethod if other.module.is_none() => false,
            // Threads run methods of one module side by side, each with names of its own.
            Lasts::AsMethod if self.is_of_module_of(other) => {
                self.method.is_some() && self.method == other.method
            }
            Lasts::AsMethod => self.is_alive(),
        }
    }
}

impl TakenBy {
    /// Whether both would be one name: a submodule takes it whole.
    fn overlaps(&self, collection: Option<&str>) -> bool {
        match (&self.collection, collection) {
            (Some(a), Some(b)) => **a == *b,
            _ => true,
        }
    }
}

impl NameLedger {
    fn is_taken(&self, name: &str, collection: Option<&str>, by: &Taker) -> bool {
        let refuses = |entry: &TakenBy| entry.overlaps(collection) && entry.by.refuses(by);
        self.taken.get(name).is_some_and(|entries| entries.iter().any(refuses))
    }

    /// Takes a name, unless it is refused.
    fn take(&mut self, name: Arc<str>, collection: Option<&str>, by: Taker) -> bool {
        if self.is_taken(&name, collection, &by) {
            return false;
        }
        let entries = self.taken.entry(name).or_default();
        let is_same = |entry: &&mut TakenBy| {
            entry.collection.as_deref() == collection
                && entry.by.is_of_module_of(&by)
                && entry.by.lasts == by.lasts
                && (by.lasts == Lasts::Reentered || entry.by.method.is_none())
        };
        match entries.iter_mut().find(is_same) {
            Some(entry) => entry.by = by,
            None => entries.push(TakenBy { collection: collection.map(Into::into), by }),
        }
        true
    }

    /// Ends a method: its names are free again, but for other modules with this scope.
    fn release(&mut self, module: &ModuleId, method: u64) {
        let is_shared = self.is_shared;
        self.taken.retain(|_, entries| {
            entries.retain(|TakenBy { by, .. }| {
                let ends = by.lasts == Lasts::AsMethod
                    && by.method == Some(method)
                    && by.module.as_ref().is_some_and(|id| id.0.ptr_eq(&module.0));
                if ends {
                    by.method = None;
                }
                is_shared || !ends
            });
            !entries.is_empty()
        });
    }

    /// Adds the names of modules that use this scope from now on; returns one that two modules have, in running methods.
    fn share(&mut self, moved: Vec<(Arc<str>, TakenBy)>) -> Option<(Arc<str>, TakenBy)> {
        self.is_shared = true;
        let mut refused = None;
        for (name, entry) in moved {
            let entries = self.taken.entry(name.clone()).or_default();
            let clashes = entries.iter().any(|earlier| {
                earlier.by.lasts == Lasts::AsMethod
                    && earlier.overlaps(entry.collection.as_deref())
                    && (earlier.by.method.is_some() || entry.by.method.is_some())
                    && !earlier.by.is_of_module_of(&entry.by)
                    && earlier.by.is_alive()
            });
            if clashes && refused.is_none() {
                refused = Some((name, entry.clone()));
            }
            entries.push(entry);
        }
        refused
    }

    /// The names that methods of modules have taken.
    fn of_methods(&self) -> Vec<(Arc<str>, TakenBy)> {
        let each = |(name, entries): (&Arc<str>, &SmallVec<[TakenBy; 1]>)| {
            let name = name.clone();
            let of_methods: Vec<TakenBy> =
                entries.iter().filter(|entry| entry.by.lasts == Lasts::AsMethod).cloned().collect();
            of_methods.into_iter().map(move |entry| (name.clone(), entry))
        };
        self.taken.iter().flat_map(each).collect()
    }
}

impl Scope {
    /// Takes a name for a variable of a collection, or for a submodule (None).
    ///
    /// # Errors
    /// If it is taken.
    pub(crate) fn take(
        &self,
        kind: &'static str,
        name: impl Into<Arc<str>>,
        collection: Option<&str>,
        by: Taker,
    ) -> Result<Name> {
        let name = name.into();
        if lock(&self.0.names).take(name.clone(), collection, by) {
            Ok(Name { scope: self.clone(), name })
        } else {
            Err(self.name_in_use(kind, &name))
        }
    }

    /// Whether a name would be refused.
    pub(crate) fn is_taken(&self, name: &str, collection: Option<&str>, by: &Taker) -> bool {
        lock(&self.0.names).is_taken(name, collection, by)
    }

    /// Frees the names of a method that has ended.
    pub(crate) fn release(&self, module: &ModuleId, method: u64) {
        lock(&self.0.names).release(module, method);
    }

    /// Takes the names that modules have taken in another scope, which use this one from now on.
    ///
    /// # Errors
    /// If two modules have one name in methods that run.
    pub(crate) fn share_names_of(&self, left: &Scope) -> Result<()> {
        let moved = lock(&left.0.names).of_methods();
        match lock(&self.0.names).share(moved) {
            None => Ok(()),
            Some((name, TakenBy { collection: None, .. })) => Err(self.name_in_use("submodule", &name)),
            Some((name, _)) => Err(self.name_in_use("variable", &name)),
        }
    }

    pub(crate) fn name_in_use(&self, kind: &'static str, name: &str) -> Error {
        Error::NameInUse { kind, name: name.into(), path: self.path_text().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(module: &Arc<()>, method: u64, lasts: Lasts) -> Taker {
        Taker::module(ModuleId::of(module), Some(method), lasts)
    }

    #[test]
    fn a_submodule_takes_a_name_whole_and_a_variable_within_its_collection() {
        let mut names = NameLedger::default();
        assert!(names.take("x".into(), Some("params"), Taker::SCOPE));
        assert!(names.take("x".into(), Some("state"), Taker::SCOPE));
        assert!(!names.take("x".into(), Some("params"), Taker::SCOPE));
        assert!(!names.take("x".into(), None, Taker::SCOPE));
        assert!(names.take("y".into(), None, Taker::SCOPE));
        assert!(!names.take("y".into(), Some("state"), Taker::SCOPE));
    }

    #[test]
    fn a_methods_names_are_refused_to_itself_and_free_once_it_has_ended() {
        let (module, mut names) = (Arc::new(()), NameLedger::default());
        let mut take = |method| names.take("x".into(), None, by(&module, method, Lasts::AsMethod));
        assert!(take(1) && !take(1));
        // That of another thread.
        assert!(take(2));
        names.release(&ModuleId::of(&module), 1);
        assert!(names.take("x".into(), None, by(&module, 1, Lasts::AsMethod)));
        names.release(&ModuleId::of(&module), 1);
        names.release(&ModuleId::of(&module), 2);
        assert!(names.taken.is_empty());
    }

    #[test]
    fn a_method_that_is_a_scope_is_entered_again_by_its_module_only() {
        let (module, other, mut names) = (Arc::new(()), Arc::new(()), NameLedger::default());
        let mut take = |module| names.take("encode".into(), None, by(module, 1, Lasts::Reentered));
        assert!(take(&module) && take(&module) && !take(&other));
        assert!(!names.take("encode".into(), None, by(&module, 1, Lasts::AsMethod)));
    }

    #[test]
    fn names_of_modules_with_one_scope_are_refused_to_the_others_while_they_live() {
        let (one, other, mut names) = (Arc::new(()), Arc::new(()), NameLedger::default());
        assert!(names.share(Vec::new()).is_none());
        assert!(names.take("x".into(), None, by(&one, 1, Lasts::AsMethod)));
        names.release(&ModuleId::of(&one), 1);
        assert!(!names.take("x".into(), None, by(&other, 1, Lasts::AsMethod)));
        assert!(names.take("x".into(), None, by(&one, 2, Lasts::AsMethod)));
        drop(one);
        assert!(names.take("x".into(), None, by(&other, 1, Lasts::AsMethod)));
    }

    #[test]
    fn modules_that_come_to_share_a_scope_must_not_run_with_one_name() {
        let (one, other) = (Arc::new(()), Arc::new(()));
        let with = |module, method| {
            let mut names = NameLedger::default();
            assert!(names.take("x".into(), Some("params"), by(module, method, Lasts::AsMethod)));
            names
        };
        let refused = with(&one, 1).share(with(&other, 1).of_methods());
        assert_eq!(refused.map(|(name, _)| name).as_deref(), Some("x"));
        assert!(with(&one, 1).share(with(&one, 2).of_methods()).is_none());
    }
}
