//! Linear recurrences along an axis, closed under differentiation: what cumulative operations differentiate into.

use smallvec::smallvec;

use super::{batch_all, cotangent, only, unpack};
use crate::array::dtype::{dispatch_float, dispatch_width};
use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::recurrence::{self, Factor};
use crate::kernels::reduce::Direction;

/// From factors and summands `(a, b)` to the states `s_i = b_i + a · s_before`.
#[derive(Clone, Copy, PartialEq)]
struct Recurrence {
    axis: usize,
    direction: Direction,
    factor: Factor,
}

impl Recurrence {
    /// The recurrence of the gradient: `g_i = ct_i + a · g_after`, with the same factor between the same neighbours.
    fn transposed(self) -> Recurrence {
        let factor = match self.factor {
            Factor::Own => Factor::Before,
            Factor::Before => Factor::Own,
        };
        Recurrence { direction: opposite(self.direction), factor, ..self }
    }
}

pub(super) fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Forward => Direction::Reverse,
        Direction::Reverse => Direction::Forward,
    }
}

impl Primitive for Recurrence {
    fn name(&self) -> &'static str {
        "recurrence"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (a, b) = (args[0], args[1]);
        if a.shape != b.shape || self.axis >= a.rank() {
            return Err(Error::shape(
                "recurrence",
                format!("{a} and {b}"),
                "factors and summands of one shape that has the axis",
            ));
        }
        if a.dtype != b.dtype || !a.dtype.is_float() {
            return Err(Error::dtype("recurrence", format!("{a} and {b}"), "floats of one dtype"));
        }
        Ok(smallvec![Aval::new(&a.shape, a.dtype)])
    }

    fn op(&self) -> Op<'_> {
        Op::Recurrence { axis: self.axis, direction: self.direction, factor: self.factor }
    }

    fn residuals(&self, needs_grad: &[bool]) -> ResidualMask {
        ResidualMask { args: 1, outs: u32::from(needs_grad[0]) }
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let db = bind1(&self.transposed(), [residuals.arg(0).clone(), cotangent(cts)])?;
        let da = if needs_grad[0] {
            Some(match self.factor {
                Factor::Own => shifted(residuals.out(0), self.axis, self.direction, 0.0)?.try_mul(&db)?,
                Factor::Before => {
                    shifted(&db, self.axis, opposite(self.direction), 0.0)?.try_mul(residuals.out(0))?
                }
            })
        } else {
            None
        };
        Ok(smallvec![da, needs_grad[1].then_some(db)])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let inner = Recurrence { axis: self.axis + 1, ..*self };
        Ok((smallvec![bind1(&inner, batch_all(axis.size, args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for Recurrence {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([a, b], out) = (unpack(args), only(outs));
        let how = (self.direction, self.factor);
        Ok(smallvec![dispatch_float!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            recurrence::recurrence((a.data::<T>(), b.data::<T>()), a.shape(), self.axis, how, out);
        }))])
    }
}

impl std::fmt::Debug for Recurrence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "recurrence[axis={} direction={:?} factor={:?}]", self.axis, self.direction, self.factor)
    }
}

/// The gradient of a recurrence's summands, from that of its states.
#[track_caller]
pub(super) fn pulled_back(a: &Tensor, ct: &Tensor, axis: usize, direction: Direction) -> Result<Tensor> {
    let forward = Recurrence { axis, direction, factor: Factor::Own };
    bind1(&forward.transposed(), [a.clone(), ct.clone()])
}

/// The elements moved by one along an axis.
#[derive(Clone, Copy)]
struct Shift {
    axis: usize,
    direction: Direction,
    fill: f64,
}

/// NaN is itself here: equal steps are merged.
impl PartialEq for Shift {
    fn eq(&self, other: &Shift) -> bool {
        (self.axis, self.direction, self.fill.to_bits())
            == (other.axis, other.direction, other.fill.to_bits())
    }
}

impl Primitive for Shift {
    fn name(&self) -> &'static str {
        "shift"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        if self.axis >= args[0].rank() {
            return Err(Error::shape("shift", format!("{}", args[0]), format!("an axis {}", self.axis)));
        }
        Ok(smallvec![args[0].clone()])
    }

    fn op(&self) -> Op<'_> {
        Op::Shift { axis: self.axis, direction: self.direction, fill: self.fill }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![Some(shifted(&cotangent(cts), self.axis, opposite(self.direction), 0.0)?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(&Shift { axis: self.axis + 1, ..*self }, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Shift {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        let fill = super::scalar_array(self.fill, out.dtype, false);
        Ok(smallvec![dispatch_width!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            recurrence::shift(x.data(), x.shape(), self.axis, self.direction, fill.data::<T>()[0], out);
        }))])
    }
}

impl std::fmt::Debug for Shift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "shift[axis={} direction={:?} fill={}]", self.axis, self.direction, self.fill)
    }
}

/// The elements moved by one along an axis, so that each is where the next one was; the position left gets `fill`.
#[track_caller]
pub(super) fn shifted(x: &Tensor, axis: usize, direction: Direction, fill: f64) -> Result<Tensor> {
    bind1(&Shift { axis, direction, fill }, [x.clone()])
}
