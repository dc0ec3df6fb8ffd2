//! `Primitive`: an operation together with its rules.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::array::Aval;
use crate::core::Graph;
use crate::core::Tensor;
use crate::core::cpu::CpuRules;
use crate::core::decompose;
use crate::core::op::Op;
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

/// An operation and everything the interpreters need to know of it. The [module](crate::core) shows one.
///
/// Rules are written with ordinary functions of [`Tensor`], so that transforms of transforms need nothing more.
/// There is no rule for forward mode: the pullback of a pullback is forward mode (see [`jvp`](crate::jvp)).
pub trait Primitive: DynPrimitive + Debug + Send + Sync + 'static {
    /// Its name in printed graphs and errors.
    fn name(&self) -> &'static str;

    /// Shapes and dtypes of the outputs; the only place that checks the arguments.
    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>>;

    /// What it is, as data: all that a backend asks for.
    ///
    /// [`Op::Custom`], unless it is one of those that backends know: then it runs as what it decomposes into.
    fn op(&self) -> Op<'_> {
        Op::Custom
    }

    /// The same outputs, computed by other primitives.
    ///
    /// Whoever writes a primitive of their own, with an `op` of [`Op::Custom`], writes this: it is what runs, on every backend,
    /// and its gradients and batches are those of the primitive, unless that says otherwise.
    ///
    /// # Errors
    /// What the operations return.
    fn decompose(&self, _args: &[Tensor]) -> Result<Outs> {
        Err(Error::msg(format!("`{}` is built in, and does not decompose", self.name())))
    }

    /// Which arguments and outputs [`vjp`](Primitive::vjp) reads the values of, given which gradients are needed.
    ///
    /// The others are not kept for the backward pass, and their buffers may be reused by this very operation.
    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::ALL
    }

    /// The gradients of the arguments, from those of the outputs.
    ///
    /// `cts` has an entry per output, None for zero, and at least one that is not; `needs_grad` says which gradients are
    /// used. A cotangent has the shape and dtype of what it is the gradient of.
    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        match self.op() {
            Op::Custom => decompose::vjp(self.as_dyn(), residuals, cts, needs_grad),
            _ => Err(Error::NotDifferentiable { op: self.name(), message: String::new() }),
        }
    }

    /// The operation over a whole batch. Mapped arguments have the batch axis in front; says which outputs have it.
    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        decompose::batch(self.to_arc(), axis, args, mapped)
    }

    /// Forward pass and pullback at once; overridden where a primitive is not "bind, then `vjp`".
    fn vjp_fwd(&self, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        bind_and_keep(self.as_dyn(), args, needs_grad)
    }

    /// The floating-point operations of one application, where they are others than its [`Op`] says: those of the programs
    /// within, none where elements are only moved, or else one for each element of the outputs.
    fn flops(&self, _args: &[&Aval], outs: &[&Aval]) -> u64 {
        self.op().flops(outs)
    }

    /// The named axes the operation talks over: their `vmap`s must see it even when no argument is mapped.
    fn collectives(&self) -> &[Arc<str>] {
        &[]
    }

    /// Whether running it does more than make its outputs, as printing does.
    ///
    /// Such an equation runs once each time its program runs, in the order of the program among others of the kind: it is not dropped
    /// because nobody reads its outputs, not merged with an equal one, not computed at compile time and not taken out of a loop. A
    /// program has the effects of its equations.
    fn has_effects(&self) -> bool {
        self.op().subgraphs().any(Graph::has_effects)
    }

    /// The program whose equations staging takes over in place of this one.
    ///
    /// A program that stays one equation is known by `op` alone: see [`Op::subgraphs`].
    fn inline(&self) -> Option<&Graph> {
        None
    }

    /// The same operation where `f` has replaced the programs within; none if there are none, or they cannot be replaced.
    ///
    /// # Errors
    /// What `f` returns.
    fn with_subgraphs(&self, _f: &dyn Fn(&Graph) -> Result<Graph>) -> Result<Option<Arc<dyn Primitive>>> {
        Ok(None)
    }

    /// The same operation without the outputs that nobody reads, if it is less work then.
    fn prune(&self, _live: &[bool]) -> Option<Pruned> {
        None
    }

    /// Its half for the CPU, if it has one; else it decomposes there as well.
    fn cpu(&self) -> Option<&dyn CpuRules> {
        None
    }
}

/// What is left of an operation of which only some outputs are read.
pub struct Pruned {
    /// The operation.
    pub primitive: Arc<dyn Primitive>,
    /// Which of the arguments it takes, in order.
    pub args: Vec<usize>,
    /// Which of the outputs it has, in order: all that are read, at least.
    pub outs: Vec<usize>,
}

/// Applies a primitive and keeps what its `vjp` reads: one instance for all primitives.
fn bind_and_keep(primitive: &dyn Primitive, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
    let mask = primitive.residuals(needs_grad);
    let args_kept = args.iter().enumerate().map(|(i, arg)| Residual::new(arg, mask.arg(i))).collect();
    let owned = primitive.to_arc();
    let outs = trace::bind(primitive, args)?;
    let outs_kept = outs.iter().enumerate().map(|(i, out)| Residual::new(out, mask.out(i))).collect();
    let residuals = Residuals { args: args_kept, outs: outs_kept };
    let needs_grad: Args<bool> = needs_grad.into();
    Ok((outs, Box::new(move |cts| owned.vjp(&residuals, cts, &needs_grad))))
}

/// Which values a backward rule reads: bit `i` for argument or output `i`.
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

    /// The values of these arguments.
    pub fn args(which: impl IntoIterator<Item = usize>) -> ResidualMask {
        ResidualMask { args: which.into_iter().fold(0, |bits, i| bits | 1 << i.min(31)), outs: 0 }
    }

    /// Whether argument `i` is kept; the last bit speaks for all beyond.
    fn arg(self, i: usize) -> bool {
        self.args >> i.min(31) & 1 == 1
    }

    fn out(self, i: usize) -> bool {
        self.outs >> i.min(31) & 1 == 1
    }

    /// The values of the first output only.
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

    fn map(&self, value: impl Fn(&Tensor) -> Tensor, aval: impl Fn(&Aval) -> Aval) -> Residual {
        match self {
            Residual::Value(tensor) => Residual::Value(value(tensor)),
            Residual::Aval(shape) => Residual::Aval(aval(shape)),
        }
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

    /// The same for other values: what becomes of those of arguments and outputs, and of shapes where they are all there is.
    pub(crate) fn map(
        &self,
        arg: impl Fn(usize, &Tensor) -> Tensor,
        out: impl Fn(usize, &Tensor) -> Tensor,
        arg_aval: impl Fn(usize, &Aval) -> Aval,
        out_aval: impl Fn(usize, &Aval) -> Aval,
    ) -> Residuals {
        Residuals {
            args: self
                .args
                .iter()
                .enumerate()
                .map(|(i, x)| x.map(|x| arg(i, x), |x| arg_aval(i, x)))
                .collect(),
            outs: self
                .outs
                .iter()
                .enumerate()
                .map(|(i, x)| x.map(|x| out(i, x), |x| out_aval(i, x)))
                .collect(),
        }
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
