//! Talking over a named axis: `psum pmean pmax pmin all_gather axis_index`.

use std::sync::Arc;

use smallvec::smallvec;

use super::{cotangent, prepend};
use crate::array::{Array, Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace;
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Sum,
    Mean,
    Max,
    Min,
    /// Every example gets all of them, along this new axis. The number is how many.
    Gather {
        axis: usize,
        size: usize,
    },
    Index,
}

#[derive(Clone, PartialEq)]
struct Collective {
    kind: Kind,
    name: Arc<str>,
}

impl Primitive for Collective {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sum => "psum",
            Kind::Mean => "pmean",
            Kind::Max => "pmax",
            Kind::Min => "pmin",
            Kind::Gather { .. } => "all_gather",
            Kind::Index => "axis_index",
        }
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![match self.kind {
            Kind::Index => Aval::new(Shape::new(), DType::I32),
            Kind::Gather { axis, size } => {
                let mut shape = args[0].shape.clone();
                shape.insert(axis, size);
                args[0].with_shape(shape)
            }
            Kind::Mean if !args[0].dtype.is_float() =>
                return Err(Error::dtype("pmean", args[0].dtype, "floats")),
            _ => args[0].clone(),
        }])
    }

    fn eval(&self, _args: Args<Array>, _outs: Outs<Aval>) -> Result<Outs<Array>> {
        // `bind` checks the axis and its `vmap` removes the primitive; left is a staged pullback called outside.
        Err(Error::UnboundAxis { axis: self.name.to_string(), bound: Vec::new() })
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        if matches!(self.kind, Kind::Max | Kind::Min) { ResidualMask::ALL } else { ResidualMask::NONE }
    }

    // Every example's loss flows back to every example: the transpose of a sum over examples is a sum over examples.
    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let ct = cotangent(cts);
        let dx = match self.kind {
            Kind::Sum => ct.psum(&self.name)?,
            Kind::Mean => ct.pmean(&self.name)?,
            // Shared equally by the examples that have the extreme value, as the reductions do.
            Kind::Max | Kind::Min => {
                let won = residuals.arg(0).try_eq(residuals.out(0))?.cast(ct.dtype());
                ct.psum(&self.name)? * &won / won.psum(&self.name)?
            }
            // The part of this example, from all of them.
            Kind::Gather { axis, .. } => {
                let all = ct.psum(&self.name)?;
                all.try_take_clip(axis_index(&self.name)?, axis as isize)?
            }
            Kind::Index => return Ok(smallvec![]),
        };
        Ok(smallvec![Some(dx)])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        if axis.name.as_ref() != Some(&self.name) {
            // Another axis's `vmap` leaves it to the one it names; a new axis moves behind the batch axis.
            let kind = match self.kind {
                Kind::Gather { axis, size } => Kind::Gather { axis: axis + 1, size },
                kind => kind,
            };
            return Ok((smallvec![bind1(&Collective { kind, ..self.clone() }, args)?], mapped.into()));
        }
        if self.kind == Kind::Index {
            return Ok((smallvec![super::create::iota([axis.size], DType::I32, 0)?], smallvec![true]));
        }
        let [x] = super::unpack(args);
        let out = match self.kind {
            Kind::Gather { axis: at, size } if mapped[0] => {
                assert_eq!(size, axis.size, "a gather was inferred under another axis");
                super::shape::permuted(&x, super::shape::moved(x.rank(), 0, at))?
            }
            Kind::Gather { axis: at, size } => {
                let whole = x.try_broadcast_to(prepend(size, x.shape()))?;
                super::shape::permuted(&whole, super::shape::moved(whole.rank(), 0, at))?
            }
            Kind::Sum if mapped[0] => super::reduce::sum_axes(&x, &[0])?,
            Kind::Sum => x.try_mul(x.like(axis.size as f64))?,
            Kind::Mean if mapped[0] => {
                super::reduce::sum_axes(&x, &[0])?.try_div(x.like(axis.size as f64))?
            }
            Kind::Max if mapped[0] => x.try_max_axes(0)?,
            Kind::Min if mapped[0] => x.try_min_axes(0)?,
            Kind::Mean | Kind::Max | Kind::Min | Kind::Index => x,
        };
        Ok((smallvec![out], smallvec![false]))
    }

    fn collectives(&self) -> &[Arc<str>] {
        std::slice::from_ref(&self.name)
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
    bind1(&Collective { kind: Kind::Index, name: name.into() }, [])
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
                bind1(&Collective { kind: Kind::$kind, name: name.into() }, [self.clone()])
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
        bind1(&Collective { kind: Kind::Gather { axis, size }, name: name.into() }, [self.clone()])
    }
}
