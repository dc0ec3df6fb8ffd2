//! R1 and R9: convolutional networks for images of 32×32.

use flaxen::nn::BatchNorm;
use flaxen::prelude::*;

use crate::workload::{Mode, Workload, class_loss, indices};

const CLASSES: usize = 10;

/// Two convolutions with normalisation, and a way around them.
#[module]
struct ResidualBlock {
    features: usize,
    stride: usize,
}

impl ResidualBlock {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let strides = [self.stride, self.stride];
        let y = Conv::new(self.features, [3, 3]).strides(strides).use_bias(false).call(x)?;
        let y = BatchNorm::new().momentum(0.9).call(&y, train)?.relu();
        let y = Conv::new(self.features, [3, 3]).use_bias(false).call(&y)?;
        let y = BatchNorm::new().momentum(0.9).call(&y, train)?;
        let mut around = x.clone();
        if self.stride != 1 || x.shape()[3] != self.features {
            let r = Conv::new(self.features, [1, 1]).strides(strides).use_bias(false).call(x)?;
            around = BatchNorm::new().momentum(0.9).call(&r, train)?;
        }
        Ok((y + around).relu())
    }
}

/// R1: `ResNet-18`, with a first convolution for small images.
#[module]
struct ResNet18 {}

impl ResNet18 {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = Conv::new(64, [3, 3]).use_bias(false).call(x)?;
        let mut x = BatchNorm::new().momentum(0.9).call(&x, train)?.relu();
        for (stage, features) in [64, 128, 256, 512].into_iter().enumerate() {
            let first = if stage > 0 { 2 } else { 1 };
            for stride in [first, 1] {
                x = ResidualBlock::new(features, stride).call(&x, train)?;
            }
        }
        Dense::new(CLASSES).call(&x.mean_axes([1, 2]))
    }
}

/// R9: four pairs of a depthwise and a pointwise convolution.
#[module]
pub struct Separable {}

impl Layer for Separable {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for _ in 0..4 {
            let channels = x.shape()[3];
            x = Conv::new(channels, [3, 3]).feature_group_count(channels).call(&x)?.relu();
            x = Conv::new(channels, [1, 1]).call(&x)?.relu();
        }
        Ok(x.mean_axes([1, 2]))
    }
}

/// R1 with a batch.
pub fn resnet(batch: usize, mode: Mode) -> Result<Workload> {
    let model = ResNet18::new();
    let x = random::normal(&key(0), [batch, 32, 32, 3]);
    let labels = indices(CLASSES, &[batch], 0);
    let (params, stats) = model.init(key(1)).run(|m| m.call(&x, true))?.pop("params")?;
    if mode == Mode::Forward {
        return Ok(Workload::of((params, stats, x), move |(params, stats, x): (Dict, Variables, Tensor)| {
            Ok(vec![model.apply(stats.with("params", params)).run(|m| m.call(&x, false))?])
        }));
    }
    let tx = optim::adam(1e-8);
    let first = (params.clone(), tx.init(&params), stats);
    let step = move |(params, state, stats): (Dict, AdamState, Variables), (x, labels): (Tensor, Tensor)| {
        let ((_, stats), grads) = value_and_grad(|params: &Dict| {
            let variables = stats.clone().with("params", params);
            let (out, stats) = model.apply(variables).mutable("batch_stats").run(|m| m.call(&x, true))?;
            Ok((class_loss(&out, &labels)?, stats))
        })(&params)?;
        let (updates, state) = tx.update(&grads, &state, &params)?;
        Ok(((optim::apply_updates(&params, &updates)?, state, stats), Vec::new()))
    };
    Ok(Workload::stepping(first, (x, labels), None, step))
}
