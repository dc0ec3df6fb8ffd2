//! The models of the workloads, written as any user would.

use flaxen::nn::{Attend, MultiHeadDotProductAttention};
use flaxen::prelude::*;

/// W1: two convolutions and two dense layers.
#[module]
pub struct Cnn {}

impl Layer for Cnn {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for features in [32, 64] {
            x = Conv::new(features, [3, 3]).call(&x)?.relu();
            x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        }
        let x = x.reshape_infer([x.shape()[0] as isize, -1]);
        let x = Dense::new(256).call(&x)?.relu();
        Ok(Dense::new(10).call(&x)?.log_softmax(-1))
    }
}

/// W2 and W4: three dense layers.
#[module]
pub struct Mlp {
    hidden: usize,
    out: usize,
}

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Dense::new(self.hidden).call(x)?.relu();
        let x = Dense::new(self.hidden).call(&x)?.relu();
        Ok(Dense::new(self.out).call(&x)?.log_softmax(-1))
    }
}

/// W3: a transformer block that normalises before attention and before the dense layers.
#[module]
pub struct Block {}

impl Layer for Block {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let y = LayerNorm::new().call(x)?;
        let x = x + MultiHeadDotProductAttention::new(8).call(&y, Attend::default())?;
        let y = LayerNorm::new().call(&x)?;
        let y = Dense::new(1024).call(&y)?.gelu();
        Ok(x + Dense::new(256).call(&y)?)
    }
}

/// W5: a convolution, normalised.
#[module]
pub struct ConvNorm {}

impl Layer for ConvNorm {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Conv::new(64, [3, 3]).call(x)?;
        Ok(LayerNorm::new().call(&x)?.leaky_relu(0.01))
    }
}

/// W6: about twenty elementwise operations.
pub fn chain(x: &Tensor, y: &Tensor) -> Tensor {
    let cubed = x * x * x;
    let g = (x * 0.5) * ((0.79788456 * (x + cubed * 0.044715)).tanh() + 1.0);
    let h = &g * y + x;
    let s = 1.0 / ((-&h).exp() + 1.0);
    (s * 2.0 - 1.0).tanh() * h + g
}
