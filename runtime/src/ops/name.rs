//! `name`: a value, unchanged, that a policy of `checkpoint` knows by a name.

use std::sync::Arc;

use smallvec::smallvec;

use crate::array::Aval;
use crate::core::Tensor;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{self, Axis, bind1};
use crate::error::Result;

/// Its argument; a backend never sees it, as it decomposes into nothing.
#[derive(Clone, PartialEq)]
pub(crate) struct Name(pub Arc<str>);

impl Primitive for Name {
    fn name(&self) -> &'static str {
        "name"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![args[0].clone()])
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        Ok(smallvec![args[0].clone()])
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(cts.into_iter().collect())
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((trace::bind(self, args)?, mapped.into()))
    }

    fn flops(&self, _args: &[&Aval], _outs: &[&Aval]) -> u64 {
        0
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "name[{}]", self.0)
    }
}

/// The value, by a name.
pub(crate) fn named(value: &Tensor, name: &Arc<str>) -> Result<Tensor> {
    bind1(&Name(name.clone()), [value.clone()])
}
