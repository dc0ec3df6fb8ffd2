//! What moves elements without looking at them.

use super::types::{Element, Type, array};
use super::value::Value;
use crate::kernels::reduce::Direction;

impl<'b> Value<'b> {
    /// A part whose starts, scalars of one type, are moved so that it is inside.
    pub(super) fn dynamic_slice(self, starts: &[Value<'b>], sizes: &[usize]) -> Value<'b> {
        let of = self.ty().with_shape(sizes);
        if sizes.is_empty() {
            return self;
        }
        let operands: Vec<Value<'b>> = [self].iter().chain(starts).copied().collect();
        self.body().op("dynamic_slice", &operands, &format!("slice_sizes = {}", array(sizes)), of)
    }

    /// This with a part in the place of its own at the starts, scalars of one type, which are moved so that it is inside.
    pub(super) fn dynamic_update_slice(self, part: Value<'b>, starts: &[Value<'b>]) -> Value<'b> {
        if starts.is_empty() {
            return part;
        }
        let operands: Vec<Value<'b>> = [self, part].iter().chain(starts).copied().collect();
        self.body().op("dynamic_update_slice", &operands, "", self.ty())
    }
}

/// Every `strides[i]`-th element from `starts[i]` on, as many as `out` has.
pub(super) fn slice<'b>(x: Value<'b>, starts: &[usize], strides: &[usize], out: &Type) -> Value<'b> {
    let last = |axis: usize| starts[axis] + (out.shape[axis] - 1) * strides[axis] + 1;
    let limits: Vec<usize> = (0..starts.len()).map(last).collect();
    x.slice(starts, &limits, strides)
}

/// Parts along an axis.
pub(super) fn split<'b>(x: Value<'b>, axis: usize, sizes: &[usize]) -> Vec<Value<'b>> {
    let mut start = 0;
    let part = |&size: &usize| {
        start += size;
        x.part(axis, start - size, start)
    };
    sizes.iter().map(part).collect()
}

/// The elements moved by one along an axis; `fill` comes in.
pub(super) fn shift(x: Value<'_>, axis: usize, direction: Direction, fill: f64) -> Value<'_> {
    let mut padding = vec![(0, 0, 0); x.rank()];
    padding[axis] = if direction == Direction::Forward { (1, -1, 0) } else { (-1, 1, 0) };
    x.pad(x.body().scalar(fill, x.element()), &padding)
}

/// Starts as scalars of one type; negative ones count from the end.
fn starts<'b>(shape: &[usize], starts: &[Value<'b>]) -> Vec<Value<'b>> {
    let wide = starts
        .iter()
        .any(|start| !matches!(start.element().bits(), 0..=16) && start.element() != Element::I32);
    let element = if wide { Element::I64 } else { Element::I32 };
    let start = |(start, &size): (&Value<'b>, &usize)| {
        let (start, signed) = (start.convert(element), !start.element().is_unsigned());
        if signed { start.lt(start.like(0)).select(start + size, start) } else { start }
    };
    starts.iter().zip(shape).map(start).collect()
}

/// A part at starts that may be negative.
pub(super) fn dynamic_slice<'b>(x: Value<'b>, at: &[Value<'b>], sizes: &[usize]) -> Value<'b> {
    x.dynamic_slice(&starts(&x.shape(), at), sizes)
}

/// `x` with a part in the place of its own, at starts that may be negative.
pub(super) fn dynamic_update_slice<'b>(x: Value<'b>, part: Value<'b>, at: &[Value<'b>]) -> Value<'b> {
    x.dynamic_update_slice(part, &starts(&x.shape(), at))
}
