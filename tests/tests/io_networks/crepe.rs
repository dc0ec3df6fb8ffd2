//! CREPE, as torchcrepe 0.0.24 has it: six convolutions over a frame of sound, and the probabilities of 360 pitches.

use flaxen::io::torch::StateDict;
use flaxen::prelude::*;
use flaxen::{Padding, eval_shape};

use super::{assert_near, weights};

/// The rate of samples that the network was trained with.
const RATE: usize = 16000;
/// Samples of a frame.
const FRAME: usize = 1024;
/// Hertz: what the frames of the test sound of.
const PITCHES: [usize; 3] = [110, 440, 700];

#[module]
struct Crepe {
    channels: [usize; 6],
}

impl Layer for Crepe {
    /// Frames `F32[frames, 1024]` to probabilities `F32[frames, 360]`.
    #[compact]
    fn call(&self, frames: &Tensor) -> Result<Tensor> {
        let mut x = frames.expand_dims([2]);
        for (i, &channels) in self.channels.iter().enumerate() {
            let (size, stride, padding) = if i == 0 { (512, 4, (254, 254)) } else { (64, 1, (31, 32)) };
            let conv = Conv::new(channels, [size]).strides([stride]);
            let conv = conv.padding(Padding::Explicit(vec![padding]));
            x = self.child_named(format!("conv{}", i + 1), conv).call(&x)?.relu();
            let norm = BatchNorm::new().epsilon(0.001_000_000_047_497_451_3);
            x = self.child_named(format!("conv{}_BN", i + 1), norm).call(&x, false)?;
            x = max_pool(&x, [2]).strides([2]).run()?;
        }
        Ok(self.child_named("classifier", Dense::new(360)).call(&x.flatten(1))?.sigmoid())
    }
}

/// A frame of a sawtooth for each pitch, of mean 0 and deviation 1, as torchcrepe makes of any frame.
fn sawteeth() -> Tensor {
    let frames = PITCHES.map(|pitch| {
        let wave: Vec<f64> = (0..FRAME).map(|i| (i * pitch % RATE) as f64 / RATE as f64).collect();
        let mean = wave.iter().sum::<f64>() / FRAME as f64;
        let variance = wave.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (FRAME - 1) as f64;
        let normal: Vec<f32> = wave.iter().map(|x| ((x - mean) / variance.sqrt()) as f32).collect();
        Tensor::from(normal)
    });
    Tensor::stack(&frames, 0)
}

/// The frequency of the likeliest pitch: bins are 20 cents wide.
fn pitches(probabilities: &Tensor) -> Vec<f64> {
    let bins = probabilities.argmax(-1).cast(DType::I32).to_vec::<i32>().unwrap();
    let cents = |bin: i32| 20.0 * f64::from(bin) + 1_997.379_408_437_619_1;
    bins.into_iter().map(|bin| 10.0 * 2f64.powf(cents(bin) / 1200.0)).collect()
}

fn assert_like_torch(size: &str, channels: [usize; 6]) {
    let Some(path) = weights(&format!("torchcrepe/assets/{size}.pth")) else { return };
    let (model, frames) = (Crepe::new(channels), sawteeth());
    let shapes = eval_shape(|frames: Tensor| model.init(key(0)).call(&frames), &frames).unwrap();
    let variables = StateDict::open(path).unwrap().variables_like(&shapes).unwrap();
    let found = jit(|(variables, frames): (Variables, Tensor)| model.apply(variables).call(&frames))
        .call((variables, frames))
        .unwrap();
    let name = format!("crepe.{size}");
    assert_near(&found, &name, 2e-6);
    assert_eq!(pitches(&found), pitches(&super::expected(&name)));
    for (found, pitch) in pitches(&found).into_iter().zip(PITCHES) {
        // Within one and a half of its bins of what was played.
        let cents = 1200.0 * (found / pitch as f64).log2();
        assert!(cents.abs() < 30.0, "{size}: {found} Hz for {pitch} Hz");
    }
}

#[test]
fn the_small_network_hears_the_pitches_that_torchcrepe_hears() {
    assert_like_torch("tiny", [128, 16, 16, 16, 32, 64]);
}

#[test]
fn the_large_network_hears_the_pitches_that_torchcrepe_hears() {
    assert_like_torch("full", [1024, 128, 128, 128, 256, 512]);
}
