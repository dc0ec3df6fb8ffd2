//! Whole modules: `main`, what its arguments and results are called, and which of its arguments it may overwrite.

use super::body::{Body, quoted};
use super::functions::Functions;
use super::graph::write_graph;
use super::types::Type;
use crate::core::Graph;
use crate::error::Result;

/// What the text says beside the program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lowering {
    /// The name of the module; `main` if it is empty.
    pub(crate) name: String,
    /// Of each input, or empty.
    pub(crate) arguments: Vec<Argument>,
    /// The name of each result, or empty.
    pub(crate) results: Vec<String>,
    /// Whether operations say in which module of the model they are.
    pub(crate) locations: bool,
}

/// What is said of an input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Argument {
    /// A path, such as `params/Dense_0/kernel`, or empty.
    pub(crate) name: String,
    /// Whether its memory may be that of a result; it is given to the first result of its type that has none yet.
    pub(crate) donated: bool,
}

/// Writes a graph as a module whose function `main` takes its inputs and returns its results.
///
/// # Errors
/// If it holds what StableHLO cannot do: a call of a function of the host, or talk over an axis that no `vmap` has; what decompositions
/// return.
pub(crate) fn lower(graph: &Graph, options: &Lowering) -> Result<String> {
    let functions = Functions::new(options.locations);
    let inputs: Vec<Type> = graph.inputs().iter().map(|&var| Type::of(graph.aval(var))).collect();
    let outs: Vec<Type> = graph.outs().iter().map(|&var| Type::of(graph.aval(var))).collect();
    let aliases = aliases(options, &inputs, &outs);
    let main = Body::new(&functions);
    let arguments: Vec<String> = {
        let args: Vec<_> = inputs.iter().map(|of| main.argument(of.clone())).collect();
        let results = write_graph(&main, graph, &args)?;
        main.finish("return", &results);
        let described = args.iter().enumerate().map(|(at, arg)| {
            let about = options.arguments.get(at);
            let name = about.map_or("", |about| &about.name);
            let mut attributes = Vec::new();
            if !name.is_empty() {
                attributes.push(format!("jax.arg_info = {}", quoted(name)));
            }
            if let Some(result) = aliases[at] {
                attributes.push(format!("tf.aliasing_output = {result} : i32"));
            }
            let attributes =
                if attributes.is_empty() { String::new() } else { format!(" {{{}}}", attributes.join(", ")) };
            let location = if name.is_empty() { String::new() } else { format!(" loc({})", quoted(name)) };
            format!("{}: {}{attributes}{location}", arg.name(), arg.ty())
        });
        described.collect()
    };
    let results: Vec<String> = (outs.iter().enumerate())
        .map(|(at, of)| match options.results.get(at) {
            Some(name) => format!("{of} {{jax.result_info = {}}}", quoted(name)),
            None => of.to_string(),
        })
        .collect();
    let name = if options.name.is_empty() { "main" } else { &options.name };
    let main = main.into_text();
    Ok(format!(
        "module @{} {{\n  func.func public @main({}) -> ({}) {{\n{main}  }}\n{}}}\n",
        quoted(name),
        arguments.join(", "),
        results.join(", "),
        functions.into_text(),
    ))
}

/// The result whose memory each donated input becomes.
fn aliases(options: &Lowering, inputs: &[Type], outs: &[Type]) -> Vec<Option<usize>> {
    let mut taken = vec![false; outs.len()];
    let alias = |(at, of): (usize, &Type)| {
        if !options.arguments.get(at).is_some_and(|about| about.donated) {
            return None;
        }
        let result = (0..outs.len()).find(|&out| !taken[out] && outs[out] == *of)?;
        taken[result] = true;
        Some(result)
    };
    inputs.iter().enumerate().map(alias).collect()
}
