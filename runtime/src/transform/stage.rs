//! Staging a typed function into a graph: what `jit`, `checkpoint`, `custom_vjp` and `eval_shape` share.

use std::sync::Arc;

use crate::array::Aval;
use crate::core::Graph;
use crate::core::Tensor;
use crate::core::trace;
use crate::core::trace::Trace;
use crate::core::trace::stage::Stage;
use crate::error::Result;
use crate::tree::{self, Structure, Tree};

/// A staged function.
#[derive(Clone)]
pub(super) struct Staged {
    pub graph: Graph,
    /// Traced values from outside that the function closes over: the graph's leading inputs.
    pub captured: Vec<Tensor>,
    pub outs: Structure,
}

/// Traces `f` on inputs of these shapes and dtypes.
pub(super) fn stage<I: Tree, O: Tree>(
    inputs: &Structure,
    avals: &[Aval],
    f: impl FnOnce(I) -> Result<O>,
) -> Result<Staged> {
    let stage = Stage::new(trace::current());
    let traced = inputs.build(avals.iter().map(|aval| stage.input(aval)));
    let (mut f, mut traced) = (Some(f), Some(traced));
    finish(&stage, &mut || {
        let (Some(f), Some(traced)) = (f.take(), traced.take()) else { unreachable!("it is called once") };
        let out = f(traced)?;
        Ok((tree::leaves(&out).into_iter().cloned().collect(), Structure::of(&out)))
    })
}

/// The graph of what a function stages, which gives its results.
fn finish(stage: &Arc<Stage>, f: &mut dyn FnMut() -> Result<(Vec<Tensor>, Structure)>) -> Result<Staged> {
    trace::run(Trace::Stage(stage.clone()), || {
        let (leaves, outs) = f()?;
        leaves.iter().try_for_each(Tensor::check_open)?;
        let (graph, captured) = stage.finish(&leaves);
        Ok(Staged { graph, captured, outs })
    })
}

/// Shapes and dtypes of the leaves.
pub(super) fn avals(tree: &impl Tree) -> Vec<Aval> {
    tree::leaves(tree).into_iter().map(|leaf| leaf.aval().clone()).collect()
}
