//! The network and its weights, as a function from images to probabilities.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use flaxen::io::safetensors::File;
use flaxen::prelude::{Lengths, Module as _, Tensor, Variables, jit, key};

use crate::network::Cnn;

/// A training of `cargo run --release -p mnist`, made smaller: the parameters without the optimizer's state.
const TRAINED: &[u8] = include_bytes!("../data/digits.safetensors");

/// What the server needs to know of a model.
pub struct Model {
    /// The height and the width of images.
    pub side: usize,
    /// From images `F32[batch, side, side, 1]` to probabilities `F32[batch, classes]`, up to so many images at once.
    pub forward: Box<dyn Fn(Tensor) -> flaxen::Result<Tensor> + Send>,
    /// The most images of a call.
    pub max_batch: usize,
}

impl Model {
    /// The model that is part of this program, which knows the digits of 8 × 8 pixels.
    pub fn embedded(max_batch: usize) -> Result<Model> {
        let model =
            File::from_bytes(TRAINED).map_err(Into::into).and_then(|file| Model::of(&file, max_batch));
        model.context("the weights inside of this program")
    }

    /// A model that `examples/mnist` trained: its `model.safetensors`, or the parameters alone.
    pub fn load(path: &Path, max_batch: usize) -> Result<Model> {
        let model = File::map(path).map_err(Into::into).and_then(|file| Model::of(&file, max_batch));
        model.with_context(|| format!("`{}`", path.display()))
    }

    fn of(file: &File, max_batch: usize) -> Result<Model> {
        // A checkpoint has the parameters of the training's state; what is made for serving has them alone.
        let prefix = if file.names().any(|name| name.starts_with("state/params/")) {
            "state/params"
        } else {
            "params"
        };
        let kernel = file.aval(&format!("{prefix}/Dense_0/kernel"))?;
        let features = kernel.shape.first().copied().unwrap_or(0);
        // Two pools halve each side; the second convolution has 64 features.
        let side: usize = 4 * ((features / 64) as f64).sqrt() as usize;
        ensure!(
            side > 0 && (side / 4).pow(2) * 64 == features,
            "`Dense_0` takes {features} features: of no square image"
        );

        let model = Cnn::new();
        let init = |image: Tensor| model.init(key(0)).call(&image);
        let template = flaxen::eval_shape(init, &Tensor::zeros([1, side, side, 1]))?;
        let params = file.restore_part(prefix, template.dict("params")?)?;
        let variables = Variables::new().with("params", params);
        let forward = jit(move |(images, _): (Tensor, Lengths)| {
            let logits = model.apply(&variables).call(&images)?;
            Ok(logits.softmax(-1))
        });
        // A handful of programs for all numbers of images: 1, 2, 4, … of them.
        let forward = forward.buckets("batch", 0).out_axes(0);
        Ok(Model { side, forward: Box::new(move |images| forward.call(images)), max_batch })
    }

    /// Compiles the programs of all sizes, so that no client waits for it.
    pub fn warm_up(&self) -> flaxen::Result<()> {
        let mut size = 1;
        loop {
            (self.forward)(Tensor::zeros([size.min(self.max_batch), self.side, self.side, 1]))?;
            if size >= self.max_batch {
                return Ok(());
            }
            size *= 2;
        }
    }
}
