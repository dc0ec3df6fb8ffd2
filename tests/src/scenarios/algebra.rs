//! Filters of collections, against Flax's algebra.

use flaxen::prelude::*;
use serde_json::{Value as Json, json};

use super::Scenarios;
use crate::runner::Stop;

/// Runs the rows of `filter_algebra`, if the case has them: which of `a`, `b`, `c` and `d` a filter, or what is made of two
/// of them, accepts.
pub fn run(all: &mut Scenarios<'_>) -> Result<(), Stop> {
    for row in all.case.expect()["filter_algebra"].as_array().into_iter().flatten() {
        let read = |text: &Json| {
            let unknown = || Stop::Unsupported(format!("the filter {text}"));
            text.as_str().and_then(filter).ok_or_else(unknown)
        };
        if row["filter"].is_string() {
            let found = accepted(&read(&row["filter"])?);
            all.check(&row.to_string(), &found, &row["in_abcd"]);
            continue;
        }
        let (a, b) = (read(&row["a"])?, read(&row["b"])?);
        for (name, made) in
            [("union", a.union(&b)), ("intersect", a.intersect(&b)), ("subtract", a.subtract(&b))]
        {
            all.check(&format!("{name} of {} and {}", row["a"], row["b"]), &accepted(&made), &row[name]);
        }
    }
    Ok(())
}

fn accepted(filter: &Filter) -> Json {
    json!(["a", "b", "c", "d"].into_iter().filter(|name| filter.accepts(name)).collect::<String>())
}

/// The filter of a text in Python: `True`, `'a'`, `['a', 'b']`, `DenyList('a')`.
pub fn filter(text: &str) -> Option<Filter> {
    if let Some(inner) = text.strip_prefix("DenyList(").and_then(|rest| rest.strip_suffix(')')) {
        return Some(DenyList(filter(inner)?).into());
    }
    let name = |text: &str| Some(text.trim().strip_prefix('\'')?.strip_suffix('\'')?.to_owned());
    if let Some(list) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let names = list.split(',').filter(|name| !name.trim().is_empty());
        return Some(names.map(name).collect::<Option<Vec<String>>>()?.into());
    }
    match text {
        "True" => Some(true.into()),
        "False" => Some(false.into()),
        text => Some(name(text)?.into()),
    }
}
