//! Interceptors: code around every call of a compact method.

use std::cell::RefCell;
use std::sync::Arc;

use super::ModuleInfo;
use super::autoref::Observed;
use crate::error::Result;

/// A call of a compact method, as an interceptor sees it.
pub struct MethodCall<'a> {
    pub(super) module: ModuleInfo<'a>,
    pub(super) method: &'static str,
    pub(super) inputs: &'a [(&'static str, Observed)],
}

impl<'a> MethodCall<'a> {
    /// The module.
    pub fn module(&self) -> &ModuleInfo<'a> {
        &self.module
    }

    /// The name of the method.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// The arguments with their names.
    pub fn inputs(&self) -> &'a [(&'static str, Observed)] {
        self.inputs
    }
}

/// The method, or the next interceptor.
pub type Next<'a> = dyn FnMut() -> Result<Observed> + 'a;

type Interceptor = Arc<dyn Fn(&MethodCall<'_>, &mut Next<'_>) -> Result<Observed>>;

thread_local! {
    static INTERCEPTORS: RefCell<Vec<Interceptor>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` with an interceptor around every call of a compact method on this thread.
///
/// The interceptor calls `next` to go on with the call, or returns an output of its own without. An output is an
/// [`Observed::Tree`] if the method returns a tree of tensors; it may be replaced by another one of the same type. Of several
/// interceptors the outermost runs first.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::module::{intercept_methods, Observed};
///
/// #[module]
/// struct Add1;
///
/// impl Layer for Add1 {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         Ok(x + 1.0)
///     }
/// }
///
/// let doubled = intercept_methods(
///     |call, next| {
///         assert_eq!(call.method(), "call");
///         let Observed::Tree(y) = next()? else { return Err(Error::msg("expected a tensor")) };
///         Ok(Observed::Tree((y.tensor()? * 2.0).into()))
///     },
///     || Add1::new().apply(Variables::new()).call(&Tensor::from(3.0f32)),
/// )?;
/// assert_eq!(doubled.item::<f32>()?, 8.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn intercept_methods<R>(
    interceptor: impl Fn(&MethodCall<'_>, &mut Next<'_>) -> Result<Observed> + 'static,
    f: impl FnOnce() -> R,
) -> R {
    struct Remove;
    impl Drop for Remove {
        fn drop(&mut self) {
            INTERCEPTORS.with_borrow_mut(Vec::pop);
        }
    }
    INTERCEPTORS.with_borrow_mut(|interceptors| interceptors.push(Arc::new(interceptor)));
    let _remove = Remove;
    f()
}

pub(super) fn is_active() -> bool {
    INTERCEPTORS.with_borrow(|interceptors| !interceptors.is_empty())
}

/// Runs a method within all interceptors.
pub(super) fn run(call: &MethodCall<'_>, method: &mut Next<'_>) -> Result<Observed> {
    let interceptors = INTERCEPTORS.with_borrow(Clone::clone);
    run_within(&interceptors, call, method)
}

fn run_within(
    interceptors: &[Interceptor],
    call: &MethodCall<'_>,
    method: &mut Next<'_>,
) -> Result<Observed> {
    match interceptors.split_first() {
        None => method(),
        Some((outermost, inner)) => outermost(call, &mut || run_within(inner, call, method)),
    }
}
