//! The networks of the workloads, written as any user would.

use flaxen::lift::{Remat, Scan};
use flaxen::nn::{MultiHeadDotProductAttention, OptimizedLstmCell, Rnn};
use flaxen::prelude::*;

/// W1: two convolutions with average pooling, two dense layers.
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
        let x = Dense::new(256).call(&x.flatten(1))?.relu();
        Ok(Dense::new(10).call(&x)?.log_softmax(-1))
    }
}

/// W2 and W4: three dense layers.
#[module]
pub struct Mlp {
    hidden: usize,
    classes: usize,
}

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Dense::new(self.hidden).call(x)?.relu();
        let x = Dense::new(self.hidden).call(&x)?.relu();
        Ok(Dense::new(self.classes).call(&x)?.log_softmax(-1))
    }
}

/// W3: a transformer block that normalises first.
#[module]
pub struct Block {}

impl Layer for Block {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let y = LayerNorm::new().call(x)?;
        let x = x + MultiHeadDotProductAttention::new(8).call(&y, ())?;
        let y = LayerNorm::new().call(&x)?;
        let y = Dense::new(1024).call(&y)?.gelu();
        Ok(x + Dense::new(256).call(&y)?)
    }
}

/// W5: a convolution with normalisation behind it.
#[module]
pub struct ConvNorm {}

impl Layer for ConvNorm {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Conv::new(64, [3, 3]).call(x)?;
        Ok(LayerNorm::new().call(&x)?.leaky_relu(0.01))
    }
}

/// W7: a recurrent layer over 64 steps, and a dense one behind its last output.
#[module]
pub struct Lstm {}

impl Layer for Lstm {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let y = Rnn::new(OptimizedLstmCell::new(128)).call(x)?;
        Ok(Dense::new(10).call(&y.try_index_axis(1, -1)?)?.log_softmax(-1))
    }
}

/// How a stack of blocks of W3 is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stacked {
    /// One after the other.
    Unrolled,
    /// As a loop over their parameters.
    Scanned,
    /// One after the other, each computed once more in the backward pass.
    Rematerialized,
}

/// Blocks of W3 on top of each other.
#[module]
pub struct Stack {
    how: Stacked,
    layers: usize,
}

impl Layer for Stack {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        match self.how {
            Stacked::Scanned => {
                return Scan::new(Block::new())
                    .axis("params", 0)
                    .split("params")
                    .length(self.layers)
                    .call(&x);
            }
            Stacked::Unrolled => {
                for _ in 0..self.layers {
                    x = Block::new().call(&x)?;
                }
            }
            Stacked::Rematerialized => {
                for _ in 0..self.layers {
                    x = Remat::new(Block::new()).call(&x)?;
                }
            }
        }
        Ok(x)
    }
}

/// For growth curves: as many dense layers as wanted.
#[module]
pub struct Deep {
    layers: usize,
}

impl Layer for Deep {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let features = *x.shape().last().unwrap_or(&1);
        let mut x = x.clone();
        for _ in 0..self.layers {
            x = Dense::new(features).call(&x)?.relu();
        }
        Ok(x)
    }
}

/// For growth curves: many small parameters, and hardly any arithmetic on each.
#[module]
pub struct Many {
    parameters: usize,
}

impl Layer for Many {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let mut sum = x.clone();
        for i in 0..self.parameters {
            sum += self.param(&format!("p{i}"), init::normal(1.0), x.shape())?;
        }
        Ok(sum)
    }
}

/// W6: twenty elementwise operations.
pub fn chain(x: &Tensor, y: &Tensor) -> Tensor {
    let cube = x * x * x;
    let g = x * 0.5 * (((x + cube * 0.044715) * 0.79788456).tanh() + 1.0);
    let h = &g * y + x;
    let s = 1.0 / ((-&h).exp() + 1.0);
    (s * 2.0 - 1.0).tanh() * h + g
}
