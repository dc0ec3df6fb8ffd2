//! A convolutional network: inline, storing its features, called twice, and with its halves as fields.

use flaxen::prelude::*;
use serde_json::Value as Json;

use super::{assert_array, assert_group, assert_initial, names, seed, setting};
use crate::golden::Case;
use crate::loss::golden_loss;

#[module]
struct Cnn {
    channels: [usize; 2],
    units: [usize; 2],
}

impl Layer for Cnn {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Conv::new(self.channels[0], [3, 3]).call(x)?.relu();
        let x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        let x = Conv::new(self.channels[1], [3, 3]).call(&x)?.relu();
        let x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        let x = x.flatten(1);
        let x = Dense::new(self.units[0]).call(&x)?.relu();
        let x = Dense::new(self.units[1]).call(&x)?;
        Ok(x.log_softmax(-1))
    }
}

#[module]
struct SowCnn {
    channels: [usize; 2],
    units: [usize; 2],
}

impl Layer for SowCnn {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Conv::new(self.channels[0], [3, 3]).call(x)?.relu();
        let x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        let x = Conv::new(self.channels[1], [3, 3]).call(&x)?.relu();
        let x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        let x = x.flatten(1);
        self.sow("intermediates", "features", &x)?;
        let x = Dense::new(self.units[0]).call(&x)?.relu();
        let x = Dense::new(self.units[1]).call(&x)?;
        Ok(x.log_softmax(-1))
    }
}

#[module]
struct SowCnn2 {
    channels: [usize; 2],
    units: [usize; 2],
}

impl Layer for SowCnn2 {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let cnn = self.child_named("SowCNN", SowCnn::new(self.channels, self.units));
        Ok(cnn.call(x)? + cnn.call(x)?)
    }
}

#[module]
struct Features {
    channels: [usize; 2],
}

impl Layer for Features {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Conv::new(self.channels[0], [3, 3]).call(x)?.relu();
        let x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        let x = Conv::new(self.channels[1], [3, 3]).call(&x)?.relu();
        let x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        Ok(x.flatten(1))
    }
}

#[module]
struct Classifier {
    units: [usize; 2],
}

impl Layer for Classifier {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Dense::new(self.units[0]).call(x)?.relu();
        let x = Dense::new(self.units[1]).call(&x)?;
        Ok(x.log_softmax(-1))
    }
}

#[module]
struct RefactoredCnn {
    channels: [usize; 2],
    units: [usize; 2],
    #[setup(Features::new(self.channels))]
    features: Features,
    #[setup(Classifier::new(self.units))]
    classifier: Classifier,
}

impl Layer for RefactoredCnn {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.features.call(x)?;
        self.classifier.call(&x)
    }
}

fn sizes(case: &Case) -> ([usize; 2], [usize; 2]) {
    ([setting(case, "f1"), setting(case, "f2")], [setting(case, "d1"), setting(case, "d2")])
}

/// The inline network in the sizes of a case.
pub(super) fn cnn_of(case: &Case) -> impl Layer {
    let (channels, units) = sizes(case);
    Cnn::new(channels, units)
}

/// Initial values, output and gradients.
///
/// # Errors
/// What the program returns.
pub fn cnn(case: &Case) -> Result<()> {
    let (channels, units) = sizes(case);
    let (cnn, x) = (Cnn::new(channels, units), case.array("in/x"));
    let variables = cnn.init(seed(case)).call(&x)?;
    assert_initial(case, "init", &variables)?;
    assert_array(case, "out", &cnn.apply(&variables).call(&x)?);

    let (params, _) = variables.pop("params")?;
    let loss = |(params, x): &(Dict, Tensor)| {
        golden_loss(&cnn.apply(Variables::new().with("params", params)).call(x)?)
    };
    let (value, (param_grads, input_grads)) = value_and_grad(loss)(&(params, x))?;
    assert_array(case, "loss", &value);
    assert_group(case, "grad_params", &param_grads);
    assert_array(case, "grad_in/x", &input_grads);
    Ok(())
}

/// One set of parameters, two calls, two stored features.
///
/// # Errors
/// What the program returns.
pub fn sow_cnn2(case: &Case) -> Result<()> {
    let (channels, units) = sizes(case);
    let (cnn, x) = (SowCnn2::new(channels, units), case.array("in/x"));
    let variables = cnn.init(seed(case)).call(&x)?;
    assert_initial(case, "init", &variables)?;
    assert_array(case, "out_plain", &cnn.apply(&variables).call(&x)?);
    let (y, updates) = cnn.apply(&variables).mutable(["intermediates"]).call(&x)?;
    assert_array(case, "out", &y);
    assert_group(case, "mut", updates.as_dict());
    let all = cnn.init(seed(case)).mutable(true).call(&x)?;
    assert_group(case, "init_mutable_true", all.as_dict());

    let single = SowCnn::new(channels, units);
    let variables = single.init(seed(case)).call(&x)?;
    assert_initial(case, "single/init", &variables)?;
    let (y, updates) = single.apply(&variables).mutable("intermediates").call(&x)?;
    assert_array(case, "single/out", &y);
    assert_group(case, "single/mut", updates.as_dict());
    Ok(())
}

/// A part of a model by itself, and through the model.
///
/// # Errors
/// What the program returns.
pub fn refactored(case: &Case) -> Result<()> {
    let (channels, units) = sizes(case);
    let (cnn, x) = (RefactoredCnn::new(channels, units), case.array("in/x"));
    let variables = cnn.init(seed(case)).call(&x)?;
    assert_initial(case, "init", &variables)?;
    assert_array(case, "out", &cnn.apply(&variables).call(&x)?);

    let features = cnn.apply(&variables).run(|m| m.features.call(&x))?;
    assert_array(case, "features", &features);
    let part =
        |name: &str| -> Result<_> { Ok(Variables::new().with("params", variables.dict(["params", name])?)) };
    let alone = Features::new(channels).apply(part("features")?).call(&x)?;
    assert_array(case, "features_standalone", &alone);
    let classified = Classifier::new(units).apply(part("classifier")?).call(&features)?;
    assert_array(case, "classifier_of_features", &classified);
    let bound = cnn.bind(&variables).module()?;
    assert_array(case, "bound_features", &bound.features.call(&x)?);
    Ok(())
}

/// What every layer returned.
///
/// # Errors
/// What the program returns.
pub fn capture(case: &Case) -> Result<()> {
    let (channels, units) = sizes(case);
    let (cnn, x) = (Cnn::new(channels, units), case.array("in/x"));
    let variables = cnn.init(seed(case)).call(&x)?;
    assert_initial(case, "init", &variables)?;
    let (y, all) = cnn.apply(&variables).capture_intermediates().call(&x)?;
    assert_array(case, "out", &y);
    assert_group(case, "all", all.as_dict());

    let is_finite = tree::map(all.dict("intermediates")?, |x| Ok(x.is_finite().all()))?;
    for (path, expected) in case.group("is_finite") {
        let at = path.rsplit_once('/').map_or(path.as_str(), |(at, _)| at);
        // Booleans are stored as bytes.
        assert_eq!(
            u8::from(is_finite.at(at)?[0].tensor()?.item::<bool>()?),
            expected.item::<u8>()?,
            "{path}"
        );
    }
    let dense = cnn.apply(&variables).capture_intermediates_if(|m, _| m.is::<Dense>());
    assert_group(case, "dense_only", dense.call(&x)?.1.as_dict());
    let encodings = cnn.apply(&variables).capture_intermediates_if(|_, method| method == "encode");
    assert!(encodings.call(&x)?.1.is_empty());

    let refactored = RefactoredCnn::new(channels, units);
    let variables = refactored.init(seed(case)).call(&x)?;
    let (_, seen) = refactored.apply(&variables).capture_intermediates().call(&x)?;
    assert_group(case, "refactored_all", seen.as_dict());
    let twice = SowCnn2::new(channels, units);
    let variables = twice.init(seed(case)).call(&x)?;
    let (_, seen) = twice.apply(&variables).capture_intermediates().call(&x)?;
    assert_group(case, "sowcnn2_all", seen.as_dict());
    Ok(())
}

/// The original sizes on 28×28 ones; from the seed alone come the digests of all that is large.
///
/// # Errors
/// What the program returns.
pub fn full_size(case: &Case) -> Result<()> {
    let (channels, units) = sizes(case);
    let x = Tensor::ones([1, 28, 28, 1]);
    let expect = case.expect();

    let cnn = Cnn::new(channels, units);
    let variables = cnn.init(seed(case)).call(&x)?;
    assert_digests(&expect["cnn_init"], &variables)?;
    assert_array(case, "cnn/out", &cnn.apply(&variables).call(&x)?);
    let (_, seen) = cnn.apply(&variables).capture_intermediates().call(&x)?;
    for (path, digest) in expect["cnn_intermediates"].as_object().into_iter().flatten() {
        assert_computed(path, digest, seen.dict("intermediates")?.at(path)?[0].tensor()?)?;
    }

    let twice = SowCnn2::new(channels, units);
    let variables = twice.init(seed(case)).call(&x)?;
    assert_digests(&expect["sowcnn2_init"], &variables)?;
    let (y, updates) = twice.apply(&variables).mutable("intermediates").call(&x)?;
    assert_array(case, "sowcnn2/out", &y);
    let features = updates["intermediates/SowCNN/features"].tuple()?;
    for (found, digest) in features.iter().zip(expect["sow_features"].as_array().into_iter().flatten()) {
        assert_computed("features", digest, found.tensor()?)?;
    }

    let refactored = RefactoredCnn::new(channels, units);
    let variables = refactored.init(seed(case)).call(&x)?;
    assert_digests(&expect["refactored_init"], &variables)?;
    let features = refactored.apply(&variables).run(|m| m.features.call(&x))?;
    assert_computed("refactored features", &expect["refactored_features"], &features)?;

    let model = super::seq_cnn::seq_cnn_of(channels, units);
    let variables = model.init(seed(case)).call(&x)?;
    assert_digests(&expect["seq_init"], &variables)?;
    let prefix = flaxen::nn::Sequential::new(model.layers[..7].to_vec()).apply(&variables).call(&x)?;
    assert_computed("prefix", &expect["seq_prefix7"], &prefix)
}

/// Parameters from a seed agree in every bit, so sums, extremes and both ends do.
fn assert_digests(expected: &Json, found: &Variables) -> Result<()> {
    let expected = expected.as_object().expect("digests by path");
    assert_eq!(names(found.as_dict()).len(), expected.len());
    for (path, digest) in expected {
        let found = found.tensor(path)?;
        let numbers = found.to_vec::<f32>()?;
        for (part, numbers) in [
            ("first", &numbers[..8.min(numbers.len())]),
            ("last", &numbers[numbers.len().saturating_sub(8)..]),
        ] {
            let expected: Vec<f32> = floats(&digest[part]);
            assert_eq!(numbers, expected, "{path}: {part}");
        }
        let hash = sha256(&numbers);
        assert_eq!(hash, digest["sha256"].as_str().unwrap_or_default(), "{path}");
    }
    Ok(())
}

/// Computed values agree as far as rounding lets them.
fn assert_computed(what: &str, digest: &Json, found: &Tensor) -> Result<()> {
    let numbers = found.to_vec::<f32>()?;
    let sum: f64 = numbers.iter().map(|&x| f64::from(x)).sum();
    let squares: f64 = numbers.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let near = |name: &str, found: f64, scale: f64| {
        let expected = digest[name].as_f64().expect("a number");
        assert!((found - expected).abs() <= 1e-4 * scale.max(1.0), "{what}: {name} {found} for {expected}");
    };
    near("sum", sum, squares.sqrt() * (numbers.len() as f64).sqrt());
    near("sumsq", squares, squares);
    for (found, expected) in numbers.iter().zip(floats(&digest["first"])) {
        assert!((found - expected).abs() <= 1e-5 + 1e-4 * expected.abs(), "{what}: {found} for {expected}");
    }
    Ok(())
}

fn floats(json: &Json) -> Vec<f32> {
    json.as_array().into_iter().flatten().filter_map(Json::as_f64).map(|x| x as f32).collect()
}

fn sha256(numbers: &[f32]) -> String {
    use sha2::Digest;
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let digits =
        |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]));
    sha2::Sha256::digest(bytes).iter().flat_map(digits).collect()
}
