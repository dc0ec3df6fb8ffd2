//! vmap: applies batching rules in the parent.

use std::panic::Location;
use std::sync::Arc;

use super::{Frame, Trace, Traced, enter};
use crate::core::Tensor;
use crate::core::primitive::{Args, Outs, Primitive};
use crate::core::tensor::Repr;
use crate::error::Result;

/// The axis a `vmap` adds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    /// What collectives call it.
    pub name: Option<Arc<str>>,
    /// The number of examples.
    pub size: usize,
}

pub(crate) struct Batch {
    pub(crate) frame: Frame,
    pub(crate) axis: Axis,
}

impl Batch {
    pub(crate) fn new(parent: Option<Trace>, axis: Axis) -> Arc<Batch> {
        Arc::new(Batch { frame: Frame::new(parent), axis })
    }

    /// The batch axis is always in front: rules stay short.
    pub(crate) fn wrap(self: &Arc<Self>, value: Tensor, mapped: bool) -> Tensor {
        if !mapped {
            return value;
        }
        let aval = value.aval().with_shape(&value.shape()[1..]);
        Traced::Batch { batch: self.clone(), value, aval }.into()
    }

    pub(crate) fn open(self: &Arc<Self>, tensor: Tensor) -> (Tensor, bool) {
        if let Repr::Traced(traced) = &tensor.repr
            && let Traced::Batch { batch, value, .. } = &**traced
            && Arc::ptr_eq(batch, self)
        {
            return (value.clone(), true);
        }
        (tensor, false)
    }

    pub(crate) fn process(
        self: &Arc<Self>,
        primitive: &dyn Primitive,
        args: Args,
        location: &'static Location<'static>,
    ) -> Result<Outs> {
        let (values, mapped): (Args, Args<bool>) = args.into_iter().map(|arg| self.open(arg)).unzip();
        let ours = self.axis.name.as_ref().is_some_and(|name| primitive.collectives().contains(name));
        enter(self.frame.parent.clone(), || {
            if !ours && !mapped.contains(&true) {
                return super::bind_at(primitive, values, location);
            }
            let (outs, mapped) = primitive.batch(&self.axis, values, &mapped)?;
            Ok(outs.into_iter().zip(mapped).map(|(out, mapped)| self.wrap(out, mapped)).collect())
        })
    }
}
