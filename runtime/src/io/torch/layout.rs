//! What becomes of each tensor of a layer.

use super::attention;
use super::way::Way;
use crate::array::Shape;
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
    /// `PReLU`, with one slope or one for each channel; ours is [`PReLU`](crate::nn::PReLU).
    PReLU,
    /// A `Linear` whose weight is `[in, out]`, such as the `Conv1D` of GPT-2 in `transformers`; ours is
    /// [`Dense`](crate::nn::Dense).
    LinearInOut,
    /// `MultiheadAttention`; ours is [`MultiHeadDotProductAttention`](crate::nn::MultiHeadDotProductAttention). Known by an
    /// `in_proj_weight` or `q_proj_weight`, if the model's variables tell the number of heads.
    Attention {
        /// The number of heads.
        heads: usize,
    },
    /// A `Linear` that makes queries, keys or values of all heads; ours is the `query`, `key` or `value` of a
    /// [`MultiHeadDotProductAttention`](crate::nn::MultiHeadDotProductAttention).
    ToHeads {
        /// The number of heads.
        heads: usize,
    },
    /// A `Linear` of the outputs of all heads; ours is the `out` of a
    /// [`MultiHeadDotProductAttention`](crate::nn::MultiHeadDotProductAttention).
    FromHeads {
        /// The number of heads.
        heads: usize,
    },
    /// One `Linear` that makes queries, keys and values, below each other; ours are the `query`, `key` and `value` of a
    /// [`MultiHeadDotProductAttention`](crate::nn::MultiHeadDotProductAttention), which the module is named as.
    QueryKeyValue {
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

    /// Whether inputs and outputs may be several axes here.
    pub(super) fn is_linear(self) -> bool {
        matches!(
            self,
            Kind::Linear
                | Kind::LinearInOut
                | Kind::Attention { .. }
                | Kind::ToHeads { .. }
                | Kind::FromHeads { .. }
                | Kind::QueryKeyValue { .. }
        )
    }
}

/// A tensor of ours: its path, which is the collection and then names, and what it is made of.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) path: Vec<String>,
    pub(super) made: Made,
}

/// What a tensor of ours is made of.
#[derive(Clone, Debug)]
pub(super) enum Made {
    /// One of PyTorch's.
    Of(Way),
    /// One of PyTorch's, to which another one is added.
    Summand(Way),
    /// Nothing: PyTorch's layer has none.
    Zeros(Shape),
}

impl Target {
    pub(super) fn new<const N: usize>(path: [&str; N], way: Way) -> Target {
        Target { path: path.map(str::to_owned).to_vec(), made: Made::Of(way) }
    }

    pub(super) fn shape(&self) -> &[usize] {
        match &self.made {
            Made::Of(way) | Made::Summand(way) => way.shape(),
            Made::Zeros(shape) => shape,
        }
    }
}

/// Features of a `Linear` that are images at its other side, in PyTorch's shape.
#[derive(Clone, Debug)]
pub(super) enum Order {
    Inputs(Vec<usize>),
    Outputs(Vec<usize>),
}

/// Our tensors of one of PyTorch's, or what is wrong with it; none if the layer has no such tensor.
pub(super) type Targets = Result<Option<Vec<Target>>, String>;

impl Kind {
    /// Our tensors of one of PyTorch's, of which the shape is known.
    pub(super) fn targets(self, own: &str, shape: &[usize], order: Option<&Order>) -> Targets {
        let params = |name: &str, way: Way| Ok(Some(vec![Target::new(["params", name], way)]));
        let same = |name: &str| params(name, Way::of(shape));
        let rank = |wanted: std::ops::RangeInclusive<usize>| {
            if wanted.contains(&shape.len()) {
                return Ok(());
            }
            Err(format!("it has shape {shape:?}, which is none of a `{self:?}` layer"))
        };
        if order.is_some() && !matches!(self, Kind::Linear | Kind::LinearInOut) {
            return Err(format!("only the features of a `Linear` layer are flattened, this is `{self:?}`"));
        }
        match (self, own) {
            (Kind::Attention { heads }, _) => attention::module(heads, own, shape),
            (Kind::ToHeads { heads }, _) => attention::to_heads(heads, own, shape),
            (Kind::FromHeads { heads }, _) => attention::from_heads(heads, own, shape),
            (Kind::QueryKeyValue { heads }, _) => attention::query_key_value(heads, own, shape),
            // `[out, in]` there, `[in, out]` here.
            (Kind::Linear, "weight") => {
                rank(2..=2)?;
                params("kernel", reordered(Way::of(shape).t(), order)?)
            }
            (Kind::LinearInOut, "weight") => {
                rank(2..=2)?;
                params("kernel", reordered(Way::of(shape), order)?)
            }
            (Kind::Linear | Kind::LinearInOut, "bias") => match order {
                Some(Order::Outputs(image)) => params("bias", channels_last(Way::of(shape), 0, image)?),
                _ => same("bias"),
            },
            (Kind::Conv | Kind::ConvTranspose, "weight") => {
                rank(3..=5)?;
                params("kernel", spatial_first(shape, [1, 0]))
            }
            // PyTorch's transposed convolution is the gradient of a convolution: its kernel is ours turned around.
            (Kind::ConvTransposeFlipped, "weight") => {
                rank(3..=5)?;
                params("kernel", spatial_first(shape, [0, 1]).flip(0..shape.len() - 2))
            }
            (Kind::BatchNorm, "running_mean") => {
                Ok(Some(vec![Target::new(["batch_stats", "mean"], Way::of(shape))]))
            }
            (Kind::BatchNorm, "running_var") => {
                Ok(Some(vec![Target::new(["batch_stats", "var"], Way::of(shape))]))
            }
            // PyTorch's own counter.
            (Kind::BatchNorm, "num_batches_tracked") => Ok(Some(vec![])),
            (Kind::BatchNorm | Kind::Norm, "weight") => same("scale"),
            (Kind::Embedding, "weight") => {
                rank(2..=2)?;
                same("embedding")
            }
            // A single slope is a scalar here.
            (Kind::PReLU, "weight") => {
                rank(1..=1)?;
                let slopes = if *shape == [1] { &[][..] } else { shape };
                params("negative_slope", Way::of(shape).reshape(slopes))
            }
            (
                Kind::Conv | Kind::ConvTranspose | Kind::ConvTransposeFlipped | Kind::BatchNorm | Kind::Norm,
                "bias",
            ) => same("bias"),
            _ => Ok(None),
        }
    }
}

/// `[a, b, k..]` to `[k.., ends..]`, where the ends are axes 0 and 1 in the given order.
fn spatial_first(shape: &[usize], ends: [usize; 2]) -> Way {
    Way::of(shape).transpose((2..shape.len()).chain(ends))
}

/// A kernel `[in, out]` whose inputs or outputs are in our order of an image's values.
fn reordered(kernel: Way, order: Option<&Order>) -> Result<Way, String> {
    match order {
        None => Ok(kernel),
        Some(Order::Inputs(image)) => channels_last(kernel, 0, image),
        Some(Order::Outputs(image)) => channels_last(kernel, 1, image),
    }
}

/// An axis of `[channels, spatial..]` as one of `[spatial.., channels]`.
fn channels_last(way: Way, axis: usize, image: &[usize]) -> Result<Way, String> {
    let shape: Shape = way.shape().into();
    let found = shape.get(axis).copied().ok_or_else(|| "it has too few axes".to_owned())?;
    let size = image.iter().try_fold(1usize, |size, &n| size.checked_mul(n));
    if image.is_empty() || size != Some(found) {
        return Err(format!(
            "{found} features cannot be an image of shape {image:?}: give [channels, height, width]"
        ));
    }
    let split = [&shape[..axis], image, &shape[axis + 1..]].concat();
    let (spatial, behind) = (axis + 1..axis + image.len(), axis + image.len()..split.len());
    Ok(way.reshape(&split).transpose((0..axis).chain(spatial).chain([axis]).chain(behind)).reshape(&shape))
}

pub(super) fn text<T>(result: FlaxenResult<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}
