//! Cases of keys: which ones modules draw, and which ones are folded from paths.

use std::collections::BTreeMap;

use flaxen::prelude::*;
use flaxen::random::Key;
use flaxen::scope::{self, PathPart};
use serde_json::Value as Json;

use super::random::{same, seed};
use super::{Stop, Verdict};
use crate::golden::Case;

type Draws = BTreeMap<String, Key>;

#[module]
struct Leaf;

impl Leaf {
    #[compact]
    fn call(&self, name: &str, draws: &mut Draws) -> Result<()> {
        for (label, stream) in [
            ("dropout", "dropout"),
            ("dropout_again", "dropout"),
            ("params", "params"),
            ("default_arg", "params"),
            ("missing_falls_back_to_params", "noise"),
        ] {
            draws.insert(format!("{name}.{label}"), self.make_rng(stream)?);
        }
        Ok(())
    }
}

#[module]
struct Mid;

impl Mid {
    #[compact]
    fn call(&self, name: &str, draws: &mut Draws) -> Result<()> {
        let leaf = self.child_named("leaf", Leaf::new());
        leaf.call(&format!("{name}.call1"), draws)?;
        leaf.call(&format!("{name}.call2"), draws)?;
        Leaf::new().call(&format!("{name}.auto"), draws)
    }
}

#[module]
struct Top {
    #[setup(Mid::new())]
    mid: Mid,
}

impl Top {
    #[compact]
    fn call(&self) -> Result<Draws> {
        let mut draws = Draws::new();
        draws.insert("top.dropout".to_owned(), self.make_rng("dropout")?);
        self.mid.call("mid", &mut draws)?;
        self.mid.call("mid_again", &mut draws)?;
        Ok(draws)
    }
}

/// Runs a case of keys: those that modules draw, and those folded from paths.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let seed = seed(case)?;
    let rngs = Rngs::new(key(seed)).with("dropout", key(seed + 1));
    let draws = Top::new().apply(Variables::new()).rngs(rngs).run(Top::call)?;
    let found = draws.into_iter().map(|(name, key)| (name, key.data().clone())).collect();
    super::compare::same("make_rng", &found, &case.group("make_rng"))?;

    let suffixes = case.expect()["fold_suffixes"].as_array().map_or(&[][..], Vec::as_slice);
    for (index, suffix) in suffixes.iter().enumerate() {
        let unsupported = || Stop::Unsupported(format!("the path {suffix}"));
        let parts: Option<Vec<PathPart<'_>>> =
            suffix.as_array().and_then(|parts| parts.iter().map(part_of).collect());
        let parts = parts.ok_or_else(unsupported)?;
        for (separated, group) in [(false, "fold"), (true, "fold_fixed_separator")] {
            let found = scope::fold_in_path(&key(seed), parts.clone(), separated)?;
            same(&format!("{group}/{suffix}"), found.data(), &case.array(&format!("{group}/{index}")))?;
        }
    }
    Ok(String::new())
}

fn part_of(json: &Json) -> Option<PathPart<'_>> {
    match json {
        Json::String(name) => Some(PathPart::Name(name)),
        number => Some(PathPart::Number(u32::try_from(number.as_u64()?).ok()?)),
    }
}
