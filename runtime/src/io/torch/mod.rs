//! The weights of PyTorch models, in the names and layouts of ours.
//!
//! PyTorch saves a model as a *state dict*, from names to tensors: `torch.save(model.state_dict(), path)` writes it as a [`File`] of its
//! own, `safetensors.torch.save_file(model.state_dict(), path)` as a safetensors file; [`StateDict::open`] reads both. Layers compute the same in both worlds, but they keep their weights differently:
//!
//! | PyTorch | its tensor | here | layout |
//! | --- | --- | --- | --- |
//! | `Linear` | `weight` `[out, in]` | `kernel` | `[in, out]` |
//! | `Conv1d`, `Conv2d`, `Conv3d` | `weight` `[out, in, k..]` | `kernel` | `[k.., in, out]` |
//! | `ConvTranspose2d`, … | `weight` `[in, out, k..]` | `kernel` | `[k.., out, in]`, with `transpose_kernel(true)` |
//! | `BatchNorm2d`, … | `weight` | `scale` | the same |
//! | | `running_mean`, `running_var` | `mean`, `var` in `batch_stats` | the same |
//! | `LayerNorm`, `GroupNorm`, `RMSNorm` | `weight` | `scale` | the same |
//! | `Embedding` | `weight` | `embedding` | the same |
//! | `PReLU` | `weight` `[1]` or `[channels]` | `negative_slope` | `[]` or `[channels]` |
//! | `MultiheadAttention` | `in_proj_weight`, `out_proj.weight` | `query`, `key`, `value`, `out` | split by heads |
//! | a `Linear` for each of queries, keys, values | `weight` `[heads·depth, in]` | `kernel` of `query`, `key`, `value` | `[in, heads, depth]` |
//! | `LSTM`, `GRU`, `RNN` | `weight_ih_l0`, `weight_hh_l0` `[gates·out, in]` | `cell/ii/kernel`, `cell/hi/kernel`, … | `[in, out]` each |
//! | | `bias_ih_l0`, `bias_hh_l0` `[gates·out]` | `cell/hi/bias`, … | `[out]` each, both added |
//! | all others | `bias` | `bias` | the same |
//!
//! [`StateDict`] knows most layers by their tensors, and more of them by those that our model has: its [`Embed`](crate::nn::Embed)s, its
//! [`PReLU`](crate::nn::PReLU)s, the heads of its attention, convolutions over fewer axes than PyTorch's, whose others have the size 1,
//! and parameters of its own. The model's variables need no values for that, and [`eval_shape`](crate::eval_shape) makes them at once. What is
//! left is said: that a convolution is transposed, which `Linear` follows a `flatten`, and other names.
//!
//! # Names
//! [`rename`](StateDict::rename) gives modules other paths, and those carry what a `*` of PyTorch's name stood for: `$1` is what the first
//! one did, `$2` the second. What does not fit is an error that lists all of it, with the nearest names; [`report`](StateDict::report) prints
//! what became of what.
//!
//! ```
//! use flaxen::io::torch::StateDict;
//! use flaxen::nn::{Attend, MultiHeadDotProductAttention};
//! use flaxen::prelude::*;
//!
//! #[module]
//! struct Block {
//!     #[setup(MultiHeadDotProductAttention::new(2))]
//!     attention: MultiHeadDotProductAttention,
//!     #[setup(LayerNorm::new().epsilon(1e-12))]
//!     norm: LayerNorm,
//! }
//!
//! impl Block {
//!     #[compact]
//!     fn call(&self, x: &Tensor) -> Result<Tensor> {
//!         self.norm.call(&(x + self.attention.call(x, Attend::new())?))
//!     }
//! }
//!
//! // The names of BERT in `transformers`, where queries, keys and values are a `Linear` each.
//! let linear = |name: &str| format!("encoder.layer.0.attention.{name}");
//! let names = ["self.query", "self.key", "self.value", "output.dense"].map(linear);
//! let weights = names.iter().flat_map(|name| {
//!     [(format!("{name}.weight"), Tensor::ones([4, 4])), (format!("{name}.bias"), Tensor::ones([4]))]
//! });
//! let norm = ["weight", "bias"].map(|own| (linear(&format!("output.LayerNorm.{own}")), Tensor::ones([4])));
//! let state = StateDict::new(weights.chain(norm))
//!     .rename("encoder.layer.*.attention.self", "attention")
//!     .rename("encoder.layer.*.attention.output.dense", "attention/out")
//!     .rename("encoder.layer.*.attention.output.LayerNorm", "norm");
//!
//! let block = Block::new();
//! let shapes = flaxen::eval_shape(|x: Tensor| block.init(key(0)).run(|block| block.call(&x)), &Tensor::ones([1, 3, 4]))?;
//! let variables = state.variables_like(&shapes)?;
//! assert_eq!(variables.tensor("params/attention/query/kernel")?.shape(), [4, 2, 2]);
//! // And out again.
//! assert_eq!(state.export(&variables)?.tensor("encoder.layer.0.attention.self.query.weight")?.shape(), [4, 4]);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! # Recurrent layers
//! PyTorch has all gates of a layer in one matrix, an LSTM in the order `i`, `f`, `g`, `o` and a GRU in the order `r`, `z`, `n`;
//! ours has a kernel for each. Its two biases are added to ours: those of an LSTM to the biases of the state's gates, `hi`, `hf`,
//! `hg`, `ho`, those of a GRU and a simple RNN to the input's. Only the `n` of a GRU needs both, as the gate `r` multiplies but one
//! of them. Where there are no biases ours are zeros.
//!
//! One `LSTM` of one layer is an [`Rnn`](crate::nn::Rnn), and its weights are below `cell`. Of several layers each is a module
//! `layers_0`, `layers_1`, … as in a `sequential!`, which [`rename`](StateDict::rename) calls by those names,
//! `"lstm.layers_1"`; one that runs in both directions is a [`Bidirectional`](crate::nn::Bidirectional) with `forward_rnn` and `backward_rnn`. The weights of a
//! cell alone are those of our cell.
//!
//! ```
//! use flaxen::io::torch::StateDict;
//! use flaxen::nn::{LstmCell, Rnn};
//! use flaxen::prelude::*;
//!
//! // nn.LSTM(3, 4, num_layers=2, batch_first=True), as `StateDict::open` reads it.
//! let weights = [
//!     ("lstm.weight_ih_l0", Tensor::ones([16, 3])),
//!     ("lstm.weight_hh_l0", Tensor::ones([16, 4])),
//!     ("lstm.bias_ih_l0", Tensor::ones([16])),
//!     ("lstm.bias_hh_l0", Tensor::ones([16])),
//!     ("lstm.weight_ih_l1", Tensor::ones([16, 4])),
//!     ("lstm.weight_hh_l1", Tensor::ones([16, 4])),
//!     ("lstm.bias_ih_l1", Tensor::ones([16])),
//!     ("lstm.bias_hh_l1", Tensor::ones([16])),
//! ];
//! let model = sequential![Rnn::new(LstmCell::new(4)), Rnn::new(LstmCell::new(4))];
//! let x = Tensor::ones([1, 5, 3]);
//! let variables = StateDict::new(weights).rename("lstm", "").variables_like(&model.init(key(0)).call(&x)?)?;
//! assert_eq!(variables.tensor("params/layers_1/cell/hi/bias")?.to_vec::<f32>()?, [2.0; 4]);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! # What does not show in the weights
//! - Images are `[batch, height, width, channels]` here and `[batch, channels, height, width]` in PyTorch. So are the features that
//!   are flattened in front of a `Linear`: [`flattened`](StateDict::flattened) puts its rows into our order.
//! - `momentum` of `BatchNorm` is the weight of the past here and of the present in PyTorch: its 0.1 is our 0.9. While training,
//!   PyTorch puts the unbiased variance of a batch into `running_var`, ours is the biased one, as in Flax.
//! - `epsilon` is 10⁻⁵ in PyTorch's layers; here, as in Flax, it is that in `BatchNorm` and 10⁻⁶ in `LayerNorm` and `GroupNorm`.
//! - `padding` `p` of a `ConvTranspose` with a kernel of size `k` is `k − 1 − p` zeros at each side here.
//! - Sequences are `[batch, time, features]` here, and `[time, batch, features]` in PyTorch unless it says `batch_first=True`;
//!   [`time_major`](crate::nn::Rnn) has the other order here. The state at the end is `(c, h)` of an LSTM here and `(h, c)` there,
//!   and the `nonlinearity="relu"` of an `RNN` is the cell's `activation_fn`. Between layers PyTorch has its `dropout`.
//! - `avg_pool` counts padding in both; `count_include_pad(false)` is there in both.

mod archive;
mod attention;
mod change;
mod conventional;
mod convert;
mod export;
mod features;
mod file;
mod fit;
mod layout;
mod names;
mod open;
mod pattern;
mod plan;
mod recurrent;
mod report;
mod rules;
mod state_dict;
mod stored;
mod template;
mod way;
mod write;

pub use file::File;
pub use layout::Kind;
pub use report::Report;
pub use state_dict::StateDict;
