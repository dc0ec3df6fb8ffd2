//! The networks of the workloads; images have their channels first.

use candle_core::{D, IndexOp, Result, Tensor};
use candle_nn::{
    Conv2d, Conv2dConfig, Embedding, Init, LayerNorm, Linear, Module, ModuleT, VarBuilder, embedding,
    layer_norm, linear, ops,
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

/// A block of R4, which normalises behind.
struct EncoderBlock {
    inputs: [Linear; 3],
    output: Linear,
    norms: [LayerNorm; 2],
    dense: [Linear; 2],
}

impl EncoderBlock {
    fn new(vb: VarBuilder<'_>) -> Result<Self> {
        let input = |name| linear(384, 384, vb.pp(name));
        let norm = |name| layer_norm(384, 1e-12, vb.pp(name));
        Ok(Self {
            inputs: [input("query")?, input("key")?, input("value")?],
            output: input("output")?,
            norms: [norm("norm1")?, norm("norm2")?],
            dense: [linear(384, 1536, vb.pp("dense1"))?, linear(1536, 384, vb.pp("dense2"))?],
        })
    }

    fn forward(&self, x: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let (batch, length, features) = x.dims3()?;
        let heads = |dense: &Linear| {
            dense.forward(x)?.reshape((batch, length, 12, features / 12))?.transpose(1, 2)?.contiguous()
        };
        let [query, key, value] = &self.inputs;
        let scores = (heads(query)?.matmul(&heads(key)?.t()?)? / (features as f64 / 12.0).sqrt())?;
        let weights = ops::softmax_last_dim(&scores.broadcast_add(bias)?)?;
        let attended = weights.matmul(&heads(value)?)?.transpose(1, 2)?.reshape((batch, length, features))?;
        let x = self.norms[0].forward(&(x + self.output.forward(&attended)?)?)?;
        let y = self.dense[1].forward(&self.dense[0].forward(&x)?.gelu_erf()?)?;
        self.norms[1].forward(&(x + y)?)
    }
}

/// R4: the sentence encoder all-MiniLM-L6-v2.
pub struct SentenceEncoder {
    words: Embedding,
    positions: Tensor,
    kind: Tensor,
    norm: LayerNorm,
    blocks: Vec<EncoderBlock>,
}

impl SentenceEncoder {
    pub fn new(vb: VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            words: embedding(30522, 384, vb.pp("words"))?,
            positions: vb.get_with_hints((512, 384), "positions", Init::Const(0.1))?,
            kind: vb.get_with_hints(384, "kind", Init::Const(0.1))?,
            norm: layer_norm(384, 1e-12, vb.pp("norm"))?,
            blocks: (0..6).map(|i| EncoderBlock::new(vb.pp(i))).collect::<Result<_>>()?,
        })
    }

    /// From ids and a mask of ones and zeros, both `[batch, tokens]`, to vectors of length 1.
    pub fn forward(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let x = self.words.forward(ids)?.broadcast_add(&self.positions.narrow(0, 0, ids.dim(1)?)?)?;
        let mut x = self.norm.forward(&x.broadcast_add(&self.kind)?)?;
        let bias = ((mask - 1.0)? * f64::from(f32::MAX))?.unsqueeze(1)?.unsqueeze(1)?;
        for block in &self.blocks {
            x = block.forward(&x, &bias)?;
        }
        let real = mask.unsqueeze(2)?;
        let mean = x.broadcast_mul(&real)?.sum(1)?.broadcast_div(&real.sum(1)?)?;
        mean.broadcast_div(&mean.sqr()?.sum_keepdim(1)?.sqrt()?)
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
