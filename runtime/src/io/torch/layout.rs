//! What becomes of each tensor of a layer.

use crate::core::Tensor;
use crate::error::Result as FlaxenResult;

/// What a module of PyTorch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `Linear`; ours is [`Dense`](crate::nn::Dense). Known by a matrix `weight`.
    Linear,
    /// `Conv1d`, `Conv2d` or `Conv3d`, in groups or not; ours is [`Conv`](crate::nn::Conv). Known by a `weight` of three to five
    /// axes.
    Conv,
    /// `ConvTranspose1d`, `ConvTranspose2d` or `ConvTranspose3d` in one group; ours is
    /// [`ConvTranspose`](crate::nn::ConvTranspose) with `transpose_kernel(true)`.
    ConvTranspose,
    /// The same for a [`ConvTranspose`](crate::nn::ConvTranspose) without `transpose_kernel`, whose kernel is flipped.
    ConvTransposeFlipped,
    /// `BatchNorm1d`, `BatchNorm2d` or `BatchNorm3d`; ours is [`BatchNorm`](crate::nn::BatchNorm). Known by a `running_mean`.
    BatchNorm,
    /// `LayerNorm`, `GroupNorm`, `RMSNorm`; ours have the same names. Known by a `weight` of one axis.
    Norm,
    /// `Embedding`; ours is [`Embed`](crate::nn::Embed).
    Embedding,
    /// `PReLU` with one parameter; ours is [`PReLU`](crate::nn::PReLU).
    PReLU,
    /// `MultiheadAttention` whose queries, keys and values have as many features; ours is
    /// [`MultiHeadDotProductAttention`](crate::nn::MultiHeadDotProductAttention).
    Attention {
        /// The number of heads.
        heads: usize,
    },
    /// `LSTM` or `LSTMCell`; ours is [`Rnn`](crate::nn::Rnn) of a [`LstmCell`](crate::nn::LstmCell) or
    /// [`OptimizedLstmCell`](crate::nn::OptimizedLstmCell), or the cell alone. Known by a `weight_hh_l0` of four gates.
    Lstm,
    /// `GRU` or `GRUCell`; ours is [`Rnn`](crate::nn::Rnn) of a [`GruCell`](crate::nn::GruCell), or the cell alone. Known by a
    /// `weight_hh_l0` of three gates.
    Gru,
    /// `RNN` or `RNNCell`; ours is [`Rnn`](crate::nn::Rnn) of a [`SimpleCell`](crate::nn::SimpleCell), or the cell alone. Known by a
    /// square `weight_hh_l0`.
    Rnn,
}

impl Kind {
    /// Whether it has a state.
    pub(super) fn is_recurrent(self) -> bool {
        matches!(self, Kind::Lstm | Kind::Gru | Kind::Rnn)
    }
}

/// A tensor of ours, and its path: the collection, then names.
pub(super) struct Converted {
    pub(super) path: Vec<String>,
    pub(super) tensor: Tensor,
}

/// Features of a `Linear` that are images at its other side, in PyTorch's shape.
#[derive(Clone, Debug)]
pub(super) enum Order {
    Inputs(Vec<usize>),
    Outputs(Vec<usize>),
}

type Conversion = Result<Option<Vec<Converted>>, String>;

impl Kind {
    /// Our tensors of one of PyTorch's; none if this kind of layer has no such tensor.
    pub(super) fn convert(self, own: &str, tensor: &Tensor, order: Option<&Order>) -> Conversion {
        let params = |name: &str, tensor: Tensor| Ok(Some(vec![converted(["params", name], tensor)]));
        let same = |name: &str| params(name, tensor.clone());
        let rank = |found: usize, wanted: std::ops::RangeInclusive<usize>| {
            if wanted.contains(&found) {
                return Ok(());
            }
            Err(format!("it has shape {:?}, which is none of a `{self:?}` layer", tensor.shape()))
        };
        if order.is_some() && self != Kind::Linear {
            return Err(format!("only the features of a `Linear` layer are flattened, this is `{self:?}`"));
        }
        match (self, own) {
            (Kind::Attention { heads }, _) => attention(heads, own, tensor),
            // `[out, in]` there, `[in, out]` here.
            (Kind::Linear, "weight") => {
                rank(tensor.rank(), 2..=2)?;
                params("kernel", text(reordered(&tensor.t(), order)?)?)
            }
            (Kind::Linear, "bias") => match order {
                Some(Order::Outputs(shape)) => params("bias", text(image(tensor, 0, shape)?)?),
                _ => same("bias"),
            },
            (Kind::Conv | Kind::ConvTranspose, "weight") => {
                rank(tensor.rank(), 3..=5)?;
                params("kernel", text(spatial_first(tensor, [1, 0]))?)
            }
            // PyTorch's transposed convolution is the gradient of a convolution: its kernel is ours turned around.
            (Kind::ConvTransposeFlipped, "weight") => {
                rank(tensor.rank(), 3..=5)?;
                let spatial: Vec<isize> = (0..tensor.rank() as isize - 2).collect();
                params(
                    "kernel",
                    text(spatial_first(tensor, [0, 1]).and_then(|kernel| kernel.try_flip(spatial)))?,
                )
            }
            (Kind::BatchNorm, "running_mean") => {
                Ok(Some(vec![converted(["batch_stats", "mean"], tensor.clone())]))
            }
            (Kind::BatchNorm, "running_var") => {
                Ok(Some(vec![converted(["batch_stats", "var"], tensor.clone())]))
            }
            (Kind::BatchNorm, "num_batches_tracked") => Ok(Some(vec![])),
            (Kind::BatchNorm | Kind::Norm, "weight") => same("scale"),
            (Kind::Embedding, "weight") => {
                rank(tensor.rank(), 2..=2)?;
                same("embedding")
            }
            (Kind::PReLU, "weight") if tensor.size() != 1 => {
                Err(format!("it has shape {:?}, but ours has one slope for all features", tensor.shape()))
            }
            (Kind::PReLU, "weight") => params("negative_slope", text(tensor.try_reshape([]))?),
            (
                Kind::Conv | Kind::ConvTranspose | Kind::ConvTransposeFlipped | Kind::BatchNorm | Kind::Norm,
                "bias",
            ) => same("bias"),
            _ => Ok(None),
        }
    }
}

fn converted<const N: usize>(path: [&str; N], tensor: Tensor) -> Converted {
    Converted { path: path.map(str::to_owned).to_vec(), tensor }
}

/// `[a, b, k..]` to `[k.., ends..]`, where the ends are axes 0 and 1 in the given order.
fn spatial_first(tensor: &Tensor, ends: [isize; 2]) -> FlaxenResult<Tensor> {
    let axes: Vec<isize> = (2..tensor.rank() as isize).chain(ends).collect();
    tensor.try_transpose(axes)
}

/// A kernel `[in, out]` whose inputs or outputs are in our order of an image's values.
fn reordered(kernel: &Tensor, order: Option<&Order>) -> Result<FlaxenResult<Tensor>, String> {
    match order {
        None => Ok(Ok(kernel.clone())),
        Some(Order::Inputs(shape)) => image(kernel, 0, shape),
        Some(Order::Outputs(shape)) => image(kernel, 1, shape),
    }
}

/// An axis of `[channels, spatial..]` as one of `[spatial.., channels]`.
fn image(tensor: &Tensor, axis: usize, shape: &[usize]) -> Result<FlaxenResult<Tensor>, String> {
    let found = tensor.shape().get(axis).copied().ok_or_else(|| "it has too few axes".to_owned())?;
    let size = shape.iter().try_fold(1usize, |size, &n| size.checked_mul(n));
    if shape.is_empty() || size != Some(found) {
        return Err(format!(
            "{found} features cannot be an image of shape {shape:?}: give [channels, height, width]"
        ));
    }
    let split = [&tensor.shape()[..axis], shape, &tensor.shape()[axis + 1..]].concat();
    let last = axis as isize + shape.len() as isize - 1;
    let split = tensor.try_reshape(split);
    Ok(split.and_then(|x| x.try_move_axis(axis as isize, last)).and_then(|x| x.try_reshape(tensor.shape())))
}

/// Queries, keys and values, which PyTorch keeps below each other, and the output.
fn attention(heads: usize, own: &str, tensor: &Tensor) -> Conversion {
    let shape = tensor.shape();
    let wrong = || format!("it has shape {shape:?}, which is none of an attention of {heads} heads");
    let divides = |features: usize| heads > 0 && features.is_multiple_of(heads);
    match (own, shape) {
        // `[3 · features, in]`: queries, keys and values below each other, as `[in, heads, depth]` each.
        ("in_proj_weight" | "in_proj_bias", [all, rest @ ..]) => {
            let features = all / 3;
            let fits = match rest {
                [inputs] => own == "in_proj_weight" && *inputs == features,
                rest => own == "in_proj_bias" && rest.is_empty(),
            };
            if !all.is_multiple_of(3) || !fits || !divides(features) {
                return Err(wrong());
            }
            let parts = text(tensor.try_split(3, 0))?;
            let name = if rest.is_empty() { "bias" } else { "kernel" };
            let part = |(module, part): (&str, Tensor)| {
                let part = part.try_reshape([&[heads, features / heads], rest].concat());
                let part = if rest.is_empty() { part } else { part.and_then(|x| x.try_move_axis(-1, 0)) };
                Ok(converted(["params", module, name], text(part)?))
            };
            ["query", "key", "value"]
                .into_iter()
                .zip(parts)
                .map(part)
                .collect::<Result<_, String>>()
                .map(Some)
        }
        // `[out, heads · depth]` there, `[heads, depth, out]` here.
        ("out_proj.weight", &[outputs, inputs]) if divides(inputs) => {
            let kernel = tensor.t().try_reshape([heads, inputs / heads, outputs]);
            Ok(Some(vec![converted(["params", "out", "kernel"], text(kernel)?)]))
        }
        ("out_proj.weight", _) => Err(wrong()),
        ("out_proj.bias", _) => Ok(Some(vec![converted(["params", "out", "bias"], tensor.clone())])),
        _ => Ok(None),
    }
}

pub(super) fn text<T>(result: FlaxenResult<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}
