//! `vae`: an autoencoder of binary images.

use flaxen::prelude::*;
use flaxen::random::Key;

use super::{Example, State, with_params};

#[module]
struct Encoder {
    latents: usize,
    hidden: usize,
}

impl Encoder {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = self.child_named("fc1", Dense::new(self.hidden)).call(x)?.relu();
        let mean = self.child_named("fc2_mean", Dense::new(self.latents)).call(&x)?;
        let logvar = self.child_named("fc2_logvar", Dense::new(self.latents)).call(&x)?;
        Ok((mean, logvar))
    }
}

#[module]
struct Decoder {
    hidden: usize,
    pixels: usize,
}

impl Layer for Decoder {
    #[compact]
    fn call(&self, z: &Tensor) -> Result<Tensor> {
        let z = self.child_named("fc1", Dense::new(self.hidden)).call(z)?.relu();
        self.child_named("fc2", Dense::new(self.pixels)).call(&z)
    }
}

#[module]
struct Vae {
    latents: usize,
    hidden: usize,
    pixels: usize,
    #[setup(Encoder::new(self.latents, self.hidden))]
    encoder: Encoder,
    #[setup(Decoder::new(self.hidden, self.pixels))]
    decoder: Decoder,
}

impl Vae {
    #[compact]
    fn call(&self, x: &Tensor, z_key: &Key) -> Result<(Tensor, Tensor, Tensor)> {
        let (mean, logvar) = self.encoder.call(x)?;
        let z = reparameterize(z_key, &mean, &logvar);
        Ok((self.decoder.call(&z)?, mean, logvar))
    }

    #[compact]
    fn generate(&self, z: &Tensor) -> Result<Tensor> {
        Ok(self.decoder.call(z)?.sigmoid())
    }
}

fn reparameterize(key: &Key, mean: &Tensor, logvar: &Tensor) -> Tensor {
    let std = (logvar * 0.5).exp();
    let eps = random::normal(key, logvar.shape());
    mean + eps * std
}

fn kl_divergence(mean: &Tensor, logvar: &Tensor) -> Result<Tensor> {
    let one =
        |(mean, logvar): (Tensor, Tensor)| Ok((1.0 + &logvar - mean.square() - logvar.exp()).sum() * -0.5);
    vmap(one).call((mean.clone(), logvar.clone()))
}

fn binary_cross_entropy_with_logits(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let one = |(logits, labels): (Tensor, Tensor)| {
        let logits = logits.log_sigmoid();
        Ok(-(&labels * &logits + (1.0 - &labels) * (-logits.expm1()).log()).sum())
    };
    vmap(one).call((logits.clone(), labels.clone()))
}

#[derive(Tree)]
struct Metrics {
    bce: Tensor,
    kld: Tensor,
    loss: Tensor,
}

fn compute_metrics(recon: &Tensor, x: &Tensor, mean: &Tensor, logvar: &Tensor) -> Result<Metrics> {
    let bce = binary_cross_entropy_with_logits(recon, x)?.mean();
    let kld = kl_divergence(mean, logvar)?.mean();
    Ok(Metrics { loss: &bce + &kld, bce, kld })
}

fn train_step(vae: &Vae, state: &State, batch: &Tensor, z_key: &Key) -> Result<State> {
    let loss = |params: &Dict| {
        let (recon, mean, logvar) = vae.apply(with_params(params)).run(|m| m.call(batch, z_key))?;
        let bce = binary_cross_entropy_with_logits(&recon, batch)?.mean();
        let kld = kl_divergence(&mean, &logvar)?.mean();
        Ok(bce + kld)
    };
    state.apply_gradients(&grad(loss)(&state.params)?)
}

#[derive(Tree)]
struct Evaluation {
    metrics: Metrics,
    comparison: Tensor,
    generated: Tensor,
}

fn evaluate(vae: &Vae, params: &Dict, images: &Tensor, z: &Tensor, z_key: &Key) -> Result<Evaluation> {
    let picture = |x: &Tensor| x.reshape([-1, 4, 4, 1]);
    vae.apply(with_params(params)).run(|vae| {
        let (recon, mean, logvar) = vae.call(images, z_key)?;
        let comparison = Tensor::concatenate(&[picture(images), picture(&recon)], 0);
        let generated = picture(&vae.generate(z)?);
        Ok(Evaluation { metrics: compute_metrics(&recon, images, &mean, &logvar)?, comparison, generated })
    })
}

/// Compares the example with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check() -> Result<()> {
    let example = Example::load("vae");
    let images = example.array("in/images");
    let [rng, init_key] = key(0).split();
    let vae = Vae::new(3, 6, 16);
    let variables = vae.init(init_key).run(|m| m.call(&Tensor::ones([4, 16]), &rng))?;
    let params = variables.dict("params")?;
    example.initial("init/params", params);

    let [rng, z_key, eval_key] = rng.split();
    let z = random::normal(&z_key, [5, 3]);
    let [rng, first] = rng.split();
    let [_, second] = rng.split();
    let keys = [first, second];
    let out = vae.apply(with_params(params)).run(|m| m.call(&images.get(0), &keys[0]))?;
    example.near("out", &out);
    let step = jit(|(state, batch, key): (State, Tensor, Key)| train_step(&vae, &state, &batch, &key));
    let state = example.train(params, optim::adam(1e-3), 2, |state, i| {
        Ok((step.call((state, images.get(i as isize), keys[i].clone()))?, ()))
    })?;
    example.near("eval", &evaluate(&vae, &state.params, &images.get(0), &z, &eval_key)?);
    example.finish();
    Ok(())
}
