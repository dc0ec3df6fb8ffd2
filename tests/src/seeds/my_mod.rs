//! A parameter of one's own, and an output with the variables that made it.

use flaxen::prelude::*;

use super::{assert_array, assert_initial, seed, setting};
use crate::golden::{Case, assert_same};

#[module]
struct MyMod {
    arg_model: usize,
}

impl Layer for MyMod {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let p = self.param("whatever", init::uniform(0.01), [x.shape()[1], self.arg_model])?;
        Ok(x.dot(&p))
    }
}

/// `init_with_output` agrees with `apply`.
///
/// # Errors
/// What the program returns.
pub fn my_mod(case: &Case) -> Result<()> {
    let [key1, key2] = seed(case).split();
    assert_same("key1", key1.data(), &case.array("rng/key1"));
    assert_same("key2", key2.data(), &case.array("rng/key2"));
    let x = random::normal(&key1, case.array("in/x").shape());
    assert_same("x", &x, &case.array("in/x"));

    let model = MyMod::new(setting(case, "arg_model"));
    let (y, variables) = model.init_with_output(key2).call(&x)?;
    assert_initial(case, "init", &variables)?;
    assert_array(case, "out", &y);
    let again = model.apply(&variables).call(&x)?;
    assert_same("diff", &(y - again).abs().max(), &case.array("diff"));
    assert_eq!(format!("{model:#?}"), case.expect()["repr"].as_str().expect("a text"));
    Ok(())
}
