//! The surface: programs as users write them.

use flaxen::prelude::*;

fn paths(dict: &Dict) -> Vec<String> {
    tree::leaves_with_path(dict).into_iter().map(|(path, _)| path.join("/")).collect()
}

// --- a network that stores what it sees, and one that calls it twice ---

#[module]
struct SowCnn;

impl Layer for SowCnn {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Conv::new(32, [3, 3]).call(x)?.relu();
        let x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        let x = Conv::new(64, [3, 3]).call(&x)?.relu();
        let x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        let x = x.flatten(1);
        self.sow("intermediates", "features", &x)?;
        let x = Dense::new(256).call(&x)?.relu();
        let x = Dense::new(10).call(&x)?;
        Ok(x.log_softmax(-1))
    }
}

#[module]
struct SowCnn2;

impl Layer for SowCnn2 {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let cnn = self.child_named("SowCNN", SowCnn::new());
        Ok(cnn.call(x)? + cnn.call(x)?)
    }
}

#[test]
fn a_network_stores_its_features_once_a_call() -> Result<()> {
    let (cnn, x) = (SowCnn::new(), Tensor::ones([1, 8, 8, 1]));
    let variables = cnn.init(key(0)).call(&x)?;
    let expected = ["Conv_0/bias", "Conv_0/kernel", "Conv_1/bias", "Conv_1/kernel"];
    assert_eq!(paths(variables.dict("params")?)[..4], expected);
    assert_eq!(variables.collections().collect::<Vec<_>>(), ["params"]);

    let y = cnn.apply(&variables).call(&x)?;
    let (same, updates) = cnn.apply(&variables).mutable("intermediates").call(&x)?;
    assert_eq!(y.to_vec::<f32>()?, same.to_vec::<f32>()?);
    let features = updates["intermediates"]["features"].tuple()?;
    assert_eq!(features.len(), 1);
    assert_eq!(features[0].tensor()?.shape(), [1, 2 * 2 * 64]);

    let twice = SowCnn2::new();
    let variables = Variables::from([("params", Dict::new().with("SowCNN", variables.dict("params")?))]);
    let (_, updates) = twice.apply(&variables).mutable("intermediates").call(&x)?;
    assert_eq!(updates["intermediates"]["SowCNN"]["features"].tuple()?.len(), 2);
    Ok(())
}

#[test]
fn what_layers_return_is_captured_on_request() -> Result<()> {
    let (cnn, x) = (SowCnn::new(), Tensor::ones([1, 8, 8, 1]));
    let variables = cnn.init(key(0)).call(&x)?;
    let (y, seen) = cnn.apply(&variables).capture_intermediates().call(&x)?;
    let seen = seen.dict("intermediates")?;
    let captured = seen.at("__call__")?[0].tensor()?.to_vec::<f32>()?;
    assert_eq!(captured, y.to_vec::<f32>()?);
    assert_eq!(seen.at("Conv_1/__call__")?[0].tensor()?.shape(), [1, 4, 4, 64]);

    let (_, seen) = cnn.apply(&variables).capture_intermediates_if(|m, _| m.is::<Dense>()).call(&x)?;
    let names: Vec<_> = seen.dict("intermediates")?.keys().map(str::to_owned).collect();
    assert_eq!(names, ["Dense_0", "Dense_1", "features"]);
    Ok(())
}

// --- parameters and state of one's own ---

#[module]
struct BiasAdderWithRunningMean {
    #[module(default = 0.9)]
    momentum: f32,
}

impl Layer for BiasAdderWithRunningMean {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let is_initialized = self.has_variable("batch_stats", "mean");
        let shape = &x.shape()[1..];
        let mean = self.variable("batch_stats", "mean", || Tensor::zeros(shape))?;
        let bias = self.param("bias", init::zeros(), shape)?;
        if is_initialized {
            mean.set(mean.get() * self.momentum + x.mean_keep(0) * (1.0 - self.momentum))?;
        }
        Ok(mean.get() + bias)
    }
}

#[test]
fn a_running_mean_is_returned_and_never_hidden() -> Result<()> {
    let (model, x) = (BiasAdderWithRunningMean::new(), Tensor::ones([10, 5]));
    let variables = model.init(key(0)).call(&x)?;
    assert_eq!(variables.tensor("batch_stats/mean")?.to_vec::<f32>()?, [0.0; 5]);
    let mut state = variables.clone();
    for step in 1..=3 {
        let (_, updates) = model.apply(&state).mutable("batch_stats").call(&x)?;
        state = state.merge(&updates);
        let expected = 1.0 - 0.9f32.powi(step);
        let mean = state.tensor("batch_stats/mean")?.to_vec::<f32>()?;
        assert!(mean.iter().all(|m| (m - expected).abs() < 1e-6), "{mean:?}");
    }
    assert_eq!(variables.tensor("batch_stats/mean")?.to_vec::<f32>()?, [0.0; 5]);
    let error = model.apply(&variables).call(&x).expect_err("`batch_stats` is immutable");
    assert!(error.to_string().contains(".mutable(\"batch_stats\")"), "{error}");
    Ok(())
}

// --- modules as fields, more than one method ---

#[module]
struct AutoEncoder<E: Layer, D: Layer> {
    #[submodule]
    encoder: E,
    #[submodule]
    decoder: D,
}

impl<E: Layer, D: Layer> AutoEncoder<E, D> {
    #[compact]
    fn encode(&self, x: &Tensor) -> Result<Tensor> {
        self.encoder.call(x)
    }

    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let z = self.encode(x)?;
        self.decoder.call(&z)
    }
}

#[test]
fn any_method_runs_on_the_variables() -> Result<()> {
    let decoder = sequential![Dense::new(8), Tensor::relu, |x: &Tensor| x * 2.0, Dense::new(3)];
    let (auto, x) = (AutoEncoder::new(Dense::new(2), decoder), Tensor::ones([4, 3]));
    let variables = auto.init(key(0)).run(|m| m.call(&x))?;
    let expected = ["decoder/layers_0", "decoder/layers_3", "encoder"];
    let expected = expected.iter().flat_map(|layer| ["bias", "kernel"].map(|name| format!("{layer}/{name}")));
    assert_eq!(paths(variables.dict("params")?), expected.collect::<Vec<_>>());
    let z = auto.apply(&variables).run(|m| m.encode(&x))?;
    assert_eq!(z.shape(), [4, 2]);
    let only = auto.init(key(0)).run(|m| m.encode(&x))?;
    assert_eq!(only.dict("params")?.keys().collect::<Vec<_>>(), ["encoder"]);
    Ok(())
}

// --- parameters in setup fields ---

#[module]
struct Scaled {
    n: usize,
    #[setup(self.param("scale", init::ones(), [self.n]))]
    scale: Tensor,
    #[setup(self.variable("state", "calls", || Tensor::zeros([]))?)]
    calls: Variable,
    #[setup((0..self.n).map(|_| Dense::new(2)).collect())]
    heads: Vec<Dense>,
}

impl Layer for Scaled {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.calls.set(self.calls.get() + 1.0)?;
        let mut y = x * &self.scale;
        for head in &self.heads {
            y += head.call(x)?.sum();
        }
        Ok(&self.scale * y)
    }
}

#[test]
fn parameters_and_variables_can_be_fields() -> Result<()> {
    let (model, x) = (Scaled::new(3), Tensor::ones([1, 3]));
    assert_eq!(model.heads.len(), 3);
    let variables = model.init(key(0)).call(&x)?;
    let names: Vec<_> = variables.dict("params")?.keys().collect();
    assert_eq!(names, ["heads_0", "heads_1", "heads_2", "scale"]);
    let (_, state) = model.apply(&variables).mutable("state").call(&x)?;
    assert_eq!(state.tensor("state/calls")?.item::<f32>()?, 2.0);
    let missing = model.apply(Variables::new()).call(&x).expect_err("no parameters");
    assert!(missing.to_string().contains("scale"), "{missing}");
    Ok(())
}

// --- training ---

#[module]
struct Mlp {
    hidden: usize,
    out: usize,
}

impl Mlp {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let norm = || self.child(BatchNorm::new().momentum(0.9).epsilon(1e-5));
        let x = Dense::new(self.hidden).call(x)?;
        let x = norm().call(&x, train)?.relu();
        let x = Dropout::new(0.1).call(&x, train)?;
        Dense::new(self.out).call(&x)
    }
}

#[test]
fn a_training_loop_learns() -> Result<()> {
    let xs = random::normal(&key(1), [64, 4]);
    let ys = xs.sum_keep(1).tanh();
    let mlp = Mlp::new(16, 1);
    let variables = mlp.init(Rngs::new(key(0)).with("dropout", key(1))).run(|m| m.call(&xs, true))?;
    let (mut params, mut state) = variables.pop("params")?;
    let step = jit(|(params, state, rng, x, y): (Dict, Variables, random::Key, Tensor, Tensor)| {
        let rngs = Rngs::none().with("dropout", rng);
        let ((loss, state), grads) = value_and_grad(|p: &Dict| {
            let run = mlp.apply(state.with("params", p)).rngs(&rngs).mutable("batch_stats");
            let (predicted, state) = run.run(|m| m.call(&x, true))?;
            Ok(((predicted - &y).square().mean(), state))
        })(&params)?;
        Ok((tree::zip_map(&params, &grads, |p, g| Ok(p - g * 0.1))?, state, loss))
    });
    let mut losses = Vec::new();
    for i in 0..100u32 {
        let loss;
        let rng = key(2).fold_in(i);
        (params, state, loss) = step.call((params, state, rng, xs.clone(), ys.clone()))?;
        losses.push(loss.item::<f32>()?);
    }
    assert_eq!(step.traces(), 1);
    assert!(losses[99] < 0.3 * losses[0], "{losses:?}");
    let y = mlp.apply(state.with("params", params)).run(|m| m.call(&xs, false))?;
    assert_eq!(y.shape(), [64, 1]);
    Ok(())
}
