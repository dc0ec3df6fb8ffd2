//! Grids of coordinates, and sequences of numbers between two others.

use std::ops::Range;

use super::paired::functions;
use crate::array::{DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::ops::axes::Int;
use crate::ops::{broadcast_shapes, create, promoted, promoted_inexact};

/// Which axis of a grid the first vector is along; see [`Tensor::meshgrid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Indexing {
    /// As of a picture: the first vector along the second axis, and the second along the first.
    #[default]
    Xy,
    /// As of a matrix: each vector along the axis of its position.
    Ij,
}

/// The coordinates of a grid as an axis each, which is as long as the vector, beside axes of size 1.
#[track_caller]
fn open_grid(op: &'static str, vectors: &[Tensor], indexing: Indexing) -> Result<Vec<Tensor>> {
    let rank = vectors.len();
    let mut grid = Vec::with_capacity(rank);
    for (at, vector) in vectors.iter().enumerate() {
        if vector.rank() != 1 {
            return Err(Error::shape(op, format!("{:?}", vector.shape()), "vectors"));
        }
        let axis = match at {
            0 | 1 if indexing == Indexing::Xy && rank > 1 => 1 - at,
            _ => at,
        };
        let mut shape = Shape::from_elem(1, rank);
        shape[axis] = vector.size();
        grid.push(vector.try_reshape(&shape)?);
    }
    Ok(grid)
}

#[track_caller]
fn spread(grid: &[Tensor]) -> Result<Vec<Tensor>> {
    let shapes: Vec<&[usize]> = grid.iter().map(Tensor::shape).collect();
    let shape = broadcast_shapes("meshgrid", &shapes)?;
    grid.iter().map(|coordinates| coordinates.try_broadcast_to(&shape)).collect()
}

#[track_caller]
fn range(range: &Range<isize>) -> Result<Tensor> {
    Tensor::try_arange(range.start as i64, range.end as i64, 1)?.try_cast(DType::I32)
}

functions! {
    => "Constructors: grids";
    /// The coordinates of the points of a grid, one tensor for each vector, as `jnp.meshgrid`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (x, y) = (Tensor::from([1i32, 2, 3]), Tensor::from([10i32, 20]));
    /// let grid = Tensor::meshgrid(&[x, y], flaxen::Indexing::Xy);
    /// assert_eq!(grid[0].shape(), [2, 3]);
    /// assert_eq!(grid[0].to_vec::<i32>()?, [1, 2, 3, 1, 2, 3]);
    /// assert_eq!(grid[1].to_vec::<i32>()?, [10, 10, 10, 20, 20, 20]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    meshgrid try_meshgrid(vectors: &[Tensor], indexing: Indexing) -> Vec<Tensor>,
    fails "If one is no vector, or the size overflows the address space."
    spread(&open_grid("meshgrid", vectors, indexing)?);

    /// As [`meshgrid`](Tensor::meshgrid) with `sparse=True`: each along its own axis, and of size 1 along the others.
    meshgrid_sparse try_meshgrid_sparse(vectors: &[Tensor], indexing: Indexing) -> Vec<Tensor>,
    fails "If one is no vector."
    open_grid("meshgrid_sparse", vectors, indexing);

    /// The indices of all points of a grid of integers, as `jnp.mgrid`: `[ranges, sizes..]` of `I32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let grid = Tensor::mgrid(&[0..2, 5..8]);
    /// assert_eq!(grid.shape(), [2, 2, 3]);
    /// assert_eq!(grid.to_vec::<i32>()?, [0, 0, 0, 1, 1, 1, 5, 6, 7, 5, 6, 7]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    mgrid try_mgrid(ranges: &[Range<isize>]) -> Tensor,
    fails "If there are no ranges, the size overflows the address space, or a number does not fit `I32`."
    {
        let vectors = ranges.iter().map(range).collect::<Result<Vec<_>>>()?;
        let grid = spread(&open_grid("mgrid", &vectors, Indexing::Ij)?)?;
        Tensor::try_stack(&grid, 0).map_err(|error| error.called("mgrid"))
    };

    /// The indices of the points of a grid of integers, each along its own axis, as `jnp.ogrid`.
    ogrid try_ogrid(ranges: &[Range<isize>]) -> Vec<Tensor>, fails "If a number does not fit `I32`."
    {
        let vectors = ranges.iter().map(range).collect::<Result<Vec<_>>>()?;
        open_grid("ogrid", &vectors, Indexing::Ij)
    };

    /// The index of each element of a shape along each axis, as `jnp.indices`: `[rank, shape..]` of `I32`.
    indices try_indices(shape: &[usize]) -> Tensor, fails "If the shape is empty, or overflows the address space."
    {
        let axes = 0..shape.len();
        let all: Vec<Tensor> =
            axes.map(|axis| create::iota(shape, DType::I32, axis)).collect::<Result<_>>()?;
        Tensor::try_stack(&all, 0).map_err(|error| error.called("indices"))
    };

    /// The index of each element of a shape along one axis, as `lax.broadcasted_iota`.
    #[doc(alias = "broadcasted_iota")]
    iota try_iota(dtype: DType, shape: &[usize], axis: impl Int) -> Tensor,
    fails "If there is no such axis, the dtype is boolean, or the shape overflows the address space."
    {
        let axis = crate::ops::axis_of("iota", axis, shape.len())?;
        if dtype == DType::Bool {
            return Err(Error::dtype("iota", dtype, "a number type"));
        }
        create::iota(shape, dtype, axis)
    };

    /// `count` numbers from `start` to `stop` along a new first axis, and the distance between them, as `jnp.linspace` with
    /// `retstep=True`.
    ///
    /// The ends broadcast, and have gradients. Without `endpoint` the numbers stop a step before `stop`. Integers give `F32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (x, step) = Tensor::linspace_between(0.0, [1.0, 2.0], 4, false);
    /// assert_eq!(x.shape(), [4, 2]);
    /// assert_eq!(x.index_axis(1, 0).to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.75]);
    /// assert_eq!(step.to_vec::<f32>()?, [0.25, 0.5]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    linspace_between try_linspace_between(
        start: impl TensorLike,
        stop: impl TensorLike,
        count: usize,
        endpoint: bool,
    ) -> (Tensor, Tensor), fails "If the ends do not broadcast."
    {
        let [start, stop] = ends(start.operand()?, stop.operand()?)?;
        between(&start, &stop, count, endpoint)
    };

    /// `base` to the power of `count` numbers from `start` to `stop` at equal distances, along a new first axis.
    logspace try_logspace(
        start: impl TensorLike,
        stop: impl TensorLike,
        count: usize,
        endpoint: bool,
        base: f64,
    ) -> Tensor, fails "If the ends do not broadcast."
    {
        let [start, stop] = ends(start.operand()?, stop.operand()?)?;
        let exponents = between(&start, &stop, count, endpoint)?.0;
        exponents.like(base).try_pow(exponents)
    };

    /// `count` numbers from `start` to `stop` whose quotients are equal, along a new first axis.
    geomspace try_geomspace(
        start: impl TensorLike,
        stop: impl TensorLike,
        count: usize,
        endpoint: bool,
    ) -> Tensor, fails "If the ends do not broadcast."
    {
        let [start, stop] = ends(start.operand()?, stop.operand()?)?;
        let sign = start.try_sign()?;
        let (low, high) = (start.try_div(&sign)?.try_log10()?, stop.try_div(&sign)?.try_log10()?);
        let exponents = between(&low, &high, count, endpoint)?.0;
        sign.try_mul(exponents.like(10.0).try_pow(exponents)?)
    };
}

/// The ends as floats of one dtype, which is strong.
fn ends(start: Tensor, stop: Tensor) -> Result<[Tensor; 2]> {
    let [start, stop] = promoted_inexact(promoted([start, stop])?)?;
    let dtype = start.dtype().untyped();
    Ok([start.try_cast(dtype)?, stop.try_cast(dtype)?])
}

/// The numbers and their distance, computed as by `jnp.linspace`, so that both ends are exact.
#[track_caller]
fn between(start: &Tensor, stop: &Tensor, count: usize, endpoint: bool) -> Result<(Tensor, Tensor)> {
    let shape = broadcast_shapes("linspace_between", &[start.shape(), stop.shape()])?;
    let (first, last) = (start.try_broadcast_to(&shape)?, stop.try_broadcast_to(&shape)?);
    let (first, last) = (first.try_expand_dims([0])?, last.try_expand_dims([0])?);
    let span = stop.try_sub(start)?;
    let nan = || -> Result<Tensor> { Ok(start.like(f64::NAN)) };
    match count {
        0 => Ok((crate::ops::slice::part(&first, 0, 0, 0)?, nan()?)),
        1 => Ok((first, if endpoint { nan()? } else { span })),
        _ => {
            let steps = if endpoint { count - 1 } else { count };
            let mut sizes = Shape::from_elem(1, shape.len() + 1);
            sizes[0] = steps;
            let t = create::iota(sizes, start.dtype(), 0)?.try_div(start.like(steps as f64))?;
            let rest = t.like(1.0).try_sub(&t)?;
            let mut numbers = first.try_mul(rest)?.try_add(last.try_mul(t)?)?;
            if endpoint {
                numbers = Tensor::try_concatenate(&[numbers, last], 0)?;
            }
            Ok((numbers, span.try_div(start.like(steps as f64))?))
        }
    }
}
