//! Weights of the package `silero-vad`, as variables of our model.

use std::io::{Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result};
use flaxen::io::torch::{File, StateDict};
use flaxen::prelude::*;
use zip::ZipArchive;

use crate::model::{Rate, Vad};

/// The file of a wheel that the package itself uses. Others in it have other weights: the safetensors file, and for 8 kHz an ONNX file.
const IN_WHEEL: &str = "silero_vad/data/silero_vad.jit";

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

/// The weights of a wheel of `silero-vad`, or of the file `silero_vad.jit` in it, for a rate.
pub fn load(path: &Path, model: &Vad, rate: Rate) -> Result<Variables> {
    let file = open(path).with_context(|| format!("`{}`", path.display()))?;
    // The file has the networks of both rates.
    let prefix = if rate == Rate::Khz16 { "_model." } else { "_model_8k." };
    let names = file.names().filter_map(|name| Some((name, translated(name.strip_prefix(prefix)?))));
    let tensors =
        names.map(|(theirs, ours)| Ok((ours, file.tensor(theirs)?))).collect::<flaxen::Result<Vec<_>>>()?;
    let weights = StateDict::new(tensors).variables_like(&template(model, rate)?);
    weights.with_context(|| format!("`{}` has no network for {} Hz", path.display(), rate.hertz()))
}

/// An archive of `torch.jit`, which may be a part of a wheel.
fn open(path: &Path) -> Result<File> {
    let bytes = std::fs::read(path)?;
    let mut wheel =
        ZipArchive::new(Cursor::new(&bytes)).context("is neither a wheel nor an archive of `torch.jit`")?;
    let Ok(mut part) = wheel.by_name(IN_WHEEL) else {
        return File::from_bytes(bytes.clone()).with_context(|| format!("has no `{IN_WHEEL}`"));
    };
    let mut inner = Vec::new();
    part.read_to_end(&mut inner)?;
    Ok(File::from_bytes(inner)?)
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
