//! Talking over named axes: `psum pmean pmax pmin all_gather all_to_all psum_scatter ppermute axis_index`.

mod between_ranks;
mod exchange;
mod names;
pub(crate) mod started;

pub use names::AxisNames;

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
    /// Whether its examples are ranks, and no `vmap` takes it away.
    between_ranks: bool,
}

impl Collective {
    /// Over the axis that has this name here.
    fn new(kind: CollectiveOp, name: &str) -> Collective {
        let (name, between_ranks) = trace::axis_called(name);
        Collective { kind, name, between_ranks }
    }
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
            CollectiveOp::AllToAll { .. } => "all_to_all",
            CollectiveOp::Permute => "ppermute",
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
            // A quotient, which integers have as floats.
            CollectiveOp::Mean => args[0].with_dtype(args[0].dtype.to_inexact()),
            _ => args[0].clone(),
        }])
    }

    fn op(&self) -> Op<'_> {
        Op::Collective(self.kind, &self.name)
    }

    // A rank that leaves out what others do, or does it at another time, would have them wait.
    fn has_effects(&self) -> bool {
        self.between_ranks && self.kind != CollectiveOp::Index
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
            // What was sent comes back.
            CollectiveOp::AllToAll { .. } => bind1(self, [ct])?,
            CollectiveOp::Permute => unreachable!("a primitive of its own"),
            CollectiveOp::Index => return Ok(smallvec![]),
        };
        Ok(smallvec![Some(dx)])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        if axis.name.as_ref() != Some(&self.name) {
            // Another axis's `vmap` leaves it to the one it names; a new axis moves behind the batch axis.
            let kind = match self.kind {
                CollectiveOp::Gather { axis, size } => CollectiveOp::Gather { axis: axis + 1, size },
                CollectiveOp::AllToAll { axis } => CollectiveOp::AllToAll { axis: axis + 1 },
                kind => kind,
            };
            return Ok((smallvec![bind1(&Collective { kind, ..self.clone() }, args)?], mapped.into()));
        }
        if self.kind == CollectiveOp::Index {
            return Ok((smallvec![super::create::iota([axis.size], DType::I32, 0)?], smallvec![true]));
        }
        let [x] = super::unpack(args);
        if let CollectiveOp::AllToAll { axis: at } = self.kind {
            let all = if mapped[0] { x } else { x.try_broadcast_to(prepend(axis.size, x.shape()))? };
            return Ok((smallvec![all.try_swap_axes(0, at as isize + 1)?], smallvec![true]));
        }
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
            CollectiveOp::Mean | CollectiveOp::Max | CollectiveOp::Min => x,
            CollectiveOp::Index | CollectiveOp::AllToAll { .. } | CollectiveOp::Permute => {
                unreachable!("batched above")
            }
        };
        Ok((smallvec![out], smallvec![false]))
    }

    fn collectives(&self) -> &[Arc<str>] {
        std::slice::from_ref(&self.name)
    }

    on_cpu!();
}

impl CpuRules for Collective {
    fn eval(&self, mut args: Args<Array>, _outs: Outs<Aval>) -> Result<Outs<Array>> {
        // `bind` checks the axis, and its `vmap` removes the primitive; left are those between ranks, and a staged pullback that is
        // called outside.
        Ok(smallvec![between_ranks::run(self.kind, &*between_ranks::transport(&self.name)?, args.pop())?])
    }
}

impl std::fmt::Debug for Collective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[axis_name={}]", self.name(), self.name)
    }
}

/// The number of this example along a named axis, an `I32` scalar; along several, the outermost first, its number among them all.
///
/// # Errors
/// [`Error::UnboundAxis`] if no `vmap` around here names such an axis.
#[track_caller]
pub fn axis_index(names: impl AxisNames) -> Result<Tensor> {
    let mut index: Option<Tensor> = None;
    for name in names.names() {
        let inner = bind1(&Collective::new(CollectiveOp::Index, name), [])?;
        index = Some(match index {
            None => inner,
            Some(outer) => outer.try_mul(axis_size(name)? as i32)?.try_add(inner)?,
        });
    }
    index.ok_or_else(|| Error::argument("axis_index", "no name of an axis"))
}

/// The number of examples along a named axis, or along several.
///
/// # Errors
/// [`Error::UnboundAxis`] if no `vmap` around here names such an axis.
pub fn axis_size(names: impl AxisNames) -> Result<usize> {
    let mut size = 1;
    for name in names.names() {
        size *= trace::find_axis(trace::current().as_ref(), &trace::axis_called(name).0)?.size;
    }
    Ok(size)
}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident $kind:ident;)*) => {
        /// # Sums over named axes
        impl Tensor {
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`Error::UnboundAxis`] if no `vmap` around here names such an axis.
            #[track_caller]
            pub fn $method(&self, names: impl AxisNames) -> Result<Tensor> {
                let mut out = self.clone();
                for name in names.names() {
                    out = bind1(&Collective::new(CollectiveOp::$kind, name), [out])?;
                }
                Ok(out)
            })*
        }
    };
}

methods! {
    /// The sum over the examples of the `vmap`s with these axis names.
    psum Sum;
    /// The mean over the examples of the `vmap`s with these axis names.
    pmean Mean;
    /// The largest of the examples of the `vmap`s with these axis names.
    pmax Max;
    /// The smallest of the examples of the `vmap`s with these axis names.
    pmin Min;
}
