//! Programs of Flax users, as they would write them here, with Flax's numbers.

use std::sync::{Arc, Mutex};

use flaxen::prelude::*;
use flaxen_tests::golden::{Case, assert_near, assert_same};
use flaxen_tests::loss::golden_loss;

// --- a convolution, a normalisation and an activation, inline and as fields ---

#[module]
struct ConvLayerNormLeakyReLU {
    output_channels: usize,
    kernel_size: [usize; 2],
    #[module(default = 0.01)]
    leaky_slope: f32,
}

impl Layer for ConvLayerNormLeakyReLU {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x =
            Conv::new(self.output_channels, self.kernel_size).kernel_init(init::lecun_normal()).call(x)?;
        let x = LayerNorm::new().call(&x)?;
        Ok(x.leaky_relu(self.leaky_slope))
    }
}

#[module]
struct ConvLayerNormLeakyReLUSetup {
    output_channels: usize,
    kernel_size: [usize; 2],
    #[module(default = 0.01)]
    leaky_slope: f32,
    #[setup(Conv::new(self.output_channels, self.kernel_size))]
    conv: Conv,
    #[setup(LayerNorm::new())]
    layer_norm: LayerNorm,
}

impl Layer for ConvLayerNormLeakyReLUSetup {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.conv.call(x)?;
        let x = self.layer_norm.call(&x)?;
        Ok(x.leaky_relu(self.leaky_slope))
    }
}

fn check(case: &Case, model: &impl Layer) -> Result<()> {
    let seed = case.settings()["seed"].as_u64().expect("a seed");
    let x = case.array("in/x");
    let variables = model.init(key(seed)).call(&x)?;
    let expected = case.group("init");
    assert_eq!(flaxen::tree::count(&variables), expected.len());
    for (path, expected) in expected {
        assert_same(&path, variables.tensor(&path)?, &expected);
    }
    let y = model.apply(&variables).call(&x)?;
    for name in ["out", "out_apply"] {
        if case.keys().any(|key| key == name) {
            assert_near(name, &y, &case.array(name), case.tolerance());
        }
    }
    let digest = &case.expect()["out_digest"];
    if let Some(sum) = digest["sum"].as_f64() {
        let found = y.cast(DType::F64).sum().item::<f64>()?;
        assert!((found - sum).abs() <= 1e-4 * sum.abs(), "sum {found} for {sum}");
        let first: Vec<f32> = y.to_vec::<f32>()?.into_iter().take(8).collect();
        for (found, expected) in first.iter().zip(digest["first"].as_array().expect("numbers")) {
            let expected = expected.as_f64().expect("a number") as f32;
            assert!((found - expected).abs() <= 1e-5 + 1e-5 * expected.abs(), "{found} for {expected}");
        }
    }
    let gradients = case.group("grad_params");
    if !gradients.is_empty() {
        let (params, rest) = variables.pop("params")?;
        let loss = |p: &Dict| golden_loss(&model.apply(rest.with("params", p)).call(&x)?);
        let found = grad(loss)(&params)?;
        for (path, expected) in gradients {
            assert_near(&path, found.tensor(&path)?, &expected, case.tolerance());
        }
    }
    Ok(())
}

#[test]
fn an_inline_block_has_flaxs_numbers() -> Result<()> {
    check(&Case::load("seed3_convlayernorm_compact"), &ConvLayerNormLeakyReLU::new(4, [3, 3]))?;
    check(&Case::load("seed3_convlayernorm_compact_full"), &ConvLayerNormLeakyReLU::new(64, [3, 3]))
}

#[test]
fn a_block_of_fields_has_flaxs_numbers() -> Result<()> {
    let model = ConvLayerNormLeakyReLUSetup::new(64, [3, 3]);
    // Fields are there before the model runs.
    assert_eq!(model.conv.features, 64);
    check(&Case::load("seed3_convlayernorm_setup"), &ConvLayerNormLeakyReLUSetup::new(4, [3, 3]))?;
    check(&Case::load("seed3_convlayernorm_setup_full"), &model)
}

// --- one parameter of one's own ---

#[module]
struct MyMod {
    arg_model: usize,
}

impl Layer for MyMod {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let p = self.param("whatever", init::uniform(0.01), [x.shape()[1], self.arg_model])?;
        Ok(x.dot(&p))
    }
}

#[test]
fn init_with_output_agrees_with_apply() -> Result<()> {
    let case = Case::load("seed3_mymod");
    let [key1, key2] = key(0).split();
    assert_same("key1", key1.data(), &case.array("rng/key1"));
    let x = random::normal(&key1, [64, 10]);
    assert_same("x", &x, &case.array("in/x"));

    let model = MyMod::new(233);
    let (y, variables) = model.init_with_output(key2).call(&x)?;
    assert_same("whatever", variables.tensor("params/whatever")?, &case.array("init/params/whatever"));
    assert_near("out", &y, &case.array("out"), case.tolerance());
    let again = model.apply(&variables).call(&x)?;
    assert_eq!((y - again).abs().max().item::<f32>()?, 0.0);
    assert_eq!(format!("{model:#?}"), case.expect()["repr"].as_str().expect("a text"));
    Ok(())
}

// --- where modules of a list are ---

/// Scopes by identity, in the order in which they are first seen.
type Log = Arc<Mutex<Vec<Scope>>>;

#[module]
struct Leaf {
    slope: f32,
    log: Seen,
}

/// A log that modules carry along; any two are equal.
#[derive(Clone, Debug, Default)]
struct Seen(Log);

impl PartialEq for Seen {
    fn eq(&self, _other: &Seen) -> bool {
        true
    }
}

impl Layer for Leaf {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.log.0.lock().expect("no panic").push(self.scope()?);
        Ok(x * self.slope)
    }
}

#[module]
struct Compound {
    n: usize,
    log: Seen,
    #[setup((0..self.n).map(|_| Leaf::new(2.0, self.log.clone())).collect())]
    leaves: Vec<Leaf>,
}

impl Layer for Compound {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.leaves.iter().try_fold(x.clone(), |x, leaf| leaf.call(&x))
    }
}

#[test]
fn scopes_of_a_list_are_those_of_flax() -> Result<()> {
    let case = Case::load("seed3_leaf_compound");
    let log = Seen::default();
    let model = Compound::new(3, log.clone());
    let x = Tensor::ones([2]);
    let variables = model.init(key(0)).call(&x)?;
    assert!(variables.is_empty());
    model.apply(&variables).call(&x)?;

    let mut seen: Vec<Scope> = Vec::new();
    let mut id = |scope: &Scope| {
        let known = seen.iter().position(|s| s == scope);
        let index = known.unwrap_or_else(|| {
            seen.push(scope.clone());
            seen.len() - 1
        });
        format!("s{index}")
    };
    let scopes = log.0.lock().expect("no panic").clone();
    let expected = case.expect()["log"].as_array().expect("a list");
    assert_eq!(scopes.len(), expected.len());
    for (scope, expected) in scopes.iter().zip(expected) {
        let parent = scope.parent().expect("a leaf is within the compound");
        assert_eq!(scope.name(), expected["scope_name"].as_str());
        assert_eq!(parent.name(), expected["parent_name"].as_str());
        assert_eq!(parent == scope.root(), expected["parent_is_root"]);
        assert_eq!(
            serde_json::json!(scope.path().iter().map(|p| &**p).collect::<Vec<_>>()),
            expected["path"]
        );
        assert_eq!(id(scope), expected["scope"]);
        assert_eq!(id(parent), expected["parent"]);
    }
    Ok(())
}
