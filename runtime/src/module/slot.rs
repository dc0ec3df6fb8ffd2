//! `Slot`: what `#[module]` adds to a struct.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::instance::Instance;
use crate::error::{Error, Result};

/// What a module is in a running model, if it is part of one; the hidden field of every module.
///
/// Two modules are equal whatever their slots are.
#[derive(Clone, Default)]
pub struct Slot(State);

#[derive(Clone, Default)]
enum State {
    #[default]
    Unbound,
    Bound(Arc<Instance>),
    /// Could not be bound in the run of an instance: whatever the module is asked for answers with this error.
    Failed(Arc<Error>, Arc<Instance>),
}

impl Slot {
    /// A module on its own.
    pub const fn unbound() -> Slot {
        Slot(State::Unbound)
    }

    pub(crate) fn bound(instance: Arc<Instance>) -> Slot {
        Slot(State::Bound(instance))
    }

    pub(super) fn is_unbound(&self) -> bool {
        matches!(self.0, State::Unbound)
    }

    pub(super) fn instance(&self) -> Option<&Arc<Instance>> {
        if let State::Bound(instance) = &self.0 { Some(instance) } else { None }
    }

    /// The instance, or why there is none.
    pub(super) fn require(
        &self,
        module: &'static str,
        action: impl FnOnce() -> String,
    ) -> Result<&Arc<Instance>> {
        match &self.0 {
            State::Bound(instance) => Ok(instance),
            State::Failed(error, _) => Err((**error).clone()),
            State::Unbound => Err(Error::Unbound { module, action: action().into() }),
        }
    }

    /// The slot of a submodule made within the module of this slot.
    pub(super) fn within(&self, make: impl FnOnce(&Arc<Instance>) -> Result<Arc<Instance>>) -> Slot {
        match &self.0 {
            State::Unbound => Slot::unbound(),
            State::Failed(..) => self.clone(),
            State::Bound(instance) => match make(instance) {
                Ok(child) => Slot::bound(child),
                Err(error) => Slot(State::Failed(Arc::new(error), instance.clone())),
            },
        }
    }

    /// Whether both were bound in the same run, or were to be.
    pub(super) fn is_in_run_of(&self, other: &Slot) -> bool {
        match (self.run(), other.run()) {
            (Some(a), Some(b)) => a.is_in_run_of(b),
            _ => false,
        }
    }

    fn run(&self) -> Option<&Instance> {
        match &self.0 {
            State::Unbound => None,
            State::Bound(instance) | State::Failed(_, instance) => Some(instance),
        }
    }
}

impl PartialEq for Slot {
    fn eq(&self, _other: &Slot) -> bool {
        true
    }
}

impl Eq for Slot {}

/// Adds nothing, as equal modules have any slots.
impl Hash for Slot {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Unbound => f.write_str("unbound"),
            State::Bound(instance) => write!(f, "bound to {}", instance.scope().path_text()),
            State::Failed(error, _) => write!(f, "not bound: {error}"),
        }
    }
}
