//! Restoring: stored tensors in the structure of a template.

use std::collections::BTreeSet;

use super::names::{list, named};
use crate::array::Aval;
use crate::core::Tensor;
use crate::tree::{Structure, Tree, count, leaves};

/// Named tensors of which shapes and dtypes are known before they are read.
pub(super) trait Stored {
    fn names(&self) -> Vec<String>;
    /// None if there is no such tensor; an error if it is of a dtype that no tensor has.
    fn aval(&self, name: &str) -> Result<Option<Aval>, String>;
    /// A tensor that there is, as a shape and dtype that [`fits`](Stored::fits).
    fn read(&self, name: &str, aval: &Aval) -> Result<Tensor, String>;
    /// Whether what is stored can be read as what is expected.
    fn fits(&self, found: &Aval, expected: &Aval) -> bool {
        found.shape == expected.shape && found.dtype == expected.dtype
    }
}

/// The tensors below a name, or all for an empty one, in the structure of a template; or what does not fit.
pub(super) fn restore<T: Tree>(stored: &impl Stored, under: &str, template: &T) -> Result<T, String> {
    let full = |name: &str| if under.is_empty() { name.to_owned() } else { format!("{under}/{name}") };
    let expected: Vec<(String, &Aval)> = match leaves(template).as_slice() {
        // A tensor alone, at the very name.
        [leaf] if !under.is_empty() && is_leaf(template) => vec![(under.to_owned(), leaf.aval())],
        _ => named(template)?.into_iter().map(|leaf| (full(&leaf.name), leaf.tensor.aval())).collect(),
    };
    let all: BTreeSet<String> = stored.names().into_iter().collect();
    let expected: Vec<(String, &Aval)> =
        expected.into_iter().map(|(name, aval)| (unboxed(&all, &name).unwrap_or(name), aval)).collect();
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    for (name, aval) in &expected {
        match stored.aval(name)? {
            None => missing.push(name.clone()),
            Some(found) if !stored.fits(&found, aval) => {
                wrong.push(format!("`{name}` is {found}, but the template has {aval}"));
            }
            Some(_) => {}
        }
    }
    let known: BTreeSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    let below =
        |name: &str| under.is_empty() || name.strip_prefix(under).is_some_and(|rest| rest.starts_with('/'));
    let unknown: Vec<String> =
        all.iter().filter(|name| below(name) && !known.contains(name.as_str())).cloned().collect();
    if let Some(message) = misfit(&missing, &unknown, wrong) {
        return Err(message);
    }
    let tensors = expected.iter().map(|(name, aval)| {
        let tensor = stored.read(name, aval)?;
        // As weak as in the template: a compiled step that has seen that is not traced again.
        let array = tensor.array().map_err(|error| error.to_string())?.clone();
        Ok(array.with_aval((*aval).clone()).into())
    });
    let tensors = tensors.collect::<Result<Vec<Tensor>, String>>()?;
    Structure::of(template).try_build(tensors).map_err(|error| error.to_string())
}

/// Where the value of a box is, if that is what is stored in place of a tensor: Flax has a dict there, of the one name `value`.
fn unboxed(stored: &BTreeSet<String>, name: &str) -> Option<String> {
    if stored.contains(name) {
        return None;
    }
    let inside = format!("{name}/");
    let mut below = stored.range(inside.clone()..).take_while(|other| other.starts_with(&inside));
    match (below.next(), below.next()) {
        (Some(only), None) if only[inside.len()..] == *"value" => Some(only.clone()),
        _ => None,
    }
}

/// What does not fit a template, in words: names that only it has, names that only the file has, and what differs.
pub(super) fn misfit(missing: &[String], unknown: &[String], wrong: Vec<String>) -> Option<String> {
    let mut message = Vec::new();
    if !missing.is_empty() {
        message.push(format!("the template has {}, which the file has not", list(missing)));
    }
    if !unknown.is_empty() {
        message.push(format!("the file has {}, which the template has not", list(unknown)));
    }
    message.extend(wrong);
    (!message.is_empty()).then(|| format!("it does not fit the template: {}", message.join("; ")))
}

/// The first of many messages about tensors.
pub(super) fn some(messages: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = messages[..messages.len().min(SHOWN)].join("; ");
    match messages.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// Whether a tree is nothing but one tensor.
fn is_leaf(tree: &impl Tree) -> bool {
    count(tree) == 1 && crate::tree::leaves_with_path(tree)[0].0.is_empty()
}
