//! `Setup`: fields that a module makes of its configuration, lazily and once.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, OnceLock};

use super::{Child, Module, Slot};
use crate::error::{Error, Result};

/// A field that is made by an expression, marked `#[setup(..)]`; it is read as if it were a `T`.
///
/// The expression runs when the module is constructed, and again, lazily, once the module is part of a running model.
pub struct Setup<T> {
    value: Arc<OnceLock<T>>,
    setup: Option<Arc<dyn SetupOnce>>,
}

/// Runs the setup of a bound module, at most once.
pub trait SetupOnce: Send + Sync {
    /// Runs the setup unless it has run, or is running on this thread.
    ///
    /// # Errors
    /// What an expression returned.
    fn run(&self) -> Result<()>;
}

/// A setup field of any type.
pub trait AnySetup {
    /// Forgets the value.
    fn reset(&mut self);
    /// Lets reading the field run the setup.
    fn set_up_by(&mut self, setup: &Arc<dyn SetupOnce>);
}

/// The module whose setup runs: the one that methods are called on shares its fields' values.
struct BoundSetup<M> {
    module: M,
    result: OnceLock<Result<()>>,
}

/// One run over the setup expressions of a module, in the order of the fields.
pub struct SetupPass<'a> {
    slot: &'a Slot,
    error: Option<Error>,
}

impl<T> Setup<T> {
    /// A field whose expression has not run.
    pub fn unset() -> Setup<T> {
        Setup { value: Arc::new(OnceLock::new()), setup: None }
    }

    /// The same field of a clone of the module.
    ///
    /// Not `Clone`: `self.field.clone()` is to be a clone of the value.
    pub fn share(this: &Setup<T>) -> Setup<T> {
        Setup { value: this.value.clone(), setup: this.setup.clone() }
    }
}

impl<T> AnySetup for Setup<T> {
    fn reset(&mut self) {
        *self = Setup::unset();
    }

    fn set_up_by(&mut self, setup: &Arc<dyn SetupOnce>) {
        self.setup = Some(setup.clone());
    }
}

/// Evaluates the setup of a module that is not part of a running model; what needs one stays unset.
pub fn rebuilt<M: Module>(mut module: M) -> M {
    reset(&mut module);
    evaluate_unbound(&module);
    module
}

fn reset<M: Module>(module: &mut M) {
    module.__setups(&mut |field| field.reset());
}

fn evaluate_unbound<M: Module>(module: &M) {
    // Errors are of no interest: without a run there are no variables.
    module.__setup(&mut SetupPass { slot: module.__slot(), error: None });
}

/// Makes the setup of a module run when it is first needed; the last act of binding.
pub fn defer<M: Module>(module: &mut M) {
    reset(module);
    let Some(instance) = module.__slot().instance().cloned() else {
        evaluate_unbound(module);
        return;
    };
    let setup: Arc<dyn SetupOnce> = Arc::new(BoundSetup { module: module.clone(), result: OnceLock::new() });
    // A module is bound once per instance.
    let _ = instance.setup.set(Arc::downgrade(&setup));
    module.__setups(&mut |field| field.set_up_by(&setup));
}

impl<M: Module> SetupOnce for BoundSetup<M> {
    fn run(&self) -> Result<()> {
        let slot = self.module.__slot();
        let instance = slot.require(M::NAME, || "is set up".to_owned())?;
        if instance.in_setup() {
            return Ok(());
        }
        let run = || {
            let _entered = instance.enter_setup();
            let mut pass = SetupPass { slot, error: None };
            self.module.__setup(&mut pass);
            match pass.error {
                None => Ok(()),
                Some(error) => Err(error.in_module(M::NAME, &instance.scope().path_text())),
            }
        };
        self.result.get_or_init(run).clone()
    }
}

impl SetupPass<'_> {
    /// Makes the value of one field.
    pub fn field<T: Child>(&mut self, field: &Setup<T>, name: &str, make: impl FnOnce() -> Result<T>) {
        let is_bound = self.slot.instance().is_some();
        if is_bound && self.error.is_some() {
            return;
        }
        match catch_failure(make) {
            Ok(mut value) => {
                value.bind_child(self.slot, name);
                // The field was reset before the pass.
                let _ = field.value.set(value);
            }
            Err(error) => self.error = Some(error),
        }
    }
}

impl<T> Deref for Setup<T> {
    type Target = T;

    /// # Panics
    /// If the expression failed, or needs a running model that the module is not part of.
    fn deref(&self) -> &T {
        if let Some(value) = self.value.get() {
            return value;
        }
        let result = self.setup.as_ref().map_or(Ok(()), |setup| setup.run());
        match (self.value.get(), result) {
            (Some(value), _) => value,
            (None, Err(error)) => fail(error),
            (None, Ok(())) => fail(Error::msg(
                "a `#[setup]` field was read that has no value yet: parameters and variables exist inside `init`, \
                 `apply` and `bind` only, an expression may read earlier fields only, and a module that was \
                 deserialised or made by `Default` has its fields after `.copy()`",
            )),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Setup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value.get() {
            Some(value) => value.fmt(f),
            None => f.write_str("<unset>"),
        }
    }
}

/// Whether both are the field of one module and its clones; what they hold is compared by `*a == *b`.
///
/// A module's own equality is that of its configuration, from which these fields follow.
impl<T> PartialEq for Setup<T> {
    fn eq(&self, other: &Setup<T>) -> bool {
        Arc::ptr_eq(&self.value, &other.value)
    }
}

impl<T> Eq for Setup<T> {}

/// Adds nothing, as the hash of a module is that of its configuration.
impl<T> Hash for Setup<T> {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

/// A field without a value, as after deserialising.
impl<T> Default for Setup<T> {
    fn default() -> Setup<T> {
        Setup::unset()
    }
}

// The value's own `iter` is at hand through `Deref`.
#[allow(clippy::into_iter_without_iter)]
impl<'a, T> IntoIterator for &'a Setup<T>
where
    &'a T: IntoIterator,
{
    type Item = <&'a T as IntoIterator>::Item;
    type IntoIter = <&'a T as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (**self).into_iter()
    }
}

thread_local! {
    /// How many callers on this thread catch a failure.
    static CATCHING: Cell<usize> = const { Cell::new(0) };
}

/// Reading a field cannot return a `Result`, so its error unwinds to the run, which returns it.
struct Failure(Error);

fn fail(error: Error) -> ! {
    if CATCHING.get() > 0 {
        // Without the panic hook: the error is returned, and no message is to be printed.
        resume_unwind(Box::new(Failure(error)));
    }
    panic!("{error}")
}

/// Runs `f`; a setup field that cannot be read in it makes it an error.
pub(super) fn catch_failure<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Catching;
    impl Drop for Catching {
        fn drop(&mut self) {
            CATCHING.set(CATCHING.get() - 1);
        }
    }
    let caught = {
        CATCHING.set(CATCHING.get() + 1);
        let _catching = Catching;
        catch_unwind(AssertUnwindSafe(f))
    };
    caught.unwrap_or_else(|payload: Box<dyn Any + Send>| match payload.downcast::<Failure>() {
        Ok(failure) => Err(failure.0),
        Err(payload) => resume_unwind(payload),
    })
}
