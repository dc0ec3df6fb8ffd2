//! Making variables on inputs without values.

use super::{Rngs, Scope, Settings};
use crate::error::{Error, Result};
use crate::transform::stage_lazily;
use crate::tree::{self, Structure};
use crate::variables::Variables;

/// Runs a function of a scope to make its variables, on inputs of which only shapes and dtypes are known.
pub fn lazy_init(rngs: impl Into<Rngs>) -> LazyInit {
    LazyInit(Settings::init(rngs.into()))
}

/// A run that makes variables on inputs without values, by [`lazy_init`].
pub struct LazyInit(Settings);

impl LazyInit {
    /// Runs `f`; returns the variables it made.
    ///
    /// # Errors
    /// What `f` returns; [`Error::LazyInit`] if a variable depends on the elements of an input.
    pub fn run<T>(self, f: impl FnOnce(&Scope) -> Result<T>) -> Result<Variables> {
        lazily(|| {
            let (running, scope) = self.0.start()?;
            f(&scope)?;
            Ok(running.mutated())
        })
    }
}

/// Runs `init` on inputs without values; computes nothing but the variables.
pub(crate) fn lazily(init: impl FnOnce() -> Result<Variables>) -> Result<Variables> {
    let ((structure, names), computed) = stage_lazily(|| {
        let variables = init()?;
        let leaves = tree::leaves(&variables).into_iter().cloned().collect::<Vec<_>>();
        let paths = tree::leaves_with_path(&variables);
        let names: Vec<String> = paths.into_iter().map(|(path, _)| path.join("/")).collect();
        Ok(((Structure::of(&variables), names), leaves))
    })?;
    match computed {
        Ok(leaves) => structure.try_build(leaves),
        Err(dependent) => {
            let variables = dependent.into_iter().map(|index| names[index].clone()).collect();
            Err(Error::LazyInit { variables })
        }
    }
}
