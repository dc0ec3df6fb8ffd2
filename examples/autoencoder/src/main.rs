//! A variational autoencoder: modules as fields, several methods, random streams.
//!
//! Images of a spot at some position are squeezed into two numbers and drawn again from them. The model is made of two others,
//! which are passed to its constructor, and has a method for each thing one does with it; the noise it is trained with comes
//! from a random stream of its own. Afterwards the program walks through the space of the two numbers.
//!
//! Kingma and Welling, arXiv:1312.6114.

use flaxen::prelude::*;

const SIDE: usize = 8;
const LATENT: usize = 2;
const BATCH: usize = 32;
const STEPS: u32 = 600;
const SHADES: [char; 5] = [' ', '.', 'o', '#', '@'];

/// Where an image may have come from: a normal distribution for each number.
#[derive(Clone, Debug, Tree)]
struct Code {
    mean: Tensor,
    log_variance: Tensor,
}

impl Code {
    /// The divergence from the standard normal distribution, of each example: `½ Σ(σ² + μ² − 1 − log σ²)`.
    fn divergence(&self) -> Tensor {
        let terms = self.log_variance.exp() + self.mean.square() - 1.0 - &self.log_variance;
        terms.sum_axes(-1) * 0.5
    }
}

/// An encoder and a decoder, whatever they are.
#[module]
struct Vae<E: Layer, D: Layer> {
    #[submodule]
    encoder: E,
    #[submodule]
    decoder: D,
}

impl<E: Layer, D: Layer> Vae<E, D> {
    /// From images to codes.
    #[compact]
    fn encode(&self, images: &Tensor) -> Result<Code> {
        let halves = self.encoder.call(images)?.try_split(2, -1)?;
        Ok(Code { mean: halves[0].clone(), log_variance: halves[1].clone() })
    }

    /// From numbers to the logits of pixels.
    #[compact]
    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.decoder.call(z)
    }

    /// A number drawn from each code, by the stream `noise`.
    #[compact]
    fn sample(&self, code: &Code) -> Result<Tensor> {
        let noise = random::normal(&self.make_rng("noise")?, code.mean.shape());
        Ok(&code.mean + (&code.log_variance * 0.5).exp() * noise)
    }

    /// From images to the logits of the same, and the codes on the way.
    #[compact]
    fn call(&self, images: &Tensor) -> Result<(Tensor, Code)> {
        let code = self.encode(images)?;
        Ok((self.decode(&self.sample(&code)?)?, code))
    }
}

fn main() -> Result<()> {
    let images = spots(&key(0), 5);
    let vae = Vae::new(
        sequential![Dense::new(64), Tensor::tanh, Dense::new(2 * LATENT)],
        sequential![Dense::new(64), Tensor::tanh, Dense::new(SIDE * SIDE)],
    );
    let rngs = Rngs::new(key(1)).with("noise", key(2));
    println!("{}", vae.tabulate(&rngs).run(|m| m.call(&images))?);
    let (mut params, _) = vae.init(&rngs).run(|m| m.call(&images))?.pop("params")?;

    let tx = optim::adam(1e-2);
    let mut state = tx.init(&params);
    let step = jit(|(params, state, key): (Dict, AdamState, random::Key)| {
        // There is no end of examples; the same key would be the same images and the same noise in every step.
        let [positions, noise] = key.split();
        let images = spots(&positions, BATCH);
        let ((loss, divergence), grads) = value_and_grad(|params: &Dict| {
            let run = vae.apply(Variables::new().with("params", params)).rngs([("noise", noise.clone())]);
            let (logits, code) = run.run(|m| m.call(&images))?;
            let drawn = losses::sigmoid_binary_cross_entropy(&logits, &images).sum_axes(-1);
            let divergence = code.divergence();
            Ok(((drawn + &divergence).mean(), divergence.mean()))
        })(&params)?;
        let (updates, state) = tx.update(&grads, &state, &params)?;
        Ok((optim::apply_updates(&params, &updates)?, state, loss, divergence))
    });
    for count in 0..=STEPS {
        let (loss, divergence);
        (params, state, loss, divergence) = step.call((params, state, key(3).fold_in(count)))?;
        if count % 100 == 0 {
            println!(
                "step {count:3}: loss {:7.3}, of which divergence {:.3}",
                loss.item::<f32>()?,
                divergence.item::<f32>()?
            );
        }
    }

    let variables = Variables::new().with("params", params);
    println!("\nImages, and what is drawn from their codes:");
    let code = vae.apply(&variables).run(|m| m.encode(&images))?;
    let drawn = vae.apply(&variables).run(|m| m.decode(&code.mean))?.sigmoid();
    println!("{}\n{}", row(&images)?, row(&drawn)?);

    println!("A walk through the numbers, from -2 to 2:");
    let positions: Vec<[f32; LATENT]> =
        (0..25).map(|i| [(i % 5) as f32 - 2.0, (i / 5) as f32 - 2.0]).collect();
    let walk = Tensor::from_vec(positions.concat(), [25, LATENT]);
    let drawn = vae.apply(&variables).run(|m| m.decode(&walk))?.sigmoid();
    for images in drawn.split(5, 0) {
        println!("{}", row(&images)?);
    }
    Ok(())
}

/// Images of a spot each, at a random position: `[count, SIDE · SIDE]`, from 0 to 1.
fn spots(key: &random::Key, count: usize) -> Tensor {
    let centers = random::uniform(key, [count, 2, 1]) * (SIDE - 1) as f32;
    let positions = Tensor::arange(0f32, SIDE as f32, 1.0);
    let near = (-((positions - centers).square() * 0.4)).exp();
    // Rows times columns.
    let (y, x) = (near.slice_axis(1, 0..1).transpose([0, 2, 1]), near.slice_axis(1, 1..2));
    (y * x).reshape([count, SIDE * SIDE])
}

/// Images side by side.
fn row(images: &Tensor) -> Result<String> {
    let images = images.unstack(0).iter().map(Tensor::to_vec::<f32>).collect::<Result<Vec<_>>>()?;
    let shade = |value: &f32| SHADES[(value * 4.99).clamp(0.0, 4.0) as usize];
    let line = |y: usize| -> String {
        let part = |image: &Vec<f32>| image[y * SIDE..][..SIDE].iter().flat_map(|v| [shade(v); 2]).collect();
        let parts: Vec<String> = images.iter().map(part).collect();
        format!("  |{}|\n", parts.join("|"))
    };
    Ok((0..SIDE).map(line).collect())
}
