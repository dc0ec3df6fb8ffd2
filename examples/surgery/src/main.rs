//! Parameters and an optimizer's state are values, so they can be taken apart, edited and put together again.
//!
//! Shown: parameters as a flat map and back, edits of one value and of many, Adam's moments edited in the same way, pretrained
//! weights from a file grafted into another model, and parameters frozen by labels.

mod model;

use std::collections::BTreeMap;

use flaxen::io::safetensors::{self, File};
use flaxen::prelude::*;
use flaxen::variables::Traversal;
use model::{Model, Task, loss, train};

/// Flattens parameters, edits some, and puts them together again.
fn edit(params: &Dict) -> Result<Dict> {
    let mut flat: BTreeMap<String, Value> = params.flatten("/");
    println!("Parameters by name:");
    for (name, value) in &flat {
        println!("  {name:28} {}", value.tensor()?.aval());
    }
    // One entry of the flat map, …
    let kernel = flat["encoder/Dense_0/kernel"].tensor()? * 2.0;
    flat.insert("encoder/Dense_0/kernel".to_owned(), kernel.into());
    let edited = Dict::unflatten(flat)?;
    // … which is the same as this, …
    let updated = params.update("encoder/Dense_0/kernel", |kernel| Ok(kernel.tensor()? * 2.0))?;
    if edited != updated {
        return Err(Error::msg("two ways to edit one value differ"));
    }
    // … and all of a kind.
    Traversal::new(|name, _| name.ends_with("/bias")).update(&edited, |bias| Ok(bias + 0.01))
}

/// Adam's state with no memory of one layer: its moments have the structure of the parameters.
fn forget(state: &AdamState, layer: &str) -> Result<AdamState> {
    let mut state = state.clone();
    for moment in [&mut state.0.mu, &mut state.0.nu] {
        let zeros = moment.dict(layer)?.map(|moment| Ok(moment * 0.0))?;
        *moment = moment.with(layer, zeros);
    }
    Ok(state)
}

/// The parameters of a model with those below a name taken from a file.
fn graft(params: &Dict, name: &str, file: &File) -> Result<Dict> {
    // As a part of the model's own structure: a file of another model would be refused, with a list of what differs.
    let pretrained = file.restore_part(name, params.dict(name)?)?;
    params.try_with(name, pretrained)
}

/// The names of the parameters that differ.
fn changed(before: &Dict, after: &Dict) -> Vec<String> {
    let after = after.flatten("/");
    before
        .flatten("/")
        .into_iter()
        .filter(|(name, value)| after.get(name) != Some(value))
        .map(|(name, _)| name)
        .collect()
}

fn main() -> Result<()> {
    // A model of two outputs learns the first task, halfway with some edits.
    let (pretrained, first) = (Model::new(2), Task::first());
    let tx = optim::adam(0.01);
    let params = pretrained.fresh(0)?;
    let (params, state) = train(&pretrained, &tx, (params.clone(), tx.init(&params)), &first, 200)?;

    let edited = edit(&params)?;
    println!("Edited: {}", changed(&params, &edited).join(", "));
    let forgotten = forget(&state, "encoder/Dense_0")?;
    println!(
        "Adam's `mu` without the edited layer's: {} changed",
        changed(&state.0.mu, &forgotten.0.mu).join(", ")
    );

    let before = loss(&pretrained, &edited, &first)?.item::<f32>()?;
    let (params, _) = train(&pretrained, &tx, (edited, forgotten), &first, 300)?;
    let after = loss(&pretrained, &params, &first)?.item::<f32>()?;
    println!(
        "First task: the loss is {before:.4} after the edits, and {after:.4} after some more training.\n"
    );

    let path = std::env::temp_dir().join(format!("flaxen-surgery-{}.safetensors", std::process::id()));
    safetensors::save(&path, &params)?;
    let file = File::open(&path)?;

    // Its encoder goes into a model of one output, which has few examples to learn from.
    let (model, second, unseen) = (Model::new(1), Task::second(), Task::unseen());
    let fresh = model.fresh(1)?;
    let grafted = graft(&fresh, "encoder", &file)?;
    println!("Grafted from the file: {}", changed(&fresh, &grafted).join(", "));
    std::fs::remove_file(&path).map_err(Error::other)?;

    // The encoder is frozen: by a label for each parameter, and a transformation for each label.
    let frozen = optim::multi_transform(
        [("train", optim::adam(0.01).boxed()), ("freeze", optim::set_to_zero().boxed())],
        |name, _| if name.starts_with("encoder/") { "freeze" } else { "train" },
    );
    let (tuned, _) = train(&model, &frozen, (grafted.clone(), frozen.init(&grafted)), &second, 300)?;
    println!("Trained: {}", changed(&grafted, &tuned).join(", "));
    let (alone, _) = train(&model, &tx, (fresh.clone(), tx.init(&fresh)), &second, 300)?;

    println!("Second task, the loss on what was not trained on:");
    for (what, params) in [("with the grafted encoder", &tuned), ("all from scratch", &alone)] {
        println!("  {what:26} {:.4}", loss(&model, params, &unseen)?.item::<f32>()?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_change_what_they_name() {
        let params = Model::new(2).fresh(0).unwrap();
        let names = changed(&params, &edit(&params).unwrap());
        let biases = ["encoder/Dense_0/bias", "encoder/Dense_1/bias", "head/bias"];
        assert_eq!(names, [&biases[..1], &["encoder/Dense_0/kernel"], &biases[1..]].concat());
    }

    #[test]
    fn only_what_is_labelled_is_trained() {
        let (model, task) = (Model::new(1), Task::second());
        let params = model.fresh(0).unwrap();
        let tx = optim::multi_transform(
            [("train", optim::sgd(0.1).boxed()), ("freeze", optim::set_to_zero().boxed())],
            |name, _| if name.starts_with("encoder/") { "freeze" } else { "train" },
        );
        let (tuned, _) = train(&model, &tx, (params.clone(), tx.init(&params)), &task, 3).unwrap();
        assert_eq!(changed(&params, &tuned), ["head/bias", "head/kernel"]);
    }

    #[test]
    fn a_graft_takes_all_below_a_name_and_refuses_another_shape() {
        let (donor, params) = (Model::new(2).fresh(0).unwrap(), Model::new(1).fresh(1).unwrap());
        let file = File::from_bytes(safetensors::Save::new().to_bytes(&donor).unwrap()).unwrap();
        let grafted = graft(&params, "encoder", &file).unwrap();
        assert_eq!(grafted.dict("encoder").unwrap(), donor.dict("encoder").unwrap());
        assert_eq!(grafted.dict("head").unwrap(), params.dict("head").unwrap());
        let message = graft(&params, "head", &file).unwrap_err().to_string();
        assert!(message.contains("`head/kernel` is f32[32,2]"), "{message}");
    }
}
