//! `Primitive`: an operation together with its rules.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::array::{Array, Aval};
use crate::core::Graph;
use crate::core::Tensor;
use crate::core::cpu::{Fusible, Kernel};
use crate::core::rewrite::{Match, Rewrite};
use crate::core::trace;
use crate::core::trace::Axis;
use crate::error::{Error, Result};

/// The arguments of a primitive: mostly one, two or three.
pub type Args<T = Tensor> = SmallVec<[T; 3]>;

/// The outputs of a primitive: mostly one.
pub type Outs<T = Tensor> = SmallVec<[T; 1]>;

/// The gradients of the outputs; None for zero.
pub type Cotangents = Outs<Option<Tensor>>;

/// The gradients of the arguments; None for zero, or where none is needed.
pub type Grads = Args<Option<Tensor>>;

/// From the gradients of the outputs to those of the arguments.
pub type Pullback = Box<dyn Fn(Cotangents) -> Result<Grads> + Send + Sync>;

/// An operation and everything the interpreters need to know of it.
///
/// Rules are written with ordinary functions of [`Tensor`], so that transforms of transforms need nothing more.
/// There is no rule for forward mode: the pullback of a pullback is forward mode (see [`jvp`](crate::jvp)).
pub trait Primitive: DynPrimitive + Debug + Send + Sync + 'static {
    /// Its name in printed graphs and errors.
    fn name(&self) -> &'static str;

    /// Shapes and dtypes of the outputs; the only place that checks the arguments.
    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>>;

    /// The kernel. The arguments are owned: it may write into one whose buffer nobody else holds.
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>>;

    /// Which arguments and outputs [`vjp`](Primitive::vjp) reads the numbers of, given which gradients are needed.
    ///
    /// The others are not kept for the backward pass, and their buffers may be reused by this very operation.
    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::ALL
    }

    /// The gradients of the arguments, from those of the outputs.
    ///
    /// `cts` has an entry per output, None for zero, and at least one that is not; `needs_grad` says which gradients are
    /// used. A cotangent has the shape and dtype of what it is the gradient of.
    fn vjp(&self, _residuals: &Residuals, _cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Err(Error::NotDifferentiable { op: self.name(), message: String::new() })
    }

    /// The operation over a whole batch. Mapped arguments have the batch axis in front; says which outputs have it.
    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)>;

    /// Forward pass and pullback at once; overridden where a primitive is not "bind, then `vjp`".
    fn vjp_fwd(&self, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        let mask = self.residuals(needs_grad);
        let args_kept = args.iter().enumerate().map(|(i, arg)| Residual::new(arg, mask.arg(i))).collect();
        let primitive = self.to_arc();
        let outs = trace::bind(self.as_dyn(), args)?;
        let outs_kept = outs.iter().enumerate().map(|(i, out)| Residual::new(out, mask.out(i))).collect();
        let residuals = Residuals { args: args_kept, outs: outs_kept };
        let needs_grad: Args<bool> = needs_grad.into();
        Ok((outs, Box::new(move |cts| primitive.vjp(&residuals, cts, &needs_grad))))
    }

    /// The floating-point operations of one application: one for each element of the outputs, unless a primitive knows
    /// better.
    fn flops(&self, _args: &[&Aval], outs: &[&Aval]) -> u64 {
        outs.iter().fold(0, |sum: u64, out| sum.saturating_add(out.size() as u64))
    }

    /// The named axes the operation talks over: their `vmap`s must see it even when no argument is mapped.
    fn collectives(&self) -> &[Arc<str>] {
        &[]
    }

    /// The program a call stands for; staging inlines it.
    fn subgraph(&self) -> Option<&Graph> {
        None
    }

    /// What may stand in place of this equation, given what is known of its arguments.
    fn simplify(&self, _args: &[Match<'_>]) -> Option<Rewrite> {
        None
    }

    /// Whether it takes no longer to read what argument `i` is made from than the argument itself.
    ///
    /// A rewrite that reads beneath an argument ([`Operand::Inner`](crate::core::rewrite::Operand)) where that does take longer is for
    /// arguments that nobody else needs ([`Match::is_shared`]): many readers would repeat what one step does for all.
    fn reads_beneath(&self, _args: &[Match<'_>], _i: usize) -> bool {
        false
    }

    /// How it fits into a fused kernel, if it does.
    fn fusible(&self) -> Option<Fusible> {
        None
    }

    /// The kernel for arguments and an output of these shapes, if it reads and writes nothing but their numbers.
    ///
    /// What depends on shapes alone is found out once, here, and not at every run.
    fn specialize(&self, _args: &[&Aval], _out: &Aval) -> Option<Box<dyn Kernel>> {
        None
    }

    /// The same operation where the first argument and the output have so many examples, along their first axes; none unless
    /// it computes each example of the output from that of the first argument, and from the other arguments, and gives the
    /// same bits for any number of them. Operations that
    /// do so whatever shapes they meet need no such rule.
    fn with_batch_size(&self, _count: usize) -> Option<Arc<dyn Primitive>> {
        None
    }

    /// The number all elements of the output have, if the arguments say so.
    fn splat(&self, _args: &[Match<'_>]) -> Option<f64> {
        None
    }
}

/// Which numbers a backward rule reads: bit `i` for argument or output `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResidualMask {
    /// Arguments.
    pub args: u32,
    /// Outputs.
    pub outs: u32,
}

impl ResidualMask {
    /// Every argument and output.
    pub const ALL: ResidualMask = ResidualMask { args: u32::MAX, outs: u32::MAX };
    /// Shapes and dtypes only, which are always there.
    pub const NONE: ResidualMask = ResidualMask { args: 0, outs: 0 };

    /// The numbers of these arguments.
    pub fn args(which: impl IntoIterator<Item = usize>) -> ResidualMask {
        ResidualMask { args: which.into_iter().fold(0, |bits, i| bits | 1 << i), outs: 0 }
    }

    /// Whether argument `i` is kept; the last bit speaks for all beyond.
    fn arg(self, i: usize) -> bool {
        self.args >> i.min(31) & 1 == 1
    }

    fn out(self, i: usize) -> bool {
        self.outs >> i.min(31) & 1 == 1
    }

    /// The numbers of the first output only.
    pub const OUT: ResidualMask = ResidualMask { args: 0, outs: 1 };

    /// All arguments and no outputs.
    pub const ARGS: ResidualMask = ResidualMask { args: u32::MAX, outs: 0 };
}

/// What a backward rule sees of the forward pass.
pub struct Residuals {
    args: Args<Residual>,
    outs: Outs<Residual>,
}

enum Residual {
    Value(Tensor),
    Aval(Aval),
}

impl Residual {
    fn new(tensor: &Tensor, value: bool) -> Residual {
        if value { Residual::Value(tensor.clone()) } else { Residual::Aval(tensor.aval().clone()) }
    }

    fn value(&self) -> &Tensor {
        match self {
            Residual::Value(tensor) => tensor,
            Residual::Aval(aval) => {
                panic!("a backward rule reads {aval}, which its `residuals` does not mention")
            }
        }
    }

    fn aval(&self) -> &Aval {
        match self {
            Residual::Value(tensor) => tensor.aval(),
            Residual::Aval(aval) => aval,
        }
    }
}

impl Residuals {
    /// Argument `i`, which [`Primitive::residuals`] must have named.
    pub fn arg(&self, i: usize) -> &Tensor {
        self.args[i].value()
    }

    /// Output `i`, which [`Primitive::residuals`] must have named.
    pub fn out(&self, i: usize) -> &Tensor {
        self.outs[i].value()
    }

    /// Shape and dtype of argument `i`.
    pub fn arg_aval(&self, i: usize) -> &Aval {
        self.args[i].aval()
    }

    /// Shape and dtype of output `i`.
    pub fn out_aval(&self, i: usize) -> &Aval {
        self.outs[i].aval()
    }

    /// The number of arguments.
    pub fn arg_count(&self) -> usize {
        self.args.len()
    }
}

/// What trait objects cannot inherit from `Clone` and `PartialEq`.
pub trait DynPrimitive: Any {
    /// Itself as a trait object.
    fn as_dyn(&self) -> &dyn Primitive;
    /// Only recording interpreters pay for this allocation.
    fn to_arc(&self) -> Arc<dyn Primitive>;
    /// Whether the other is the same operation with the same parameters.
    fn same(&self, other: &dyn Primitive) -> bool;
}

impl<P: Primitive + Clone + PartialEq> DynPrimitive for P {
    fn as_dyn(&self) -> &dyn Primitive {
        self
    }

    fn to_arc(&self) -> Arc<dyn Primitive> {
        Arc::new(self.clone())
    }

    fn same(&self, other: &dyn Primitive) -> bool {
        (other as &dyn Any).downcast_ref::<P>() == Some(self)
    }
}
