//! The networks of the workloads; images have their channels first.

use candle_core::{D, IndexOp, Result, Tensor};
use candle_nn::{
    Conv2d, Conv2dConfig, LayerNorm, Linear, Module, ModuleT, VarBuilder, layer_norm, linear, ops,
};

const PADDED: Conv2dConfig =
    Conv2dConfig { padding: 1, stride: 1, dilation: 1, groups: 1, cudnn_fwd_algo: None };

/// W1: two convolutions with average pooling, two dense layers.
pub struct Cnn {
    convs: [Conv2d; 2],
    dense: [Linear; 2],
}

impl Cnn {
    pub fn new(vb: VarBuilder<'_>) -> Result<Self> {
        let conv = |inputs, outputs, name| candle_nn::conv2d(inputs, outputs, 3, PADDED, vb.pp(name));
        Ok(Self {
            convs: [conv(1, 32, "conv1")?, conv(32, 64, "conv2")?],
            dense: [linear(7 * 7 * 64, 256, vb.pp("dense1"))?, linear(256, 10, vb.pp("dense2"))?],
        })
    }
}

impl ModuleT for Cnn {
    fn forward_t(&self, x: &Tensor, _train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for conv in &self.convs {
            x = conv.forward(&x)?.relu()?.avg_pool2d(2)?;
        }
        let x = self.dense[0].forward(&x.flatten_from(1)?)?.relu()?;
        ops::log_softmax(&self.dense[1].forward(&x)?, D::Minus1)
    }
}

/// W2 and W4: three dense layers.
pub struct Mlp {
    hidden: [Linear; 2],
    output: Linear,
}

impl Mlp {
    pub fn new(inputs: usize, hidden: usize, classes: usize, vb: VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            hidden: [linear(inputs, hidden, vb.pp("dense1"))?, linear(hidden, hidden, vb.pp("dense2"))?],
            output: linear(hidden, classes, vb.pp("dense3"))?,
        })
    }
}

impl ModuleT for Mlp {
    fn forward_t(&self, x: &Tensor, _train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for dense in &self.hidden {
            x = dense.forward(&x)?.relu()?;
        }
        ops::log_softmax(&self.output.forward(&x)?, D::Minus1)
    }
}

/// W3: a transformer block that normalises first.
pub struct Block {
    norms: [LayerNorm; 2],
    inputs: Linear,
    output: Linear,
    dense: [Linear; 2],
}

impl Block {
    pub fn new(vb: VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            norms: [layer_norm(256, 1e-6, vb.pp("norm1"))?, layer_norm(256, 1e-6, vb.pp("norm2"))?],
            inputs: linear(256, 3 * 256, vb.pp("inputs"))?,
            output: linear(256, 256, vb.pp("output"))?,
            dense: [linear(256, 1024, vb.pp("dense1"))?, linear(1024, 256, vb.pp("dense2"))?],
        })
    }

    fn attend(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (batch, length, features) = x.dims3()?;
        let heads = self.inputs.forward(x)?.reshape((batch, length, 3, 8, features / 8))?;
        let heads = heads.permute((2, 0, 3, 1, 4))?;
        let query = (heads.i(0)?.contiguous()? * (features as f64 / 8.0).powf(-0.5))?;
        let scores = query.matmul(&heads.i(1)?.t()?.contiguous()?)?;
        let weights = if train { ops::softmax(&scores, D::Minus1)? } else { ops::softmax_last_dim(&scores)? };
        let attended = weights.matmul(&heads.i(2)?.contiguous()?)?;
        self.output.forward(&attended.transpose(1, 2)?.reshape((batch, length, features))?)
    }
}

impl ModuleT for Block {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = (x + self.attend(&normalize(&self.norms[0], x, train)?, train)?)?;
        let y = self.dense[0].forward(&normalize(&self.norms[1], &x, train)?)?.gelu()?;
        x + self.dense[1].forward(&y)?
    }
}

/// W5: a convolution with normalisation behind it.
pub struct ConvNorm {
    conv: Conv2d,
    norm: LayerNorm,
}

impl ConvNorm {
    pub fn new(vb: VarBuilder<'_>) -> Result<Self> {
        let conv = candle_nn::conv2d(3, 64, 3, PADDED, vb.pp("conv"))?;
        Ok(Self { conv, norm: layer_norm(64, 1e-6, vb.pp("norm"))? })
    }
}

impl ModuleT for ConvNorm {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.conv.forward(x)?.permute((0, 2, 3, 1))?.contiguous()?;
        ops::leaky_relu(&normalize(&self.norm, &x, train)?, 0.01)
    }
}

/// The fused normalisation of [`LayerNorm`] has no gradient (nor has `softmax_last_dim`): what is before it would not be
/// trained, silently.
fn normalize(norm: &LayerNorm, x: &Tensor, train: bool) -> Result<Tensor> {
    match norm.bias() {
        Some(bias) if train => ops::layer_norm_slow(x, norm.weight(), bias, norm.eps() as f32),
        _ => norm.forward(x),
    }
}

/// W6: twenty elementwise operations.
pub fn chain(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let cube = ((x * x)? * x)?;
    let g = ((x * 0.5)? * (((x + (cube * 0.044715)?)? * 0.79788456)?.tanh()? + 1.0)?)?;
    let h = ((&g * y)? + x)?;
    let s = (h.neg()?.exp()? + 1.0)?.recip()?;
    (((s * 2.0)? - 1.0)?.tanh()? * h)? + g
}
