//! What a loop carries from step to step: its structure, shapes and dtypes stay.

use std::cell::RefCell;

use super::stage::stage;
use crate::array::Aval;
use crate::core::{Graph, Tensor};
use crate::error::{Error, Result};
use crate::ops::cast::cast_to;
use crate::ops::convert;
use crate::tree::{self, Path, Structure, Tree};

/// A carry before the first step.
pub(super) struct Carry {
    op: &'static str,
    structure: Structure,
    paths: Vec<Path>,
    init: Vec<Tensor>,
}

/// A step that is staged.
pub(super) struct Prepared {
    /// The first carry, in the dtypes that it stays in.
    pub init: Vec<Tensor>,
    /// Its inputs are what is captured, the carry, and what else the step takes; its outputs the next carry and what else it gives.
    pub graph: Graph,
    pub captured: Vec<Tensor>,
    /// The structure of what the step gives beside the carry.
    pub rest: Structure,
}

impl Carry {
    pub fn new<C: Tree>(op: &'static str, init: C) -> Carry {
        let structure = Structure::of(&init);
        let paths = tree::leaves_with_path(&init).into_iter().map(|(path, _)| path).collect();
        let mut leaves = Vec::new();
        init.into_leaves(&mut leaves);
        Carry { op, structure, paths, init: leaves }
    }

    pub fn structure(&self) -> &Structure {
        &self.structure
    }

    /// Stages a step, once more for bare numbers in the carry that become numbers of a dtype.
    pub fn prepare<C: Tree, X: Tree, Y: Tree>(
        &self,
        xs: &Structure,
        avals: &[Aval],
        f: impl Fn(C, X) -> Result<(C, Y)>,
    ) -> Result<Prepared> {
        let mut init = self.init.clone();
        // A dtype that widens is not weak any more, so a second round is the last.
        loop {
            let both: Vec<Aval> =
                init.iter().map(|leaf| leaf.aval().clone()).chain(avals.iter().cloned()).collect();
            let inputs = Structure::pair(&self.structure, xs);
            let rest = RefCell::new(None);
            let staged = stage(&inputs, &both, |(carry, x): (C, X)| {
                let (carry, y) = f(carry, x)?;
                if let Some(difference) = self.structure.difference(&carry) {
                    let message = format!("the carry after a step differs from the one before: {difference}");
                    return Err(Error::argument(self.op, message));
                }
                *rest.borrow_mut() = Some(Structure::of(&y));
                Ok((carry, y))
            })?;
            let mut again = false;
            for ((before, &after), path) in init.iter_mut().zip(&staged.graph.outs).zip(&self.paths) {
                let (aval, after) = (before.aval().clone(), staged.graph.aval(after));
                if aval.weak && !after.weak && aval.shape == after.shape {
                    again = true;
                    *before = strong(before, after)?;
                } else if aval.shape != after.shape || aval.dtype != after.dtype {
                    return Err(self.changed(path, &aval, after));
                }
            }
            let Some(rest) = rest.into_inner() else { unreachable!("the step was staged") };
            if !again {
                return Ok(Prepared { init, graph: staged.graph, captured: staged.captured, rest });
            }
        }
    }

    fn changed(&self, path: &Path, before: &Aval, after: &Aval) -> Error {
        let at = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
        let found = format!("a carry{at} that is {before} before a step and {after} after it");
        let expected = "the same shape and dtype; cast what the step returns, or begin with that dtype";
        Error::shape(self.op, found, expected)
    }
}

/// A bare number in the dtype that it has after a step.
fn strong(number: &Tensor, after: &Aval) -> Result<Tensor> {
    if number.dtype() == after.dtype {
        cast_to(number, after.dtype, false)
    } else {
        convert(number, after.dtype, false)
    }
}
