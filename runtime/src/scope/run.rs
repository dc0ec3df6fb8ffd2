//! A run: what all scopes of one `init`, `apply` or `bind` share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Rngs, Scope};
use crate::core::trace::Level;
use crate::error::{Error, Result};
use crate::variables::{DenyList, Dict, Filter, Value, Variables};

/// What a run starts from.
#[derive(Clone)]
pub(crate) struct Settings {
    pub variables: Variables,
    pub rngs: Rngs,
    pub mutable: Filter,
    pub initializing: bool,
}

/// What all scopes of one run share.
pub(crate) struct Run {
    pub(super) variables: Mutex<Variables>,
    pub(super) mutable: Filter,
    pub(super) initializing: bool,
    pub(super) open: AtomicBool,
    /// The transform the run is part of: variables are written there and nowhere deeper.
    pub(super) level: Level,
    /// The scopes that were lifted to get here, outermost first, each with the name of its transform.
    pub(super) lifted: Vec<(Arc<[Arc<str>]>, &'static str)>,
}

/// Ends the run when it goes out of scope.
pub(crate) struct RunGuard {
    run: Arc<Run>,
    ends: bool,
}

impl Settings {
    pub fn init(rngs: Rngs) -> Settings {
        let mutable = DenyList("intermediates").into();
        Settings { variables: Variables::new(), rngs, mutable, initializing: true }
    }

    pub fn apply(variables: Variables) -> Settings {
        Settings { variables, rngs: Rngs::none(), mutable: Filter::none(), initializing: false }
    }

    /// Starts the run: a new root scope.
    pub fn start(self) -> Result<(RunGuard, Scope)> {
        self.rngs.check()?;
        if self.variables.contains(["params", "params"]) {
            return Err(Error::InvalidVariables {
                message: "`params` contains another `params`, found {\"params\": {\"params\": ...}}: pass the variables \
                          themselves, or take the inner dict out first by `.pop(\"params\")`"
                    .to_owned(),
            });
        }
        let run = Arc::new(Run {
            variables: Mutex::new(self.variables),
            mutable: self.mutable,
            initializing: self.initializing,
            open: AtomicBool::new(true),
            level: Level::current(),
            lifted: Vec::new(),
        });
        let scope = Scope::root_of(run.clone(), Arc::new(self.rngs));
        Ok((RunGuard { run, ends: true }, scope))
    }
}

impl RunGuard {
    /// The collections that were mutable, changed or not.
    pub fn mutated(&self) -> Variables {
        self.run.variables().filtered(&self.run.mutable)
    }

    /// Lets the run go on for as long as a scope of it exists.
    pub fn keep_open(mut self) {
        self.ends = false;
    }
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        if self.ends {
            self.run.open.store(false, Ordering::Release);
        }
    }
}

impl Run {
    // Nothing of the user's runs under the lock, so a poisoned store is still whole.
    pub fn variables(&self) -> MutexGuard<'_, Variables> {
        self.variables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_initializing(&self) -> bool {
        self.initializing
    }

    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub fn is_mutable(&self, collection: &str) -> bool {
        self.mutable.accepts(collection)
    }

    pub fn is_at_its_level(&self) -> bool {
        self.level == Level::current()
    }

    /// A collection without entries is as good as none.
    pub fn has_collection(&self, collection: &str) -> bool {
        self.variables().collection(collection).is_some_and(|dict| !dict.is_empty())
    }

    pub fn get(&self, collection: &str, path: &[Arc<str>], name: &str) -> Option<Value> {
        let variables = self.variables();
        let mut dict = variables.collection(collection)?;
        for key in path {
            dict = dict.child(key)?.as_dict()?;
        }
        dict.child(name).cloned()
    }

    /// All entries of a collection under a path.
    pub fn subtree(&self, collection: &str, path: &[Arc<str>]) -> Option<Dict> {
        let variables = self.variables();
        let mut dict = variables.collection(collection)?;
        for key in path {
            dict = dict.child(key)?.as_dict()?;
        }
        Some(dict.clone())
    }

    pub fn put(&self, collection: &str, path: &[Arc<str>], name: &str, value: Value) -> Result<()> {
        let keys: Vec<&str> =
            [collection].into_iter().chain(path.iter().map(|key| &**key)).chain([name]).collect();
        self.variables().as_dict_mut().insert(&keys, value)
    }
}
