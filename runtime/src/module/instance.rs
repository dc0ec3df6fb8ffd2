//! A module that is part of a running model.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::frames::{Frames, NamesGivenOut};
use super::setup::SetupOnce;
use super::tabulate::record::Recorder;
use super::{Module, ModuleInfo, Slot};
use crate::error::running::Running;
use crate::error::{Error, Result};
use crate::scope::{Fork, Lasts, ModuleId, Name, Scope, Taker};

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
    pub(crate) capture: Option<Arc<CaptureRule>>,
    pub recorder: Option<Arc<Recorder>>,
    shared: Mutex<HashMap<usize, SharedModule>>,
    /// The run itself, if it is one apart from another.
    fork: Option<Arc<Fork>>,
    /// What became in it of the other run's modules, by the addresses of their instances and by their types.
    lifted: Mutex<HashMap<(usize, TypeId), Box<dyn Any + Send + Sync>>>,
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

    /// What the modules of a run apart share, which goes on with what this one is for.
    pub(crate) fn of_fork(&self, fork: Arc<Fork>) -> Arc<Session> {
        let (capture, recorder) = (self.capture.clone(), self.recorder.clone());
        Arc::new(Session { capture, recorder, fork: Some(fork), ..Session::default() })
    }

    /// What a module of the run that this one is apart from is here; None for a module of another run.
    pub(crate) fn lifted<M: Module>(self: &Arc<Session>, module: &M) -> Option<M> {
        let (fork, outside) = (self.fork.as_ref()?, module.__slot().instance()?);
        let scope = outside.scope();
        if !fork.is_apart_from(&scope) {
            return None;
        }
        let key = (Arc::as_ptr(outside).addr(), TypeId::of::<M>());
        if let Some(known) = lock(&self.lifted).get(&key) {
            return known.downcast_ref::<M>().cloned();
        }
        let mut lifted = module.clone();
        lifted.__attach(Slot::bound(Instance::new(fork.scope(&scope), module.type_name(), self.clone())));
        lock(&self.lifted).insert(key, Box::new(lifted.clone()));
        Some(lifted)
    }

    /// Ends a run apart: its modules, which know the session, are no longer known to it.
    pub fn end_fork(&self) {
        let lifted = std::mem::take(&mut *lock(&self.lifted));
        drop(lifted);
        if let Some(fork) = &self.fork {
            fork.end();
        }
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

    /// Enters a method that ran before: one that is a scope, or any other. It ends by [`leave`](Instance::leave).
    pub fn enter_again(&self, scope: Option<Scope>) {
        match scope {
            Some(scope) => lock(&self.frames).enter_scope(scope),
            None => lock(&self.frames).enter_compact(),
        }
    }

    /// Ends the innermost method.
    pub fn leave(&self) {
        drop(Entered(self));
    }

    /// Enters a method that is a scope of its own.
    pub fn enter_scope(&self, method: &'static str) -> Result<Entered<'_>> {
        let name = self.scope().take("method scope", method, None, self.taker(Lasts::Reentered))?;
        lock(&self.frames).enter_scope(name.child());
        Ok(Entered(self))
    }

    /// The names that the running method has given out on this thread; None if none is running.
    pub fn names_given_out(&self) -> Option<NamesGivenOut> {
        lock(&self.frames).names_given_out()
    }

    /// Goes on giving out names where another run of the method was.
    pub fn set_names_given_out(&self, names: &NamesGivenOut) {
        lock(&self.frames).set_names_given_out(names);
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
