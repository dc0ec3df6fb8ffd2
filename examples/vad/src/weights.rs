//! Weights of the package `silero-vad`, as variables of our model.

use std::io::{Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use flaxen::io::torch::StateDict;
use flaxen::io::{onnx, safetensors};
use flaxen::prelude::*;
use zip::ZipArchive;

use crate::model::{Rate, Vad};

/// The file of a wheel that has the networks of both rates by their names.
const IN_WHEEL: &str = "silero_vad/data/silero_vad_op18_ifless.onnx";

/// Variables as the model has them, with no numbers: what is to be loaded.
fn template(model: &Vad, rate: Rate) -> flaxen::Result<Variables> {
    let windows = Tensor::zeros([2, rate.context() + rate.window()]);
    flaxen::eval_shape(|windows: Tensor| model.init(key(0)).run(|m| m.call(silence(), &windows)), &windows)
}

/// What the network remembers at first.
pub fn silence() -> (Tensor, Tensor) {
    (Tensor::zeros([1, 128]), Tensor::zeros([1, 128]))
}

/// A model that has learned nothing.
pub fn random(model: &Vad, rate: Rate, seed: u64) -> Result<Variables> {
    let windows = Tensor::zeros([2, rate.context() + rate.window()]);
    Ok(model.init(key(seed)).run(|m| m.call(silence(), &windows))?)
}

/// The weights of a wheel of `silero-vad`, or of one of the files in it with names: the `.onnx` files for both rates or for 16 kHz, and
/// the safetensors file for 16 kHz.
pub fn load(path: &Path, model: &Vad, rate: Rate) -> Result<Variables> {
    let named = tensors(path).with_context(|| format!("`{}`", path.display()))?;
    let prefix = if rate == Rate::Khz16 { "model." } else { "model_8k." };
    let ours = named.into_iter().filter_map(|(name, tensor)| {
        // The names of the safetensors file are those of our layers already.
        let of_network = name.strip_prefix(prefix).map(translated);
        let own = || (rate == Rate::Khz16 && is_ours(&name)).then(|| name.clone());
        Some((of_network.or_else(own)?, tensor))
    });
    let weights = StateDict::new(ours).variables_like(&template(model, rate)?);
    weights.with_context(|| format!("`{}` has no network for {} Hz", path.display(), rate.hertz()))
}

/// All tensors of a file by their names.
fn tensors(path: &Path) -> Result<Vec<(String, Tensor)>> {
    let mut bytes = std::fs::read(path)?;
    if bytes.starts_with(b"PK") {
        let mut wheel = ZipArchive::new(Cursor::new(&bytes))?;
        let Ok(mut file) = wheel.by_name(IN_WHEEL) else {
            bail!("is no wheel of `silero-vad` 6.2: it has no `{IN_WHEEL}`");
        };
        let mut inner = Vec::new();
        file.read_to_end(&mut inner)?;
        drop(file);
        bytes = inner;
    } else if path.extension().is_some_and(|extension| extension == "safetensors") {
        let file = safetensors::load(path)?;
        return file
            .flatten(".")
            .into_iter()
            .map(|(name, value)| Ok((name, value.tensor()?.clone())))
            .collect();
    }
    let file = onnx::File::from_bytes(bytes)?;
    // Constants of the graph are among them, which have no part in the network.
    let names = file.names().filter(|name| name.starts_with("model"));
    names.map(|name| Ok((name.to_owned(), file.tensor(name)?))).collect()
}

/// `encoder.0.reparam_conv.weight` is `conv1.weight`, and so on.
fn translated(name: &str) -> String {
    match name.split('.').collect::<Vec<_>>()[..] {
        ["stft", "forward_basis_buffer"] => "stft_conv.weight".to_owned(),
        ["encoder", i, "reparam_conv", what] => {
            format!("conv{}.{what}", i.parse::<usize>().map_or(0, |i| i + 1))
        }
        ["decoder", "rnn", what] => format!("lstm_cell.{what}"),
        ["decoder", "decoder", "2", what] => format!("final_conv.{what}"),
        _ => name.to_owned(),
    }
}

fn is_ours(name: &str) -> bool {
    ["stft_conv.", "conv", "lstm_cell.", "final_conv."].iter().any(|layer| name.starts_with(layer))
}
