//! Functions of a scope as models.

use super::{Rngs, Scope, Settings};
use crate::error::Result;
use crate::variables::{Filter, Variables};

/// Runs a function of a scope to make its variables.
pub fn init(rngs: impl Into<Rngs>) -> Init {
    Init(Settings::init(rngs.into()))
}

/// Runs a function of a scope on variables.
pub fn apply(variables: impl Into<Variables>) -> Apply {
    Apply(Settings::apply(variables.into()))
}

/// A run that makes variables, by [`init`].
pub struct Init(Settings);

/// A run on variables, by [`apply`].
pub struct Apply(Settings);

/// A run on variables that returns those it may have changed, by [`Apply::mutable`].
pub struct ApplyMutable(Settings);

impl Init {
    /// Which collections may be made; all but `intermediates` otherwise.
    #[must_use]
    pub fn mutable(mut self, filter: impl Into<Filter>) -> Init {
        self.0.mutable = filter.into();
        self
    }

    /// Runs `f`; returns its output and the variables it made.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn run<T>(self, f: impl FnOnce(&Scope) -> Result<T>) -> Result<(T, Variables)> {
        ApplyMutable(self.0).run(f)
    }
}

impl Apply {
    /// The streams of random keys.
    #[must_use]
    pub fn rngs(mut self, rngs: impl Into<Rngs>) -> Apply {
        self.0.rngs = rngs.into();
        self
    }

    /// Which collections may be written; they are returned beside the output.
    #[must_use]
    pub fn mutable(mut self, filter: impl Into<Filter>) -> ApplyMutable {
        self.0.mutable = filter.into();
        ApplyMutable(self.0)
    }

    /// Runs `f`; returns its output.
    ///
    /// # Errors
    /// What `f` returns; if the variables are not of the right form.
    pub fn run<T>(self, f: impl FnOnce(&Scope) -> Result<T>) -> Result<T> {
        let (_running, scope) = self.0.start()?;
        f(&scope)
    }
}

impl ApplyMutable {
    /// The streams of random keys.
    #[must_use]
    pub fn rngs(mut self, rngs: impl Into<Rngs>) -> ApplyMutable {
        self.0.rngs = rngs.into();
        self
    }

    /// Runs `f`; returns its output and the mutable collections.
    ///
    /// # Errors
    /// As [`Apply::run`].
    pub fn run<T>(self, f: impl FnOnce(&Scope) -> Result<T>) -> Result<(T, Variables)> {
        let (running, scope) = self.0.start()?;
        let out = f(&scope)?;
        Ok((out, running.mutated()))
    }
}
