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
//! | `PReLU` | `weight` `[1]` | `negative_slope` | `[]` |
//! | `MultiheadAttention` | `in_proj_weight`, `out_proj.weight` | `query`, `key`, `value`, `out` | split by heads |
//! | `LSTM`, `GRU`, `RNN` | `weight_ih_l0`, `weight_hh_l0` `[gates·out, in]` | `cell/ii/kernel`, `cell/hi/kernel`, … | `[in, out]` each |
//! | | `bias_ih_l0`, `bias_hh_l0` `[gates·out]` | `cell/hi/bias`, … | `[out]` each, both added |
//! | all others | `bias` | `bias` | the same |
//!
//! [`StateDict`] knows most layers by their tensors. What it cannot know is said: that a matrix is an [`Embedding`](Kind::Embedding)
//! and no `Linear`, that a convolution is transposed, which `Linear` follows a `flatten`, and other names.
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
mod convert;
mod features;
mod file;
mod layout;
mod names;
mod open;
mod pattern;
mod recurrent;
mod rules;
mod stored;

use std::collections::BTreeMap;
use std::path::Path;

use layout::Order;
use open::Opened;
use pattern::Pattern;
use rules::{Rule, What};

pub use file::File;
pub use layout::Kind;

use super::names as paths;
use super::restore::{Tensors, restore};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::variables::Variables;

/// The tensors of a PyTorch model, and what is said about them.
///
/// Modules are named as in PyTorch, with dots: `encoder.layers.0.linear1`. A `*` stands for any one part: `encoder.layers.*.attn`.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::io::torch::{Kind, StateDict};
///
/// // As `StateDict::open("model.safetensors")?` reads them.
/// let weights = [
///     ("words.weight", Tensor::ones([100, 8])),
///     ("layers.0.weight", Tensor::ones([16, 8])),
///     ("layers.0.bias", Tensor::zeros([16])),
/// ];
/// let variables = StateDict::new(weights)
///     .layer("words", Kind::Embedding)
///     .rename("layers.0", "hidden")
///     .variables()?;
/// assert_eq!(variables.tensor("params/words/embedding")?.shape(), [100, 8]);
/// assert_eq!(variables.tensor("params/hidden/kernel")?.shape(), [8, 16]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is converted before `variables`"]
pub struct StateDict {
    path: String,
    tensors: BTreeMap<String, Tensor>,
    /// What is wrong with those that cannot be read.
    flawed: BTreeMap<String, String>,
    rules: Vec<Rule>,
    dtype: Option<DType>,
}

impl StateDict {
    /// Reads a state dict: a safetensors file, a file of `torch.save` (see [`File`]), or the index of a model in several of them
    /// (`model.safetensors.index.json`, `pytorch_model.bin.index.json`), which lie beside it. Also the weights of an npz file, of
    /// [GGUF](crate::io::gguf) and of [ONNX](crate::io::onnx). Which it is, its first bytes tell.
    ///
    /// Tensors that are the same bytes of a file, as tied weights are, share their memory here.
    ///
    /// # Errors
    /// If a file cannot be read or is not valid; if its tensors lie over each other so much that they would need eight times its memory. A tensor of a dtype that no tensor has here can be
    /// [left out](StateDict::ignore); otherwise [`variables`](StateDict::variables) is an error.
    pub fn open(path: impl AsRef<Path>) -> Result<StateDict> {
        let Opened { tensors, flawed } = Opened::read(path.as_ref())?;
        Ok(StateDict {
            path: path.as_ref().display().to_string(),
            tensors,
            flawed,
            rules: vec![],
            dtype: None,
        })
    }

    /// Only what is in a part of it, without the name of that part: of a checkpoint `{"model": …, "optimizer": …}` the `model`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::io::torch::StateDict;
    ///
    /// let checkpoint = [("model.0.weight", Tensor::ones([2, 3])), ("optimizer.state.0.step", Tensor::from(7.0))];
    /// let variables = StateDict::new(checkpoint).part("model").rename("0", "Dense_0").variables()?;
    /// assert_eq!(variables.tensor("params/Dense_0/kernel")?.shape(), [3, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn part(mut self, name: &str) -> StateDict {
        let below = |full: &str| Some(full.strip_prefix(name)?.strip_prefix('.')?.to_owned());
        self.tensors =
            self.tensors.into_iter().filter_map(|(full, tensor)| Some((below(&full)?, tensor))).collect();
        self.flawed =
            self.flawed.into_iter().filter_map(|(full, flaw)| Some((below(&full)?, flaw))).collect();
        self
    }

    /// A state dict that was read in another way.
    pub fn new<N: Into<String>>(tensors: impl IntoIterator<Item = (N, Tensor)>) -> StateDict {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name.into(), tensor)).collect();
        StateDict {
            path: "(state dict)".to_owned(),
            tensors,
            flawed: BTreeMap::new(),
            rules: vec![],
            dtype: None,
        }
    }

    fn rule(mut self, pattern: &str, what: What) -> StateDict {
        self.rules.push(Rule { pattern: Pattern::new(pattern), what });
        self
    }

    /// Says what a module is, where its tensors do not tell.
    pub fn layer(self, module: &str, kind: Kind) -> StateDict {
        self.rule(module, What::Layer(kind))
    }

    /// Says that a `Linear` follows a `flatten` of features, which have this shape in PyTorch, without the batch:
    /// `[channels, height, width]`.
    pub fn flattened(self, module: &str, shape: impl AsRef<[usize]>) -> StateDict {
        self.rule(module, What::Order(Order::Inputs(shape.as_ref().to_vec())))
    }

    /// Says that the output of a `Linear` is reshaped into features, which have this shape in PyTorch, without the batch:
    /// `[channels, height, width]`.
    pub fn unflattened(self, module: &str, shape: impl AsRef<[usize]>) -> StateDict {
        self.rule(module, What::Order(Order::Outputs(shape.as_ref().to_vec())))
    }

    /// Gives a module, with all in it, another path: `("features.0", "encoder/Conv_0")`. An empty path is the top.
    ///
    /// Of several rules for parts of one name the longest counts; without one, dots become slashes.
    pub fn rename(self, module: &str, path: &str) -> StateDict {
        let path = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        self.rule(module, What::Rename(path))
    }

    /// Leaves out a tensor, or a module with all in it. (`num_batches_tracked` is always left out.)
    pub fn ignore(self, name: &str) -> StateDict {
        self.rule(name, What::Ignore)
    }

    /// Keeps a tensor as it is, a parameter under its own name, or all tensors of a module.
    pub fn keep(self, name: &str) -> StateDict {
        self.rule(name, What::Keep)
    }

    /// Casts all floats, of files in half precision for instance.
    pub fn cast(self, dtype: DType) -> StateDict {
        StateDict { dtype: Some(dtype), ..self }
    }

    /// The collections `params` and `batch_stats` of our twin of the model.
    ///
    /// # Errors
    /// If no rule says what becomes of a tensor, or a rule is about nothing that is there, with a list of those; if a tensor's
    /// shape is not one of its layer, or the shapes of weight and bias do not fit each other, as those of a transposed convolution
    /// in groups; if two tensors get one path; if a tensor that is not left out is of a dtype that no tensor has here.
    pub fn variables(&self) -> Result<Variables> {
        self.convert().map_err(|message| Error::file(&self.path, message))
    }

    /// As [`variables`](StateDict::variables), for a model whose own variables are known: those that `init` makes.
    ///
    /// # Errors
    /// Also if names, shapes or dtypes are not those of the model's variables, with a list of those.
    pub fn variables_like(&self, model: &Variables) -> Result<Variables> {
        let converted = self.variables()?;
        let named = paths::named(&converted).map_err(|message| Error::file(&self.path, message))?;
        let tensors = named.into_iter().map(|named| (named.name, named.tensor.clone())).collect();
        restore(&Tensors(tensors), "", model).map_err(|message| Error::file(&self.path, message))
    }
}
