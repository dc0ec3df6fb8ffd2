//! The backends that there are beside the CPU, which tests compare with it.

use flaxen::core::{Backend, IntoBackend};
use flaxen::tree::{self, Tree};
use flaxen::{Jit, Result, jit};

use crate::device::device;
use crate::golden::{Case, Tolerance};
use crate::jaxlib::jaxlib;

/// Those that the environment names: jaxlib's by `FLAXEN_JAX_PYTHON`, a device's by `FLAXEN_PJRT_PLUGIN`.
pub fn all() -> Vec<&'static dyn Backend> {
    let jaxlib = jaxlib().map(|jaxlib| jaxlib as &dyn Backend);
    jaxlib.into_iter().chain(device().map(|device| (&device).into_backend())).collect()
}

/// One operation after the other, which is none, and by [`all`].
pub fn ways() -> Vec<Option<&'static dyn Backend>> {
    std::iter::once(None).chain(all().into_iter().map(Some)).collect()
}

/// What a message begins with that is about a backend.
pub fn named(backend: Option<&'static dyn Backend>) -> String {
    backend.map_or_else(String::new, |backend| format!("by {}, ", backend.platform()))
}

/// Cases whose numbers are what is left of others that cancel, and how many times the tolerance a compiler may be off that contracts a
/// product and a sum to one operation with one rounding, as XLA does on CPU. `jax.jit` of Flax and optax (JAX 0.10.2, Flax 0.12.8, optax
/// 0.2.8) is 4, 1.3, 12 and 3,800 times the tolerance away from the cases, which were computed one operation at a time.
const CONTRACTED: [(&str, f64); 4] = [
    ("group_norm_2d_input", 10.0),
    ("group_norm_reduction_axes", 10.0),
    ("weight_norm_all_vars_noscale", 30.0),
    // The root of the variance of a single number.
    ("optimizer_rmsprop_centered_bias_correction", 1e6),
];

/// How near a backend has to be to a golden case.
pub fn tolerance(case: &Case, backend: Option<&'static dyn Backend>) -> Tolerance {
    let Tolerance { relative, absolute } = case.tolerance();
    let found = CONTRACTED.iter().find(|(name, _)| backend.is_some() && *name == case.name());
    let factor = found.map_or(1.0, |(_, factor)| *factor);
    Tolerance { relative: relative * factor, absolute: absolute * factor }
}

/// The results of a function as a backend computes them, on the host.
///
/// # Errors
/// What the function returns, or the backend.
pub fn run<I: Tree, O: Tree>(
    backend: Option<&'static dyn Backend>,
    f: impl Fn(I) -> Result<O>,
    x: I,
) -> Result<O> {
    match backend {
        None => f(x),
        Some(backend) => tree::map(&jit(f).on(backend).call(x)?, flaxen::Tensor::to_host),
    }
}

/// The function compiled by the backend that the environment variable `FLAXEN_TEST_BACKEND` names, if it names one, else for the CPU: what
/// the tables of JAX's values compile.
///
/// # Panics
/// If there is none of that name.
pub fn compiled<I: Tree, O: Tree, F: Fn(I) -> Result<O>>(f: F) -> Jit<F, I, O> {
    let Ok(name) = std::env::var("FLAXEN_TEST_BACKEND") else { return jit(f) };
    let found = all().into_iter().find(|backend| backend.platform() == name);
    jit(f).on(found.unwrap_or_else(|| panic!("FLAXEN_TEST_BACKEND is {name}, which is not here")))
}
