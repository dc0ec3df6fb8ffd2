//! Moment estimates: what most optimizers are made of, moving averages with bias correction, and counts.

use std::array::from_fn;

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::concrete;
use crate::error::{Error, Result};
use crate::tree::{self, Structure, Tree, leaves, leaves_with_path};

/// What is said of trees that differ.
const DIFFERENT: &str = "the gradients differ from the parameters or from the state of the optimizer";

/// The trees whose leaves `f` gives for the leaves of some trees at the same paths; all must have the same shapes.
pub(super) fn zip<P: Tree, const N: usize, const M: usize>(
    trees: [&P; N],
    f: impl FnMut([&Tensor; N]) -> Result<[Tensor; M]>,
) -> Result<[P; M]> {
    let structure = same_structure(DIFFERENT, &trees)?;
    for other in &trees[1..] {
        same_shapes("update", "a gradient", trees[0], *other)?;
    }
    zip_leaves(&structure, trees, f)
}

/// As [`zip`], of updates and what is remembered of them: the first results are updates, the others what is remembered next,
/// in the dtypes it has.
///
/// The range of `F16` is too narrow for squares and for the small numbers that keep denominators from 0: its leaves are
/// computed in `F32`. Updates then have the dtype of the first `alike` trees together, which are those that their dtype
/// comes from; values beyond its range become the largest.
pub(super) fn zip_moments<P: Tree, const N: usize, const M: usize>(
    trees: [&P; N],
    alike: usize,
    f: impl FnMut([&Tensor; N]) -> Result<[Tensor; M]>,
) -> Result<[P; M]> {
    let structure = same_structure(DIFFERENT, &trees)?;
    for other in &trees[1..] {
        same_shapes("update", "a gradient", trees[0], *other)?;
    }
    zip_wide(&structure, trees, alike, f)
}

/// As [`zip_moments`], for trees whose leaves differ in shape.
pub(super) fn zip_uneven_moments<P: Tree, const N: usize, const M: usize>(
    trees: [&P; N],
    alike: usize,
    f: impl FnMut([&Tensor; N]) -> Result<[Tensor; M]>,
) -> Result<[P; M]> {
    zip_wide(&same_structure(DIFFERENT, &trees)?, trees, alike, f)
}

fn zip_wide<P: Tree, const N: usize, const M: usize>(
    structure: &Structure,
    trees: [&P; N],
    alike: usize,
    mut f: impl FnMut([&Tensor; N]) -> Result<[Tensor; M]>,
) -> Result<[P; M]> {
    zip_leaves(structure, trees, |leaves| {
        let dtypes = leaves.map(Tensor::dtype);
        if dtypes.iter().any(|dtype| dtype.is_complex()) {
            let message = "complex gradients have no moments here: train the `real()` and `imag()` parts as parameters of their own";
            return Err(Error::argument("update", message));
        }
        let mut next = if dtypes.contains(&DType::F16) {
            let wide = leaves.map(upcast);
            f(wide.each_ref())?
        } else {
            f(leaves)?
        };
        if dtypes[0] == DType::F16 {
            let dtype = dtypes[1..alike].iter().fold(dtypes[0], |dtype, &other| dtype.promote(other));
            next[0] = saturating_cast(&next[0], dtype)?;
        }
        for (next, &dtype) in next.iter_mut().zip(&dtypes).skip(1) {
            *next = saturating_cast(next, dtype)?;
        }
        Ok(next)
    })
}

/// `F16` as `F32`, others as they are.
pub(super) fn upcast(x: &Tensor) -> Tensor {
    if x.dtype() == DType::F16 { x.cast(DType::F32) } else { x.clone() }
}

/// In a dtype; finite numbers beyond the range of one of half precision become its largest.
pub(super) fn saturating_cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype || !matches!(dtype, DType::F16 | DType::BF16) {
        return x.try_cast(dtype);
    }
    x.try_is_finite()?.try_select(within(x, dtype)?, x)?.try_cast(dtype)
}

/// Numbers beyond the range of a dtype, infinities with them, become its largest.
pub(super) fn within(x: &Tensor, dtype: DType) -> Result<Tensor> {
    let largest = match dtype {
        DType::F16 => half::f16::MAX.to_f64(),
        DType::BF16 => half::bf16::MAX.to_f64(),
        DType::F64 => f64::MAX,
        _ => f32::MAX.into(),
    };
    x.try_clamp(x.like(-largest), x.like(largest))
}

/// The dtype that squares are remembered in: that of the leaf, but `F32` for `F16`, whose range they leave in both directions.
pub(super) fn second_moment_dtype(dtype: DType) -> DType {
    if dtype == DType::F16 { DType::F32 } else { dtype }
}

/// Whether what is added to a denominator may be 0, which a value of a transform may be.
pub(super) fn may_vanish(small: &Tensor) -> bool {
    concrete(small).is_none_or(|number| number as f32 == 0.0)
}

/// `x / denominator`, and 0 where the denominator is 0.
pub(super) fn safe_divide(x: &Tensor, denominator: &Tensor, may_be_zero: bool) -> Result<Tensor> {
    let ratio = x.try_div(denominator)?;
    if !may_be_zero {
        return Ok(ratio);
    }
    denominator.try_eq(0.0)?.try_select(0.0, ratio)
}

/// The finite numbers, and 0 in place of others: what a step is multiplied by where a quotient or sum is beyond all numbers.
pub(super) fn finite_or_zero(x: &Tensor) -> Result<Tensor> {
    x.try_is_finite()?.try_select(x, x.like(0.0))
}

/// Whether what there is for each parameter has its shape; `params` may be other trees in the shapes of the parameters.
pub(super) fn same_shapes<P: Tree>(op: &'static str, what: &str, found: &P, params: &P) -> Result<()> {
    for ((path, found), param) in leaves_with_path(found).iter().zip(leaves(params)) {
        if found.shape() != param.shape() {
            let path = path.join("/");
            let of = if path.is_empty() { path } else { format!(" for the parameter `{path}`") };
            let found = format!("{what} of shape {:?}{of}", found.shape());
            return Err(Error::shape(op, found, format!("{:?}, the parameter's shape", param.shape())));
        }
    }
    Ok(())
}

/// The structure of trees that must all have it: of the first, which is the one that is new, and of those that were there.
pub(super) fn same_structure<P: Tree>(context: &'static str, trees: &[&P]) -> Result<Structure> {
    let structure = Structure::of(trees[0]);
    for other in &trees[1..] {
        if structure.difference(*other).is_some() {
            return Err(Error::Structure { context, message: difference(trees[0], *other) });
        }
    }
    Ok(structure)
}

/// How a tree differs from what was expected, by the parameters if they are others.
fn difference<P: Tree>(found: &P, expected: &P) -> String {
    let paths = |tree| leaves_with_path(tree).iter().map(|(path, _)| path.join("/")).collect::<Vec<_>>();
    let (found_paths, expected_paths) = (paths(found), paths(expected));
    if let Some(missing) = expected_paths.iter().find(|path| !found_paths.contains(path)) {
        return format!("`{missing}` is missing");
    }
    if let Some(other) = found_paths.iter().find(|path| !expected_paths.contains(path)) {
        return format!("there is no parameter `{other}`");
    }
    Structure::of(expected).difference(found).unwrap_or_default()
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
pub(super) fn full_like<P: Tree>(params: &P, value: &Tensor, dtype: Option<DType>) -> P {
    let fill = |leaf: &Tensor| {
        let value = value.try_cast(dtype.unwrap_or(leaf.dtype()))?;
        value.try_broadcast_to(leaf.shape())
    };
    crate::error::unwrap(tree::map(params, fill))
}

/// [`full_like`] in the dtypes that squares are remembered in.
pub(super) fn second_moments_like<P: Tree>(params: &P, value: &Tensor) -> P {
    let fill =
        |leaf: &Tensor| value.try_cast(second_moment_dtype(leaf.dtype()))?.try_broadcast_to(leaf.shape());
    crate::error::unwrap(tree::map(params, fill))
}

/// Zeros in the shapes of a tree, in the dtypes that squares are remembered in.
pub(super) fn zero_second_moments<P: Tree>(params: &P) -> P {
    let zeros = |leaf: &Tensor| Ok(Tensor::zeros_of(leaf.shape(), second_moment_dtype(leaf.dtype())));
    crate::error::unwrap(tree::map(params, zeros))
}

/// Zeros in the shapes of a tree.
pub(super) fn zeros<P: Tree>(params: &P, dtype: Option<DType>) -> P {
    let zeros = |leaf: &Tensor| Ok(Tensor::zeros_of(leaf.shape(), dtype.unwrap_or(leaf.dtype())));
    crate::error::unwrap(tree::map(params, zeros))
}

/// `decay·average + (1 − decay)·x`.
pub(super) fn moving_average(average: &Tensor, x: &Tensor, decay: &Tensor) -> Tensor {
    if concrete(decay) == Some(0.0) {
        // Of an average beyond all numbers nothing stays, either.
        return x * (1.0 - decay);
    }
    x * (1.0 - decay) + average * decay
}

/// What a moving average that began at 0 has to be divided by: `1 − decay^count`, as exact as the average is.
pub(super) fn bias(decay: &Tensor, count: &Tensor, average: DType) -> Tensor {
    let dtype = if average == DType::F64 { DType::F64 } else { DType::F32 };
    1.0 - decay.cast(dtype).pow(count.cast(dtype))
}

/// A moving average that began at 0, `count` steps later, without its bias: divided by `1 − decay^count`.
pub(super) fn bias_corrected(average: &Tensor, decay: &Tensor, count: &Tensor) -> Tensor {
    let bias = bias(decay, count, average.dtype());
    match average.dtype() {
        // A division of each element takes most of the time of a whole update, and in these dtypes the quotient of the scalar
        // is exact enough.
        DType::F32 | DType::F64 => average * in_dtype_of(&(1.0 / bias), average),
        _ => average / in_dtype_of(&bias, average),
    }
}

/// A scalar in the dtype of a leaf, which the result of arithmetic with it then has.
pub(super) fn in_dtype_of(scalar: &Tensor, leaf: &Tensor) -> Tensor {
    if leaf.dtype().is_float() { scalar.cast(leaf.dtype()) } else { scalar.clone() }
}

/// A count of 0.
pub(super) fn zero_count() -> Tensor {
    Tensor::zeros_of([], DType::I32)
}

/// A count plus 1, which stays at the largest number there is.
pub(super) fn safe_increment(count: &Tensor) -> Tensor {
    count.lt(i32::MAX).select(count + 1, count)
}
