//! The neighbours of a float.

use half::{bf16, f16};
use smallvec::smallvec;

use super::random_bits::no_gradient;
use crate::array::dtype::dispatch_float;
use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::elementwise;
use crate::ops::{only, unpack};

#[derive(Clone, Copy, PartialEq, Debug)]
enum NextAfter {
    Up,
    Down,
}

impl Primitive for NextAfter {
    fn name(&self) -> &'static str {
        match self {
            NextAfter::Up => "next_up",
            NextAfter::Down => "next_down",
        }
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        if !args[0].dtype.is_float() {
            return Err(Error::dtype(self.name(), args[0].dtype, "floats"));
        }
        Ok(smallvec![args[0].clone()])
    }

    fn op(&self) -> Op<'_> {
        Op::NextAfter { up: *self == NextAfter::Up }
    }

    no_gradient!();

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for NextAfter {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        Ok(smallvec![dispatch_float!(out.dtype, T => Array::build(out, |out: &mut [T]| match self {
            NextAfter::Up => elementwise::map(x.data::<T>(), out, 1, T::up),
            NextAfter::Down => elementwise::map(x.data::<T>(), out, 1, |x| -(-x).up()),
        }))])
    }
}

trait Neighbour {
    fn up(self) -> Self;
}

macro_rules! standard {
    ($($t:ty)*) => {
        $(impl Neighbour for $t {
            #[inline(always)]
            fn up(self) -> $t {
                self.next_up()
            }
        })*
    };
}
standard!(f32 f64);

macro_rules! half {
    ($($t:ty)*) => {
        $(impl Neighbour for $t {
            #[inline(always)]
            fn up(self) -> $t {
                let bits = self.to_bits();
                let magnitude = bits & 0x7fff;
                <$t>::from_bits(match magnitude {
                    _ if self.is_nan() || self == <$t>::INFINITY => bits,
                    0 => 1,
                    _ if bits == magnitude => bits + 1,
                    _ => bits - 1,
                })
            }
        })*
    };
}
half!(f16 bf16);

/// # Neighbouring floats
impl Tensor {
    /// The least float greater than each element; no gradient flows.
    ///
    /// # Panics
    /// If the dtype is not a float.
    #[track_caller]
    pub fn next_up(&self) -> Tensor {
        unwrap(self.try_next_up())
    }

    /// As [`next_up`](Tensor::next_up).
    ///
    /// # Errors
    /// If the dtype is not a float.
    #[track_caller]
    pub fn try_next_up(&self) -> Result<Tensor> {
        bind1(&NextAfter::Up, [self.clone()])
    }

    /// The greatest float less than each element; no gradient flows.
    ///
    /// # Panics
    /// If the dtype is not a float.
    #[track_caller]
    pub fn next_down(&self) -> Tensor {
        unwrap(self.try_next_down())
    }

    /// As [`next_down`](Tensor::next_down).
    ///
    /// # Errors
    /// If the dtype is not a float.
    #[track_caller]
    pub fn try_next_down(&self) -> Result<Tensor> {
        bind1(&NextAfter::Down, [self.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_float_lies_between_a_float_and_its_neighbour() {
        for x in (0..=u16::MAX).map(bf16::from_bits).filter(|x| x.is_finite()) {
            let above = x.up();
            assert!(above > x);
            let middle = f32::midpoint(x.to_f32(), above.to_f32());
            let rounded = bf16::from_f32(middle);
            assert!(above == bf16::INFINITY || rounded == x || rounded == above, "{x} {above}");
            assert_eq!(-(-above).up(), x);
        }
        for x in (0..=u16::MAX).map(f16::from_bits).filter(|x| x.is_finite()) {
            assert!(x.up() > x && -(-x.up()).up() == x);
        }
    }

    #[test]
    fn infinity_and_nan_stay() {
        for (x, y) in [(f32::INFINITY, f32::INFINITY), (f32::MAX, f32::INFINITY), (0.0, f32::from_bits(1))] {
            assert_eq!(Tensor::from([x]).next_up().to_vec::<f32>().unwrap(), [y]);
            assert_eq!(bf16::INFINITY.up(), bf16::INFINITY);
        }
        assert!(f16::NAN.up().is_nan());
        assert!(Tensor::from([1i32]).try_next_up().is_err());
    }

    #[test]
    fn down_mirrors_up() {
        let x = Tensor::from([1.0f32, -1.0, 0.0, 3e-45]);
        assert_eq!(x.next_down().to_vec::<f32>().unwrap(), (-(-x).next_up()).to_vec::<f32>().unwrap());
    }
}
