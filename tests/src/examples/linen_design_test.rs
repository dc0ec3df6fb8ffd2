//! `linen_design_test`: the same network inline and in setup, an autoencoder, and a regression by hand.

use flaxen::prelude::*;

use super::{Example, with_params};

/// The dense layer as a user writes it.
#[module]
struct Dense {
    features: usize,
    #[module(into, default = init::lecun_normal())]
    kernel_init: Initializer,
    #[module(into, default = init::zeros())]
    bias_init: Initializer,
    #[module(default = true)]
    use_bias: bool,
}

impl Layer for Dense {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let features = x.shape()[x.rank() - 1];
        let kernel = self.param("kernel", &self.kernel_init, [features, self.features])?;
        let y = x.try_dot(&kernel)?;
        Ok(if self.use_bias { y + self.param("bias", &self.bias_init, [self.features])? } else { y })
    }
}

#[module]
struct InlineMlp {
    sizes: Vec<usize>,
}

impl Layer for InlineMlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        let (last, others) = self.sizes.split_last().ok_or_else(|| Error::msg("no sizes"))?;
        for &size in others {
            x = Dense::new(size).call(&x)?.relu();
        }
        Dense::new(*last).call(&x)
    }
}

#[module]
struct LazyMlp {
    #[setup(Dense::new(2))]
    dense1: Dense,
    #[setup(Dense::new(1))]
    dense2: Dense,
}

impl Layer for LazyMlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.dense2.call(&self.dense1.call(x)?.relu())
    }
}

#[module]
struct AutoEncoder {
    encoder_widths: Vec<usize>,
    decoder_widths: Vec<usize>,
    input_shape: [usize; 3],
    #[setup(InlineMlp::new(self.encoder_widths.clone()))]
    encoder: InlineMlp,
    #[setup(InlineMlp::new([&self.decoder_widths[..], &[self.input_shape.iter().product()]].concat()))]
    decoder: InlineMlp,
}

impl AutoEncoder {
    #[compact]
    fn encode(&self, x: &Tensor) -> Result<Tensor> {
        self.encoder.call(&x.try_reshape([x.shape()[0] as isize, -1])?)
    }

    #[compact]
    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        let x = self.decoder.call(z)?.sigmoid();
        x.try_reshape([&[z.shape()[0]], &self.input_shape[..]].concat())
    }
}

impl Layer for AutoEncoder {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.decode(&self.encode(x)?)
    }
}

fn check_layer(
    example: &Example,
    name: &str,
    seed: u64,
    model: &impl Layer,
    at: &Tensor,
    x: &Tensor,
) -> Result<Variables> {
    let variables = model.init(key(seed)).call(at)?;
    example.initial(&format!("{name}/init"), &variables);
    example.near(&format!("{name}/out"), &model.apply(&variables).call(x)?);
    Ok(variables)
}

/// Fifty steps of gradient descent on the mean distance.
fn regression(example: &Example) -> Result<()> {
    let (x, y) = (Tensor::ones([1, 10]), Tensor::ones([5]));
    let model = Dense::new(5);
    let predict = |params: &Dict| model.apply(with_params(params)).call(&x);
    let loss = |params: &Dict| Ok((&y - predict(params)?).abs().mean());
    let variables = jit(|key: random::Key| model.init(key).call(&x)).call(key(42))?;
    let mut params = variables.dict("params")?.clone();
    example.initial("regression/init", &params);
    example.near("regression/gradients", &grad(loss)(&params)?);
    let step = jit(|params: Dict| value_and_grad(loss)(&params));
    for _ in 0..50 {
        let (_, grads) = step.call(params.clone())?;
        params = tree::zip_map(&params, &grads, |x, d| Ok(x - d * 0.03))?;
    }
    example.near("regression/final", &params);
    Ok(())
}

/// Compares the examples with Flax.
///
/// # Errors
/// What the examples return.
///
/// # Panics
/// If anything differs.
pub fn check() -> Result<()> {
    let example = Example::load("linen_design_test");
    let x = example.array("in/x");
    check_layer(&example, "inline", 10, &InlineMlp::new(vec![2, 1]), &x, &x)?;
    check_layer(&example, "lazy", 10, &LazyMlp::new(), &x, &x)?;

    let images = example.array("in/images");
    let model = AutoEncoder::new(vec![5, 3], vec![5], [4, 4, 1]);
    let variables = check_layer(&example, "autoencoder", 42, &model, &Tensor::ones([1, 4, 4, 1]), &images)?;
    example.near("autoencoder/encoded", &model.apply(&variables).run(|m| m.encode(&images))?);
    regression(&example)?;
    example.finish();
    Ok(())
}
