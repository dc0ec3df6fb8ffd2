//! Rows of a draw: what a program computes that draws a block of rows at a time.

use smallvec::smallvec;

use super::random_bits::words;
use super::{only, unpack};
use crate::array::dtype::dispatch_float;
use crate::array::{Array, Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Draw;
use crate::core::primitive::{Args, Outs, Primitive};
use crate::core::trace::bind1;
use crate::error::Result;
use crate::kernels::threefry::{self, FromBlock};

/// What `draw` at each index of `shape` gives for `count` places along an axis, from the one on that the second argument says, a scalar
/// `I32`. Only the CPU's passes make it, from whole draws, so that it needs no rules but a kernel.
#[derive(Clone, PartialEq)]
struct RandomRows {
    draw: Draw,
    shape: Shape,
    axis: usize,
    count: usize,
}

impl Primitive for RandomRows {
    fn name(&self) -> &'static str {
        "random_rows"
    }

    fn infer(&self, _args: &[&Aval]) -> Result<Outs<Aval>> {
        let mut shape = self.shape.clone();
        shape[self.axis] = self.count;
        let dtype = match self.draw {
            Draw::Bits(8) => DType::U8,
            Draw::Bits(16) => DType::U16,
            Draw::Bits(32) => DType::U32,
            Draw::Bits(_) => DType::I64,
            Draw::Unit(dtype) => dtype,
        };
        Ok(smallvec![Aval::unchecked(shape, dtype)])
    }

    on_cpu!();
}

impl CpuRules for RandomRows {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([key, start], out) = (unpack(args), only(outs));
        let start = start.data::<i32>()[0].max(0) as usize;
        Ok(smallvec![match self.draw {
            Draw::Bits(8) => self.fill::<u8>(&key, start, out),
            Draw::Bits(16) => self.fill::<u16>(&key, start, out),
            Draw::Bits(32) => self.fill::<u32>(&key, start, out),
            Draw::Bits(_) => self.fill::<u64>(&key, start, out),
            Draw::Unit(dtype) => dispatch_float!(dtype, T => self.fill::<T>(&key, start, out)),
        }])
    }
}

impl RandomRows {
    fn fill<T: FromBlock + bytemuck::Pod>(&self, key: &Array, start: usize, out: Aval) -> Array {
        let inner: usize = self.shape[self.axis + 1..].iter().product();
        let (whole, piece) = (self.shape[self.axis] * inner, self.count * inner);
        Array::build(out, |out: &mut [T]| {
            for (i, out) in out.chunks_mut(piece.max(1)).enumerate() {
                threefry::bits(words(key)[0], (i * whole + start * inner) as u64, out);
            }
        })
    }
}

impl std::fmt::Debug for RandomRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "random_rows[{:?} shape={:?} axis={} count={}]",
            self.draw, self.shape, self.axis, self.count
        )
    }
}

/// `count` places along an axis of the draw of one key, from `start` on.
pub(crate) fn rows(
    key: &Tensor,
    draw: Draw,
    shape: &[usize],
    axis: usize,
    start: &Tensor,
    count: usize,
) -> Result<Tensor> {
    bind1(&RandomRows { draw, shape: shape.into(), axis, count }, [key.clone(), start.clone()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::key;

    #[test]
    fn rows_are_those_of_the_whole_draw() {
        let key = key(3);
        for draw in [Draw::Bits(8), Draw::Bits(32), Draw::Unit(DType::F32), Draw::Unit(DType::BF16)] {
            let whole = crate::ops::random_bits::draw(key.data(), draw, &[2, 9, 5]).unwrap();
            for (start, count) in [(0, 9), (2, 3), (8, 1)] {
                let part = rows(key.data(), draw, &[2, 9, 5], 1, &Tensor::from(start as i32), count).unwrap();
                let expected = whole.slice_axis(1, start..start + count as isize);
                assert_eq!(part.array().unwrap().bytes(), expected.array().unwrap().bytes());
            }
        }
    }
}
