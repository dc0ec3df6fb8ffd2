//! A model to look at: one page with its modules, their numbers, their gradients, and what went wrong in them.

mod gather;
mod page;
mod picture;
mod stats;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::module::{Layer, Module};
use crate::scope::Rngs;
use crate::tree::{self, Tree};
use crate::variables::Variables;

pub use picture::Picture;
pub use stats::Stats;

/// Modules that can be explored: all of them.
///
/// ```
/// use flaxen::prelude::*;
///
/// let model = sequential![Dense::new(8), Tensor::relu, Dense::new(2)];
/// let explored = model.explore(key(0)).call(&Tensor::ones([4, 3]))?;
/// let first = explored.modules().iter().find(|module| module.path == "layers_0").unwrap();
/// assert_eq!(first.parameters[0].shape, [8]);
/// assert!(first.output.as_ref().is_some_and(|output| output.nan == 0));
/// # let path = std::env::temp_dir().join(format!("flaxen-doc-explore-{}.html", std::process::id()));
/// # explored.save_html(&path)?;
/// # std::fs::remove_file(&path)?;
/// # let _ = stringify! {
/// explored.save_html("model.html")?;
/// # };
/// # Ok::<(), flaxen::Error>(())
/// ```
pub trait Explore: Module {
    /// Runs the model once, forwards and backwards, and keeps what there is to see: see [`Explorer`].
    ///
    /// The streams of random keys are one key, which is that of `params`, or [`Rngs`].
    fn explore(&self, rngs: impl Into<Rngs>) -> Explorer<'_, Self> {
        Explorer { module: self, rngs: rngs.into(), variables: None }
    }
}

impl<M: Module> Explore for M {}

/// A model that is to be explored, by [`Explore::explore`].
///
/// The model is run on real inputs: outputs of all compact methods are kept, and the gradients of a loss with respect to them and to the
/// parameters. The loss is the mean of the squares of the output, unless [`run_with_loss`](Explorer::run_with_loss) is given another. It is
/// compiled once more by itself, to time its modules. What is inside of a loop or another lifted transform has no values of its own; its
/// variables, shapes, operations and time are there all the same.
#[must_use = "nothing is explored before `call` or `run`"]
pub struct Explorer<'m, M> {
    module: &'m M,
    rngs: Rngs,
    variables: Option<Variables>,
}

impl<M: Module> Explorer<'_, M> {
    /// The variables of a trained model; those of `init` otherwise.
    pub fn variables(self, variables: impl Into<Variables>) -> Self {
        Explorer { variables: Some(variables.into()), ..self }
    }

    /// Explores the layer's `call`.
    ///
    /// # Errors
    /// What `call` returns.
    pub fn call(self, x: &Tensor) -> Result<Exploration>
    where
        M: Layer,
    {
        self.run(|module| module.call(x))
    }

    /// Explores any method, or any function, of the model.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn run<T: Tree>(self, f: impl Fn(&M) -> Result<T>) -> Result<Exploration> {
        self.run_with_loss(f, |out| {
            let floats = tree::leaves(&out).into_iter().filter(|leaf| leaf.dtype().is_float());
            let squares = floats.map(|leaf| leaf.try_square()?.try_mean());
            let none = "the output has no tensor of floats to make a loss of; give one to `run_with_loss`";
            squares.reduce(|a, b| a?.try_add(b?)).unwrap_or_else(|| Err(Error::msg(none)))
        })
    }

    /// As [`run`](Explorer::run), with gradients of a loss of the output, a tensor without axes.
    ///
    /// # Errors
    /// What `f` returns. If `loss` has no gradient, the page says so instead of showing any.
    pub fn run_with_loss<T: Tree>(
        self,
        f: impl Fn(&M) -> Result<T>,
        loss: impl Fn(T) -> Result<Tensor>,
    ) -> Result<Exploration> {
        gather::gather(self.module, &self.rngs, self.variables, &f, &loss)
    }
}

/// What was seen of a model.
#[derive(Clone, Debug)]
pub struct Exploration {
    model: String,
    modules: Vec<ExploredModule>,
    total_time: Option<Duration>,
    notes: Vec<String>,
}

/// One call of a compact method.
#[derive(Clone, Debug)]
pub struct ExploredModule {
    /// The path of the module, its names joined by `/`; empty of the model itself.
    pub path: String,
    /// The name of its type.
    pub module: String,
    /// The method.
    pub method: String,
    /// The arguments: shapes of tensors, and names of all else with their values.
    pub inputs: String,
    /// The shapes of what it returns.
    pub outputs: String,
    /// The parameters and other variables of the module itself, without those of its submodules.
    pub parameters: Vec<ExploredParameter>,
    /// Whether another method of the same module called it, whose operations and time have its own in them.
    pub is_inner: bool,
    /// Floating-point operations of the call, submodules included.
    pub flops: Option<u64>,
    /// What the compiled steps of the module and its submodules take; a step that joins several counts for the one it begins in.
    pub time: Option<Duration>,
    /// The values it returns, if it is one tensor of floats.
    pub output: Option<Stats>,
    /// The gradient of the loss with respect to these.
    pub gradient: Option<Stats>,
    /// Of how many units, along the last axis of the output, the gradient is 0 in all places, and how many there are; None of outputs with
    /// fewer than 8 places besides, such as those of a batch of one, where a gradient of 0 says nothing.
    pub dead_units: Option<(usize, usize)>,
    /// The first example of the output as pictures.
    pub pictures: Vec<Picture>,
}

/// A parameter, or another variable.
#[derive(Clone, Debug)]
pub struct ExploredParameter {
    /// The collection, such as `params`.
    pub collection: String,
    /// The name within the module.
    pub name: String,
    /// The shape.
    pub shape: Vec<usize>,
    /// The dtype's name.
    pub dtype: String,
    /// The size in memory.
    pub bytes: usize,
    /// Its values.
    pub values: Option<Stats>,
    /// The gradient of the loss with respect to them.
    pub gradient: Option<Stats>,
}

impl Exploration {
    /// The name of the model's type.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The calls in the order in which they began; the first is that of the model.
    pub fn modules(&self) -> &[ExploredModule] {
        &self.modules
    }

    /// The time of one compiled call of the whole, if it could be compiled.
    pub fn total_time(&self) -> Option<Duration> {
        self.total_time
    }

    /// What could not be had, and why.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Numbers of parameters, and their bytes.
    pub fn size(&self) -> (usize, usize) {
        let all = self.modules.iter().flat_map(|module| &module.parameters);
        let params = all.filter(|parameter| parameter.collection == "params");
        params.fold((0, 0), |(count, bytes), one| {
            (count + one.shape.iter().product::<usize>(), bytes + one.bytes)
        })
    }

    /// The page as text: complete in itself, without anything from elsewhere.
    ///
    /// Tensors are in it as their distributions and as pictures of at most 64 × 64 places, of 16 channels at most: 140 kB for a call, at most.
    pub fn to_html(&self) -> String {
        page::html(self)
    }

    /// Writes the page to a file, which is replaced by the whole new one or stays as it is.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_html(&self, path: impl AsRef<Path>) -> Result<()> {
        crate::io::write(path, self.to_html())
    }
}

impl fmt::Display for Exploration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, bytes) = self.size();
        write!(f, "{}: {} calls, {count} parameters, {bytes} bytes", self.model, self.modules.len())
    }
}
