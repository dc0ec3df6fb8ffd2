//! Names of tensors: the way to each, joined by `/`.

use std::collections::BTreeSet;

use crate::core::Tensor;
use crate::tree::{Tree, leaves_with_path};
use crate::variables::{Dict, KeyPath, Value, join};

/// A tensor of a tree with its name.
pub(super) struct Named<'a> {
    pub(super) name: String,
    /// What the name is joined from; names of their own may contain a `/`.
    pub(super) keys: Vec<String>,
    pub(super) tensor: &'a Tensor,
}

/// The tensors of a tree with their names, or what is wrong with those.
pub(super) fn named(tree: &impl Tree) -> Result<Vec<Named<'_>>, String> {
    let mut seen = BTreeSet::new();
    let mut named = Vec::new();
    for (path, tensor) in leaves_with_path(tree) {
        let keys: Vec<String> = path.keys().iter().map(|key| key.clone().into_owned()).collect();
        if keys.is_empty() {
            return Err("a single tensor has no name: put it into a `Dict`".to_owned());
        }
        let name = join(&keys);
        check(&name)?;
        if !seen.insert(name.clone()) {
            return Err(format!("two tensors have the name `{name}`, as a name contains a `/`: rename one"));
        }
        named.push(Named { name, keys, tensor });
    }
    Ok(named)
}

/// Whether a name is one that we write and read.
pub(super) fn check(name: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("the name {name:?} {what}"));
    if name.is_empty() {
        return wrong("of a tensor is empty");
    }
    if name.chars().any(char::is_control) {
        return wrong("has control characters in it");
    }
    let parts = name.split('/').count();
    if parts > Dict::MAX_DEPTH {
        return Err(format!(
            "a name has {parts} parts, at most {} are allowed: {:?}…",
            Dict::MAX_DEPTH,
            name.chars().take(40).collect::<String>()
        ));
    }
    for part in name.split('/') {
        match part {
            "" => {
                return wrong(
                    "has an empty part: there is a `/` at its beginning, at its end, or twice in a row",
                );
            }
            "." | ".." => return wrong("has a part that means a folder"),
            _ => {}
        }
    }
    Ok(())
}

/// Whether no tensor's path is inside another one's.
pub(super) fn check_paths<'a>(paths: impl Iterator<Item = &'a [String]>) -> Result<(), String> {
    let mut paths: Vec<_> = paths.collect();
    paths.sort_unstable();
    // A path that is the beginning of any other is the beginning of the one that follows it in this order.
    match paths.windows(2).find(|pair| pair[1].starts_with(pair[0])) {
        None => Ok(()),
        Some(pair) if pair[0] == pair[1] => Err(format!("the name `{}` is given twice", join(pair[0]))),
        Some(pair) => {
            let (outer, inner) = (join(pair[0]), join(pair[1]));
            Err(format!("`{outer}` is a tensor, so there cannot be a `{inner}` inside it"))
        }
    }
}

/// The dict of tensors by path, of which none is inside another one.
pub(super) fn nested(tensors: impl IntoIterator<Item = (Vec<String>, Tensor)>) -> crate::error::Result<Dict> {
    Dict::unflatten(tensors.into_iter().map(|(path, tensor)| (path, Value::from(tensor))))
}

/// A few names as text, for messages.
pub(super) fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
