//! `Primitive`: an operation together with its rules.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::array::{Array, Aval};
use crate::core::Graph;
use crate::core::Tensor;
use crate::core::cpu::{Fusible, Prepared};
use crate::core::rewrite::{Known, Rewrite};
use crate::core::trace;
use crate::core::trace::Axis;
use crate::error::{Error, Result};

/// The arguments of a primitive: mostly one, two or three.
pub type Args<T = Tensor> = SmallVec<[T; 3]>;

/// The outputs of a primitive: mostly one.
pub type Outs<T = Tensor> = SmallVec<[T; 1]>;

/// From the gradients of the outputs (None: zero) to the gradients of the inputs (None: zero or not wanted).
pub type Pullback = Box<dyn Fn(Outs<Option<Tensor>>) -> Result<Args<Option<Tensor>>> + Send + Sync>;

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

    /// Which arguments and outputs [`vjp`](Primitive::vjp) reads the numbers of, given which gradients are wanted.
    ///
    /// The others are not kept for the backward pass, and their buffers may be reused by this very operation.
    fn keeps(&self, _wants: &[bool]) -> Keeps {
        Keeps::ALL
    }

    /// The gradients of the arguments, from those of the outputs.
    ///
    /// `cts` has an entry per output, None for zero, and at least one that is not; `wants` says which gradients are
    /// used. A cotangent has the shape and dtype of what it is the gradient of.
    fn vjp(
        &self,
        _saved: &Saved,
        _cts: Outs<Option<Tensor>>,
        _wants: &[bool],
    ) -> Result<Args<Option<Tensor>>> {
        Err(Error::NotDifferentiable { op: self.name(), message: String::new() })
    }

    /// The operation over a whole batch. Mapped arguments have the batch axis in front; says which outputs have it.
    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)>;

    /// Forward pass and pullback at once; overridden where a primitive is not "bind, then `vjp`".
    fn linearize(&self, args: Args, wants: &[bool]) -> Result<(Outs, Pullback)> {
        let keeps = self.keeps(wants);
        let args_kept = args.iter().enumerate().map(|(i, arg)| Kept::new(arg, keeps.arg(i))).collect();
        let primitive = self.to_arc();
        let outs = trace::bind(self.as_dyn(), args)?;
        let outs_kept = outs.iter().enumerate().map(|(i, out)| Kept::new(out, keeps.out(i))).collect();
        let saved = Saved { args: args_kept, outs: outs_kept };
        let wants: Args<bool> = wants.into();
        Ok((outs, Box::new(move |cts| primitive.vjp(&saved, cts, &wants))))
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
    fn simplify(&self, _args: &[Known<'_>]) -> Option<Rewrite> {
        None
    }

    /// Whether it takes no longer to read what argument `i` is made from than the argument itself.
    ///
    /// A rewrite that reads beneath an argument ([`Operand::Inner`](crate::core::rewrite::Operand)) where that does take longer is for
    /// arguments that nobody else needs ([`Known::is_shared`]): many readers would repeat what one step does for all.
    fn reads_beneath(&self, _args: &[Known<'_>], _i: usize) -> bool {
        false
    }

    /// How it fits into a fused kernel, if it does.
    fn fusible(&self) -> Option<Fusible> {
        None
    }

    /// The kernel for arguments and an output of these shapes, if it reads and writes nothing but their numbers.
    ///
    /// What depends on shapes alone is found out once, here, and not at every run.
    fn prepare(&self, _args: &[&Aval], _out: &Aval) -> Option<Box<dyn Prepared>> {
        None
    }

    /// The same operation where the first argument and the output have so many examples, along their first axes; none unless
    /// it computes each example of the output from that of the first argument, and from the other arguments, and gives the
    /// same bits for any number of them. Operations that
    /// do so whatever shapes they meet need no such rule.
    fn for_examples(&self, _count: usize) -> Option<Arc<dyn Primitive>> {
        None
    }

    /// The number all elements of the output have, if the arguments say so.
    fn uniform(&self, _args: &[Known<'_>]) -> Option<f64> {
        None
    }
}

/// Which numbers a backward rule reads: bit `i` for argument or output `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    /// Arguments.
    pub args: u32,
    /// Outputs.
    pub outs: u32,
}

impl Keeps {
    /// Every argument and output.
    pub const ALL: Keeps = Keeps { args: u32::MAX, outs: u32::MAX };
    /// Shapes and dtypes only, which are always there.
    pub const NONE: Keeps = Keeps { args: 0, outs: 0 };

    /// The numbers of these arguments.
    pub fn args(which: impl IntoIterator<Item = usize>) -> Keeps {
        Keeps { args: which.into_iter().fold(0, |bits, i| bits | 1 << i), outs: 0 }
    }

    /// Whether argument `i` is kept; the last bit speaks for all beyond.
    fn arg(self, i: usize) -> bool {
        self.args >> i.min(31) & 1 == 1
    }

    fn out(self, i: usize) -> bool {
        self.outs >> i.min(31) & 1 == 1
    }

    /// The numbers of the first output only.
    pub const OUT: Keeps = Keeps { args: 0, outs: 1 };

    /// All arguments and no outputs.
    pub const ARGS: Keeps = Keeps { args: u32::MAX, outs: 0 };
}

/// What a backward rule sees of the forward pass.
pub struct Saved {
    args: Args<Kept>,
    outs: Outs<Kept>,
}

enum Kept {
    Value(Tensor),
    Aval(Aval),
}

impl Kept {
    fn new(tensor: &Tensor, value: bool) -> Kept {
        if value { Kept::Value(tensor.clone()) } else { Kept::Aval(tensor.aval().clone()) }
    }

    fn value(&self) -> &Tensor {
        match self {
            Kept::Value(tensor) => tensor,
            Kept::Aval(aval) => panic!("a backward rule reads {aval}, which its `keeps` does not mention"),
        }
    }

    fn aval(&self) -> &Aval {
        match self {
            Kept::Value(tensor) => tensor.aval(),
            Kept::Aval(aval) => aval,
        }
    }
}

impl Saved {
    /// Argument `i`, which [`Primitive::keeps`] must have named.
    pub fn arg(&self, i: usize) -> &Tensor {
        self.args[i].value()
    }

    /// Output `i`, which [`Primitive::keeps`] must have named.
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
