//! A PyTorch model and its twin, line by line: loads the weights that PyTorch saved, and compares what both compute.
//!
//! Shown: kernels of `Linear`, convolutions and transposed convolutions, the `flatten` between convolutions and a `Linear`,
//! the momentum of `BatchNorm` and its running variance, average pooling with padding, and an embedding; and the way back. The rules
//! are those of [`flaxen::io::torch`]. `data/model.py` has the PyTorch model and made the files beside it.

mod net;

use std::path::PathBuf;

use flaxen::io::safetensors;
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

/// PyTorch's weights, and what they do not tell of their layers.
fn state_dict() -> Result<StateDict> {
    Ok(StateDict::open(data("weights.safetensors"))?
        // A kernel of four axes may be of a transposed convolution, …
        .layer("up", Kind::ConvTranspose)
        // … and inputs may be flattened images of 12 channels.
        .flattened("fc", [12, 2, 2]))
}

/// The variables of our model without values: names, shapes and dtypes, which weights are checked against. They also tell that
/// `label` is an embedding.
fn shapes(net: &Net, x: &Tensor, hint: &Tensor) -> Result<Variables> {
    let init = |(x, hint): (Tensor, Tensor)| net.init(key(0)).run(|net| net.call(&x, &hint, false));
    flaxen::eval_shape(init, &(x.clone(), hint.clone()))
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
    let (state, shapes) = (state_dict()?, shapes(&net, &x, hint)?);
    println!("{}", state.report_like(&shapes)?);
    let variables = state.variables_like(&shapes)?;

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

    // Out again: the tensors that PyTorch saved, each with its name, its shape and its numbers.
    let exported = state.export(&variables)?;
    let bits = |state: &StateDict, name: &str| Ok::<_, Error>(state.tensor(name)?.array()?.bytes().to_vec());
    for name in state.names() {
        if bits(&exported, name)? != bits(&state, name)? {
            return Err(Error::msg(format!("`{name}` is exported as another tensor")));
        }
    }
    println!("exported: {} tensors, each as PyTorch saved it", exported.names().len());
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
        let state = StateDict::open(data("weights.safetensors")).unwrap().layer("up", Kind::ConvTranspose);
        let variables = state.variables_like(&shapes(&net, &x, hint).unwrap()).unwrap();
        let (logits, _) = net.apply(&variables).run(|net| net.call(&x, hint, false)).unwrap();
        assert!(difference(&logits, example.tensor("logits").unwrap()).unwrap() > 1e-2);
    }
}
