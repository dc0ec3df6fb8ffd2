//! A library of modules, some of which nobody uses.
#![deny(warnings, missing_docs, unused, unreachable_pub)]

use flaxen::prelude::*;

/// Public.
#[module]
pub struct Public {
    /// Documented.
    pub features: usize,
    /// Documented.
    #[module(default = 0.1)]
    pub rate: f32,
    #[module(default)]
    private: Option<usize>,
    #[setup(Dense::new(self.features))]
    head: Dense,
}

impl Layer for Public {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        if self.private.is_some() {
            return Ok(x.clone());
        }
        self.head.call(x)
    }
}

#[module]
struct Private {
    #[module(default = 3)]
    never_set: usize,
    #[setup(Dense::new(self.never_set))]
    head: Dense,
}

impl Private {
    #[compact]
    fn call(&self, x: &Tensor, _train: bool) -> Result<Tensor> {
        self.head.call(x)
    }

    #[compact]
    fn without_parameters(&self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn expansions_cause_no_warnings() -> Result<()> {
    let x = Tensor::ones([1, 2]);
    Private::new().init(key(0)).run(|m| m.without_parameters().and_then(|()| m.call(&x, true)))?;
    Ok(())
}
