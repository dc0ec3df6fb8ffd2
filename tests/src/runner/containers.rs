//! Trees from the arrays of a case, and back.

use std::collections::BTreeMap;

use flaxen::prelude::*;
use flaxen::tree::{Step, leaves_with_path};

use super::Stop;
use crate::golden::Case;

/// The arrays of a tree by their keys, in which a `/` inside of a name is escaped.
pub fn arrays_of(tree: &impl Tree) -> BTreeMap<String, Tensor> {
    let escaped = |step: &Step| step.to_string().replace('%', "%25").replace('/', "%2F");
    leaves_with_path(tree)
        .into_iter()
        .map(|(path, leaf)| (path.steps().iter().map(escaped).collect::<Vec<_>>().join("/"), leaf.clone()))
        .collect()
}

/// The tree below a key of a case, or None if there is nothing.
pub fn tree_at(case: &Case, key: &str) -> Result<Option<flaxen::Value>, Stop> {
    if case.has(key) {
        return Ok(Some(case.array(key).into()));
    }
    let container = case.container(key);
    let mut children: Vec<String> = Vec::new();
    for below in case.group(key).into_keys() {
        let child = below.split('/').next().unwrap_or_default().to_owned();
        if !children.contains(&child) {
            children.push(child);
        }
    }
    if children.is_empty() && container.is_none() {
        return Ok(None);
    }
    let child = |name: &str| -> Result<flaxen::Value, Stop> {
        let missing = || Stop::Failed(format!("the case has no array at `{key}/{name}`"));
        tree_at(case, &format!("{key}/{name}"))?.ok_or_else(missing)
    };
    match container {
        None | Some("empty_dict") => {
            let entry = |name: &String| Ok((unescaped(name), child(name)?));
            let entries: Result<Vec<(String, flaxen::Value)>, Stop> = children.iter().map(entry).collect();
            Ok(Some(entries?.into_iter().collect::<Dict>().into()))
        }
        Some(kind) if kind.starts_with("tuple[") || kind.starts_with("list[") => {
            let items: Result<Vec<flaxen::Value>, Stop> =
                (0..children.len()).map(|i| child(&i.to_string())).collect();
            Ok(Some(items?.into()))
        }
        Some(kind) => Err(Stop::Unsupported(format!("`{key}` is a `{kind}`"))),
    }
}

/// The variables below a key of a case.
pub fn variables_at(case: &Case, key: &str) -> Result<Variables, Stop> {
    match tree_at(case, key)? {
        Some(flaxen::Value::Dict(dict)) => Ok(Variables::try_from(dict)?),
        Some(_) => Err(Stop::Failed(format!("`{key}` should hold variables"))),
        None => Ok(Variables::new()),
    }
}

fn unescaped(name: &str) -> String {
    name.replace("%2F", "/").replace("%25", "%")
}
