//! Sums of products, from the operands alone.

use smallvec::SmallVec;

use super::ways::{Factor, Way};
use super::{Product, WIDEST};
use crate::array::{Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::op::DotDimensions;
use crate::error::Result;
use crate::ops::dot_general::DotOptions;

/// Where a factor goes.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Operand(usize),
    Result,
}

/// Whether the operands give this sum.
pub(super) fn is_known(product: &Product<'_>, way: &Way) -> bool {
    if !(0..product.aval.rank()).any(|axis| way.reduced[axis] && product.aval.shape[axis] != 1) {
        return false;
    }
    if way.view.is_squared && product.contracted != 1 {
        let is_free_of = |factor: &Factor| factor.touched().all(|axis| axis < product.batch());
        let order = |axes: &[usize], pairs: &[usize]| {
            let mut pairs: Vec<(usize, usize)> = axes.iter().copied().zip(pairs.iter().copied()).collect();
            pairs.sort_unstable();
            pairs.is_sorted_by_key(|&(_, pair)| pair)
        };
        let (lc, rc) = &product.dimensions.contracting;
        return product.aval.dtype != DType::F64
            && (product.batch()..product.aval.rank()).all(|axis| way.reduced[axis])
            && order(lc, rc)
            && way.view.factors.iter().all(is_free_of);
    }
    way.view.factors.iter().all(|factor| place(product, way, factor).is_some())
}

/// Factors of an operand's axes multiply that operand, the smaller one if they are of both; others the sum, unless they differ
/// within it.
fn place(product: &Product<'_>, way: &Way, factor: &Factor) -> Option<Place> {
    let fits = |side: usize| {
        factor.touched().all(|axis| axis < product.batch() || product.axes_of(side).contains(&axis))
    };
    let mut sides = [0, 1];
    sides.sort_by(|&a, &b| {
        product.size_of(product.axes_of(a)).total_cmp(&product.size_of(product.axes_of(b)))
    });
    if let Some(&side) = sides.iter().find(|&&side| fits(side)) {
        return Some(Place::Operand(side));
    }
    factor.touched().all(|axis| !way.reduced[axis]).then_some(Place::Result)
}

/// The sum, from the operands and the factors, as `out`.
pub(super) fn sum(product: &Product<'_>, way: &Way, args: &[Tensor], out: &Aval) -> Result<Tensor> {
    let (operands, factors) = args.split_at(2);
    let is_squared = way.view.is_squared;
    let dtype = if is_squared { WIDEST } else { way.view.dtype };
    let operands = [operands[0].try_cast(dtype)?, operands[1].try_cast(dtype)?];
    let factors: Vec<(&Factor, Tensor)> = way
        .view
        .factors
        .iter()
        .zip(factors)
        .map(|(factor, value)| Ok((factor, aligned(product, factor, &value.try_cast(dtype)?)?)))
        .collect::<Result<_>>()?;
    let sum = if is_squared && product.contracted != 1 {
        gram(product, way, &operands, &factors)?
    } else {
        let operands =
            if is_squared { [operands[0].try_square()?, operands[1].try_square()?] } else { operands };
        linear(product, way, operands, &factors)?
    };
    // Now: the axes of the product that are left, in its order.
    let mut ascending = way.kept.clone();
    ascending.sort_unstable();
    let order: Vec<isize> = way
        .kept
        .iter()
        .map(|axis| ascending.iter().take_while(|other| *other < axis).count() as isize)
        .collect();
    sum.try_transpose(order)?.try_reshape(&out.shape)?.try_cast(out.dtype)
}

/// A factor under the axes of the product.
fn aligned(product: &Product<'_>, factor: &Factor, value: &Tensor) -> Result<Tensor> {
    let mut order: Vec<usize> = (0..factor.axes.len()).collect();
    order.sort_unstable_by_key(|&i| factor.axes[i]);
    let mut shape = Shape::from_elem(1, product.aval.rank());
    factor.axes.iter().zip(&factor.sizes).for_each(|(&axis, &size)| shape[axis] = size);
    let order: Vec<isize> = order.into_iter().map(|i| i as isize).collect();
    value.try_reshape(&factor.sizes)?.try_transpose(order)?.try_reshape(shape)
}

/// As often a factor as it is there.
fn multiplied(x: &Tensor, factor: &Factor, value: &Tensor) -> Result<Tensor> {
    let value = if factor.is_before_square { value.try_square()? } else { value.clone() };
    if factor.power < 0 { x.try_div(value) } else { x.try_mul(value) }
}

/// A sum of products is a product of sums, as far as what is summed over is in one operand, and a contraction where it is in both.
fn linear(
    product: &Product<'_>,
    way: &Way,
    operands: [Tensor; 2],
    factors: &[(&Factor, Tensor)],
) -> Result<Tensor> {
    let DotDimensions { contracting, batch } = product.dimensions;
    let batch = [&batch.0, &batch.1];
    let contracting = [&contracting.0, &contracting.1];
    let mut sides: SmallVec<[Tensor; 2]> = SmallVec::new();
    for (side, mut x) in operands.into_iter().enumerate() {
        // By axis of the operand: that of the product; those that are contracted come last there.
        let of_product = |axis: usize| {
            let in_batch = batch[side].iter().position(|&other| other == axis);
            let free = || product.free[side].iter().position(|&other| other == axis);
            in_batch.or_else(|| Some(product.axes_of(side).start + free()?))
        };
        let axes: Vec<Option<usize>> = (0..x.rank()).map(of_product).collect();
        for (factor, value) in
            factors.iter().filter(|(f, _)| place(product, way, f) == Some(Place::Operand(side)))
        {
            let own = axes.iter().flatten().copied();
            let others = (0..product.aval.rank()).filter(|axis| !axes.contains(&Some(*axis)));
            let order: Vec<isize> = own.chain(others).map(|axis| axis as isize).collect();
            let sizes: Shape = axes.iter().map(|axis| axis.map_or(1, |axis| value.shape()[axis])).collect();
            x = multiplied(&x, factor, &value.try_transpose(order)?.try_reshape(sizes)?)?;
        }
        // Sums over what only this operand has.
        let is_summed = |axis: &usize| {
            axes[*axis].is_some_and(|axis| axis >= product.batch() && way.reduced[axis])
                && x.shape()[*axis] != 1
        };
        let summed: Vec<isize> = (0..x.rank()).filter(is_summed).map(|axis| axis as isize).collect();
        if !summed.is_empty() {
            let mut shape: Shape = x.shape().into();
            summed.iter().for_each(|&axis| shape[axis as usize] = 1);
            x = x.try_sum_axes(summed)?.try_reshape(shape)?;
        }
        sides.push(x);
    }
    let is_kept = |pair: &usize| !way.reduced[*pair];
    let pairs: Vec<usize> = (0..product.batch()).collect();
    let kept: Vec<usize> = pairs.iter().copied().filter(is_kept).collect();
    let summed: Vec<usize> = pairs.into_iter().filter(|pair| !is_kept(pair)).collect();
    let take = |axes: &[usize], which: &[usize]| which.iter().map(|&pair| axes[pair]).collect::<Shape>();
    let also =
        |side: usize| contracting[side].iter().copied().chain(take(batch[side], &summed)).collect::<Shape>();
    let dimensions = DotDimensions {
        contracting: (also(0), also(1)),
        batch: (take(batch[0], &kept), take(batch[1], &kept)),
    };
    let is_outer = dimensions.contracting.0.iter().all(|&axis| sides[0].shape()[axis] == 1);
    let mut x =
        if is_outer { outer(&sides, &dimensions)? } else { dot(product, &sides[0], &sides[1], dimensions)? };
    // Axes that are summed over are still there, with size 1, unless they are of the batch.
    let shape: Shape = (0..product.aval.rank())
        .filter(|&axis| !way.reduced[axis])
        .map(|axis| product.aval.shape[axis])
        .collect();
    x = x.try_reshape(&shape)?;
    for (factor, value) in factors.iter().filter(|(f, _)| place(product, way, f) == Some(Place::Result)) {
        let sizes: Shape = (0..product.aval.rank())
            .filter(|&axis| !way.reduced[axis])
            .map(|axis| value.shape()[axis])
            .collect();
        x = multiplied(&x, factor, &value.try_reshape(sizes)?)?;
    }
    Ok(x)
}

/// A product where nothing is summed: of elements.
fn outer(sides: &[Tensor], dimensions: &DotDimensions) -> Result<Tensor> {
    let spread = |side: usize| -> Result<(Tensor, Shape, Shape)> {
        let x = &sides[side];
        let (batch, contracting) = match side {
            0 => (&dimensions.batch.0, &dimensions.contracting.0),
            _ => (&dimensions.batch.1, &dimensions.contracting.1),
        };
        let free: Vec<usize> =
            (0..x.rank()).filter(|axis| !batch.contains(axis) && !contracting.contains(axis)).collect();
        let order: Vec<isize> =
            batch.iter().chain(&free).chain(contracting).map(|&axis| axis as isize).collect();
        let sizes = |axes: &[usize]| axes.iter().map(|&axis| x.shape()[axis]).collect::<Shape>();
        Ok((x.try_transpose(order)?, sizes(batch), sizes(&free)))
    };
    let ((x, batch, left), (y, _, right)) = (spread(0)?, spread(1)?);
    let ones = |count: usize| std::iter::repeat_n(1, count);
    let x_shape: Shape = batch.iter().copied().chain(left.iter().copied()).chain(ones(right.len())).collect();
    let y_shape: Shape = batch.iter().copied().chain(ones(left.len())).chain(right.iter().copied()).collect();
    x.try_reshape(x_shape)?.try_mul(y.try_reshape(y_shape)?)
}

fn dot(product: &Product<'_>, x: &Tensor, y: &Tensor, dimensions: DotDimensions) -> Result<Tensor> {
    let options = match product.precision {
        Some(pair) => DotOptions::new().precision(pair),
        None => DotOptions::new(),
    };
    x.try_dot_general_with(y, dimensions, &options)
}

/// The squared norm of each product of matrices: `‖a bᵀ‖² = Σ (aᵀ a) ∘ (bᵀ b)`, as both are the trace of `b aᵀ a bᵀ`.
fn gram(
    product: &Product<'_>,
    way: &Way,
    operands: &[Tensor; 2],
    factors: &[(&Factor, Tensor)],
) -> Result<Tensor> {
    let own = |side: usize| {
        let batch = if side == 0 { &product.dimensions.batch.0 } else { &product.dimensions.batch.1 };
        let free = &product.free[side];
        let dimensions = DotDimensions {
            contracting: (free.clone(), free.clone()),
            batch: (batch.clone(), batch.clone()),
        };
        dot(product, &operands[side], &operands[side], dimensions)
    };
    let products = own(0)?.try_mul(own(1)?)?;
    let batch = product.batch();
    let within: Vec<isize> = (batch as isize..products.rank() as isize).collect();
    // What is not negative but for rounding is to have a root.
    let mut norms = products.try_sum_axes(within)?.try_maximum(0.0)?;
    for (factor, value) in factors {
        norms = multiplied(&norms, factor, &value.try_reshape(&value.shape()[..batch])?)?;
    }
    let summed = (0..batch).filter(|&axis| way.reduced[axis] && norms.shape()[axis] != 1);
    let summed: Vec<isize> = summed.map(|axis| axis as isize).collect();
    let kept: Shape =
        (0..batch).filter(|&axis| !way.reduced[axis]).map(|axis| product.aval.shape[axis]).collect();
    let sum = if summed.is_empty() { norms } else { norms.try_sum_axes(summed)? };
    sum.try_reshape(kept)
}
