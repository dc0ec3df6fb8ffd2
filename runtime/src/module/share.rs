//! `share_scope`: modules that use one scope.

use super::Slot;
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
    let left = moves.scope();
    moves.move_to(&stays.scope())?;
    // From now on a name that the methods of one module take is taken for those of the other.
    stays.scope().share_names_of(&left)
}
