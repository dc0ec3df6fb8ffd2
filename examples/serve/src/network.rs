//! The network.

use flaxen::prelude::*;

/// The network of `examples/mnist`: from images `[batch, height, width, 1]` to logits `[batch, classes]`.
#[module]
pub struct Cnn {
    #[module(default = 10)]
    pub classes: usize,
}

impl Layer for Cnn {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Conv::new(32, [3, 3]).call(x)?.relu();
        let x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        let x = Conv::new(64, [3, 3]).call(&x)?.relu();
        let x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        let x = x.flatten(1);
        let x = Dense::new(256).call(&x)?.relu();
        Dense::new(self.classes).call(&x)
    }
}
