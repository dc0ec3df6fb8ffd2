//! Functions of one argument, element by element.

use std::ops::Neg;

use smallvec::smallvec;

use super::{cotangent, only, unpack, unwrap};
use crate::error::Result;
use crate::kernels::elementwise;
use crate::primitive::{Args, Keeps, Outs, Primitive, Saved};
use crate::tensor::{Array, Aval, Tensor};
use crate::trace::{Axis, bind1};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unary {
    Neg,
    Exp,
    Tanh,
    Sin,
    Cos,
    Log,
    Trunc,
}

impl Primitive for Unary {
    fn name(&self) -> &'static str {
        match self {
            Unary::Neg => "neg",
            Unary::Exp => "exp",
            Unary::Tanh => "tanh",
            Unary::Sin => "sin",
            Unary::Cos => "cos",
            Unary::Log => "log",
            Unary::Trunc => "trunc",
        }
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![args[0].clone()])
    }

    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let f: fn(f32) -> f32 = match self {
            Unary::Neg => |x| -x,
            Unary::Exp => f32::exp,
            Unary::Tanh => f32::tanh,
            Unary::Sin => f32::sin,
            Unary::Cos => f32::cos,
            Unary::Log => f32::ln,
            Unary::Trunc => f32::trunc,
        };
        let [x] = unpack(args);
        Ok(smallvec![Array::build(only(outs), |out: &mut [f32]| elementwise::map(
            x.data::<f32>(),
            out,
            4,
            f
        ))])
    }

    fn keeps(&self, _wants: &[bool]) -> Keeps {
        match self {
            Unary::Neg => Keeps::NONE,
            Unary::Exp | Unary::Tanh => Keeps::OUT,
            _ => Keeps::ARGS,
        }
    }

    fn vjp(&self, saved: &Saved, cts: Outs<Option<Tensor>>, _wants: &[bool]) -> Result<Args<Option<Tensor>>> {
        let ct = cotangent(cts);
        let dx = match self {
            Unary::Neg => -ct,
            Unary::Exp => ct * saved.out(0),
            Unary::Tanh => ct * (1.0 - saved.out(0) * saved.out(0)),
            Unary::Sin => ct * saved.arg(0).cos(),
            Unary::Cos => -(ct * saved.arg(0).sin()),
            Unary::Log => ct / saved.arg(0),
            Unary::Trunc => return Ok(smallvec![None]),
        };
        Ok(smallvec![Some(dx)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }
}

impl std::fmt::Debug for Unary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! methods {
    ($($method:ident $variant:ident)*) => {
        impl Tensor {
            $(#[allow(missing_docs)] #[track_caller]
            pub fn $method(&self) -> Tensor {
                unwrap(bind1(&Unary::$variant, [self.clone()]))
            })*
        }
    };
}

methods!(exp Exp tanh Tanh sin Sin cos Cos log Log trunc Trunc);

impl Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        unwrap(bind1(&Unary::Neg, [self.clone()]))
    }
}

impl Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        unwrap(bind1(&Unary::Neg, [self]))
    }
}

impl Tensor {
    #[allow(missing_docs)]
    pub fn remainder(&self, other: impl Into<Tensor>) -> Tensor {
        self.fmod(other)
    }
}
