//! What `#[compact]` wraps around a method.

use std::any::Any;
use std::sync::Arc;

use super::instance::{Capture, Entered, Instance};
use super::probe::{Observed, Output};
use super::{MethodCall, Module, ModuleInfo, intercept};
use crate::error::{Error, Result};

/// A call of a compact method, from its entry to its end.
pub struct Call<'m> {
    module: &'m dyn Any,
    class: &'static str,
    method: &'static str,
    /// Whether the method is a scope of its own.
    is_scope: bool,
    instance: Result<Arc<Instance>>,
    inputs: Vec<(&'static str, Observed)>,
    is_intercepted: bool,
}

impl<'m> Call<'m> {
    /// Enters a method.
    pub fn enter<M: Module>(module: &'m M, method: &'static str) -> Call<'m> {
        Call::new(
            module,
            M::NAME,
            module.__slot().require(M::NAME, || called(method)).cloned(),
            method,
            false,
        )
    }

    /// Enters a method that is a scope of its own.
    pub fn enter_scope<M: Module>(module: &'m M, method: &'static str) -> Call<'m> {
        Call::new(module, M::NAME, module.__slot().require(M::NAME, || called(method)).cloned(), method, true)
    }

    fn new(
        module: &'m dyn Any,
        class: &'static str,
        instance: Result<Arc<Instance>>,
        method: &'static str,
        is_scope: bool,
    ) -> Call<'m> {
        let instance = instance.and_then(|instance| {
            instance.check_valid()?;
            instance.ensure_setup()?;
            Ok(instance)
        });
        let is_intercepted = intercept::is_active();
        Call { module, class, method, is_scope, instance, inputs: Vec::new(), is_intercepted }
    }

    /// Whether somebody wants to know the arguments.
    pub fn is_observed(&self) -> bool {
        self.is_intercepted
            || self.instance.as_ref().is_ok_and(|instance| instance.session.recorder.is_some())
    }

    /// Notes an argument.
    pub fn input(&mut self, name: &'static str, argument: Observed) {
        self.inputs.push((name, argument));
    }

    /// Runs the body.
    ///
    /// # Errors
    /// What the body returns; if the module is not part of a running model.
    pub fn run<T, E: From<Error> + 'static>(
        self,
        output: &Output<T>,
        body: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let Ok(instance) = &self.instance else {
            return match self.instance {
                Err(error) => Err(error.into()),
                Ok(_) => unreachable!("checked above"),
            };
        };
        let entered = self.enter_method(instance)?;
        let row = instance.session.recorder.as_ref().map(|recorder| recorder.enter());
        let result = if self.is_intercepted { self.run_intercepted(instance, output, body) } else { body() };
        drop(entered);
        let result = result.map_err(|error| locate(error, self.class, instance));
        let out = result?;
        self.finish(instance, row, output.to_value.map(|to_value| to_value(&out)).as_ref(), || {
            output
                .to_value
                .map_or_else(|| Observed::Opaque(std::any::type_name::<T>()), |f| Observed::Tree(f(&out)))
        })?;
        Ok(out)
    }

    fn enter_method<'i>(&self, instance: &'i Instance) -> Result<Entered<'i>> {
        if self.is_scope { instance.enter_scope(self.method) } else { Ok(instance.enter_compact()) }
    }

    fn finish(
        &self,
        instance: &Arc<Instance>,
        row: Option<usize>,
        value: Option<&crate::Value>,
        observed: impl FnOnce() -> Observed,
    ) -> Result<()> {
        if let (Some(recorder), Some(row)) = (&instance.session.recorder, row) {
            let info = ModuleInfo::new(self.module, self.class, instance);
            recorder.exit(row, &info, self.method, &self.inputs, observed());
        }
        let (Some(capture), Some(value)) = (&instance.session.capture, value) else { return Ok(()) };
        let is_accepted = match capture {
            Capture::Calls => self.is_scope || self.method == "call",
            Capture::If(filter) => filter(&ModuleInfo::new(self.module, self.class, instance), self.method),
        };
        if !is_accepted {
            return Ok(());
        }
        // Flax's names: its method of this purpose is `__call__`, and a method that is a scope is a module of its own.
        let (scope, name) = match self.method {
            method if self.is_scope => (instance.scope().child_unreserved(method.into()), "__call__"),
            "call" => (instance.scope(), "__call__"),
            method => (instance.scope(), method),
        };
        scope.sow("intermediates", name, value)?;
        Ok(())
    }

    /// The output passes through the interceptors as a value; an error of the method's own type stays aside.
    fn run_intercepted<T, E: From<Error> + 'static>(
        &self,
        instance: &Arc<Instance>,
        output: &Output<T>,
        body: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let (mut body, mut made, mut failed) = (Some(body), None, None);
        let again = || Error::Interceptor {
            method: self.method.into(),
            message: "calls `next` twice: call it once".to_owned(),
        };
        let mut method = || {
            let body = body.take().ok_or_else(again)?;
            match body() {
                Ok(out) => {
                    let observed = match output.to_value {
                        Some(to_value) => Observed::Tree(to_value(&out)),
                        None => Observed::Opaque(std::any::type_name::<T>()),
                    };
                    made = Some((out, observed.clone()));
                    Ok(observed)
                }
                Err(error) => {
                    failed = Some(error);
                    Err(Error::msg("the method failed"))
                }
            }
        };
        let module = ModuleInfo::new(self.module, self.class, instance);
        let call = MethodCall { module, method: self.method, inputs: &self.inputs };
        let answer = intercept::run(&call, &mut method);
        match (answer, failed, made) {
            (Err(_), Some(error), _) => Err(error),
            (Err(error), None, _) => Err(error.into()),
            (Ok(answer), _, Some((out, observed))) if answer == observed => Ok(out),
            (Ok(Observed::Tree(value)), ..) => match output.from_value {
                Some(from_value) => from_value(&value).map_err(Into::into),
                None => Err(self.not_replaceable().into()),
            },
            (Ok(_), ..) => Err(self.not_replaceable().into()),
        }
    }

    fn not_replaceable(&self) -> Error {
        Error::Interceptor {
            method: self.method.into(),
            message: "returns another output than the method's: return what `next` returned, or an `Observed::Tree` \
                      for a method that returns a tree of tensors"
                .to_owned(),
        }
    }
}

fn called(method: &str) -> String {
    format!("is called (`{method}`)")
}

/// Adds the module's path to an error of ours; other error types have no place for it.
fn locate<E: 'static>(mut error: E, class: &'static str, instance: &Instance) -> E {
    if let Some(error) = (&mut error as &mut dyn Any).downcast_mut::<Error>() {
        let taken = std::mem::replace(error, Error::msg(""));
        *error = taken.in_module(class, &instance.scope().path_text());
    }
    error
}
