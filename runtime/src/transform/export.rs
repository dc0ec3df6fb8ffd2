//! Compiled functions as text in StableHLO, which JAX, IREE and devices of XLA run.

use super::jit::Jit;
use super::stage::{Staged, avals, stage};
use crate::array::{Aval, DType, Shape};
use crate::backend::CPU;
use crate::backend::stablehlo::{Argument, Leaf as Described, Lowering, Signature, lower};
use crate::core::{Graph, Tensor};
use crate::error::{Error, Result};
use crate::tree::{self, Path, Structure, Tree};

/// A tensor that an exported program takes or returns: a leaf of its argument, or of its result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leaf {
    /// Where it is in the tree, its steps separated by `/`; empty for the tree itself.
    pub path: String,
    /// The sizes of its axes.
    pub shape: Shape,
    /// The type of its elements.
    pub dtype: DType,
    /// Whether its memory may become that of a result, so that the argument is gone after a call.
    pub donated: bool,
}

/// A program as text, and what it takes and returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    text: String,
    inputs: Vec<Leaf>,
    outputs: Vec<Leaf>,
}

/// Returns the text of the program that an argument leads to.
///
/// Shapes and dtypes of `args` are all that is looked at: its tensors may come from [`Tensor::abstract_value`].
///
/// # Errors
/// What the function returns while it is traced; if it calls a function of the host, such as
/// [`debug::print`](crate::debug::print), or talks over an axis that no `vmap` has.
pub fn stablehlo<F, I, O>(function: &Jit<F, I, O>, args: &I) -> Result<String>
where
    I: Tree,
    O: Tree,
    F: Fn(I) -> Result<O>,
{
    Ok(Exported::of(function, args)?.text)
}

/// Returns the text of a graph: for [backends](crate::core::Backend) that compile StableHLO.
///
/// # Errors
/// If it holds what StableHLO cannot say, see [`stablehlo`].
///
/// ```
/// use flaxen::prelude::*;
/// let graph = jit(|x: Tensor| Ok(x.exp())).graph(&Tensor::ones([3]))?;
/// assert!(flaxen::export::graph(&graph)?.contains("stablehlo.exponential"));
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn graph(graph: &Graph) -> Result<String> {
    lower(graph, &Lowering { locations: true, ..Lowering::default() })
}

impl Exported {
    /// Exports the program that an argument leads to.
    ///
    /// # Errors
    /// As [`stablehlo`].
    pub fn of<F, I, O>(function: &Jit<F, I, O>, args: &I) -> Result<Exported>
    where
        I: Tree,
        O: Tree,
        F: Fn(I) -> Result<O>,
    {
        Exported::donating(function, args, |_| false)
    }

    /// As [`of`](Exported::of), of a program that may write results into the arguments whose paths `donated` accepts, such as `0/params/w`.
    ///
    /// # Errors
    /// As [`stablehlo`].
    ///
    /// ```
    /// use flaxen::export::Exported;
    /// use flaxen::prelude::*;
    ///
    /// let step = jit(|(w, g): (Tensor, Tensor)| Ok(w - g * 0.1));
    /// let exported = Exported::donating(&step, &(Tensor::ones([3]), Tensor::ones([3])), |path| path == "0")?;
    /// assert!(exported.text().contains("tf.aliasing_output = 0"));
    /// assert!(exported.inputs()[0].donated && !exported.inputs()[1].donated);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn donating<F, I, O>(
        function: &Jit<F, I, O>,
        args: &I,
        donated: impl Fn(&str) -> bool,
    ) -> Result<Exported>
    where
        I: Tree,
        O: Tree,
        F: Fn(I) -> Result<O>,
    {
        let Staged { graph, captured, outs } = stage(&Structure::of(args), &avals(args), &function.f)?;
        if !captured.is_empty() {
            return Err(Error::argument(
                "export",
                "the function closes over values of a transform around it",
            ));
        }
        let described = |path: &Path, aval: &Aval, donated| Leaf {
            path: path.join("/"),
            shape: aval.shape.clone(),
            dtype: aval.dtype,
            donated,
        };
        let inputs: Vec<Leaf> = tree::leaves_with_path(args)
            .into_iter()
            .map(|(path, leaf)| described(&path, leaf.aval(), donated(&path.join("/"))))
            .collect();
        let results: O =
            outs.try_build(graph.outs.iter().map(|&var| Tensor::abstract_value(graph.aval(var).clone())))?;
        let outputs = tree::leaves_with_path(&results)
            .into_iter()
            .map(|(path, leaf)| described(&path, leaf.aval(), false))
            .collect();
        Exported::of_graph(&CPU.backend.simplify(graph), inputs, outputs)
    }

    fn of_graph(graph: &Graph, inputs: Vec<Leaf>, outputs: Vec<Leaf>) -> Result<Exported> {
        let argument = |leaf: &Leaf| Argument { name: leaf.path.clone(), donated: leaf.donated };
        let options = Lowering {
            name: String::new(),
            arguments: inputs.iter().map(argument).collect(),
            results: outputs.iter().map(|leaf| leaf.path.clone()).collect(),
            locations: true,
        };
        let text = lower(graph, &options)?;
        Exported::parse(text)
    }

    /// Reads what [`text`](Exported::text) gave: what `main` takes and returns is in its first line.
    ///
    /// # Errors
    /// If the text has no function `main` as an exported program has it.
    pub fn parse(text: impl Into<String>) -> Result<Exported> {
        let text = text.into();
        let Signature { inputs, outputs } = Signature::of(&text)?;
        let leaf = |Described { name, aval, donated }| Leaf {
            path: name,
            shape: aval.shape,
            dtype: aval.dtype,
            donated,
        };
        let [inputs, outputs] = [inputs, outputs].map(|leaves| leaves.into_iter().map(leaf).collect());
        Ok(Exported { text, inputs, outputs })
    }

    /// The module in StableHLO.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The leaves of the argument, in order.
    pub fn inputs(&self) -> &[Leaf] {
        &self.inputs
    }

    /// The leaves of the result, in order.
    pub fn outputs(&self) -> &[Leaf] {
        &self.outputs
    }
}
