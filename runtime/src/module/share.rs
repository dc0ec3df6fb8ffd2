//! Modules that use one scope.

use std::sync::{Arc, Mutex, Weak};

use super::Slot;
use super::instance::{Instance, lock};
use crate::error::{Error, Result};

pub(super) fn share_scope(a: &Slot, a_class: &'static str, b: &Slot, b_class: &'static str) -> Result<()> {
    let action = || "shares its scope (`share_scope`)".to_owned();
    let (a, b) = (a.require(a_class, action)?, b.require(b_class, action)?);
    let (a_scope, b_scope) = (a.scope(), b.scope());
    a_scope.check_valid()?;
    if !a_scope.is_same_run(&b_scope) {
        return Err(Error::msg("`share_scope` needs two modules of one running model, found modules of two"));
    }
    if a_scope == b_scope {
        return Ok(());
    }
    // The scope that contains the other, so that nothing moves out of what was handed to a module.
    let (stays, moves) = if b_scope.path().starts_with(a_scope.path()) { (a, b) } else { (b, a) };
    moves.move_to(&stays.scope())?;
    share_names(stays, moves)
}

/// From now on a name that the methods of one module take is taken for those of the other.
fn share_names(stays: &Arc<Instance>, moves: &Arc<Instance>) -> Result<()> {
    let names = stays.shared_names().unwrap_or_default();
    stays.share_names(names.clone());
    if let Some(earlier) = moves.shared_names().filter(|earlier| !Arc::ptr_eq(earlier, &names)) {
        let claims = lock(&earlier.0).clone();
        lock(&names.0).extend(claims);
    }
    moves.share_names(names);
    stays.claim_running_names()?;
    moves.claim_running_names()?;
    // Those that had joined it before have moved along.
    let along = moves.children().into_iter().filter(|child| child.scope() == moves.scope());
    along.into_iter().try_for_each(|child| share_names(stays, &child))
}

/// The names that methods of modules with one scope have taken, each by one of the modules.
#[derive(Default)]
pub(crate) struct SharedNames(Mutex<Vec<Claim>>);

#[derive(Clone)]
struct Claim {
    name: Arc<str>,
    /// None for a submodule, which takes the name whole.
    collection: Option<Arc<str>>,
    /// A claim ends with the module that made it.
    by: Weak<Instance>,
}

impl SharedNames {
    /// Takes a name for a module; false if another one has it.
    pub fn claim(&self, by: &Arc<Instance>, name: &str, collection: Option<&str>) -> bool {
        let by = Arc::downgrade(by);
        let mut claims = lock(&self.0);
        claims.retain(|claim| claim.by.strong_count() > 0);
        let same = |claim: &Claim| match (collection, claim.collection.as_deref()) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        let mut taken = claims.iter().filter(|claim| &*claim.name == name && same(claim)).peekable();
        if taken.peek().is_none() {
            claims.push(Claim { name: name.into(), collection: collection.map(Into::into), by });
            return true;
        }
        taken.all(|claim| claim.by.ptr_eq(&by))
    }
}
