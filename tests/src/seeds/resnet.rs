//! A small residual network with running averages.

use flaxen::prelude::*;

/// Two convolutions, around which the input is added; projected where their shapes differ.
#[module]
struct ResNetBlock {
    filters: usize,
    strides: [usize; 2],
}

impl ResNetBlock {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let norm = || BatchNorm::new().momentum(0.9).epsilon(1e-5);
        let conv = |size: usize| Conv::new(self.filters, [size, size]).use_bias(false);
        let y = self.child(conv(3).strides(self.strides)).call(x)?;
        let y = self.child(norm()).call(&y, train)?.relu();
        let y = self.child(conv(3)).call(&y)?;
        let y = self.child(norm().scale_init(init::zeros())).call(&y, train)?;
        let mut residual = x.clone();
        if residual.shape() != y.shape() {
            residual = self.child_named("conv_proj", conv(1).strides(self.strides)).call(&residual)?;
            residual = self.child_named("norm_proj", norm()).call(&residual, train)?;
        }
        Ok((residual + y).relu())
    }
}

/// Stages of blocks, each of twice the width and half the size of the one before.
#[module]
pub struct TinyResNet {
    /// How many classes there are.
    pub num_classes: usize,
    /// The number of blocks of each stage.
    pub stages: Vec<usize>,
    /// The features of the first stage.
    pub width: usize,
}

impl TinyResNet {
    /// The logits of images.
    #[compact]
    pub fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let conv = Conv::new(self.width, [3, 3]).use_bias(false);
        let x = self.child_named("conv_init", conv).call(x)?;
        let norm = BatchNorm::new().momentum(0.9).epsilon(1e-5);
        let x = self.child_named("bn_init", norm).call(&x, train)?.relu();
        let mut x = max_pool(&x, [3, 3]).strides([2, 2]).padding(Padding::Same).run()?;
        for (i, &blocks) in self.stages.iter().enumerate() {
            for j in 0..blocks {
                let strides = if i > 0 && j == 0 { [2, 2] } else { [1, 1] };
                x = ResNetBlock::new(self.width << i, strides).call(&x, train)?;
            }
        }
        Dense::new(self.num_classes).call(&x.mean_axes([1, 2]))
    }
}
