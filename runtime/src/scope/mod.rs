//! Scopes: where in a model code is, and what it may read and write there.
//!
//! Every module of a running model has a [`Scope`]. Scopes also work without modules: [`init`] and [`apply`] run a function
//! of a scope.
//!
//! ```
//! use flaxen::prelude::*;
//! use flaxen::scope::{self, Scope};
//!
//! fn dense(scope: &Scope, features: usize, x: &Tensor) -> Result<Tensor> {
//!     let kernel = scope.param("kernel", init::lecun_normal(), [x.shape()[1], features])?;
//!     Ok(x.dot(&kernel))
//! }
//!
//! let x = Tensor::ones([1, 3]);
//! let (y, variables) = scope::init(random::key(0)).run(|s| dense(&s.child("dense")?, 2, &x))?;
//! assert_eq!(variables.tensor("params/dense/kernel")?.shape(), [3, 2]);
//! let again = scope::apply(&variables).run(|s| dense(&s.child("dense")?, 2, &x))?;
//! assert_eq!(y.to_vec::<f32>()?, again.to_vec::<f32>()?);
//! # Ok::<(), flaxen::Error>(())
//! ```

mod access;
mod functional;
mod initializer;
mod into_value;
mod lazy;
mod lift;
mod names;
mod rngs;
mod run;
mod sow;
mod variable;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

pub use functional::{Apply, ApplyMutable, Init, apply, init};
pub use initializer::Initializer;
pub use into_value::IntoValue;
pub(crate) use lazy::lazily;
pub use lazy::{LazyInit, lazy_init};
pub(crate) use lift::{Fork, Lift};
use names::NameLedger;
pub(crate) use names::{Lasts, ModuleId, Name, Taker};
pub use rngs::{PathPart, Rngs, fold_in_path};
use run::Run;
pub(crate) use run::Settings;
pub use variable::Variable;

use crate::error::{Error, Result};
use crate::random::Key;

/// Where in a running model code is: the path there, and its variables and random keys.
///
/// Cheap to clone; a clone is the same scope. It is of use until the `init` or `apply` it belongs to returns.
#[derive(Clone)]
pub struct Scope(Arc<Inner>);

struct Inner {
    run: Arc<Run>,
    parent: Option<Scope>,
    path: Arc<[Arc<str>]>,
    rngs: Arc<Rngs>,
    /// How many names of the path keys do not follow from: the streams began anew there.
    keyed_from: usize,
    counters: Arc<Counters>,
    names: Mutex<NameLedger>,
}

/// How often each stream was drawn from.
type DrawCounts = SmallVec<[(Arc<str>, u32); 2]>;

/// How often each stream was drawn from, here and in child scopes; a child entered again goes on counting.
#[derive(Default)]
struct Counters {
    streams: Mutex<DrawCounts>,
    children: Mutex<BTreeMap<Arc<str>, Arc<Counters>>>,
}

/// What [`Counters`] were at some time.
#[derive(Clone, Default)]
pub(crate) struct CounterState {
    streams: DrawCounts,
    children: BTreeMap<Arc<str>, CounterState>,
}

impl Scope {
    fn root_of(run: Arc<Run>, rngs: Arc<Rngs>) -> Scope {
        Scope(Arc::new(Inner {
            run,
            parent: None,
            path: Arc::new([]),
            rngs,
            keyed_from: 0,
            counters: Arc::default(),
            names: Mutex::default(),
        }))
    }

    /// The name in the parent scope; None for the root.
    pub fn name(&self) -> Option<&str> {
        self.0.path.last().map(|name| &**name)
    }

    /// The scope this one is in; None for the root.
    pub fn parent(&self) -> Option<&Scope> {
        self.0.parent.as_ref()
    }

    /// The scope that contains all others of the run.
    pub fn root(&self) -> &Scope {
        let mut scope = self;
        while let Some(parent) = scope.parent() {
            scope = parent;
        }
        scope
    }

    /// The names from the root to here.
    pub fn path(&self) -> &[Arc<str>] {
        &self.0.path
    }

    /// The path as text: `/encoder/Dense_0`, `/` for the root; `/vmap(VmapDense_0)` for what is lifted.
    pub fn path_text(&self) -> String {
        self.0.run.path_text(&self.0.path, None)
    }

    /// Whether the run is an `init`.
    pub fn is_initializing(&self) -> bool {
        self.0.run.is_initializing()
    }

    /// Whether the run this scope belongs to is still going on.
    pub fn is_valid(&self) -> bool {
        self.0.run.is_open()
    }

    /// A scope within this one.
    ///
    /// # Errors
    /// If the name is taken; if the run has ended.
    pub fn child(&self, name: &str) -> Result<Scope> {
        self.check_valid()?;
        Ok(self.take("submodule", name, None, Taker::SCOPE)?.child())
    }

    /// A scope within this one, whether it was entered before or not; its random streams go on where they were left.
    ///
    /// # Errors
    /// If the run has ended.
    pub fn reentered_child(&self, name: &str) -> Result<Scope> {
        self.check_valid()?;
        Ok(Name { scope: self.clone(), name: name.into() }.child())
    }

    pub(crate) fn check_valid(&self) -> Result<()> {
        if self.is_valid() { Ok(()) } else { Err(Error::InvalidScope { path: self.path_text().into() }) }
    }

    /// What changes the run must happen under the transform the run began under, or the change would leak out of it.
    pub(crate) fn check_level(&self, action: impl FnOnce() -> String) -> Result<()> {
        if self.0.run.is_at_its_level() {
            return Ok(());
        }
        Err(Error::TraceLevel { path: self.path_text().into(), action: action().into() })
    }

    /// Whether a stream of random keys is there; `params` does not stand in for others here.
    pub fn has_rng(&self, stream: &str) -> bool {
        self.0.rngs.get(stream).is_some()
    }

    /// The next key of a stream, or of `params` if there is no such stream; each call returns another one.
    ///
    /// The key follows from the stream's key, the scope's path and the number of the call; see [`fold_in_path`].
    ///
    /// # Errors
    /// If there is neither stream; if the run has ended, or a transform was entered since it began.
    pub fn make_rng(&self, stream: &str) -> Result<Key> {
        self.check_valid()?;
        self.check_level(|| format!("draws from the random stream `{stream}`"))?;
        let Some((serving, key)) = self.0.rngs.serving(stream) else {
            return Err(Error::MissingRng {
                stream: stream.into(),
                path: self.path_text().into(),
                available: self.0.rngs.streams().map(str::to_owned).collect(),
            });
        };
        let count = self.0.counters.next(serving);
        self.0.rngs.derive(key, self.keyed_path(), Some(count))
    }

    /// The names that keys follow from.
    fn keyed_path(&self) -> &[Arc<str>] {
        &self.0.path[self.0.keyed_from..]
    }

    pub(crate) fn is_same_run(&self, other: &Scope) -> bool {
        Arc::ptr_eq(&self.0.run, &other.0.run)
    }
}

impl Name {
    /// The scope of this name.
    pub(crate) fn child(self) -> Scope {
        let Name { scope: parent, name } = self;
        let counters = lock(&parent.0.counters.children).entry(name.clone()).or_default().clone();
        Scope(Arc::new(Inner {
            run: parent.0.run.clone(),
            path: parent.0.path.iter().cloned().chain([name]).collect(),
            rngs: parent.0.rngs.clone(),
            keyed_from: parent.0.keyed_from,
            counters,
            names: Mutex::default(),
            parent: Some(parent),
        }))
    }
}

impl Counters {
    fn next(&self, stream: &Arc<str>) -> u32 {
        let mut streams = lock(&self.streams);
        if let Some((_, count)) = streams.iter_mut().find(|(name, _)| name == stream) {
            *count += 1;
            return *count;
        }
        streams.push((stream.clone(), 1));
        1
    }

    fn state(&self) -> CounterState {
        let children = lock(&self.children);
        CounterState {
            streams: lock(&self.streams).clone(),
            children: children.iter().map(|(name, child)| (name.clone(), child.state())).collect(),
        }
    }

    /// Goes back, or on; a child that is not in the state has not been drawn from.
    fn set(&self, state: &CounterState) {
        lock(&self.streams).clone_from(&state.streams);
        for (name, child) in lock(&self.children).iter() {
            child.set(state.children.get(name).unwrap_or(&CounterState::default()));
        }
    }
}

/// Nothing of the user's runs under these locks, so what they guard is whole even if a thread panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether both are one and the same scope.
impl PartialEq for Scope {
    fn eq(&self, other: &Scope) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({})", self.path_text())
    }
}
