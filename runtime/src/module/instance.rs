//! A module that is part of a running model.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::ModuleInfo;
use super::frames::Frames;
use super::setup::SetupOnce;
use super::tabulate::record::Recorder;
use crate::error::running::Running;
use crate::error::{Error, Result};
use crate::scope::{Lasts, ModuleId, Name, Scope, Taker};

/// Which calls to capture.
pub enum CaptureRule {
    /// Those of methods that are called `call`, and of those that are scopes.
    Calls,
    /// Those a function of the module and the name of the method accepts.
    If(Box<CaptureFilter>),
}

type CaptureFilter = dyn Fn(&ModuleInfo<'_>, &str) -> bool + Send + Sync;

/// What the modules of one run share beside variables.
#[derive(Default)]
pub struct Session {
    pub(crate) capture: Option<CaptureRule>,
    pub recorder: Option<Arc<Recorder>>,
    shared: Mutex<HashMap<usize, SharedModule>>,
}

/// A shared module and what became of it; the original is kept, so that its address stays its own.
struct SharedModule {
    _original: Box<dyn Any + Send + Sync>,
    bound: Box<dyn Any + Send + Sync>,
}

/// A module that is part of a running model; clones of the module are the same instance.
pub(crate) struct Instance {
    scope: Mutex<Scope>,
    class: &'static str,
    pub session: Arc<Session>,
    frames: Mutex<Frames>,
    children: Mutex<Vec<Weak<Instance>>>,
    /// What it is known by where it takes names.
    id: Arc<()>,
    /// Runs the module's setup; held by the module itself, which it holds in turn.
    pub setup: OnceLock<Weak<dyn SetupOnce>>,
}

impl Running for Instance {
    fn class(&self) -> &'static str {
        self.class
    }

    fn path(&self) -> String {
        self.scope().path_text()
    }
}

/// Ends a method when it goes out of scope.
pub(crate) struct Entered<'a>(&'a Instance);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        // What the frame kept may have code of the user's to run when it is dropped.
        let (ended, released) = lock(&self.0.frames).exit();
        if let Some(method) = released {
            self.0.scope().release(&ModuleId::of(&self.0.id), method);
        }
        drop(ended);
    }
}

impl Session {
    /// What became of a shared module in this run.
    pub fn bound<T: Send + Sync + 'static>(&self, original: &Arc<T>) -> Option<Arc<T>> {
        let shared = lock(&self.shared);
        let bound = &shared.get(&Arc::as_ptr(original).addr())?.bound;
        bound.downcast_ref::<Weak<T>>()?.upgrade()
    }

    pub fn keep_bound<T: Send + Sync + 'static>(&self, original: Arc<T>, bound: &Arc<T>) {
        let address = Arc::as_ptr(&original).addr();
        let shared = SharedModule { _original: Box::new(original), bound: Box::new(Arc::downgrade(bound)) };
        lock(&self.shared).insert(address, shared);
    }
}

impl Instance {
    pub fn new(scope: Scope, class: &'static str, session: Arc<Session>) -> Arc<Instance> {
        Arc::new(Instance {
            scope: Mutex::new(scope),
            class,
            session,
            frames: Mutex::default(),
            children: Mutex::default(),
            id: Arc::default(),
            setup: OnceLock::new(),
        })
    }

    pub fn class(&self) -> &'static str {
        self.class
    }

    /// The scope of the module and its variables.
    pub fn scope(&self) -> Scope {
        lock(&self.scope).clone()
    }

    /// The scope that submodules are made in by the method that runs on this thread.
    fn scope_of_submodules(&self) -> Scope {
        let of_method = lock(&self.frames).of_submodules().and_then(|frame| frame.scope.clone());
        of_method.unwrap_or_else(|| self.scope())
    }

    /// Whether the run is still going on.
    pub fn check_valid(&self) -> Result<()> {
        lock(&self.scope).check_valid()
    }

    pub fn in_setup(&self) -> bool {
        lock(&self.frames).in_setup()
    }

    pub fn enter_compact(&self) -> Entered<'_> {
        lock(&self.frames).enter_compact();
        Entered(self)
    }

    pub fn enter_setup(&self) -> Entered<'_> {
        lock(&self.frames).enter_setup();
        Entered(self)
    }

    /// Enters a method that is a scope of its own.
    pub fn enter_scope(&self, method: &'static str) -> Result<Entered<'_>> {
        let name = self.scope().take("method scope", method, None, self.taker(Lasts::Reentered))?;
        lock(&self.frames).enter_scope(name.child());
        Ok(Entered(self))
    }

    /// Runs the module's setup, unless it has run or is running on this thread.
    pub fn ensure_setup(&self) -> Result<()> {
        match self.setup.get().and_then(Weak::upgrade) {
            Some(setup) => setup.run(),
            None => Ok(()),
        }
    }

    /// Takes a name for something made in a compact method or in the setup.
    pub fn take(
        &self,
        kind: &'static str,
        name: Arc<str>,
        collection: Option<&str>,
        made: impl FnOnce() -> String,
    ) -> Result<Name> {
        // Only submodules are in the scope of a method: variables are the module's own.
        let is_submodule = collection.is_none();
        let scope = if is_submodule { self.scope_of_submodules() } else { self.scope() };
        let mut frames = lock(&self.frames);
        let running = if is_submodule { frames.of_submodules() } else { frames.own() };
        let Some(frame) = running else {
            return Err(Error::NotCompact {
                module: self.class,
                path: scope.path_text().into(),
                made: made().into(),
            });
        };
        let lasts = if frame.in_setup { Lasts::AsScope } else { Lasts::AsMethod };
        scope.take(kind, name, collection, Taker::module(ModuleId::of(&self.id), Some(frame.number), lasts))
    }

    /// Who takes a name for the module's own method that runs on this thread.
    pub fn taker(&self, lasts: Lasts) -> Taker {
        let method = lock(&self.frames).own().map(|frame| frame.number);
        Taker::module(ModuleId::of(&self.id), method, lasts)
    }

    /// Keeps a shared module alive until the running method ends, so that it is the same one when it is met again.
    pub fn keep(&self, shared: Box<dyn Any + Send + Sync>) {
        if let Some(frame) = lock(&self.frames).of_submodules() {
            frame.kept.push(shared);
        }
    }

    /// Makes a submodule, named by the caller or by its class and a number.
    pub fn make_child(&self, class: &'static str, name: Option<&str>) -> Result<Arc<Instance>> {
        let name = match name {
            Some(name) => name.into(),
            None => {
                let next = lock(&self.frames).of_submodules().map(|frame| frame.next_name(class));
                // Outside of a compact method no name is given, whatever it is.
                next.unwrap_or_else(|| class.into())
            }
        };
        let name = self.take("submodule", name, None, || format!("the submodule `{class}`"))?;
        Ok(self.add_child(class, name))
    }

    /// Makes a submodule of what a field holds.
    pub fn bind_child(&self, class: &'static str, name: &str) -> Result<Arc<Instance>> {
        Ok(self.add_child(class, self.scope().take("submodule", name, None, Taker::SCOPE)?))
    }

    fn add_child(&self, class: &'static str, name: Name) -> Arc<Instance> {
        let child = Instance::new(name.child(), class, self.session.clone());
        lock(&self.children).push(Arc::downgrade(&child));
        child
    }

    /// The submodules that are alive, in the order in which they were made.
    pub fn children(&self) -> Vec<Arc<Instance>> {
        let mut children = lock(&self.children);
        children.retain(|child| child.strong_count() > 0);
        children.iter().filter_map(Weak::upgrade).collect()
    }

    /// Moves the module to another scope, and what is in it to scopes within.
    pub fn move_to(&self, scope: &Scope) -> Result<()> {
        let left = std::mem::replace(&mut *lock(&self.scope), scope.clone());
        for child in self.children() {
            let its = child.scope();
            if its == left {
                child.move_to(scope)?;
            } else if its.parent() == Some(&left)
                && let Some(name) = its.name()
            {
                child.move_to(&scope.take("submodule", name, None, Taker::SCOPE)?.child())?;
            }
        }
        Ok(())
    }

    pub fn is_in_run_of(&self, other: &Instance) -> bool {
        self.scope().is_same_run(&other.scope())
    }
}

/// Nothing of the user's runs under these locks, so what they guard is whole even if a thread panicked.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
