//! Lifting: a run apart within scopes of another one, on variables and keys that pass through a transform.
//!
//! A transform knows functions of trees, and a scope is none. So a function of scopes is run in a [`Fork`]: a run that begins
//! with the variables and keys it is given, and returns the variables that it may have changed. Both are ordinary trees, which
//! the transform slices, stacks, differentiates or carries as it does with every other argument and result.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::run::Run;
use super::{CounterState, Inner, Rngs, Scope, lock};
use crate::core::trace::Level;
use crate::error::{Error, Result};
use crate::variables::{Dict, Filter, Value, Variables};

/// The scopes that a function is lifted over, each with all that is in it.
pub(crate) struct Lift {
    transform: &'static str,
    run: Arc<Run>,
    roots: Vec<Root>,
}

/// A scope that is in no other one of a lift.
struct Root {
    scope: Scope,
    /// How many names of the path keys do not follow from; see [`Lift::folded_rngs`].
    keyed_from: usize,
}

/// A run apart from another one; it ends when it goes out of scope.
pub(crate) struct Fork {
    run: Arc<Run>,
    origin: Arc<Run>,
    /// By path: what is one scope outside is one inside.
    scopes: Mutex<BTreeMap<Vec<Arc<str>>, Scope>>,
    /// The scopes that were asked for, as they are outside.
    asked_for: Mutex<Vec<Scope>>,
}

impl Lift {
    /// Begins to lift a function of scopes; those that are within others come with them.
    ///
    /// # Errors
    /// If a run has ended, the scopes are of several runs, or a transform was entered since the run began.
    pub fn new(transform: &'static str, scopes: &[Scope]) -> Result<Lift> {
        let Some(first) = scopes.first() else {
            return Err(Error::argument(
                transform,
                "no module is lifted: use the transform itself, without `lift`",
            ));
        };
        for scope in scopes {
            scope.check_valid()?;
            scope.check_level(|| format!("is lifted (`{transform}`)"))?;
            if !scope.is_same_run(first) {
                return Err(Error::argument(
                    transform,
                    format!(
                        "`{}` and `{}` belong to two runs: within a lifted function use the modules that the function is given",
                        first.path_text(),
                        scope.path_text()
                    ),
                ));
            }
        }
        let is_within =
            |a: &Scope, b: &Scope| a.path().len() > b.path().len() && a.path().starts_with(b.path());
        let mut roots: Vec<Root> = Vec::new();
        for scope in scopes {
            let is_there = roots.iter().any(|root| root.scope.path() == scope.path());
            if !is_there && !scopes.iter().any(|other| is_within(scope, other)) {
                roots.push(Root { scope: scope.clone(), keyed_from: scope.0.keyed_from });
            }
        }
        Ok(Lift { transform, run: first.0.run.clone(), roots })
    }

    /// The path of the first scope with the transform, as errors name it.
    pub fn path_text(&self) -> String {
        let path = self.roots.first().map_or(&[][..], |root| root.scope.path());
        self.run.path_text(path, Some(self.transform))
    }

    pub fn is_initializing(&self) -> bool {
        self.run.is_initializing()
    }

    /// Which collections the run may write.
    pub fn mutable(&self) -> Filter {
        self.run.mutable.clone()
    }

    /// The collections that a filter accepts, as they are in each of the scopes.
    pub fn variables(&self, filter: &Filter) -> Vec<Variables> {
        self.roots.iter().map(|root| within(&self.run.variables(), root.scope.path(), filter)).collect()
    }

    /// The random streams that a filter accepts, for each of the scopes.
    pub fn rngs(&self, filter: &Filter) -> Vec<Rngs> {
        self.roots.iter().map(|root| root.scope.0.rngs.filtered(filter)).collect()
    }

    /// Streams that begin anew within the scopes: the next key of each, from which no path but that below the scope follows.
    ///
    /// # Errors
    /// As [`Scope::make_rng`].
    pub fn folded_rngs(&mut self, drawing: Option<&Scope>) -> Result<Vec<Rngs>> {
        let folded = |root: &mut Root| {
            let scope = &root.scope;
            let draws = drawing.is_some_and(|drawing| scope.path() == drawing.path());
            let rngs = scope.0.rngs.map(&Filter::all(), |stream, key| {
                if draws {
                    scope.make_rng(stream)
                } else {
                    scope.0.rngs.derive(key, scope.keyed_path(), None)
                }
            })?;
            root.keyed_from = scope.path().len();
            Ok(rngs)
        };
        self.roots.iter_mut().map(folded).collect()
    }

    /// How often each stream was drawn from within the scopes so far.
    pub fn counters(&self) -> Vec<CounterState> {
        self.roots.iter().map(|root| root.scope.0.counters.state()).collect()
    }

    /// Lets the streams go on as after so many draws.
    pub fn set_counters(&self, counters: &[CounterState]) {
        for (root, state) in self.roots.iter().zip(counters) {
            root.scope.0.counters.set(state);
        }
    }

    /// Where scopes are within the lifted ones.
    pub fn places_of(&self, scopes: &[Scope]) -> Places {
        let place = |scope: &Scope| {
            let (index, root) = self
                .roots
                .iter()
                .enumerate()
                .find(|(_, root)| scope.path().starts_with(root.scope.path()))?;
            Some((index, scope.path()[root.scope.path().len()..].to_vec()))
        };
        Places { roots: self.roots.len(), places: scopes.iter().filter_map(place).collect() }
    }

    /// Begins a run apart, on variables and keys of each scope, under the transform that is the innermost here.
    ///
    /// # Errors
    /// If variables are nested too deep.
    pub fn enter(&self, variables: &[Variables], rngs: Vec<Rngs>, mutable: &Filter) -> Result<Fork> {
        let mut lifted = Vec::new();
        let mut inner = Variables::new();
        for (root, variables) in self.roots.iter().zip(variables) {
            lifted.push((root.scope.0.path.clone(), self.transform));
            for (collection, dict) in variables {
                put_within(&mut inner, collection, root.scope.path(), dict)?;
            }
        }
        let run = Arc::new(Run {
            variables: Mutex::new(inner),
            mutable: self.mutable().intersect(mutable),
            initializing: self.is_initializing(),
            open: AtomicBool::new(true),
            level: Level::current(),
            lifted: self.run.lifted.iter().cloned().chain(lifted).collect(),
        });
        let scope = |(root, rngs): (&Root, Rngs)| {
            let inner = Scope(Arc::new(Inner {
                run: run.clone(),
                parent: None,
                path: root.scope.0.path.clone(),
                rngs: Arc::new(rngs),
                keyed_from: root.keyed_from,
                counters: root.scope.0.counters.clone(),
                names: Mutex::default(),
            }));
            (root.scope.path().to_vec(), inner)
        };
        let scopes = self.roots.iter().zip(rngs).map(scope).collect();
        Ok(Fork { run, origin: self.run.clone(), scopes: Mutex::new(scopes), asked_for: Mutex::default() })
    }

    /// What became of the variables in a fork, for each of the scopes: the collections that are mutable and `accepts` names.
    pub fn leave(&self, fork: &Fork, accepts: &Filter) -> Vec<Variables> {
        let filter = fork.run.mutable.intersect(accepts);
        self.roots.iter().map(|root| within(&fork.run.variables(), root.scope.path(), &filter)).collect()
    }

    /// Writes what became of the variables.
    ///
    /// # Errors
    /// If values are nested too deep.
    pub fn write_back(&self, variables: &[Variables]) -> Result<()> {
        for (root, variables) in self.roots.iter().zip(variables) {
            for (collection, dict) in
                variables.iter().filter(|(name, _)| root.scope.is_mutable_collection(name))
            {
                for (name, value) in dict {
                    root.scope.put(collection, name, value.clone())?;
                }
            }
        }
        Ok(())
    }
}

/// Where scopes are within those that are lifted.
pub(crate) struct Places {
    roots: usize,
    /// The number of the lifted scope, and the path from there.
    places: Vec<(usize, Vec<Arc<str>>)>,
}

impl Places {
    /// The variables of the scopes, all in one.
    pub fn gather(&self, roots: &[Variables]) -> Variables {
        let at = |(root, path): &(usize, Vec<Arc<str>>)| within(&roots[*root], path, &Filter::all());
        self.places.iter().map(at).fold(Variables::new(), |all, variables| all.merge(&variables))
    }

    /// Variables of the first scope, as part of those of each lifted scope.
    ///
    /// # Errors
    /// If they are nested too deep.
    pub fn scatter(&self, variables: &Variables) -> Result<Vec<Variables>> {
        let mut roots = vec![Variables::new(); self.roots];
        if let Some((root, path)) = self.places.first() {
            for (collection, dict) in variables {
                put_within(&mut roots[*root], collection, path, dict)?;
            }
        }
        Ok(roots)
    }
}

fn put_within(variables: &mut Variables, collection: &str, path: &[Arc<str>], dict: &Dict) -> Result<()> {
    let keys: Vec<&str> = [collection].into_iter().chain(path.iter().map(|name| &**name)).collect();
    variables.as_dict_mut().insert(&keys, dict.clone().into())
}

/// All entries under a path, of the collections that a filter accepts and that have some.
fn within(variables: &Variables, path: &[Arc<str>], filter: &Filter) -> Variables {
    let at = |(name, mut dict): (&str, &Dict)| {
        for key in path {
            dict = dict.child(key).and_then(Value::as_dict)?;
        }
        (!dict.is_empty()).then(|| (name.to_owned(), dict.clone()))
    };
    variables.iter().filter(|(name, _)| filter.accepts(name)).filter_map(at).collect()
}

impl Fork {
    /// A run that only finds out which scopes there are to lift.
    pub fn probe(of: &Scope) -> Fork {
        let origin = of.0.run.clone();
        let run = Run {
            variables: Mutex::default(),
            mutable: Filter::none(),
            initializing: origin.initializing,
            open: AtomicBool::new(true),
            level: origin.level.clone(),
            lifted: origin.lifted.clone(),
        };
        Fork { run: Arc::new(run), origin, scopes: Mutex::default(), asked_for: Mutex::default() }
    }

    /// The scopes that were asked for, as they are outside.
    pub fn outside(&self) -> Vec<Scope> {
        std::mem::take(&mut lock(&self.asked_for))
    }

    /// Whether a scope is of the run that this one is apart from.
    pub fn is_apart_from(&self, outside: &Scope) -> bool {
        Arc::ptr_eq(&self.origin, &outside.0.run)
    }

    /// Ends the run.
    pub fn end(&self) {
        self.run.open.store(false, Ordering::Release);
    }

    /// What a scope of the other run is in this one.
    pub fn scope(&self, outside: &Scope) -> Scope {
        lock(&self.asked_for).push(outside.clone());
        self.scope_of(outside)
    }

    fn scope_of(&self, outside: &Scope) -> Scope {
        if let Some(scope) = lock(&self.scopes).get(outside.path()) {
            return scope.clone();
        }
        let inner = Inner {
            run: self.run.clone(),
            path: outside.0.path.clone(),
            counters: outside.0.counters.clone(),
            names: Mutex::default(),
            parent: None,
            rngs: outside.0.rngs.clone(),
            keyed_from: outside.0.keyed_from,
        };
        let inner = match outside.parent() {
            Some(parent) => {
                let parent = self.scope_of(parent);
                let (rngs, keyed_from) = (parent.0.rngs.clone(), parent.0.keyed_from);
                Inner { parent: Some(parent), rngs, keyed_from, ..inner }
            }
            None => inner,
        };
        let scope = Scope(Arc::new(inner));
        lock(&self.scopes).insert(outside.path().to_vec(), scope.clone());
        scope
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        self.end();
    }
}

impl Run {
    /// A path as errors show it: what was lifted is within its transform.
    pub fn path_text(&self, path: &[Arc<str>], transform: Option<&'static str>) -> String {
        let here = transform.map(|transform| (path, transform));
        let lifted = self.lifted.iter().map(|(path, transform)| (&**path, *transform)).chain(here);
        let mut names: Vec<String> = path.iter().map(ToString::to_string).collect();
        let mut root = String::new();
        for (at, transform) in lifted.filter(|(at, _)| path.starts_with(at)) {
            let name = at.len().checked_sub(1).map_or(&mut root, |last| &mut names[last]);
            *name = format!("{transform}({name})");
        }
        let shown = Some(root).filter(|root| !root.is_empty()).into_iter().chain(names);
        format!("/{}", crate::variables::join(&shown.collect::<Vec<_>>()))
    }
}
