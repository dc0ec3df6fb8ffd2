//! What most optimizers are made of: functions of several trees leaf by leaf, moving averages, counts.

use std::array::from_fn;

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};
use crate::tree::{self, Structure, Tree, leaves, leaves_with_path};

/// The trees whose leaves `f` gives for the leaves of some trees in the same places; all must have the same shapes.
pub(super) fn zip<P: Tree, const N: usize, const M: usize>(
    trees: [&P; N],
    f: impl FnMut([&Tensor; N]) -> Result<[Tensor; M]>,
) -> Result<[P; M]> {
    let structure = same_structure(&trees)?;
    for other in &trees[1..] {
        for ((path, leaf), other) in leaves_with_path(trees[0]).iter().zip(leaves(*other)) {
            if leaf.shape() != other.shape() {
                let found = format!("an update of shape {:?} at `{path}`", leaf.shape());
                return Err(Error::shape("update", found, format!("{:?}, as before", other.shape())));
            }
        }
    }
    zip_leaves(&structure, trees, f)
}

/// As [`zip`], for trees whose leaves differ in shape.
pub(super) fn zip_uneven<P: Tree, const N: usize, const M: usize>(
    trees: [&P; N],
    f: impl FnMut([&Tensor; N]) -> Result<[Tensor; M]>,
) -> Result<[P; M]> {
    zip_leaves(&same_structure(&trees)?, trees, f)
}

fn same_structure<P: Tree>(trees: &[&P]) -> Result<Structure> {
    let structure = Structure::of(trees[0]);
    for other in &trees[1..] {
        if let Some(message) = structure.difference(*other) {
            return Err(Error::Structure {
                context: "the gradients differ from the parameters or from the state of the optimizer",
                message,
            });
        }
    }
    Ok(structure)
}

fn zip_leaves<P: Tree, const N: usize, const M: usize>(
    structure: &Structure,
    trees: [&P; N],
    mut f: impl FnMut([&Tensor; N]) -> Result<[Tensor; M]>,
) -> Result<[P; M]> {
    let inputs = trees.map(leaves);
    let mut outputs: [Vec<Tensor>; M] = from_fn(|_| Vec::with_capacity(structure.leaf_count()));
    let rows = (0..structure.leaf_count()).map(|i| inputs.each_ref().map(|leaves| leaves[i]));
    for leaves in rows {
        leaves.iter().try_for_each(|leaf| leaf.check_open())?;
        outputs.iter_mut().zip(f(leaves)?).for_each(|(outputs, output)| outputs.push(output));
    }
    Ok(outputs.map(|leaves| structure.build(leaves)))
}

/// A tree of the shapes of another, filled with a number.
pub(super) fn filled<P: Tree>(params: &P, value: &Tensor, dtype: Option<DType>) -> P {
    let fill = |leaf: &Tensor| {
        let value = value.try_cast(dtype.unwrap_or(leaf.dtype()))?;
        value.try_broadcast_to(leaf.shape())
    };
    crate::ops::unwrap(tree::map(params, fill))
}

/// Zeros in the shapes of a tree.
pub(super) fn zeros<P: Tree>(params: &P, dtype: Option<DType>) -> P {
    let zeros = |leaf: &Tensor| Ok(Tensor::zeros_of(leaf.shape(), dtype.unwrap_or(leaf.dtype())));
    crate::ops::unwrap(tree::map(params, zeros))
}

/// `decay·average + (1 − decay)·x`.
pub(super) fn moving(average: &Tensor, x: &Tensor, decay: &Tensor) -> Tensor {
    x * (1.0 - decay) + average * decay
}

/// What a moving average that began at 0 has to be divided by: `1 − decay^count`.
pub(super) fn bias(decay: &Tensor, count: &Tensor) -> Tensor {
    1.0 - decay.cast(DType::F32).pow(count.cast(DType::F32))
}

/// A moving average that began at 0, `count` steps later, without its bias: divided by `1 − decay^count`.
pub(super) fn unbiased(average: &Tensor, decay: &Tensor, count: &Tensor) -> Tensor {
    let bias = bias(decay, count);
    match average.dtype() {
        // A division of each element takes most of the time of a whole update, and in these dtypes the quotient of the scalar
        // is exact enough.
        DType::F32 | DType::F64 => average * beside(&(1.0 / bias), average),
        _ => average / beside(&bias, average),
    }
}

/// A scalar in the dtype of a leaf, which the result of arithmetic with it then has.
pub(super) fn beside(scalar: &Tensor, leaf: &Tensor) -> Tensor {
    if leaf.dtype().is_float() { scalar.cast(leaf.dtype()) } else { scalar.clone() }
}

/// A count of 0.
pub(super) fn no_steps() -> Tensor {
    Tensor::zeros_of([], DType::I32)
}

/// A count plus 1, which stays at the largest number there is.
pub(super) fn incremented(count: &Tensor) -> Tensor {
    count.lt(i32::MAX).select(count + 1, count)
}
