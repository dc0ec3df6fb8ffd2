//! What the programs in the directories beside share: modules to make mistakes with.

use flaxen::prelude::*;

/// A layer with parameters.
#[module]
pub struct Dense {
    /// How many outputs.
    pub features: usize,
    /// Whether to add a bias.
    #[module(default = true)]
    pub use_bias: bool,
}

impl Layer for Dense {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let inputs = x.shape()[x.shape().len() - 1];
        let y = x.matmul(&self.param("kernel", init::lecun_normal(), [inputs, self.features])?);
        if self.use_bias { Ok(y + self.param("bias", init::zeros(), [self.features])?) } else { Ok(y) }
    }
}

/// A module that is no layer: its `call` has one more parameter.
#[module]
pub struct Norm;

impl Norm {
    /// The normalised input.
    ///
    /// # Errors
    /// If the module is not part of a running model.
    #[compact]
    pub fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let scale = self.param("scale", init::ones(), [])?;
        if train { Ok((x - x.mean()) * scale) } else { Ok(x * scale) }
    }
}
