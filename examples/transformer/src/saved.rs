//! A trained model as a file: its parameters, and what it is made of.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flaxen::io::safetensors::{File, Save};
use flaxen::prelude::*;

use crate::model::Transformer;
use crate::text::Text;

/// Writes a model to a safetensors file.
///
/// # Errors
/// If it cannot be written.
pub fn save(path: &Path, model: &Transformer, text: &Text, params: &Dict) -> Result<()> {
    Save::new()
        .metadata("characters", text.characters())
        .metadata("context", model.context.to_string())
        .metadata("features", model.features.to_string())
        .metadata("heads", model.heads.to_string())
        .metadata("layers", model.layers.to_string())
        .run(path, params)?;
    Ok(())
}

/// Reads a model from a file, with its characters and parameters.
///
/// # Errors
/// If it is no file of [`save`], or its parameters are not those of the model that it says.
pub fn load(path: &Path) -> Result<(Transformer, Text, Dict)> {
    let file = File::open(path)?;
    read(&file).with_context(|| format!("`{}` is no model of `transformer --save`", path.display()))
}

fn read(file: &File) -> Result<(Transformer, Text, Dict)> {
    let texts = file.metadata();
    let text = Text::of_characters(texts.get("characters").context("it has no `characters`")?);
    let [context, features, heads, layers] =
        ["context", "features", "heads", "layers"].map(|name| number(texts, name));
    let model =
        Transformer::new(text.vocabulary(), context?).features(features?).heads(heads?).layers(layers?);
    // What the parameters are, without their numbers.
    let init = |tokens: Tensor| model.init(key(0)).run(|m| m.call(&tokens, false));
    let own = flaxen::eval_shape(init, &Tensor::zeros_of([1, model.context], DType::I32))?;
    let params = file.restore(own.dict("params")?)?;
    Ok((model, text, params))
}

/// A size among the texts of a file: at least 1, and no larger than what a program of this kind is for.
fn number(texts: &BTreeMap<String, String>, name: &str) -> Result<usize> {
    let text = texts.get(name).with_context(|| format!("it has no `{name}`"))?;
    let number = text.parse().with_context(|| format!("it has the {name} `{text}`"))?;
    ensure!((1..=1 << 16).contains(&number), "it has {number} {name}");
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_comes_back_with_its_characters_and_parameters() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model.safetensors");
        let (model, text) =
            (Transformer::new(5, 8).features(8).heads(2).layers(1), Text::of_characters("\nabc\""));
        let tokens = Tensor::zeros_of([1, 8], DType::I32);
        let params = model.init(key(0)).run(|m| m.call(&tokens, false))?.dict("params")?.clone();
        save(&path, &model, &text, &params)?;
        let (again, read, same) = load(&path)?;
        assert_eq!((again, read.characters(), same), (model, text.characters(), params));
        Ok(())
    }

    #[test]
    fn files_of_other_programs_are_refused() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model.safetensors");
        let message = |path: &Path| format!("{:#}", load(path).err().expect("a mistake"));
        let params = Dict::from([("x", Tensor::ones([2]))]);
        Save::new().run(&path, &params)?;
        assert!(message(&path).ends_with("it has no `characters`"), "{}", message(&path));
        let sizes =
            [("characters", "ab"), ("context", "8"), ("features", "8"), ("heads", "2"), ("layers", "1")];
        let saved = |changed: &str, value: &str| {
            let each = sizes.iter().map(|&(name, text)| (name, if name == changed { value } else { text }));
            each.fold(Save::new(), |save, (name, text)| save.metadata(name, text)).run(&path, &params)
        };
        for (name, value, expected) in [
            ("", "", "Block_0/Dense_0/bias"),
            ("context", "x", "the context `x`"),
            ("layers", "0", "0 layers"),
            ("heads", "3", "found 3"),
        ] {
            saved(name, value)?;
            assert!(message(&path).contains(expected), "{name}: {}", message(&path));
        }
        Ok(())
    }
}
