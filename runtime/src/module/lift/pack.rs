//! What every lifted transform does around the transform: it takes variables and keys out of the scopes, runs the function apart
//! on what the transform makes of them, and writes what became of the variables.

use std::sync::Arc;

use super::super::instance::Session;
use super::target::{Found, Inside, Target};
use crate::error::{Error, Result};
use crate::scope::{Lift, Rngs, Scope};
use crate::variables::{Filter, Variables};

/// What a function is lifted over, packed for a transform.
pub(super) struct Pack<'t, L> {
    target: &'t L,
    /// What is lifted, by its type; for errors.
    class: &'static str,
    session: Arc<Session>,
    pub scopes: Lift,
}

impl<'t, L: Target> Pack<'t, L> {
    /// # Errors
    /// If what is lifted is not part of a running model, or a transform was entered since its run began.
    pub fn new(transform: &'static str, target: &'t L) -> Result<Pack<'t, L>> {
        let mut found = Found::default();
        target.collect(&mut found)?;
        let (class, session) = (found.class(), found.session());
        let scopes = Lift::new(transform, &found.into_scopes())?;
        Ok(Pack { target, class, session, scopes })
    }

    /// The scopes of what is lifted, without those that come along.
    pub fn places(&self) -> Vec<Scope> {
        let mut places = Vec::new();
        self.target.places(&mut places);
        places
    }

    /// Streams that begin anew where the first module is.
    ///
    /// # Errors
    /// As `make_rng`.
    pub fn folded_rngs(&mut self) -> Result<Vec<Rngs>> {
        let places = self.places();
        self.scopes.folded_rngs(places.first())
    }

    /// Lets `tabulate` and captures see nothing of what runs.
    pub fn unobserved(&mut self) -> Arc<Session> {
        std::mem::take(&mut self.session)
    }

    /// Lets them see again what they saw before.
    pub fn observed(&mut self, session: Arc<Session>) {
        self.session = session;
    }

    /// Runs the function apart, on variables and keys of each scope; `out` says which collections it may change, and returns those.
    ///
    /// # Errors
    /// What the function returns.
    pub fn run<R>(
        &self,
        variables: &[Variables],
        rngs: Vec<Rngs>,
        out: &Filter,
        f: impl FnOnce(&L::Inner) -> Result<R>,
    ) -> Result<(R, Vec<Variables>)> {
        let fork = Arc::new(self.scopes.enter(variables, rngs, out)?);
        let inside = Inside::new(&fork, &self.session);
        let out_of_f = f(&self.target.enter(&inside)?).map_err(|error| self.located(error))?;
        drop(inside);
        Ok((out_of_f, self.scopes.leave(&fork, out)))
    }

    /// An error with the path of what is lifted.
    pub fn located(&self, error: Error) -> Error {
        error.in_module(self.class, &self.scopes.path_text())
    }

    /// An error that the transform itself makes.
    pub fn error(&self, transform: &'static str, message: impl Into<String>) -> Error {
        self.located(Error::argument(transform, message.into()))
    }
}
