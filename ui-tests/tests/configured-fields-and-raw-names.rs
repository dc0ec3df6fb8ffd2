//! Fields may be configured away, and names may be raw.
#![allow(unexpected_cfgs)]
use flaxen::prelude::*;

#[module]
struct r#Loop<L: Layer> {
    r#type: usize,
    #[cfg(missing)]
    required: Missing<L>,
    #[cfg(missing)]
    #[module(default = missing())]
    with_default: Missing,
    #[cfg(missing)]
    #[submodule]
    submodule: Missing,
    #[cfg(missing)]
    #[setup(Missing::new())]
    setup: Missing,
    #[cfg(not(missing))]
    #[module(default = 2)]
    r#move: usize,
    #[submodule]
    r#fn: L,
    #[cfg(not(missing))]
    #[setup(Dense::new(self.r#type))]
    r#final: Dense,
}

impl<L: Layer> Layer for r#Loop<L> {
    #[compact]
    fn call(&self, r#in: &Tensor) -> Result<Tensor> {
        self.r#final.call(&self.r#fn.call(r#in)?)
    }
}

#[test]
fn fields_may_be_configured_away_and_have_raw_names() -> Result<()> {
    let model = r#Loop::new(3, Dense::new(4)).r#move(5);
    assert!(format!("{model:?}").starts_with("Loop { type: 3, move: 5, fn: Dense {"));
    let variables = model.init(key(0)).call(&Tensor::ones([1, 2]))?;
    assert_eq!(variables.dict("params")?.keys().collect::<Vec<_>>(), ["final", "fn"]);
    Ok(())
}
