//! Talking over a named axis: `psum pmean pmax pmin all_gather axis_index`.

use std::sync::Arc;

use smallvec::smallvec;

use super::{cotangent, prepend};
use crate::array::{Array, Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::{CollectiveOp, Op};
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace;
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};

#[derive(Clone, PartialEq)]
struct Collective {
    kind: CollectiveOp,
    name: Arc<str>,
}

impl Primitive for Collective {
    fn name(&self) -> &'static str {
        match self.kind {
            CollectiveOp::Sum => "psum",
            CollectiveOp::Mean => "pmean",
            CollectiveOp::Max => "pmax",
            CollectiveOp::Min => "pmin",
            CollectiveOp::Gather { .. } => "all_gather",
            CollectiveOp::Index => "axis_index",
        }
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![match self.kind {
            CollectiveOp::Index => Aval::new(Shape::new(), DType::I32),
            CollectiveOp::Gather { axis, size } => {
                let mut shape = args[0].shape.clone();
                shape.insert(axis, size);
                args[0].with_shape(shape)
            }
            CollectiveOp::Mean if !args[0].dtype.is_float() =>
                return Err(Error::dtype("pmean", args[0].dtype, "floats")),
            _ => args[0].clone(),
        }])
    }

    fn op(&self) -> Op<'_> {
        Op::Collective(self.kind, &self.name)
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        if matches!(self.kind, CollectiveOp::Max | CollectiveOp::Min) {
            ResidualMask::ALL
        } else {
            ResidualMask::NONE
        }
    }

    // Every example's loss flows back to every example: the transpose of a sum over examples is a sum over examples.
    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let ct = cotangent(cts);
        let dx = match self.kind {
            CollectiveOp::Sum => ct.psum(&self.name)?,
            CollectiveOp::Mean => ct.pmean(&self.name)?,
            // Shared equally by the examples that have the extreme value, as the reductions do.
            CollectiveOp::Max | CollectiveOp::Min => {
                let won = residuals.arg(0).try_eq(residuals.out(0))?.cast(ct.dtype());
                ct.psum(&self.name)? * &won / won.psum(&self.name)?
            }
            // The part of this example, from all of them.
            CollectiveOp::Gather { axis, .. } => {
                let all = ct.psum(&self.name)?;
                all.try_take_clip(axis_index(&self.name)?, axis as isize)?
            }
            CollectiveOp::Index => return Ok(smallvec![]),
        };
        Ok(smallvec![Some(dx)])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        if axis.name.as_ref() != Some(&self.name) {
            // Another axis's `vmap` leaves it to the one it names; a new axis moves behind the batch axis.
            let kind = match self.kind {
                CollectiveOp::Gather { axis, size } => CollectiveOp::Gather { axis: axis + 1, size },
                kind => kind,
            };
            return Ok((smallvec![bind1(&Collective { kind, ..self.clone() }, args)?], mapped.into()));
        }
        if self.kind == CollectiveOp::Index {
            return Ok((smallvec![super::create::iota([axis.size], DType::I32, 0)?], smallvec![true]));
        }
        let [x] = super::unpack(args);
        let out = match self.kind {
            CollectiveOp::Gather { axis: at, size } if mapped[0] => {
                assert_eq!(size, axis.size, "a gather was inferred under another axis");
                super::shape::permuted(&x, super::shape::moved(x.rank(), 0, at))?
            }
            CollectiveOp::Gather { axis: at, size } => {
                let whole = x.try_broadcast_to(prepend(size, x.shape()))?;
                super::shape::permuted(&whole, super::shape::moved(whole.rank(), 0, at))?
            }
            CollectiveOp::Sum if mapped[0] => super::reduce::sum_axes(&x, &[0])?,
            CollectiveOp::Sum => x.try_mul(x.like(axis.size as f64))?,
            CollectiveOp::Mean if mapped[0] => {
                super::reduce::sum_axes(&x, &[0])?.try_div(x.like(axis.size as f64))?
            }
            CollectiveOp::Max if mapped[0] => x.try_max_axes(0)?,
            CollectiveOp::Min if mapped[0] => x.try_min_axes(0)?,
            CollectiveOp::Mean | CollectiveOp::Max | CollectiveOp::Min | CollectiveOp::Index => x,
        };
        Ok((smallvec![out], smallvec![false]))
    }

    fn collectives(&self) -> &[Arc<str>] {
        std::slice::from_ref(&self.name)
    }

    on_cpu!();
}

impl CpuRules for Collective {
    fn eval(&self, _args: Args<Array>, _outs: Outs<Aval>) -> Result<Outs<Array>> {
        // `bind` checks the axis and its `vmap` removes the primitive; left is a staged pullback called outside.
        Err(Error::UnboundAxis { axis: self.name.to_string(), bound: Vec::new() })
    }
}

impl std::fmt::Debug for Collective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[axis_name={}]", self.name(), self.name)
    }
}

/// The number of this example along a named axis, an `I32` scalar.
///
/// # Errors
/// [`Error::UnboundAxis`] if no `vmap` around here names this axis.
#[track_caller]
pub fn axis_index(name: &str) -> Result<Tensor> {
    bind1(&Collective { kind: CollectiveOp::Index, name: name.into() }, [])
}

/// The number of examples along a named axis.
///
/// # Errors
/// [`Error::UnboundAxis`] if no `vmap` around here names this axis.
pub fn axis_size(name: &str) -> Result<usize> {
    Ok(trace::find_axis(trace::current().as_ref(), name)?.size)
}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident $kind:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`Error::UnboundAxis`] if no `vmap` around here names this axis.
            #[track_caller]
            pub fn $method(&self, name: &str) -> Result<Tensor> {
                bind1(&Collective { kind: CollectiveOp::$kind, name: name.into() }, [self.clone()])
            })*
        }
    };
}

methods! {
    /// The sum over the examples of the `vmap` with this axis name.
    psum Sum;
    /// The mean over the examples of the `vmap` with this axis name.
    pmean Mean;
    /// The largest of the examples of the `vmap` with this axis name.
    pmax Max;
    /// The smallest of the examples of the `vmap` with this axis name.
    pmin Min;
}

impl Tensor {
    /// The values of all examples of the `vmap` with this axis name, stacked along a new axis.
    ///
    /// # Errors
    /// [`Error::UnboundAxis`] if no `vmap` around here names this axis; if `axis` is out of range.
    #[track_caller]
    pub fn all_gather(&self, name: &str, axis: isize) -> Result<Tensor> {
        let axis = super::axis_of("all_gather", axis, self.rank() + 1)?;
        let size = axis_size(name)?;
        bind1(&Collective { kind: CollectiveOp::Gather { axis, size }, name: name.into() }, [self.clone()])
    }
}
