//! Which keys modules draw, against Flax.

use std::collections::BTreeMap;

use flaxen::prelude::*;
use flaxen::random::Key;
use flaxen_tests::golden::{Case, assert_same};

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

#[test]
fn every_draw_of_every_module_has_flaxs_key() -> Result<()> {
    let case = Case::load("flax_rngs");
    let rngs = Rngs::new(key(0)).with("dropout", key(1));
    let draws = Top::new().apply(Variables::new()).rngs(rngs).run(Top::call)?;
    let expected = case.group("make_rng");
    assert_eq!(draws.len(), expected.len());
    for (name, expected) in expected {
        assert_same(&name, draws[&name].data(), &expected);
    }
    Ok(())
}
