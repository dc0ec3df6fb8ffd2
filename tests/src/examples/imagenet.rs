//! `imagenet`: residual networks, version 1.5, whose statistics are those of all devices.

use flaxen::optim::{DynTransformation, DynamicScale, Schedule};
use flaxen::prelude::*;

use super::{Example, Recorder, State, pmean};

/// What the layers of all blocks have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Layers {
    dtype: DType,
}

impl Layers {
    fn conv(self, filters: usize, size: usize, strides: usize) -> Conv {
        Conv::new(filters, [size, size]).strides([strides, strides]).use_bias(false).dtype(self.dtype)
    }

    fn norm(self) -> BatchNorm {
        BatchNorm::new().momentum(0.9).epsilon(1e-5).dtype(self.dtype).axis_name("batch")
    }
}

#[module]
struct ResNetBlock {
    filters: usize,
    strides: usize,
    layers: Layers,
}

impl ResNetBlock {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = self.child(self.layers.conv(self.filters, 3, self.strides)).call(x)?;
        let y = self.child(self.layers.norm()).call(&y, train)?.relu();
        let y = self.child(self.layers.conv(self.filters, 3, 1)).call(&y)?;
        let y = self.child(self.layers.norm().scale_init(init::zeros())).call(&y, train)?;
        let mut residual = x.clone();
        if residual.shape() != y.shape() {
            let projection = self.layers.conv(self.filters, 1, self.strides);
            residual = self.child_named("conv_proj", projection).call(&residual)?;
            residual = self.child_named("norm_proj", self.layers.norm()).call(&residual, train)?;
        }
        Ok((residual + y).relu())
    }
}

#[module]
struct BottleneckResNetBlock {
    filters: usize,
    strides: usize,
    layers: Layers,
}

impl BottleneckResNetBlock {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = self.child(self.layers.conv(self.filters, 1, 1)).call(x)?;
        let y = self.child(self.layers.norm()).call(&y, train)?.relu();
        let y = self.child(self.layers.conv(self.filters, 3, self.strides)).call(&y)?;
        let y = self.child(self.layers.norm()).call(&y, train)?.relu();
        let y = self.child(self.layers.conv(self.filters * 4, 1, 1)).call(&y)?;
        let y = self.child(self.layers.norm().scale_init(init::zeros())).call(&y, train)?;
        let mut residual = x.clone();
        if residual.shape() != y.shape() {
            let projection = self.layers.conv(self.filters * 4, 1, self.strides);
            residual = self.child_named("conv_proj", projection).call(&residual)?;
            residual = self.child_named("norm_proj", self.layers.norm()).call(&residual, train)?;
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
    layers: Layers,
}

impl ResNet {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let first = self.layers.conv(self.num_filters, 7, 2).padding([(3, 3), (3, 3)]);
        let x = self.child_named("conv_init", first).call(x)?;
        let x = self.child_named("bn_init", self.layers.norm()).call(&x, train)?.relu();
        let mut x = max_pool(&x, [3, 3]).strides([2, 2]).padding(Padding::Same).run()?;
        for (i, &block_size) in self.stage_sizes.iter().enumerate() {
            for j in 0..block_size {
                let strides = if i > 0 && j == 0 { 2 } else { 1 };
                let filters = self.num_filters << i;
                x = if self.bottleneck {
                    BottleneckResNetBlock::new(filters, strides, self.layers).call(&x, train)?
                } else {
                    ResNetBlock::new(filters, strides, self.layers).call(&x, train)?
                };
            }
        }
        Dense::new(self.num_classes).dtype(self.layers.dtype).call(&x.mean_axes([1, 2]))
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
    scale: Option<Tensor>,
}

fn compute_metrics(logits: &Tensor, labels: &Tensor) -> Result<(Tensor, Tensor)> {
    let loss = cross_entropy_loss(logits, labels)?.pmean("batch")?;
    let accuracy = logits.argmax(-1).eq(labels).cast(DType::F32).mean().pmean("batch")?;
    Ok((loss, accuracy))
}

fn create_learning_rate(base: f64, warmup: i32, steps: i32) -> Schedule {
    let warmup_schedule = optim::linear_schedule(0.0, base, warmup);
    let cosine = optim::cosine_decay_schedule(base, steps - warmup);
    optim::join_schedules([warmup_schedule.into(), cosine.into()], &[warmup])
}

/// The state of training, and beside it the running averages, and the scale of losses in halves.
#[derive(Tree, Clone)]
struct FullState {
    train: State,
    batch_stats: Dict,
    dynamic_scale: Option<DynamicScale>,
}

impl FullState {
    fn create(
        variables: &Variables,
        tx: DynTransformation,
        scale: Option<&DynamicScale>,
    ) -> Result<FullState> {
        Ok(FullState {
            train: State::create(variables.dict("params")?.clone(), tx),
            batch_stats: variables.dict("batch_stats")?.clone(),
            dynamic_scale: scale.cloned(),
        })
    }
}

fn train_step(
    model: &ResNet,
    rate: &Schedule,
    state: &FullState,
    images: &Tensor,
    labels: &Tensor,
) -> Result<(FullState, Metrics)> {
    let loss = |params: &Dict| {
        let variables = Variables::new().with("params", params).with("batch_stats", &state.batch_stats);
        let run = model.apply(variables).mutable("batch_stats");
        let (logits, updates) = run.run(|m| m.call(images, true))?;
        let loss = cross_entropy_loss(&logits, labels)?;
        let kernels = tree::leaves(params).into_iter().filter(|x| x.rank() > 1);
        let weight_l2 = kernels.fold(Tensor::from(0.0), |sum, x| sum + x.square().sum());
        Ok((loss + weight_l2 * (0.0001 * 0.5), (updates, logits)))
    };
    let old = &state.train;
    let (train, dynamic_scale, (updates, logits)) = if let Some(scale) = &state.dynamic_scale {
        let found = scale.value_and_grad_over("batch", loss)(&old.params)?;
        let mut new = old.apply_gradients(&found.gradients)?;
        // What infinities or NaN made of parameters and optimizer is dropped.
        let keep = |new: &Tensor, old: &Tensor| found.is_finite.try_select(new, old);
        new.params = tree::zip_map(&new.params, &old.params, keep)?;
        new.opt_state = tree::zip_map(&new.opt_state, &old.opt_state, keep)?;
        (new, Some(found.dynamic_scale), found.value.1)
    } else {
        let ((_, aux), grads) = value_and_grad(loss)(&old.params)?;
        (old.apply_gradients(&pmean(&grads, "batch")?)?, None, aux)
    };
    let (loss, accuracy) = compute_metrics(&logits, labels)?;
    let scale = dynamic_scale.as_ref().map(|scale| scale.scale.clone());
    let metrics = Metrics { loss, accuracy, learning_rate: rate.at(&old.step)?, scale };
    let batch_stats = pmean(updates.dict("batch_stats")?, "batch")?;
    Ok((FullState { train, batch_stats, dynamic_scale }, metrics))
}

/// One of the cases.
struct Settings {
    name: &'static str,
    bottleneck: bool,
    stage_sizes: Vec<usize>,
    dtype: DType,
    steps: usize,
    scale: Option<DynamicScale>,
}

fn check_network(settings: &Settings) -> Result<()> {
    let example = Example::load(settings.name);
    let (images, labels) = (example.array("in/images"), example.array("in/labels"));
    let layers = Layers { dtype: settings.dtype };
    let model = ResNet::new(settings.stage_sizes.clone(), settings.bottleneck, 5, layers).num_filters(2);
    let ones = Tensor::ones_of([1, 16, 16, 3], settings.dtype);
    let variables = model.init(key(3)).run(|m| m.call(&ones, true))?;
    example.initial("init", &variables);
    let one = images.get(0).get(0);
    example.near("eval", &model.apply(&variables).run(|m| m.call(&one, false))?);

    let rate = create_learning_rate(0.1, 3, 12);
    let step = jit(|(state, images, labels): (FullState, Tensor, Tensor)| {
        let shard = |(state, images, labels): (FullState, Tensor, Tensor)| {
            train_step(&model, &rate, &state, &images, &labels)
        };
        vmap(shard).axis_name("batch").in_axes((None, 0, 0)).out_axes(None).call((state, images, labels))
    });
    let step = |state: FullState, i: usize| {
        let i = i as isize % 2;
        step.call((state, images.get(i), labels.get(i)))
    };
    let scale = settings.scale.as_ref();
    let (recorded, _) = step(FullState::create(&variables, Recorder.boxed(), scale)?, 0)?;
    example.near("gradients", &recorded.train.opt_state);
    let tx = optim::sgd(&rate).momentum(0.9).nesterov(true);
    let mut state = FullState::create(&variables, tx.boxed(), scale)?;
    for i in 0..settings.steps {
        let metrics;
        (state, metrics) = step(state, i)?;
        example.near(&format!("step{i}"), &metrics);
    }
    example.near("final/params", &state.train.params);
    example.near("final/batch_stats", &state.batch_stats);
    // In the beginning each block is the identity, and nothing inside of it has a gradient.
    let last = FullState { train: State::create(state.train.params, Recorder.boxed()), ..state };
    let (recorded, _) = step(last, 3)?;
    example.near("final/gradients", &recorded.train.opt_state);
    example.finish();
    Ok(())
}

/// Compares a network of residual blocks with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check_residual() -> Result<()> {
    check_network(&Settings {
        name: "imagenet_resnet18",
        bottleneck: false,
        stage_sizes: vec![2, 1],
        dtype: DType::F32,
        steps: 3,
        scale: None,
    })
}

/// Compares a network of bottlenecks with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check_bottleneck() -> Result<()> {
    check_network(&Settings {
        name: "imagenet_resnet50",
        bottleneck: true,
        stage_sizes: vec![2, 1],
        dtype: DType::F32,
        steps: 3,
        scale: None,
    })
}

/// Compares a network in halves with Flax: gradients overflow at first, and once more when the scale has grown.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check_half() -> Result<()> {
    check_network(&Settings {
        name: "imagenet_half",
        bottleneck: false,
        stage_sizes: vec![1, 1],
        dtype: DType::F16,
        steps: 6,
        scale: Some(DynamicScale::new().with_scale(262_144.0).growth_interval(2)),
    })
}
