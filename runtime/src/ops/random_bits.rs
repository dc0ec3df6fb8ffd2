//! Random bits, floats and keys from the data of keys, `U32[.., 2]`: an axis in front of the 2 is an axis of the result.

use bytemuck::Pod;
use smallvec::smallvec;

use super::{addressable, batch_all, only, unpack};
use crate::array::dtype::dispatch_float;
use crate::array::{Array, Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::{Draw, Op};
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::threads;
use crate::kernels::threefry::{self, FromBlock};

/// The rough cost of one element, in the units of [`threads::split`].
const COST: usize = 8;

/// `draw` at each index of `shape`, for each key.
#[derive(Clone, PartialEq)]
struct RandomBits {
    draw: Draw,
    shape: Shape,
}

/// Checks the data of keys; returns their shape.
pub(super) fn keys<'a>(op: &'static str, aval: &'a Aval) -> Result<&'a [usize]> {
    match &aval.shape[..] {
        [keys @ .., 2] if aval.dtype == DType::U32 => Ok(keys),
        _ => Err(Error::argument(op, format!("{aval} is not the data of a key, u32[..,2]"))),
    }
}

/// Integers have no gradient, and random floats do not depend smoothly on their key.
macro_rules! no_gradient {
    () => {
        fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
            ResidualMask::NONE
        }

        fn vjp(&self, residuals: &Residuals, _cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
            Ok((0..residuals.arg_count()).map(|_| None).collect())
        }
    };
}
pub(super) use no_gradient;

impl Primitive for RandomBits {
    fn name(&self) -> &'static str {
        match self.draw {
            Draw::Bits(_) => "random_bits",
            Draw::Unit(_) => "random_unit",
        }
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let shape: Shape = keys(self.name(), args[0])?.iter().chain(&self.shape).copied().collect();
        let dtype = match self.draw {
            Draw::Bits(8) => DType::U8,
            Draw::Bits(16) => DType::U16,
            Draw::Bits(32) => DType::U32,
            Draw::Bits(64) => DType::I64,
            Draw::Bits(width) => {
                return Err(Error::argument(self.name(), format!("{width} bits: use 8, 16, 32 or 64")));
            }
            Draw::Unit(dtype) if dtype.is_float() => dtype,
            Draw::Unit(dtype) => return Err(Error::dtype(self.name(), dtype, "a float dtype")),
        };
        Ok(smallvec![addressable(self.name(), Aval::unchecked(shape, dtype))?])
    }

    fn op(&self) -> Op<'_> {
        Op::RandomBits { draw: self.draw, shape: &self.shape }
    }

    no_gradient!();

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for RandomBits {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([key], out) = (unpack(args), only(outs));
        let size = self.shape.iter().product();
        Ok(smallvec![match self.draw {
            Draw::Bits(8) => fill::<u8>(&key, size, out),
            Draw::Bits(16) => fill::<u16>(&key, size, out),
            Draw::Bits(32) => fill::<u32>(&key, size, out),
            Draw::Bits(_) => fill::<u64>(&key, size, out),
            Draw::Unit(dtype) => dispatch_float!(dtype, T => fill::<T>(&key, size, out)),
        }])
    }
}

impl std::fmt::Debug for RandomBits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.draw {
            Draw::Bits(width) => write!(f, "random_bits[width={width} shape={:?}]", self.shape),
            Draw::Unit(dtype) => {
                write!(f, "random_unit[dtype={} shape={:?}]", dtype.short_name(), self.shape)
            }
        }
    }
}

/// The keys of their data.
pub(super) fn words(key: &Array) -> &[[u32; 2]] {
    key.data::<u32>().as_chunks::<2>().0
}

/// `size` elements for each key.
fn fill<T: FromBlock + Pod>(key: &Array, size: usize, out: Aval) -> Array {
    Array::build(out, |out: &mut [T]| rows(words(key), size, out, |key, row| threefry::bits(key, 0, row)))
}

/// Calls `f` with each key and its row of `size` elements.
pub(super) fn rows<T: Send>(
    keys: &[[u32; 2]],
    size: usize,
    out: &mut [T],
    f: impl Fn([u32; 2], &mut [T]) + Sync + Send,
) {
    threads::split(out, size.max(1), size * COST, |first, piece| {
        for (row, key) in piece.chunks_mut(size.max(1)).zip(&keys[first..]) {
            f(*key, row);
        }
    });
}

/// Each key becomes so many.
#[derive(Clone, PartialEq)]
struct Split(usize);

impl Primitive for Split {
    fn name(&self) -> &'static str {
        "random_split"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let shape: Shape = keys(self.name(), args[0])?.iter().copied().chain([self.0, 2]).collect();
        Ok(smallvec![addressable(self.name(), Aval::unchecked(shape, DType::U32))?])
    }

    fn op(&self) -> Op<'_> {
        Op::RandomSplit(self.0)
    }

    no_gradient!();

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Split {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [key] = unpack(args);
        Ok(smallvec![Array::build(only(outs), |out: &mut [u32]| {
            rows(words(&key), self.0, out.as_chunks_mut::<2>().0, |key, row| threefry::bits(key, 0, row));
        })])
    }
}

impl std::fmt::Debug for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "random_split[n={}]", self.0)
    }
}

/// A key and a word of data, one for each key, become another key.
#[derive(Clone, PartialEq, Debug)]
struct FoldIn;

impl Primitive for FoldIn {
    fn name(&self) -> &'static str {
        "random_fold_in"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let shape = keys(self.name(), args[0])?;
        if args[1].dtype != DType::U32 {
            return Err(Error::dtype(self.name(), args[1].dtype, "data of uint32"));
        }
        if &args[1].shape[..] != shape {
            let found = format!("data of shape {:?} for keys of shape {shape:?}", args[1].shape);
            return Err(Error::shape(self.name(), found, "one number for each key"));
        }
        Ok(smallvec![args[0].with_dtype(DType::U32)])
    }

    fn op(&self) -> Op<'_> {
        Op::RandomFoldIn
    }

    no_gradient!();

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, batch_all(axis.size, args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for FoldIn {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [key, data] = unpack(args);
        Ok(smallvec![Array::build(only(outs), |out: &mut [u32]| {
            let out = out.as_chunks_mut::<2>().0;
            for ((out, &key), &data) in out.iter_mut().zip(words(&key)).zip(data.data::<u32>()) {
                *out = threefry::fold_in(key, data);
            }
        })])
    }
}

#[track_caller]
pub(crate) fn draw(key: &Tensor, draw: Draw, shape: &[usize]) -> Result<Tensor> {
    bind1(&RandomBits { draw, shape: shape.into() }, [key.clone()])
}

#[track_caller]
pub(crate) fn split(key: &Tensor, n: usize) -> Result<Tensor> {
    bind1(&Split(n), [key.clone()])
}

#[track_caller]
pub(crate) fn fold_in(key: &Tensor, data: Tensor) -> Result<Tensor> {
    bind1(&FoldIn, [key.clone(), data])
}
