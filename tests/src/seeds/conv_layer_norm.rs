//! A convolution, a normalisation and an activation: inline, and as fields.

use flaxen::prelude::*;

use super::{assert_array, assert_group, assert_initial, number, seed, setting};
use crate::golden::Case;
use crate::loss::golden_loss;

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

/// Submodules that are built where they are called.
///
/// # Errors
/// What the program returns.
pub fn compact(case: &Case) -> Result<()> {
    let model = ConvLayerNormLeakyReLU::new(setting(case, "output_channels"), kernel_size(case));
    check(case, &model.leaky_slope(number(case, "leaky_slope") as f32))
}

/// Submodules that are fields, which are there before the model runs.
///
/// # Errors
/// What the program returns.
pub fn setup(case: &Case) -> Result<()> {
    let model = ConvLayerNormLeakyReLUSetup::new(setting(case, "output_channels"), kernel_size(case));
    let model = model.leaky_slope(number(case, "leaky_slope") as f32);
    assert_eq!(model.conv.features, model.output_channels);
    check(case, &model)
}

fn kernel_size(case: &Case) -> [usize; 2] {
    let size = |i: usize| case.settings()["kernel_size"][i].as_u64().expect("two sizes") as usize;
    [size(0), size(1)]
}

fn check(case: &Case, model: &impl Layer) -> Result<()> {
    let x = case.array("in/x");
    let variables = model.init(seed(case)).call(&x)?;
    assert_initial(case, "init", &variables)?;
    let y = model.apply(&variables).call(&x)?;
    for name in ["out", "out_apply"] {
        if case.keys().any(|key| key == name) {
            assert_array(case, name, &y);
        }
    }
    let digest = &case.expect()["out_digest"];
    if let Some(sum) = digest["sum"].as_f64() {
        let found = y.cast(DType::F64).sum().item::<f64>()?;
        assert!((found - sum).abs() <= 1e-4 * sum.abs(), "sum {found} for {sum}");
        for (found, expected) in
            y.to_vec::<f32>()?.iter().zip(digest["first"].as_array().into_iter().flatten())
        {
            let expected = expected.as_f64().expect("a number") as f32;
            assert!((found - expected).abs() <= 1e-5 + 1e-5 * expected.abs(), "{found} for {expected}");
        }
    }
    if !case.group("grad_params").is_empty() {
        let (params, rest) = variables.pop("params")?;
        let loss = |p: &Dict| golden_loss(&model.apply(rest.with("params", p)).call(&x)?);
        let (value, grads) = value_and_grad(loss)(&params)?;
        assert_array(case, "loss", &value);
        assert_group(case, "grad_params", &grads);
    }
    Ok(())
}
