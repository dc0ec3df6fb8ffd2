//! The networks of the workloads; images have their channels first.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::prelude::*;
use burn::tensor::activation::{gelu_approximate, leaky_relu, log_softmax, relu};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;

/// A network with an input of rank `IN` and an output of rank `OUT`.
pub trait Network<const IN: usize, const OUT: usize>: Module {
    fn forward(&self, x: Tensor<IN>) -> Tensor<OUT>;
}

/// W1: two convolutions with average pooling, two dense layers.
#[derive(Module, Debug)]
pub struct Cnn {
    convs: [Conv2d; 2],
    pool: AvgPool2d,
    dense: [Linear; 2],
}

impl Cnn {
    pub fn new(device: &Device) -> Self {
        Self {
            convs: [convolution([1, 32], device), convolution([32, 64], device)],
            pool: AvgPool2dConfig::new([2, 2]).init(),
            dense: [LinearConfig::new(7 * 7 * 64, 256).init(device), LinearConfig::new(256, 10).init(device)],
        }
    }
}

fn convolution(channels: [usize; 2], device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
}

impl Network<4, 2> for Cnn {
    fn forward(&self, mut x: Tensor<4>) -> Tensor<2> {
        for conv in &self.convs {
            x = self.pool.forward(relu(conv.forward(x)));
        }
        let x = relu(self.dense[0].forward(x.flatten::<2>(1, 3)));
        log_softmax(self.dense[1].forward(x), 1)
    }
}

/// W2 and W4: three dense layers.
#[derive(Module, Debug)]
pub struct Mlp {
    hidden: [Linear; 2],
    output: Linear,
}

impl Mlp {
    pub fn new(inputs: usize, hidden: usize, classes: usize, device: &Device) -> Self {
        Self {
            hidden: [
                LinearConfig::new(inputs, hidden).init(device),
                LinearConfig::new(hidden, hidden).init(device),
            ],
            output: LinearConfig::new(hidden, classes).init(device),
        }
    }
}

impl Network<2, 2> for Mlp {
    fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for dense in &self.hidden {
            x = relu(dense.forward(x));
        }
        log_softmax(self.output.forward(x), 1)
    }
}

/// W3: a transformer block that normalises first.
#[derive(Module, Debug)]
pub struct Block {
    norms: [LayerNorm; 2],
    inputs: Linear,
    output: Linear,
    dense: [Linear; 2],
}

impl Block {
    pub fn new(device: &Device) -> Self {
        let norm = || LayerNormConfig::new(256).with_epsilon(1e-6).init(device);
        Self {
            norms: [norm(), norm()],
            inputs: LinearConfig::new(256, 3 * 256).init(device),
            output: LinearConfig::new(256, 256).init(device),
            dense: [LinearConfig::new(256, 1024).init(device), LinearConfig::new(1024, 256).init(device)],
        }
    }

    fn attend(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, length, features] = x.dims();
        let heads =
            self.inputs.forward(x).reshape([batch, length, 3, 8, features / 8]).permute([2, 0, 3, 1, 4]);
        let [query, key, value] = [0, 1, 2].map(|i| heads.clone().slice(s![i..=i]).squeeze_dim::<4>(0));
        let attended = attention(query, key, value, None, None, AttentionModuleOptions::default());
        self.output.forward(attended.swap_dims(1, 2).reshape([batch, length, features]))
    }
}

impl Network<3, 3> for Block {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attend(self.norms[0].forward(x));
        let y = gelu_approximate(self.dense[0].forward(self.norms[1].forward(x.clone())));
        x + self.dense[1].forward(y)
    }
}

/// W5: a convolution with normalisation behind it.
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: Conv2d,
    norm: LayerNorm,
}

impl ConvNorm {
    pub fn new(device: &Device) -> Self {
        let norm = LayerNormConfig::new(64).with_epsilon(1e-6).init(device);
        Self { conv: convolution([3, 64], device), norm }
    }
}

impl Network<4, 4> for ConvNorm {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        leaky_relu(self.norm.forward(self.conv.forward(x).permute([0, 2, 3, 1])), 0.01)
    }
}

/// W6: twenty elementwise operations.
pub fn chain(x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
    let cube = x.clone() * x.clone() * x.clone();
    let g = x.clone() * 0.5 * (((x.clone() + cube * 0.044715) * 0.79788456).tanh() + 1.0);
    let h = g.clone() * y + x;
    let s = (h.clone().neg().exp() + 1.0).recip();
    (s * 2.0 - 1.0).tanh() * h + g
}
