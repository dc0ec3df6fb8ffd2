//! Looks into a network: values and gradients in its middle, as numbers and as pictures.
//!
//! - values that the model stores itself, by `sow`;
//! - what any layer returned, captured from outside, all of it or by a filter;
//! - the layer that a NaN comes from;
//! - gradients with respect to values in the middle, by `perturb`;
//! - a part of a model: a method, a submodule, the first layers of a list;
//! - all of it as a page for a browser, by `explore`.
//!
//! The pictures and the page are written to `target/intermediates`.

mod pictures;

use std::path::Path;

use anyhow::Result;
use flaxen::nn::Sequential;
use flaxen::prelude::*;

const FOLDER: &str = "target/intermediates";
const CLASSES: usize = 10;

/// The convolutions, a model of their own.
#[module]
struct Features;

impl Layer for Features {
    #[compact]
    fn call(&self, x: &Tensor) -> flaxen::Result<Tensor> {
        let x = Conv::new(16, [5, 5]).call(x)?;
        // Zeros, unless a caller puts something there; the gradient of the loss with respect to them is that of the value.
        let x = self.perturb("edges", &x)?.relu();
        let x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        let x = Conv::new(32, [3, 3]).call(&x)?.relu();
        let x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        Ok(x.flatten(1))
    }
}

/// A network in two parts, with a method for each.
#[module]
struct Cnn {
    #[setup(Features::new())]
    features: Features,
    #[setup(Dense::new(64))]
    hidden: Dense,
    #[setup(Dense::new(CLASSES))]
    logits: Dense,
}

impl Cnn {
    #[compact]
    fn encode(&self, x: &Tensor) -> flaxen::Result<Tensor> {
        let x = self.features.call(x)?;
        // Kept only if a caller asks for the collection; otherwise it costs nothing.
        self.sow("intermediates", "flat", &x)?;
        Ok(self.hidden.call(&x)?.relu())
    }
}

impl Layer for Cnn {
    #[compact]
    fn call(&self, x: &Tensor) -> flaxen::Result<Tensor> {
        let x = self.encode(x)?;
        Ok(self.logits.call(&x)?.log_softmax(-1))
    }
}

fn main() -> Result<()> {
    let x = pictures::two_rings(28);
    let cnn = Cnn::new();
    let variables = cnn.init(key(0)).call(&x)?;
    // The initial perturbations are made by `init`, too; they belong to one batch, not to the model.
    let (perturbations, variables) = variables.pop("perturbations")?;

    stored_values(&cnn, &variables, &x)?;
    captured_values(&cnn, &variables, &x)?;
    nan_hunt(&cnn, &variables, &x)?;
    parts(&cnn, &variables, &x)?;
    sequential_prefix(&x)?;
    let grads = gradients(&cnn, &variables, &perturbations, &x)?;
    draw(&cnn, &variables, &grads, &x)?;
    page(&cnn, &variables, &x)
}

/// What the model stores itself.
fn stored_values(cnn: &Cnn, variables: &Variables, x: &Tensor) -> Result<()> {
    println!("Stored by `sow`, returned because `intermediates` is mutable:");
    let (_, updates) = cnn.apply(variables).mutable("intermediates").call(x)?;
    list(&updates);
    Ok(())
}

/// What layers return, without a change to the model.
fn captured_values(cnn: &Cnn, variables: &Variables, x: &Tensor) -> Result<()> {
    println!("\nCaptured, every `call`:");
    list(&cnn.apply(variables).capture_intermediates().call(x)?.1);

    println!("\nBy type, what dense layers return:");
    let run = cnn.apply(variables).capture_intermediates_if(|module, _| module.is::<Dense>());
    list(&run.call(x)?.1);

    println!("\nBy name, the module `Conv_0`:");
    let run =
        cnn.apply(variables).capture_intermediates_if(|module, _| module.name().as_deref() == Some("Conv_0"));
    list(&run.call(x)?.1);

    println!("\nBy path, all that is within `features`:");
    let run = cnn
        .apply(variables)
        .capture_intermediates_if(|module, _| module.path().first().is_some_and(|part| part == "features"));
    list(&run.call(x)?.1);

    println!("\nBy method, what `encode` returns:");
    let run = cnn.apply(variables).capture_intermediates_if(|_, method| method == "encode");
    list(&run.call(x)?.1);
    Ok(())
}

/// Breaks a parameter, and finds the layer by what layers return.
fn nan_hunt(cnn: &Cnn, variables: &Variables, x: &Tensor) -> Result<()> {
    println!("\nWith a NaN among the parameters the output is NaN; where does it begin?");
    let params = variables.dict("params")?;
    let broken = params.tensor("hidden/kernel")? * f32::NAN;
    let broken = variables.with("params", params.with("hidden/kernel", broken));
    let (_, seen) = cnn.apply(&broken).capture_intermediates().call(x)?;
    let is_finite = tree::map(&seen, |value| Ok(value.is_finite().all()))?;
    for (path, finite) in tree::leaves_with_path(&is_finite) {
        println!("  {:<44} {}", path.join("/"), if finite.item::<bool>()? { "finite" } else { "NaN" });
    }
    Ok(())
}

/// Parts of a model, with the variables of the whole.
fn parts(cnn: &Cnn, variables: &Variables, x: &Tensor) -> Result<()> {
    println!("\nParts of the model:");
    let encoded = cnn.apply(variables).run(|m| m.encode(x))?;
    println!("  a method                   {:?}", encoded.shape());
    let features = cnn.apply(variables).run(|m| m.features.call(x))?;
    println!("  a submodule                {:?}", features.shape());
    let (part, of_part) = cnn.bind(variables).module()?.features.unbind()?;
    let alone = part.apply(&of_part).call(x)?;
    let is_same = (&alone - &features).abs().max().item::<f32>()? == 0.0;
    println!("  the same, by itself        {:?}, equal: {}", alone.shape(), is_same);
    Ok(())
}

/// The first layers of a list are a model again, for which the variables of the whole will do.
fn sequential_prefix(x: &Tensor) -> Result<()> {
    let pool = |x: &Tensor| avg_pool(x, [2, 2]).strides([2, 2]).run();
    let model = sequential![
        Conv::new(8, [3, 3]),
        Tensor::relu,
        pool,
        |x: &Tensor| x.flatten(1),
        Dense::new(CLASSES),
        |x: &Tensor| x.log_softmax(-1),
    ];
    let variables = model.init(key(0)).call(x)?;
    println!("\nPrefixes of a list of layers:");
    for count in 1..=model.layers.len() {
        let prefix = Sequential::new(model.layers[..count].to_vec());
        println!("  {count} layers: {:?}", prefix.apply(&variables).call(x)?.shape());
    }
    Ok(())
}

/// The gradient of a loss with respect to parameters, and to the values at the perturbations.
fn gradients(cnn: &Cnn, variables: &Variables, perturbations: &Dict, x: &Tensor) -> Result<Dict> {
    let label = Tensor::from([8i32]);
    let loss = |(params, perturbations): &(Dict, Dict)| {
        let variables =
            Variables::from([("params", params.clone()), ("perturbations", perturbations.clone())]);
        let logits = cnn.apply(variables).call(x)?;
        Ok(softmax_cross_entropy_with_integer_labels(&logits, &label).mean())
    };
    let at = (variables.dict("params")?.clone(), perturbations.clone());
    let (params, intermediate) = grad(loss)(&at)?;
    println!("\nGradients of a loss, their largest numbers:");
    for grads in [&params, &intermediate] {
        for (path, grad) in tree::leaves_with_path(grads) {
            println!("  {:<44} {:.5}", path.join("/"), grad.abs().max().item::<f32>()?);
        }
    }
    Ok(intermediate)
}

/// Draws the channels of what the convolutions return, and of the gradient with respect to the first one.
fn draw(cnn: &Cnn, variables: &Variables, grads: &Dict, x: &Tensor) -> Result<()> {
    let (_, seen) = cnn.apply(variables).capture_intermediates_if(|module, _| module.is::<Conv>()).call(x)?;
    let convolution = |name: &str| -> flaxen::Result<Tensor> {
        Ok(seen.at(["intermediates", "features", name, "__call__"])?[0].tensor()?.clone())
    };
    std::fs::create_dir_all(FOLDER)?;
    println!("\nPictures, red where positive, blue where negative:");
    for (name, what, values) in [
        ("input", "the image", x.clone()),
        ("conv_0", "what the first convolution returns, a tile a channel", convolution("Conv_0")?),
        ("conv_1", "what the second one returns", convolution("Conv_1")?),
        (
            "gradient",
            "the gradient of the loss with respect to the first one",
            grads.tensor("features/edges")?.clone(),
        ),
    ] {
        let path = Path::new(FOLDER).join(name).with_extension("png");
        pictures::save_channels(&path, &values)?;
        println!("  {:<36} {what}", path.display());
    }
    Ok(())
}

/// The model as a page: its modules with their numbers, gradients, times and pictures.
fn page(cnn: &Cnn, variables: &Variables, x: &Tensor) -> Result<()> {
    let label = Tensor::from([8i32]);
    let loss = |logits: Tensor| Ok(softmax_cross_entropy_with_integer_labels(&logits, &label).mean());
    let explored = cnn.explore(key(0)).variables(variables).run_with_loss(|m| m.call(x), loss)?;
    let path = Path::new(FOLDER).join("model.html");
    explored.save_html(&path)?;
    println!("\nOpen {} in a browser:\n  {explored}", path.display());
    Ok(())
}

/// The paths of what was stored, with shapes and means.
fn list(variables: &Variables) {
    for (path, value) in tree::leaves_with_path(variables) {
        println!("  {:<44} {:?}", path.join("/"), value.shape());
    }
}
