//! A scope that sees other parameters than those of its run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::run::Run;
use super::{Inner, Scope};
use crate::error::Result;
use crate::variables::Dict;

/// A run apart from another one, within one of its scopes.
///
/// It begins with the variables of the other run, draws from the same random streams, and ends when it goes out of scope.
pub(crate) struct Fork {
    run: Arc<Run>,
    origin: Scope,
}

impl Scope {
    /// Begins a run apart, in which the parameters here are others that cannot be written, if any are given.
    pub(crate) fn fork(&self, params: Option<Dict>) -> Result<(Fork, Scope)> {
        let origin = &self.0.run;
        let fixed = params.is_some();
        let run = Arc::new(Run {
            variables: Mutex::new(origin.variables().clone()),
            mutable: if fixed { origin.mutable.subtract("params") } else { origin.mutable.clone() },
            initializing: origin.initializing,
            open: AtomicBool::new(true),
            level: origin.level.clone(),
        });
        if let (Some(params), Some((name, above))) = (params, self.0.path.split_last()) {
            run.put("params", above, name, params.into())?;
        }
        let scope = Scope(Arc::new(Inner {
            run: run.clone(),
            parent: self.0.parent.clone(),
            path: self.0.path.clone(),
            rngs: self.0.rngs.clone(),
            counters: self.0.counters.clone(),
            names: Mutex::default(),
        }));
        Ok((Fork { run, origin: self.clone() }, scope))
    }
}

impl Fork {
    /// Writes what became of the collections of the scope into the run that this one came from.
    pub fn write_back(&self, accepts: impl Fn(&str) -> bool) -> Result<()> {
        let Some((name, above)) = self.origin.0.path.split_last() else { return Ok(()) };
        let collections: Vec<String> = self.run.variables().collections().map(str::to_owned).collect();
        for collection in
            collections.iter().filter(|name| self.origin.is_mutable_collection(name) && accepts(name))
        {
            if let Some(values) = self.run.subtree(collection, &self.origin.0.path) {
                self.origin.0.run.put(collection, above, name, values.into())?;
            }
        }
        Ok(())
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        self.run.open.store(false, Ordering::Release);
    }
}
