//! What layers return, and what a model stores itself, side by side.

use flaxen::prelude::*;

use super::{assert_array, assert_group, assert_initial, seed, setting};
use crate::golden::{Case, assert_same};

#[module]
struct Model {
    features: usize,
    /// Where the sum is stored, if it is.
    #[module(default)]
    collection: Option<String>,
}

impl Layer for Model {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let a = Dense::new(self.features).call(x)?;
        let b = Dense::new(self.features).call(x)?;
        let c = a + b;
        if let Some(collection) = &self.collection {
            self.sow(collection, "c", &c)?;
        }
        Dense::new(self.features).call(&c)
    }
}

/// Captured, filtered, and stored in collections of their own.
///
/// # Errors
/// What the program returns.
pub fn model(case: &Case) -> Result<()> {
    let x = case.array("in/x");
    if case.settings()["batch"] == "uniform(key(1),(1,3))" {
        assert_same("in/x", &random::uniform(&key(1), [1, 3]), &x);
    }
    let model = Model::new(setting(case, "features"));
    let variables = model.init(seed(case)).call(&x)?;
    assert_initial(case, "init", &variables)?;
    let (y, seen) = model.apply(&variables).capture_intermediates().call(&x)?;
    assert_array(case, "capture_all/out", &y);
    assert_group(case, "capture_all/intermediates", seen.dict("intermediates")?);

    let is_wanted = |m: &flaxen::module::ModuleInfo<'_>, _: &str| {
        m.name().is_some_and(|name| ["Dense_0", "Dense_2"].contains(&name.as_str()))
    };
    let sows = model.clone().collection("intermediates");
    let (_, seen) = sows.apply(&variables).capture_intermediates_if(is_wanted).call(&x)?;
    assert_group(case, "filtered", seen.as_dict());
    let (_, seen) = sows.apply(&variables).capture_intermediates().call(&x)?;
    assert_group(case, "sow_and_all", seen.as_dict());

    let apart = model.collection("sow_intermediates");
    let run = apart.apply(&variables).mutable("sow_intermediates").capture_intermediates_if(is_wanted);
    assert_group(case, "separate", run.call(&x)?.1.as_dict());
    Ok(())
}
