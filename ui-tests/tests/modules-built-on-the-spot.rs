//! Modules that are built where they are called get names by their order.
// What the attribute rewrites may stand inside of macros, too.
#![allow(clippy::useless_vec)]

use flaxen::prelude::*;

#[module]
struct Mlp {
    #[module(default = 3)]
    hidden: usize,
    #[module(default = false)]
    recurses: bool,
}

/// Called, but no module.
enum Activation {
    Relu,
    Scale(f32),
}

impl Activation {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Relu => Ok(x.relu()),
            Activation::Scale(by) => Ok(x * *by),
        }
    }
}

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        fn free(x: &Tensor) -> Result<Tensor> {
            Activation::Relu.call(x)
        }
        let x = Dense::new(self.hidden).use_bias(false).call(x)?.relu();
        let norm = |x: &Tensor| BatchNorm::new().call(x, true);
        let x = norm(&norm(&x)?)?;
        let x = vec![(Dense::new(self.hidden)).call(&x)?, x];
        let x = flaxen::nn::Dense::new(self.hidden).call(&Dense::new(3).call(&x[0])?)?;
        let shared = self.child_named("shared", Dense::new(3));
        let x = shared.call(&shared.call(&x)?)?;
        let x = Activation::Scale(2.0).call(&free(&x)?)?;
        if self.recurses { Self::new().hidden(self.hidden).call(&x) } else { Ok(x) }
    }
}

#[test]
fn modules_built_on_the_spot_are_named_in_order() -> Result<()> {
    let variables = Mlp::new().recurses(true).init(key(0)).call(&Tensor::ones([1, 2]))?;
    let names: Vec<_> = variables.dict("params")?.keys().map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["BatchNorm_0", "BatchNorm_1", "Dense_0", "Dense_1", "Dense_2", "Dense_3", "Mlp_0", "shared"]
    );
    Ok(())
}
