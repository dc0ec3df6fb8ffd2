//! A variational autoencoder: random streams, a stored value, and a second method.

use flaxen::prelude::*;
use flaxen::random;

use super::{assert_array, assert_initial};
use crate::golden::Case;
use crate::runner::attributes;

#[module]
struct Encoder {
    hidden: usize,
    latents: usize,
}

impl Encoder {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<(Tensor, Tensor)> {
        let x = self.child_named("fc1", Dense::new(self.hidden)).call(x)?.relu();
        let x = Dropout::new(0.3).call(&x, train)?;
        let mean = self.child_named("fc2_mean", Dense::new(self.latents)).call(&x)?;
        let logvar = self.child_named("fc2_logvar", Dense::new(self.latents)).call(&x)?;
        Ok((mean, logvar))
    }
}

#[module]
struct Decoder {
    hidden: usize,
    out: usize,
}

impl Layer for Decoder {
    #[compact]
    fn call(&self, z: &Tensor) -> Result<Tensor> {
        let z = self.child_named("fc1", Dense::new(self.hidden)).call(z)?.relu();
        self.child_named("fc2", Dense::new(self.out)).call(&z)
    }
}

/// An encoder into means and variances, and a decoder of what is drawn from them.
#[module]
pub struct Vae {
    /// The width of the layers in between.
    pub hidden: usize,
    /// How many values an example is encoded by.
    pub latents: usize,
    /// How many values an example has.
    pub out: usize,
    #[setup(Encoder::new(self.hidden, self.latents))]
    encoder: Encoder,
    #[setup(Decoder::new(self.hidden, self.out))]
    decoder: Decoder,
}

impl Vae {
    /// The logits of the decoded examples, and the means and logarithms of variances that they were drawn from.
    #[compact]
    pub fn call(&self, x: &Tensor, train: bool) -> Result<(Tensor, Tensor, Tensor)> {
        let (mean, logvar) = self.encoder.call(x, train)?;
        let noise = random::normal(&self.make_rng("noise")?, logvar.shape());
        let z = &mean + noise * (&logvar * 0.5).exp();
        self.sow("intermediates", "z", &z)?;
        Ok((self.decoder.call(&z)?, mean, logvar))
    }

    /// Examples from what encodes them.
    #[compact]
    pub fn generate(&self, z: &Tensor) -> Result<Tensor> {
        Ok(self.decoder.call(z)?.sigmoid())
    }
}

/// Decodes by a method beside the call, and by a bound submodule.
///
/// # Errors
/// What the program returns.
pub fn generate(case: &Case) -> Result<()> {
    let attributes = attributes(case.settings()["module"].as_str().unwrap_or_default());
    let size = |name: &str| {
        let size = attributes.as_ref().and_then(|attributes| attributes["args"][name].as_u64());
        size.map(|size| size as usize).ok_or_else(|| Error::msg(format!("no size `{name}`")))
    };
    let vae = Vae::new(size("hidden")?, size("latents")?, size("out")?);
    let streams = case.settings()["init_rngs"].as_object().into_iter().flatten();
    let rngs = streams
        .fold(Rngs::none(), |rngs, (name, seed)| rngs.with(name, key(seed.as_u64().unwrap_or_default())));
    let (x, z) = (case.array("in/x"), case.array("in/z"));
    let variables = vae.init(rngs).run(|m| m.call(&x, true))?;
    let params = Variables::new().with("params", variables.dict("params")?);
    assert_initial(case, "init", &params)?;
    assert_array(case, "out", &vae.apply(&params).run(|m| m.generate(&z))?);
    let bound = vae.bind(&params).module()?;
    assert_array(case, "bound_decoder", &bound.decoder.call(&z)?);
    Ok(())
}
