//! The frame of a `#[compact]` method: names, capture, interceptors, summaries.

use std::any::Any;
use std::sync::Arc;

use super::autoref::{Observed, Output};
use super::instance::{CaptureRule, Entered, Instance};
use super::{MethodCall, Module, ModuleInfo, Slot, intercept};
use crate::core::trace;
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

/// A body that can run once: from its second call on, it leaves nothing.
type MethodBody<'b, T, E> = &'b mut dyn FnMut(&mut Option<Result<T, E>>);

impl<'m> Call<'m> {
    /// Enters a method.
    pub fn enter<M: Module>(module: &'m M, method: &'static str) -> Call<'m> {
        Call::new(module, M::NAME, module.__slot(), method, false)
    }

    /// Enters a method that is a scope of its own.
    pub fn enter_scope<M: Module>(module: &'m M, method: &'static str) -> Call<'m> {
        Call::new(module, M::NAME, module.__slot(), method, true)
    }

    fn new(
        module: &'m dyn Any,
        class: &'static str,
        slot: &Slot,
        method: &'static str,
        is_scope: bool,
    ) -> Call<'m> {
        let instance = slot.require(class, || format!("is called (`{method}`)")).and_then(|instance| {
            instance.check_valid()?;
            instance.ensure_setup()?;
            Ok(instance.clone())
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
        // All that is compiled anew for each method; what follows is, for each type of output.
        let mut body = Some(body);
        let mut run = |out: &mut Option<Result<T, E>>| {
            if let Some(body) = body.take() {
                *out = Some(body());
            }
        };
        self.run_body(output, &mut run)
    }

    fn run_body<T, E: From<Error> + 'static>(
        self,
        output: &Output<T>,
        body: MethodBody<'_, T, E>,
    ) -> Result<T, E> {
        let instance = match &self.instance {
            Ok(instance) => instance,
            Err(error) => return Err(error.clone().into()),
        };
        let entered = self.enter_method(instance)?;
        let named = trace::name_stack::enter_module(instance.clone());
        let row = instance.session.recorder.as_ref().map(|recorder| recorder.enter());
        let result = if self.is_intercepted {
            self.run_intercepted(instance, output, body)
        } else {
            let mut out = None;
            body(&mut out);
            out.unwrap_or_else(|| Err(self.called_again().into()))
        };
        drop((entered, named));
        let out = result.map_err(|error| locate(error, self.class, instance))?;
        self.finish(instance, row, &|| output.observe(&out))?;
        Ok(out)
    }

    fn enter_method<'i>(&self, instance: &'i Instance) -> Result<Entered<'i>> {
        if self.is_scope { instance.enter_scope(self.method) } else { Ok(instance.enter_compact()) }
    }

    fn finish(
        &self,
        instance: &Arc<Instance>,
        row: Option<usize>,
        observe: &dyn Fn() -> Observed,
    ) -> Result<()> {
        if let (Some(recorder), Some(row)) = (&instance.session.recorder, row) {
            let info = ModuleInfo::new(self.module, self.class, instance);
            recorder.exit(row, &info, self.method, &self.inputs, observe());
        }
        let Some(capture) = &instance.session.capture else { return Ok(()) };
        let is_accepted = match &**capture {
            CaptureRule::Calls => self.is_scope || self.method == "call",
            CaptureRule::If(filter) => {
                filter(&ModuleInfo::new(self.module, self.class, instance), self.method)
            }
        };
        let Observed::Tree(value) = (if is_accepted { observe() } else { return Ok(()) }) else {
            return Ok(());
        };
        // Flax's names: its method of this purpose is `__call__`, and a method that is a scope is a module of its own.
        let (scope, name) = match self.method {
            method if self.is_scope => (instance.scope().reentered_child(method)?, "__call__"),
            "call" => (instance.scope(), "__call__"),
            method => (instance.scope(), method),
        };
        scope.sow("intermediates", name, &value)?;
        Ok(())
    }

    /// The output passes through the interceptors as a value; an error of the method's own type stays aside.
    fn run_intercepted<T, E: From<Error> + 'static>(
        &self,
        instance: &Arc<Instance>,
        output: &Output<T>,
        body: MethodBody<'_, T, E>,
    ) -> Result<T, E> {
        // The method runs in the innermost interceptor, which knows nothing of its types: they pass by these two.
        let (mut made, mut failed) = (None, None);
        let mut method = || {
            let mut out = None;
            body(&mut out);
            match out.ok_or_else(|| self.called_again())? {
                Ok(out) => {
                    let observed = output.observe(&out);
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
            // Nothing was replaced: the output itself, which a value may not be turned back into.
            (Ok(answer), _, Some((out, observed))) if answer == observed => Ok(out),
            (Ok(Observed::Tree(value)), ..) => match output.from_value {
                Some(from_value) => from_value(&value).map_err(Into::into),
                None => Err(self.not_replaceable().into()),
            },
            (Ok(_), ..) => Err(self.not_replaceable().into()),
        }
    }

    fn called_again(&self) -> Error {
        Error::Interceptor {
            method: self.method.into(),
            message: "calls `next` twice: call it once".to_owned(),
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

/// Adds the module's path to an error of ours; other error types have no place for it.
fn locate<E: 'static>(mut error: E, class: &'static str, instance: &Instance) -> E {
    if let Some(error) = (&mut error as &mut dyn Any).downcast_mut::<Error>() {
        let taken = std::mem::replace(error, Error::msg(""));
        *error = taken.in_module(class, &instance.scope().path_text());
    }
    error
}
