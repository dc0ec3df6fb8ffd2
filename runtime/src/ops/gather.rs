//! Elements at indices that are values themselves: `take`, `take_along_axis`, `gather_nd`.
//!
//! Indices in `-n..0` count from the end of an axis of size `n`. One outside of `-n..n` is no error, because its number
//! is not known while a program is staged: it reads as NaN (of signed integers the least, of unsigned ones the greatest,
//! of booleans true), as in JAX, and has no gradient.

use smallvec::smallvec;

use super::scatter;
use crate::array::dtype::dispatch_width;
use crate::array::{Array, Aval, DType, Shape};
use crate::core::cpu::{CpuRules, Kernel, on_cpu};
use crate::core::op::{GatherDimensions, Op, Outside, ScatterOp};
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::strided;
use crate::ops::axes::Int;
use crate::ops::{addressable, axis_of, broadcast_shapes, cotangent, only, scalar_array, unpack, zeros_of};

/// Copies windows of the first argument, where the second says.
#[derive(Clone, PartialEq)]
struct Gather(GatherDimensions);

impl Primitive for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let shape = self.0.values_shape("gather", args[0], args[1])?;
        Ok(smallvec![addressable("gather", args[0].with_shape(shape))?])
    }

    fn op(&self) -> Op<'_> {
        Op::Gather(&self.0)
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::args([1])
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        if !needs_grad[0] {
            return Ok(smallvec![None, None]);
        }
        let zeros = zeros_of(residuals.arg_aval(0))?;
        let dx = scatter::scatter(
            ScatterOp::Add,
            &zeros,
            residuals.arg(1),
            &cotangent(cts),
            self.0.transposed(),
            false,
        )?;
        Ok(smallvec![Some(dx), None])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let windows = self.0.batched(axis.size, mapped[0], mapped[1]);
        Ok((smallvec![bind1(&Gather(windows), args)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for Gather {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x, indices], out) = (unpack(args), only(outs));
        if out.size() == 0 {
            return Ok(smallvec![Array::scratch(out)]);
        }
        let starts = self.0.starts(x.shape(), &indices);
        let layout = self.0.layout(x.shape(), indices.shape(), &out.shape);
        let fill = self.fill(out.dtype);
        Ok(smallvec![dispatch_width!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            strided::gather(&layout, x.data(), &starts, fill.data::<T>()[0], out);
        }))])
    }

    fn specialize(&self, args: &[&Aval], out: &Aval) -> Option<Box<dyn Kernel>> {
        if out.size() == 0 {
            return None;
        }
        let starts = self.0.prepared(&args[0].shape, &args[1].shape);
        let layout = self.0.layout(&args[0].shape, &args[1].shape, &out.shape);
        let (fill, dtype, index) = (self.fill(out.dtype), out.dtype, args[1].dtype);
        Some(Box::new(move |args: &[&[u8]], out: &mut [u8]| {
            let starts = starts.of(args[1], index);
            dispatch_width!(dtype, T => {
                let (x, out) = (bytemuck::cast_slice(args[0]), bytemuck::cast_slice_mut(out));
                strided::gather(&layout, x, &starts, fill.data::<T>()[0], out);
            });
        }))
    }
}

impl Gather {
    fn fill(&self, dtype: DType) -> Array {
        let value = match dtype {
            _ if self.0.outside != Outside::Invalid => 0.0,
            DType::Bool => 1.0,
            dtype if dtype.is_unsigned() => f64::INFINITY,
            dtype if dtype.is_integer() => f64::NEG_INFINITY,
            _ => f64::NAN,
        };
        scalar_array(value, dtype, false)
    }
}

impl std::fmt::Debug for Gather {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "gather{:?}", self.0)
    }
}

#[track_caller]
pub(crate) fn gather(x: &Tensor, indices: &Tensor, windows: GatherDimensions) -> Result<Tensor> {
    bind1(&Gather(windows), [x.clone(), indices.clone()])
}

/// Indices along one axis as positions.
#[track_caller]
pub(crate) fn positions(indices: &Tensor) -> Result<Tensor> {
    indices.try_expand_dims([-1])
}

#[track_caller]
fn take(x: &Tensor, indices: &Tensor, axis: impl Int, outside: Outside) -> Result<Tensor> {
    let axis = axis_of("take", axis, x.rank())?;
    if x.shape()[axis] == 0 && indices.size() > 0 {
        let found = format!("axis {axis} of shape {:?}", x.shape());
        return Err(Error::shape("take", found, "an axis with elements"));
    }
    if x.shape()[axis] == 0 {
        // Nothing is taken from nothing: a window of one element would not fit.
        let shape: Shape = [&x.shape()[..axis], indices.shape(), &x.shape()[axis + 1..]].concat().into();
        return zeros_of(&x.aval().with_shape(shape));
    }
    let windows = GatherDimensions::along(x.shape(), axis, indices.rank(), outside);
    gather(x, &positions(indices)?, windows)
}

/// # Elements by indices
impl Tensor {
    /// The elements of one axis at these indices: that axis gives way to the axes of `indices`, as `jnp.take`.
    ///
    /// Negative indices count from the end; those outside read as NaN or an extreme integer, see
    /// [`take_clip`](Tensor::take_clip). The gradient of an element is the sum over all positions it was taken to.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let table = Tensor::from([[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    /// let rows = table.take([2i32, 0], 0);
    /// assert_eq!(rows.to_vec::<f32>()?, [5.0, 6.0, 1.0, 2.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such axis, it has no elements, or the indices are not integers.
    #[doc(alias = "index_in_dim")]
    #[doc(alias = "index_select")]
    #[track_caller]
    pub fn take(&self, indices: impl TensorLike, axis: impl Int) -> Tensor {
        unwrap(self.try_take(indices, axis))
    }

    /// As [`take`](Tensor::take).
    ///
    /// # Errors
    /// If there is no such axis, it has no elements, or the indices are not integers.
    #[track_caller]
    pub fn try_take(&self, indices: impl TensorLike, axis: impl Int) -> Result<Tensor> {
        take(self, &indices.operand()?, axis, Outside::Invalid).map_err(|error| error.called("take"))
    }

    /// As [`take`](Tensor::take), where indices outside mean the first or the last element, negative ones the first.
    ///
    /// # Panics
    /// If there is no such axis, it has no elements, or the indices are not integers.
    #[track_caller]
    pub fn take_clip(&self, indices: impl TensorLike, axis: impl Int) -> Tensor {
        unwrap(self.try_take_clip(indices, axis))
    }

    /// As [`take_clip`](Tensor::take_clip).
    ///
    /// # Errors
    /// If there is no such axis, it has no elements, or the indices are not integers.
    #[track_caller]
    pub fn try_take_clip(&self, indices: impl TensorLike, axis: impl Int) -> Result<Tensor> {
        take(self, &indices.operand()?, axis, Outside::Clip).map_err(|error| error.called("take_clip"))
    }

    /// Elements of one axis at indices that differ between the elements of the other axes, as `jnp.take_along_axis`.
    ///
    /// The other axes of `indices` have the sizes of this tensor's, or 1 in either. Indices are read as by
    /// [`take`](Tensor::take).
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// let picked = x.take_along_axis([[2i32], [0]], 1);
    /// assert_eq!(picked.to_vec::<f32>()?, [3.0, 4.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such axis, the shapes do not fit, or the indices are not integers.
    #[doc(alias = "gather")]
    #[track_caller]
    pub fn take_along_axis(&self, indices: impl TensorLike, axis: impl Int) -> Tensor {
        unwrap(self.try_take_along_axis(indices, axis))
    }

    /// As [`take_along_axis`](Tensor::take_along_axis).
    ///
    /// # Errors
    /// If there is no such axis, the shapes do not fit, or the indices are not integers.
    #[track_caller]
    pub fn try_take_along_axis(&self, indices: impl TensorLike, axis: impl Int) -> Result<Tensor> {
        let indices = indices.operand()?;
        let axis = axis_of("take_along_axis", axis, self.rank())?;
        let (windows, positions) =
            GatherDimensions::batching_along("take_along_axis", self.shape(), axis, indices.shape())?;
        if self.shape()[axis] == 0 && indices.dtype().is_integer() {
            // From an axis without elements JAX reads zeros.
            let mut others: Shape = self.shape().into();
            others[axis] = 1;
            let shape = broadcast_shapes("take_along_axis", &[&others, indices.shape()])?;
            return zeros_of(&self.aval().with_shape(shape));
        }
        gather(self, &indices.try_reshape(&positions)?, windows)
    }

    /// Elements, or parts, at positions along the first axes: `x[i0, i1, ..]` for each `[i0, i1, ..]` along the last axis
    /// of `indices`.
    ///
    /// Indices are read as by [`take`](Tensor::take).
    ///
    /// # Panics
    /// If a position is longer than the rank, or the indices are not integers or have no axis.
    #[track_caller]
    pub fn gather_nd(&self, indices: impl TensorLike) -> Tensor {
        unwrap(self.try_gather_nd(indices))
    }

    /// As [`gather_nd`](Tensor::gather_nd).
    ///
    /// # Errors
    /// If a position is longer than the rank, or the indices are not integers or have no axis.
    #[track_caller]
    pub fn try_gather_nd(&self, indices: impl TensorLike) -> Result<Tensor> {
        let indices = indices.operand()?;
        let depth = indices.shape().last().copied().unwrap_or(0);
        let (front, rank) = (indices.rank().saturating_sub(1), self.rank());
        if depth > rank {
            let found = format!("positions of {depth} for shape {:?}", self.shape());
            return Err(Error::shape("gather_nd", found, "positions no longer than the rank"));
        }
        let windows = GatherDimensions {
            offset_dims: (front..front + rank - depth).collect(),
            collapsed_slice_dims: (0..depth).collect(),
            start_index_map: (0..depth).collect(),
            operand_batching_dims: Shape::new(),
            start_indices_batching_dims: Shape::new(),
            slice_sizes: (0..rank).map(|axis| if axis < depth { 1 } else { self.shape()[axis] }).collect(),
            wrap: true,
            outside: Outside::Invalid,
        };
        gather(self, &indices, windows).map_err(|error| error.called("gather_nd"))
    }
}
