//! Random orders, by sorting random bits.

use smallvec::smallvec;

use super::random_bits::{keys, no_gradient, words};
use super::{addressable, only, unpack};
use crate::array::memory;
use crate::array::{Array, Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::sort::{SortOrder, argsort};
use crate::kernels::{threefry, transpose};

/// For each key, a random order of the positions along `axis` of `shape`, another one in each lane; the axis goes last.
#[derive(Clone, PartialEq)]
struct RandomOrder {
    shape: Shape,
    axis: usize,
}

impl Primitive for RandomOrder {
    fn name(&self) -> &'static str {
        "random_order"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let length = self.shape[self.axis];
        if i32::try_from(length).is_err() {
            return Err(Error::shape(self.name(), format!("{length} positions"), "as many as an i32 counts"));
        }
        let mut shape: Shape = keys(self.name(), args[0])?.into();
        shape.extend_from_slice(&self.shape[..self.axis]);
        shape.extend_from_slice(&self.shape[self.axis + 1..]);
        shape.push(length);
        Ok(smallvec![addressable(self.name(), Aval::unchecked(shape, DType::I32))?])
    }

    fn op(&self) -> Op<'_> {
        Op::RandomOrder { shape: &self.shape, axis: self.axis }
    }

    no_gradient!();

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for RandomOrder {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [key] = unpack(args);
        let size = self.shape.iter().product::<usize>();
        Ok(smallvec![Array::build(only(outs), |out: &mut [i32]| {
            for (&key, out) in words(&key).iter().zip(out.chunks_mut(size.max(1))) {
                self.shuffle(key, out);
            }
        })])
    }
}

impl RandomOrder {
    fn shuffle(&self, mut key: [u32; 2], out: &mut [i32]) {
        let length = self.shape[self.axis].max(1);
        for (i, position) in out.iter_mut().enumerate() {
            *position = (i % length) as i32;
        }
        let outer: usize = self.shape[..self.axis].iter().product();
        let inner = out.len() / (outer * length).max(1);
        let (mut bits, mut lanes) = (memory::zeroed::<u32>(out.len()), Vec::new());
        let (mut order, mut before) = (memory::zeroed(out.len()), memory::zeroed(out.len()));
        for _ in 0..rounds(out.len()) {
            threefry::bits(threefry::fold_in(key, 1), 0, &mut bits);
            key = threefry::fold_in(key, 0);
            let bits = if inner == 1 {
                &bits
            } else {
                memory::resize(&mut lanes, bits.len(), 0);
                transpose::transpose(&bits, &[outer, length, inner], &[0, 2, 1], &mut lanes);
                &lanes
            };
            argsort(bits, length, SortOrder::Ascending, &mut order);
            before.copy_from_slice(out);
            for ((out, before), order) in
                out.chunks_mut(length).zip(before.chunks(length)).zip(order.chunks(length))
            {
                for (out, &from) in out.iter_mut().zip(order) {
                    *out = before[from as usize];
                }
            }
        }
    }
}

/// Bits of 32 may be equal; so many rounds make an unfair order of so many elements improbable.
fn rounds(size: usize) -> usize {
    const EXPONENT: f64 = 3.0;
    (EXPONENT * (size.max(1) as f64).ln() / f64::from(u32::MAX).ln()).ceil() as usize
}

impl std::fmt::Debug for RandomOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "random_order[shape={:?} axis={}]", self.shape, self.axis)
    }
}

#[track_caller]
pub(crate) fn random_order(key: &Tensor, shape: &[usize], axis: usize) -> Result<Tensor> {
    bind1(&RandomOrder { shape: shape.into(), axis }, [key.clone()])
}
