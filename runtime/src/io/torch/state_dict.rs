//! The tensors of a model of PyTorch, and what is said about them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::super::names;
use super::super::safetensors::Save;
use super::super::write_with;
use super::change::Change;
use super::layout::{Kind, Order};
use super::open::Opened;
use super::pattern::{PathPattern, Pattern};
use super::report::Report;
use super::rules::{Rule, What};
use super::template::Template;
use super::write;
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::variables::{Dict, Variables};

/// The tensors of a PyTorch model, and what is said about them.
///
/// Modules are named as in PyTorch, with dots: `encoder.layers.0.linear1`. A `*` stands for any one part, `encoder.layers.*.attn`, or for
/// some of one, `embeddings.*_embeddings`.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::io::torch::{Kind, StateDict};
///
/// // As `StateDict::open("model.safetensors")?` reads them.
/// let weights = [
///     ("words.weight", Tensor::ones([100, 8])),
///     ("layers.0.weight", Tensor::ones([16, 8])),
///     ("layers.0.bias", Tensor::zeros([16])),
/// ];
/// let variables = StateDict::new(weights)
///     .layer("words", Kind::Embedding)
///     .rename("layers.0", "hidden")
///     .variables()?;
/// assert_eq!(variables.tensor("params/words/embedding")?.shape(), [100, 8]);
/// assert_eq!(variables.tensor("params/hidden/kernel")?.shape(), [8, 16]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is converted before `variables`"]
pub struct StateDict {
    pub(super) path: String,
    pub(super) tensors: BTreeMap<String, Tensor>,
    /// What is wrong with those that cannot be read.
    pub(super) flawed: BTreeMap<String, String>,
    pub(super) rules: Vec<Rule>,
    pub(super) dtype: Option<DType>,
}

impl StateDict {
    /// Reads a state dict: a safetensors file, a file of `torch.save` (see [`File`](crate::io::torch::File)), or the index of a model in several of them
    /// (`model.safetensors.index.json`, `pytorch_model.bin.index.json`), which lie beside it. Also the weights of an npz file, of
    /// [GGUF](crate::io::gguf) and of [ONNX](crate::io::onnx). Which it is, its first bytes tell.
    ///
    /// Tensors that are the same bytes of a file, as tied weights are, share their memory here.
    ///
    /// # Errors
    /// If a file cannot be read or is not valid; if its tensors lie over each other so much that they would need eight times its
    /// memory. A tensor of a dtype that no tensor has here can be
    /// [left out](StateDict::ignore); otherwise [`variables`](StateDict::variables) is an error.
    pub fn open(path: impl AsRef<Path>) -> Result<StateDict> {
        let Opened { tensors, flawed } = Opened::read(path.as_ref())?;
        Ok(StateDict {
            path: path.as_ref().display().to_string(),
            tensors,
            flawed,
            rules: vec![],
            dtype: None,
        })
    }

    /// Only what is in a part of it, without the name of that part: of a checkpoint `{"model": …, "optimizer": …}` the `model`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::io::torch::StateDict;
    ///
    /// let checkpoint = [("model.0.weight", Tensor::ones([2, 3])), ("optimizer.state.0.step", Tensor::from(7.0))];
    /// let variables = StateDict::new(checkpoint).part("model").rename("0", "Dense_0").variables()?;
    /// assert_eq!(variables.tensor("params/Dense_0/kernel")?.shape(), [3, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn part(mut self, name: &str) -> StateDict {
        let below = |full: &str| Some(full.strip_prefix(name)?.strip_prefix('.')?.to_owned());
        self.tensors =
            self.tensors.into_iter().filter_map(|(full, tensor)| Some((below(&full)?, tensor))).collect();
        self.flawed =
            self.flawed.into_iter().filter_map(|(full, flaw)| Some((below(&full)?, flaw))).collect();
        self
    }

    /// A state dict that was read in another way.
    pub fn new<N: Into<String>>(tensors: impl IntoIterator<Item = (N, Tensor)>) -> StateDict {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name.into(), tensor)).collect();
        StateDict {
            path: "(state dict)".to_owned(),
            tensors,
            flawed: BTreeMap::new(),
            rules: vec![],
            dtype: None,
        }
    }

    fn rule(mut self, pattern: &str, what: What) -> StateDict {
        self.rules.push(Rule { pattern: Pattern::new(pattern), what });
        self
    }

    /// Says what a module is, where its tensors do not tell.
    pub fn layer(self, module: &str, kind: Kind) -> StateDict {
        self.rule(module, What::Layer(kind))
    }

    /// Says that a `Linear` follows a `flatten` of features, which have this shape in PyTorch, without the batch:
    /// `[channels, height, width]`.
    pub fn flattened(self, module: &str, shape: impl AsRef<[usize]>) -> StateDict {
        self.rule(module, What::Order(Order::Inputs(shape.as_ref().to_vec())))
    }

    /// Says that the output of a `Linear` is reshaped into features, which have this shape in PyTorch, without the batch:
    /// `[channels, height, width]`.
    pub fn unflattened(self, module: &str, shape: impl AsRef<[usize]>) -> StateDict {
        self.rule(module, What::Order(Order::Outputs(shape.as_ref().to_vec())))
    }

    /// Gives a module, with all in it, another path: `("features.0", "encoder/Conv_0")`. An empty path is the top.
    ///
    /// `$1`, `$2`, … in the path are what the first, the second, … `*` stands for:
    /// `("encoder.layer.*.output.dense", "layer_$1/down")`. Of several rules for parts of one name the longest counts, of those the last;
    /// without one, dots become slashes.
    pub fn rename(self, module: &str, path: &str) -> StateDict {
        self.rule(module, What::Rename(PathPattern::new(path)))
    }

    /// Changes a tensor, or all tensors of a module, by a function, before they are converted: the function's result has PyTorch's layout,
    /// too.
    ///
    /// What was changed cannot be exported: [`map_with_inverse`](StateDict::map_with_inverse) can.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::io::torch::StateDict;
    ///
    /// // An embedding with a row of padding that ours has not.
    /// let state = StateDict::new([("words.weight", Tensor::ones([101, 8]))]);
    /// let state = state.map("words.weight", |weight| weight.try_slice_axis(0, 1..101));
    /// assert_eq!(state.variables()?.tensor("params/words/kernel")?.shape(), [8, 100]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn map(
        self,
        module: &str,
        change: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
    ) -> StateDict {
        self.rule(module, What::Change(Change { there: Arc::new(change), back: None }))
    }

    /// As [`map`](StateDict::map), with the function that undoes it.
    pub fn map_with_inverse(
        self,
        module: &str,
        change: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
        inverse: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
    ) -> StateDict {
        self.rule(module, What::Change(Change { there: Arc::new(change), back: Some(Arc::new(inverse)) }))
    }

    /// Says that a tensor is another one under a second name, as the output layer of a language model often is its embedding. Ours has
    /// it once: with [`Embed::attend`](crate::nn::Embed::attend), for instance.
    ///
    /// It is left out, whether it is there or not, and must be the same; exported, it is there and the same.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::io::torch::StateDict;
    ///
    /// let words = Tensor::ones([100, 8]);
    /// let state = StateDict::new([("words.weight", words.clone()), ("head.weight", words)]).tied("head.weight", "words.weight");
    /// let variables = state.variables()?;
    /// assert!(!variables.contains("params/head"));
    /// assert_eq!(state.export(&variables)?.names().collect::<Vec<_>>(), ["head.weight", "words.weight"]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn tied(self, name: &str, original: &str) -> StateDict {
        self.rule(name, What::Tied(original.to_owned()))
    }

    /// Gives a tensor a second name, for a model of ours that has it twice where the file has it once, because it was
    /// [tied](StateDict::tied).
    ///
    /// It cannot be exported if both differ by then.
    pub fn copied(self, original: &str, name: &str) -> StateDict {
        self.rule(name, What::Copied(original.to_owned()))
    }

    /// Leaves out a tensor, or a module with all in it. (`num_batches_tracked` is always left out.)
    pub fn ignore(self, name: &str) -> StateDict {
        self.rule(name, What::Ignore)
    }

    /// Keeps a tensor as it is, a parameter under its own name, or all tensors of a module. (What our model has under the same name is
    /// always kept.)
    pub fn keep(self, name: &str) -> StateDict {
        self.rule(name, What::Keep)
    }

    /// Casts all floats, of files in half precision for instance.
    pub fn cast(self, dtype: DType) -> StateDict {
        StateDict { dtype: Some(dtype), ..self }
    }

    /// The collections `params` and `batch_stats` of our twin of the model.
    ///
    /// # Errors
    /// If no rule says what becomes of a tensor, or a rule is about nothing that is there, with a list of those; if a tensor's
    /// shape is not one of its layer, or the shapes of weight and bias do not fit each other, as those of a transposed convolution
    /// in groups; if two tensors get one path; if a tensor that is not left out is of a dtype that no tensor has here.
    pub fn variables(&self) -> Result<Variables> {
        self.convert().map_err(|message| Error::file(&self.path, message))
    }

    /// As [`variables`](StateDict::variables), for a model whose own variables are known: those that `init` makes, or their shapes, as
    /// [`eval_shape`](crate::eval_shape) gives them.
    ///
    /// Layers are known by what the model has in their place, too: embeddings, attention, [`PReLU`](crate::nn::PReLU). Axes of size 1
    /// come and go, and those of a `Linear` are split or merged, as the model has them.
    ///
    /// # Errors
    /// Also if names, shapes or dtypes are not those of the model's variables, with a list of all of those and the nearest names.
    pub fn variables_like(&self, model: &Variables) -> Result<Variables> {
        self.convert_like(model).map_err(|message| Error::file(&self.path, message))
    }

    /// As [`variables_like`](StateDict::variables_like), giving up each tensor when ours are made of it: for large models, which would need
    /// twice the memory otherwise.
    ///
    /// # Errors
    /// As [`variables_like`](StateDict::variables_like).
    pub fn into_variables_like(self, model: &Variables) -> Result<Variables> {
        let path = self.path.clone();
        self.convert_into(model).map_err(|message| Error::file(&path, message))
    }

    /// What becomes of each tensor, as a table to print: names, shapes and dtypes of both sides, and what was transposed, split or
    /// added. It is no error if something is wrong; the table says so.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::io::torch::StateDict;
    ///
    /// let state = StateDict::new([("fc.weight", Tensor::ones([16, 8])), ("step", Tensor::from(7i32))]);
    /// let report = state.ignore("step").report()?.to_string();
    /// assert!(report.contains("fc.weight  f32[16,8]  ->  params/fc/kernel  f32[8,16]  transposed"));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a tensor that is not left out is of a dtype that no tensor has here; if a function of [`map`](StateDict::map) fails.
    pub fn report(&self) -> Result<Report> {
        let plan = self.plan(None).map_err(|message| Error::file(&self.path, message))?;
        Ok(Report::new(&plan, self.dtype))
    }

    /// As [`report`](StateDict::report), of what becomes of them [for a model](StateDict::variables_like).
    ///
    /// # Errors
    /// As [`report`](StateDict::report).
    pub fn report_like(&self, model: &Variables) -> Result<Report> {
        let wrong = |message: String| Error::file(&self.path, message);
        let template = Template::of(model).map_err(wrong)?;
        Ok(Report::new(&self.plan(Some(&template)).map_err(wrong)?, self.dtype))
    }

    /// The state dict with the values of our variables, which [`save`](StateDict::save) writes: the way back.
    ///
    /// Its names, shapes and dtypes are those of this one: the file that the model began with, or one that PyTorch saved of a new model.
    /// Variables that come from it give the very same tensors. What was left out is as it was, and what was cast is cast back. Where ours
    /// has the sum of two biases of a recurrent layer, one of them is all of it and the other 0, unless nothing has changed.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::io::torch::StateDict;
    ///
    /// let state = StateDict::new([("fc.weight", Tensor::arange(0.0f32, 6.0, 1.0).reshape([2, 3])), ("fc.bias", Tensor::arange(0.0f32, 2.0, 1.0))]);
    /// let variables = state.variables()?;
    /// // Training changes the variables here.
    /// let trained = state.export(&variables)?;
    /// assert_eq!(trained.tensor("fc.weight")?.to_vec::<f32>()?, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("trained.pt");
    /// // In Python: model.load_state_dict(torch.load("trained.pt"))
    /// trained.save(&path)?;
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// If names or shapes of the variables are not those that the state dict gives; if a tensor was [changed](StateDict::map) and
    /// there is no way back; if a bias that PyTorch's layer has not is not 0; if what was [one tensor](StateDict::copied) differs.
    pub fn export(&self, variables: &Variables) -> Result<StateDict> {
        let tensors = self.exported(variables).map_err(|message| Error::file(&self.path, message))?;
        Ok(StateDict { tensors, flawed: BTreeMap::new(), ..self.clone() })
    }

    /// Saves the tensors under PyTorch's names: as `torch.save` writes a state dict if the file's name ends in `.pt`, `.pth` or `.bin`,
    /// and as a safetensors file if it ends in `.safetensors`.
    ///
    /// `torch.load(path, weights_only=True)` or `safetensors.torch.load_file(path)` reads it.
    ///
    /// # Errors
    /// If the name ends in something else; if the file cannot be written, it is then as it was before.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let wrong = |message: &str| Error::file(&path.display().to_string(), message);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => {
                let dict: Dict =
                    self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
                // What `transformers` asks for.
                Save::new().metadata("format", "pt").run(path, &dict)
            }
            Some("pt" | "pth" | "bin") => {
                let arrays = self.tensors.iter().map(|(name, tensor)| Ok((name.clone(), tensor.array()?)));
                let arrays = arrays.collect::<Result<BTreeMap<_, _>>>()?;
                write_with(path, |file| write::write(file, &arrays))
            }
            _ => Err(wrong("its name says no format: let it end in `.pt`, `.pth`, `.bin` or `.safetensors`")),
        }
    }

    /// The names of the tensors, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.tensors.keys().map(String::as_str)
    }

    /// One of the tensors, in PyTorch's layout.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| {
            let all: Vec<String> = self.tensors.keys().cloned().collect();
            Error::file(&self.path, format_args!("there is no `{name}`; there is {}", names::list(&all)))
        })
    }
}
