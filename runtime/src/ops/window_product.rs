//! The derivative of the products of windows.

use smallvec::SmallVec;

use super::convert;
use super::cumulative::product_of_others;
use super::pad::pad_general;
use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::error::Result;
use crate::kernels::window::WindowGeometry;

type Around = SmallVec<[(isize, isize, usize); 4]>;

/// The gradient of `x`, from that of the products: an element's share in a product is that of all others, also if it is 0.
///
/// Written in slices, one for each element of the window, so that it has derivatives of its own. Halves compute in `F32`.
#[track_caller]
pub(super) fn gradient(geometry: &WindowGeometry, x: &Tensor, ct: &Tensor) -> Result<Tensor> {
    let dtype = x.dtype();
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let (x, ct) = (convert(x, wide, false)?, convert(ct, wide, false)?);
    let rank = x.rank();
    let axes = || geometry.padding.iter().zip(&geometry.base_dilation);
    let around: Around = axes().map(|(&(low, high), &step)| (low, high, step - 1)).collect();
    let padded = pad_general(&x, x.like(1.0), around)?;
    // Where the first element of the first window's slice is, for every element of the window.
    let positions: Vec<Shape> = offsets(geometry);
    if positions.is_empty() || ct.size() == 0 {
        return super::zeros_of(x.aval()).and_then(|zeros| convert(&zeros, dtype, false));
    }
    let end = |start: usize, axis: usize| start + (ct.shape()[axis] - 1) * geometry.strides[axis] + 1;
    let slices = positions.iter().map(|starts| {
        let ends: Shape = (0..rank).map(|axis| end(starts[axis], axis)).collect();
        padded.try_slice(starts, ends, &geometry.strides)
    });
    let factors = Tensor::try_stack(&slices.collect::<Result<Vec<_>>>()?, -1)?;
    let shares = product_of_others(&factors)?.try_mul(ct.try_expand_dims([-1])?)?;
    let mut total: Option<Tensor> = None;
    for (i, starts) in positions.iter().enumerate() {
        let share = shares.try_index_axis(-1, i as isize)?;
        let back = |axis: usize| {
            let behind = padded.shape()[axis] - end(starts[axis], axis);
            (starts[axis] as isize, behind as isize, geometry.strides[axis] - 1)
        };
        let spread = pad_general(&share, share.like(0.0), (0..rank).map(back).collect())?;
        total = Some(match total {
            Some(total) => total.try_add(spread)?,
            None => spread,
        });
    }
    let Some(total) = total else { unreachable!("there is a position") };
    // What was put around is taken away, and what was between the elements skipped.
    let undone: Around = axes().map(|(&(low, high), _)| (-low, -high, 0)).collect();
    let own = pad_general(&total, total.like(0.0), undone)?;
    let own = own.try_slice(Shape::from_elem(0, rank), own.shape(), &geometry.base_dilation)?;
    convert(&own, dtype, false)
}

/// For every element of the window, in row-major order, how far it is from the first one.
fn offsets(geometry: &WindowGeometry) -> Vec<Shape> {
    let mut positions = vec![Shape::new()];
    for (&size, &step) in geometry.window.iter().zip(&geometry.window_dilation) {
        let longer = |position: &Shape| {
            let position = position.clone();
            (0..size).map(move |i| position.iter().copied().chain([i * step]).collect())
        };
        positions = positions.iter().flat_map(longer).collect();
    }
    positions
}
