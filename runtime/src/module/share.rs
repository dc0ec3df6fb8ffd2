//! Modules that use one scope.

use super::Slot;
use crate::error::Result;

pub(super) fn share_scope(a: &Slot, a_class: &'static str, b: &Slot, b_class: &'static str) -> Result<()> {
    let action = || "shares its scope (`share_scope`)".to_owned();
    let (a, b) = (a.require(a_class, action)?, b.require(b_class, action)?);
    let (a_scope, b_scope) = (a.scope(), b.scope());
    a_scope.check_valid()?;
    if a_scope == b_scope {
        return Ok(());
    }
    // The scope that contains the other, so that nothing moves out of what was handed to a module.
    if b_scope.path().starts_with(a_scope.path()) { b.move_to(&a_scope) } else { a.move_to(&b_scope) }
}
