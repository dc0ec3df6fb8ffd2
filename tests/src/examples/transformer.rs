//! What `lm1b` and `wmt` have in common: positions, feed-forward blocks, losses and the schedule.

use flaxen::optim::Schedule;
use flaxen::prelude::*;

/// The settings of all layers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Config {
    pub vocab_size: usize,
    pub share_embeddings: bool,
    pub logits_via_embedding: bool,
    pub emb_dim: usize,
    pub num_heads: usize,
    pub num_layers: usize,
    pub qkv_dim: usize,
    pub mlp_dim: usize,
    pub max_len: usize,
    pub dropout_rate: f64,
    pub mode: Mode,
}

/// What a model is run for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    /// With dropout.
    Train,
    /// Without.
    Evaluate,
    /// One position at a time, with a cache.
    Decode,
}

impl Config {
    pub(super) fn trains(&self) -> bool {
        self.mode == Mode::Train
    }

    pub(super) fn decodes(&self) -> bool {
        self.mode == Mode::Decode
    }

    /// The sizes of the cases.
    pub(super) fn small() -> Config {
        Config {
            vocab_size: 11,
            share_embeddings: false,
            logits_via_embedding: false,
            emb_dim: 8,
            num_heads: 2,
            num_layers: 2,
            qkv_dim: 8,
            mlp_dim: 6,
            max_len: 8,
            dropout_rate: 0.1,
            mode: Mode::Evaluate,
        }
    }
}

/// The input one position to the right along axis 1, behind a zero.
pub(super) fn shift_right(x: &Tensor) -> Tensor {
    x.pad([(0, 0), (1, 0)], 0).slice_axis(1, ..-1)
}

/// Sines in the first half of the features and cosines in the other: `[1, max_len, features]`.
pub(super) fn sinusoidal(max_len: usize, features: usize) -> Tensor {
    let half = features / 2;
    let scale = -(10000.0f64.ln()) / (half as f64 - 1.0);
    let mut table = vec![0.0f32; max_len * features];
    for (i, value) in table.iter_mut().enumerate() {
        let (position, feature) = (i / features, i % features);
        let angle = position as f64 * ((feature % half) as f64 * scale).exp();
        *value = if feature < half { angle.sin() } else { angle.cos() } as f32;
    }
    Tensor::from_vec(table, [1, max_len, features])
}

#[module]
pub(super) struct AddPositionEmbs {
    config: Config,
    #[module(default = false)]
    decode: bool,
}

impl AddPositionEmbs {
    /// With positions where several sentences are in a row.
    #[compact]
    pub(super) fn call(&self, x: &Tensor, positions: Option<&Tensor>) -> Result<Tensor> {
        let embedding = sinusoidal(self.config.max_len, x.shape()[2]);
        let mut part = embedding.slice_axis(1, 0..x.shape()[1]);
        if self.decode {
            let is_initialized = self.has_variable("cache", "cache_index");
            let index = self.variable("cache", "cache_index", || Tensor::zeros_of([], DType::U32))?;
            if is_initialized {
                let i = index.try_get()?;
                index.set(&i + 1)?;
                part = embedding.try_dynamic_slice_axis(1, &i, 1)?;
            }
        }
        match positions {
            None => x.try_add(part),
            Some(positions) => x.try_add(part.get(0).try_take(positions, 0)?),
        }
    }
}

/// The sum of smoothed cross entropies, without that of the best prediction, and what normalizes it.
pub(super) fn weighted_cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    weights: &Tensor,
    label_smoothing: f64,
) -> Result<(Tensor, Tensor)> {
    let vocab = logits.shape()[logits.rank() - 1];
    let confidence = 1.0 - label_smoothing;
    let low = (1.0 - confidence) / (vocab as f64 - 1.0);
    let least = -(confidence * confidence.ln() + (vocab as f64 - 1.0) * low * (low + 1e-20).ln());
    let soft_targets = targets.one_hot(vocab) * (confidence - low) + low;
    let loss = -(soft_targets * logits.log_softmax(-1)).sum_axes([-1]) - least;
    Ok(((loss * weights).sum(), weights.sum()))
}

/// The number of right predictions.
pub(super) fn weighted_accuracy(logits: &Tensor, targets: &Tensor, weights: &Tensor) -> Tensor {
    (logits.argmax(-1).eq(targets).cast(DType::F32) * weights).sum()
}

#[derive(Tree)]
pub(super) struct Metrics {
    pub loss: Tensor,
    pub accuracy: Tensor,
    pub denominator: Tensor,
    pub learning_rate: Tensor,
}

/// Linear warmup, and the reciprocal of the root of the step.
pub(super) fn create_learning_rate_schedule(learning_rate: f32, warmup_steps: i32) -> Schedule {
    let shift = warmup_steps as f32;
    let rsqrt = Schedule::new(move |count| {
        Ok((count.cast(DType::F32) + shift).pow(-0.5) * learning_rate * shift.sqrt())
    });
    let warmup = optim::linear_schedule(0.0, learning_rate.into(), warmup_steps);
    optim::join_schedules([warmup.into(), rsqrt], &[warmup_steps])
}
