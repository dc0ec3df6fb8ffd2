//! `init`, `apply` and `bind`.

use std::marker::PhantomData;
use std::sync::Arc;

use super::instance::{CaptureRule, Instance, Session};
use super::setup::catch_failure;
use super::{Layer, Module, ModuleInfo, Slot};
use crate::core::Tensor;
use crate::error::Result;
use crate::scope::{Rngs, Settings};
use crate::variables::{Filter, Variables};

/// What a run returns; see [`OutputOnly`], [`OutputAndVariables`] and [`VariablesOnly`].
pub trait Outcome {
    /// What a run returns whose function returns a `T`.
    type Of<T>;
    /// What the run returns once collections are mutable.
    type Mutable: Outcome;
    #[doc(hidden)]
    fn of<T>(out: T, variables: impl FnOnce() -> Variables) -> Self::Of<T>;
}

/// A run returns the output: `apply`.
pub struct OutputOnly;

/// A run returns the output and variables: `init_with_output`, and `apply` with mutable collections.
pub struct OutputAndVariables;

/// A run returns variables: `init`.
pub struct VariablesOnly;

impl Outcome for OutputOnly {
    type Of<T> = T;
    type Mutable = OutputAndVariables;
    fn of<T>(out: T, _variables: impl FnOnce() -> Variables) -> T {
        out
    }
}

impl Outcome for OutputAndVariables {
    type Of<T> = (T, Variables);
    type Mutable = OutputAndVariables;
    fn of<T>(out: T, variables: impl FnOnce() -> Variables) -> (T, Variables) {
        (out, variables())
    }
}

impl Outcome for VariablesOnly {
    type Of<T> = Variables;
    type Mutable = VariablesOnly;
    fn of<T>(_out: T, variables: impl FnOnce() -> Variables) -> Variables {
        variables()
    }
}

/// A run of a model to come, by [`Module::init`], [`Module::init_with_output`] or [`Module::apply`]; `call` or `run` runs it.
#[must_use = "nothing runs before `call` or `run`"]
pub struct ModelRun<'m, M, O> {
    module: &'m M,
    settings: Settings,
    session: Session,
    outcome: PhantomData<O>,
}

impl<'m, M: Module, O: Outcome> ModelRun<'m, M, O> {
    pub(super) fn new(module: &'m M, settings: Settings) -> ModelRun<'m, M, O> {
        ModelRun { module, settings, session: Session::default(), outcome: PhantomData }
    }

    pub(super) fn recorded(
        mut self,
        recorder: &Arc<super::tabulate::record::Recorder>,
    ) -> ModelRun<'m, M, O> {
        self.session.recorder = Some(recorder.clone());
        self
    }

    /// The streams of random keys: one key, which is that of `params`, or [`Rngs`].
    pub fn rngs(mut self, rngs: impl Into<Rngs>) -> ModelRun<'m, M, O> {
        self.settings.rngs = rngs.into();
        self
    }

    /// Which collections the run may write; `apply` then returns them beside the output.
    pub fn mutable(mut self, filter: impl Into<Filter>) -> ModelRun<'m, M, O::Mutable> {
        self.settings.mutable = filter.into();
        self.with_outcome()
    }

    /// Stores what every layer's `call` returns, in `intermediates`, under `__call__` in the layer's path; the same of every
    /// method that is a scope of its own.
    pub fn capture_intermediates(mut self) -> ModelRun<'m, M, O::Mutable> {
        self.session.capture = Some(Arc::new(CaptureRule::Calls));
        self.with_outcome()
    }

    /// Stores what compact methods return, where the filter accepts the module and the name of the method.
    pub fn capture_intermediates_if(
        mut self,
        filter: impl Fn(&ModuleInfo<'_>, &str) -> bool + Send + Sync + 'static,
    ) -> ModelRun<'m, M, O::Mutable> {
        self.session.capture = Some(Arc::new(CaptureRule::If(Box::new(filter))));
        self.with_outcome()
    }

    fn with_outcome<P>(self) -> ModelRun<'m, M, P> {
        let ModelRun { module, settings, session, .. } = self;
        ModelRun { module, settings, session, outcome: PhantomData }
    }

    /// Runs any method, or any function, of the bound model.
    ///
    /// # Errors
    /// What `f` returns; if the variables or random streams are not of the right form.
    pub fn run<T>(self, f: impl FnOnce(&M) -> Result<T>) -> Result<O::Of<T>> {
        let mut settings = self.settings;
        if self.session.capture.is_some() {
            settings.mutable = settings.mutable.union("intermediates");
        }
        let (running, scope) = settings.start()?;
        let module =
            bound(self.module, Instance::new(scope, self.module.type_name(), Arc::new(self.session)));
        let out = catch_failure(|| f(&module))?;
        Ok(O::of(out, || running.mutated()))
    }

    /// Runs the layer's `call`.
    ///
    /// # Errors
    /// What `call` returns; if the variables or random streams are not of the right form.
    pub fn call(self, x: &Tensor) -> Result<O::Of<Tensor>>
    where
        M: Layer,
    {
        self.run(|module| module.call(x))
    }
}

fn bound<M: Module>(module: &M, instance: Arc<Instance>) -> M {
    let mut module = module.clone();
    module.__attach(Slot::bound(instance));
    module
}

/// A model to be bound, by [`Module::bind`].
#[must_use = "nothing is bound before `module`"]
pub struct Bind<'m, M> {
    module: &'m M,
    settings: Settings,
}

impl<'m, M: Module> Bind<'m, M> {
    pub(super) fn new(module: &'m M, variables: Variables) -> Bind<'m, M> {
        Bind { module, settings: Settings::apply(variables) }
    }

    /// The streams of random keys.
    pub fn rngs(mut self, rngs: impl Into<Rngs>) -> Bind<'m, M> {
        self.settings.rngs = rngs.into();
        self
    }

    /// Which collections the bound model may write; [`Module::variables`] of it returns what became of them.
    pub fn mutable(mut self, filter: impl Into<Filter>) -> Bind<'m, M> {
        self.settings.mutable = filter.into();
        self
    }

    /// The bound model, which stays bound for as long as it lives.
    ///
    /// # Errors
    /// If the variables or random streams are not of the right form.
    pub fn module(self) -> Result<M> {
        let (running, scope) = self.settings.start()?;
        running.keep_open();
        Ok(bound(self.module, Instance::new(scope, self.module.type_name(), Arc::default())))
    }
}
