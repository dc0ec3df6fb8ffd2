//! Layers and functions for images compute what PyTorch's do. `torch/images.py` made the file.

use std::path::PathBuf;

use flaxen::io::safetensors;
use flaxen::nn::PReLU;
use flaxen::prelude::*;

/// What PyTorch 2.15 computed, by its name.
fn file() -> Dict {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("torch/images.safetensors");
    safetensors::load(path).unwrap()
}

fn assert_close(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    assert!(found.all_close(expected, 1e-5, 2e-6).unwrap(), "{what}: {found:?}\n{expected:?}");
}

#[test]
fn a_slope_for_each_channel_is_that_of_pytorch() {
    let file = file();
    for name in ["images", "rows", "one"] {
        let array = |what: &str| file.tensor([&*format!("prelu.{name}.{what}")]).unwrap();
        let layer = PReLU::new().per_channel(true);
        let variables = layer.init(key(0)).call(array("x")).unwrap();
        let own = variables.tensor("params/negative_slope").unwrap();
        assert_eq!(own.shape(), array("slope").shape());
        let params = Dict::from([("negative_slope", array("slope").clone())]);
        let y = layer.apply(Variables::new().with("params", params)).call(array("x")).unwrap();
        assert_close(&y, array("y"), name);
    }
}

#[test]
fn a_scalar_has_no_channels_to_have_slopes() {
    let error = PReLU::new().per_channel(true).init(key(0)).call(&Tensor::from(1.0f32)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("PReLU") && text.contains("an axis of features"), "{text}");
    assert!(PReLU::new().init(key(0)).call(&Tensor::from(1.0f32)).is_ok());
}
