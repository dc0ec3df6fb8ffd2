//! A PyTorch model and its twin, line by line: loads the weights that PyTorch saved, and compares what both compute.
//!
//! Shown: kernels of `Linear`, convolutions and transposed convolutions, the `flatten` between convolutions and a `Linear`,
//! the momentum of `BatchNorm` and its running variance, average pooling with padding, and an embedding. The rules are those of
//! [`flaxen::io::torch`]. `data/model.py` has the PyTorch model and made the files beside it.

mod net;

use std::collections::BTreeMap;
use std::path::PathBuf;

use flaxen::io::safetensors::{self, File};
use flaxen::io::torch::{Kind, StateDict};
use flaxen::prelude::*;
use net::Net;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

/// PyTorch's images `[batch, channels, height, width]` with channels last.
fn channels_last(x: &Tensor) -> Tensor {
    x.move_axis(1, -1)
}

/// The variables of our model, with PyTorch's weights.
fn variables(net: &Net, x: &Tensor, hint: &Tensor) -> Result<Variables> {
    let own = net.init(key(0)).run(|net| net.call(x, hint, false))?;
    StateDict::open(data("weights.safetensors"))?
        // What the tensors do not tell: a matrix may belong to an `Embedding`, …
        .layer("label", Kind::Embedding)
        // … a kernel of four axes to a transposed convolution, …
        .layer("up", Kind::ConvTranspose)
        // … and inputs may be flattened images of 12 channels.
        .flattened("fc", [12, 2, 2])
        // Names, shapes and dtypes are checked against our own model's.
        .variables_like(&own)
}

/// Prints which tensors each layer has in PyTorch, and which it has here.
fn print_layouts(variables: &Variables) -> Result<()> {
    let state = File::open(data("weights.safetensors"))?;
    let mut layers: BTreeMap<String, [Vec<String>; 2]> = BTreeMap::new();
    for name in state.names() {
        let (layer, own) = name.rsplit_once('.').unwrap_or(("", name));
        let text = format!("{own} {:?}", state.aval(name)?.shape);
        layers.entry(layer.to_owned()).or_default()[0].push(text);
    }
    for (path, value) in variables.as_dict().flatten_keys() {
        if let [_collection, layer, own] = path.as_slice() {
            let text = format!("{own} {:?}", value.tensor()?.shape());
            layers.entry(layer.clone()).or_default()[1].push(text);
        }
    }
    for (layer, [theirs, ours]) in layers {
        println!("{layer:6} PyTorch: {}", theirs.join(", "));
        println!("{:6} Flaxen:  {}", "", ours.join(", "));
    }
    println!();
    Ok(())
}

/// The largest difference between two tensors.
fn difference(ours: &Tensor, theirs: &Tensor) -> Result<f32> {
    (ours - theirs).abs().max().item::<f32>()
}

/// Compares every output, and returns the largest difference of all.
fn compare() -> Result<f32> {
    let example = safetensors::load(data("example.safetensors"))?;
    let x = channels_last(example.tensor("x")?);
    let hint = example.tensor("hint")?;

    let net = Net::new();
    let variables = variables(&net, &x, hint)?;
    print_layouts(&variables)?;

    let mut largest = 0f32;
    let mut report = |what: &str, ours: &Tensor, theirs: &Tensor| -> Result<()> {
        let found = difference(ours, theirs)?;
        println!("{what:28} {:14} largest difference {found:.1e}", ours.aval().to_string());
        largest = largest.max(found);
        Ok(())
    };

    let (logits, picture) = net.apply(&variables).run(|net| net.call(&x, hint, false))?;
    report("logits", &logits, example.tensor("logits")?)?;
    report("picture", &picture, &channels_last(example.tensor("picture")?))?;

    // One pass in training: statistics of the batch, and new running averages.
    let ((logits, _), updates) =
        net.apply(&variables).mutable("batch_stats").run(|net| net.call(&x, hint, true))?;
    report("logits in training", &logits, example.tensor("train_logits")?)?;
    let mean = updates.tensor("batch_stats/norm1/mean")?;
    report("running mean afterwards", mean, example.tensor("running_mean")?)?;

    // The one number that differs on purpose: PyTorch adds the unbiased variance of the batch, n / (n − 1) times Flax's and ours.
    let (before, after) =
        (variables.tensor("batch_stats/norm1/var")?, updates.tensor("batch_stats/norm1/var")?);
    let count = (x.size() / x.shape()[3]) as f32;
    let unbiased = before * 0.9 + (after - before * 0.9) * (count / (count - 1.0));
    println!(
        "running variance: {:.1e} from PyTorch's as it is,",
        difference(after, example.tensor("running_var")?)?
    );
    report("  and if it were unbiased", &unbiased, example.tensor("running_var")?)?;
    Ok(largest)
}

fn main() -> Result<()> {
    let largest = compare()?;
    println!("\nThe models agree: no number differs by more than {largest:.1e}.");
    if largest > 1e-4 {
        return Err(Error::msg(format!("the models differ by {largest}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twin_computes_what_pytorch_computes() {
        assert!(compare().unwrap() < 1e-5);
    }

    #[test]
    fn without_the_rule_for_flatten_all_shapes_fit_and_the_numbers_are_others() {
        let example = safetensors::load(data("example.safetensors")).unwrap();
        let (x, hint) = (channels_last(example.tensor("x").unwrap()), example.tensor("hint").unwrap());
        let net = Net::new();
        let own = net.init(key(0)).run(|net| net.call(&x, hint, false)).unwrap();
        let state = StateDict::open(data("weights.safetensors")).unwrap();
        let state = state.layer("label", Kind::Embedding).layer("up", Kind::ConvTranspose);
        let variables = state.variables_like(&own).unwrap();
        let (logits, _) = net.apply(&variables).run(|net| net.call(&x, hint, false)).unwrap();
        assert!(difference(&logits, example.tensor("logits").unwrap()).unwrap() > 1e-2);
    }
}
