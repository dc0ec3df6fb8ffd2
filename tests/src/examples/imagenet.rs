//! `imagenet`: residual networks, version 1.5, whose statistics are those of all devices.

use flaxen::optim::{DynTransformation, Schedule};
use flaxen::prelude::*;

use super::{Example, Recorder, State, pmean};

/// What the layers of all blocks have in common.
fn conv(filters: usize, size: usize, strides: usize) -> Conv {
    Conv::new(filters, [size, size]).strides([strides, strides]).use_bias(false).dtype(DType::F32)
}

fn norm() -> BatchNorm {
    BatchNorm::new().momentum(0.9).epsilon(1e-5).dtype(DType::F32).axis_name("batch")
}

#[module]
struct ResNetBlock {
    filters: usize,
    strides: usize,
}

impl ResNetBlock {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = self.child(conv(self.filters, 3, self.strides)).call(x)?;
        let y = self.child(norm()).call(&y, train)?.relu();
        let y = self.child(conv(self.filters, 3, 1)).call(&y)?;
        let y = self.child(norm().scale_init(init::zeros())).call(&y, train)?;
        let mut residual = x.clone();
        if residual.shape() != y.shape() {
            let projection = conv(self.filters, 1, self.strides);
            residual = self.child_named("conv_proj", projection).call(&residual)?;
            residual = self.child_named("norm_proj", norm()).call(&residual, train)?;
        }
        Ok((residual + y).relu())
    }
}

#[module]
struct BottleneckResNetBlock {
    filters: usize,
    strides: usize,
}

impl BottleneckResNetBlock {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = self.child(conv(self.filters, 1, 1)).call(x)?;
        let y = self.child(norm()).call(&y, train)?.relu();
        let y = self.child(conv(self.filters, 3, self.strides)).call(&y)?;
        let y = self.child(norm()).call(&y, train)?.relu();
        let y = self.child(conv(self.filters * 4, 1, 1)).call(&y)?;
        let y = self.child(norm().scale_init(init::zeros())).call(&y, train)?;
        let mut residual = x.clone();
        if residual.shape() != y.shape() {
            let projection = conv(self.filters * 4, 1, self.strides);
            residual = self.child_named("conv_proj", projection).call(&residual)?;
            residual = self.child_named("norm_proj", norm()).call(&residual, train)?;
        }
        Ok((residual + y).relu())
    }
}

#[module]
struct ResNet {
    stage_sizes: Vec<usize>,
    bottleneck: bool,
    num_classes: usize,
    #[module(default = 64)]
    num_filters: usize,
}

impl ResNet {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let first = conv(self.num_filters, 7, 2).padding([(3, 3), (3, 3)]);
        let x = self.child_named("conv_init", first).call(x)?;
        let x = self.child_named("bn_init", norm()).call(&x, train)?.relu();
        let mut x = max_pool(&x, [3, 3]).strides([2, 2]).padding(Padding::Same).run()?;
        for (i, &block_size) in self.stage_sizes.iter().enumerate() {
            for j in 0..block_size {
                let strides = if i > 0 && j == 0 { 2 } else { 1 };
                let filters = self.num_filters << i;
                x = if self.bottleneck {
                    BottleneckResNetBlock::new(filters, strides).call(&x, train)?
                } else {
                    ResNetBlock::new(filters, strides).call(&x, train)?
                };
            }
        }
        Dense::new(self.num_classes).dtype(DType::F32).call(&x.mean_axes([1, 2]))
    }
}

fn cross_entropy_loss(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let one_hot = labels.one_hot(logits.shape()[1]);
    Ok(losses::try_softmax_cross_entropy(logits, &one_hot)?.mean())
}

#[derive(Tree)]
struct Metrics {
    loss: Tensor,
    accuracy: Tensor,
    learning_rate: Tensor,
}

fn compute_metrics(logits: &Tensor, labels: &Tensor, learning_rate: Tensor) -> Result<Metrics> {
    let loss = cross_entropy_loss(logits, labels)?.pmean("batch")?;
    let accuracy = logits.argmax(-1).eq(labels).cast(DType::F32).mean().pmean("batch")?;
    Ok(Metrics { loss, accuracy, learning_rate })
}

fn create_learning_rate(base: f64, warmup: i32, steps: i32) -> Schedule {
    let warmup_schedule = optim::linear_schedule(0.0, base, warmup);
    let cosine = optim::cosine_decay_schedule(base, steps - warmup);
    optim::join_schedules([warmup_schedule.into(), cosine.into()], &[warmup])
}

/// The state of training, and beside it the running averages.
type StateAndStats = (State, Dict);

fn train_step(
    model: &ResNet,
    rate: &Schedule,
    (state, batch_stats): &StateAndStats,
    images: &Tensor,
    labels: &Tensor,
) -> Result<(StateAndStats, Metrics)> {
    let loss = |params: &Dict| {
        let variables = Variables::new().with("params", params).with("batch_stats", batch_stats);
        let run = model.apply(variables).mutable("batch_stats");
        let (logits, updates) = run.run(|m| m.call(images, true))?;
        let loss = cross_entropy_loss(&logits, labels)?;
        let kernels = tree::leaves(params).into_iter().filter(|x| x.rank() > 1);
        let weight_l2 = kernels.fold(Tensor::from(0.0), |sum, x| sum + x.square().sum());
        Ok((loss + weight_l2 * (0.0001 * 0.5), (updates, logits)))
    };
    let ((_, (updates, logits)), grads) = value_and_grad(loss)(&state.params)?;
    let metrics = compute_metrics(&logits, labels, rate.at(&state.step)?)?;
    let state = state.apply_gradients(&pmean(&grads, "batch")?)?;
    Ok(((state, pmean(updates.dict("batch_stats")?, "batch")?), metrics))
}

/// Compares one of the networks with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check(name: &str, bottleneck: bool) -> Result<()> {
    let example = Example::load(name);
    let (images, labels) = (example.array("in/images"), example.array("in/labels"));
    let model = ResNet::new(vec![2, 1], bottleneck, 5).num_filters(2);
    let variables = model.init(key(3)).run(|m| m.call(&Tensor::ones([1, 16, 16, 3]), true))?;
    example.initial("init", &variables);
    let one = images.get(0).get(0);
    example.near("eval", &model.apply(&variables).run(|m| m.call(&one, false))?);

    let rate = create_learning_rate(0.1, 3, 12);
    let step = jit(|(state, images, labels): (StateAndStats, Tensor, Tensor)| {
        let shard = |(state, images, labels): (StateAndStats, Tensor, Tensor)| {
            train_step(&model, &rate, &state, &images, &labels)
        };
        vmap(shard).axis_name("batch").in_axes((None, 0, 0)).out_axes(None).call((state, images, labels))
    });
    let batch = |i: usize| (images.get(i as isize % 2), labels.get(i as isize % 2));
    let (params, stats) = (variables.dict("params")?, variables.dict("batch_stats")?);
    let create = |params: &Dict, tx: DynTransformation| State::create(params.clone(), tx);
    let ((recorded, _), _) =
        step.call((((create(params, Recorder.boxed())), stats.clone()), batch(0).0, batch(0).1))?;
    example.near("gradients", &recorded.opt_state);
    let tx = optim::sgd(&rate).momentum(0.9).nesterov(true);
    let mut state = (create(params, tx.boxed()), stats.clone());
    for i in 0..3 {
        let metrics;
        (state, metrics) = step.call((state, batch(i).0, batch(i).1))?;
        example.near(&format!("step{i}"), &metrics);
    }
    example.near("final/params", &state.0.params);
    example.near("final/batch_stats", &state.1);
    // In the beginning each block is the identity, and nothing inside of it has a gradient.
    let last = (create(&state.0.params, Recorder.boxed()), state.1);
    let ((recorded, _), _) = step.call((last, batch(3).0, batch(3).1))?;
    example.near("final/gradients", &recorded.opt_state);
    example.finish();
    Ok(())
}
