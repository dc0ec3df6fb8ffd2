//! Interpreters, and which of them an operation goes to.
//!
//! **Stackless**: a thread-local names the *current* trace, and every operation goes to it, whatever its arguments are.
//! A trace treats any value that is not its own as a constant and hands it, unopened, to its parent. Two things follow:
//! - omnistaging: under `jit` an operation on constants is staged too, because nobody looks at the arguments; and
//!   operations without arguments (`axis_index`, `zeros`) find their interpreter;
//! - no perturbation confusion: in `grad(|x| x * grad(|y| x + y)(1))` the inner tape meets `x`, finds that it is not its
//!   own, and treats it as a constant; the outer tape, its parent, records the sum.

pub(crate) mod batch;
pub(crate) mod eval;
pub(crate) mod name_stack;
pub(crate) mod ranks;
pub(crate) mod stage;
pub(crate) mod tape;

use std::cell::RefCell;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use batch::Axis;
use batch::Batch;
use stage::Stage;
use tape::Tape;

use crate::array::Aval;
use crate::core::Tensor;
use crate::core::Var;
use crate::core::primitive::{Args, Outs, Primitive};
use crate::core::tensor::Repr;
use crate::error::{Error, Result};

#[derive(Clone)]
pub(crate) enum Trace {
    Tape(Arc<Tape>),
    Batch(Arc<Batch>),
    Stage(Arc<Stage>),
}

/// What all traces share.
pub(crate) struct Frame {
    pub(crate) parent: Option<Trace>,
    depth: usize,
    open: AtomicBool,
}

/// A value of a trace. `primal` and `value` belong to the parent.
pub(crate) enum Traced {
    Tape { tape: Arc<Tape>, primal: Tensor, id: usize },
    Batch { batch: Arc<Batch>, value: Tensor, aval: Aval },
    Stage { stage: Arc<Stage>, var: Var, aval: Aval },
    Abstract { aval: Aval },
}

thread_local! {
    static CURRENT: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

pub(crate) fn current() -> Option<Trace> {
    CURRENT.with_borrow(Clone::clone)
}

fn is_eager() -> bool {
    CURRENT.with_borrow(Option::is_none)
}

/// Runs `f` with another current trace (None: eval).
pub(crate) fn enter<R>(trace: Option<Trace>, f: impl FnOnce() -> R) -> R {
    // A guard, because `f` may panic and the thread may go on (tests, `catch_unwind`).
    struct Restore(Option<Trace>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _restore = Restore(CURRENT.replace(trace));
    f()
}

/// Runs `f` under a new trace and closes it afterwards, also when `f` fails.
pub(crate) fn run<R>(trace: Trace, f: impl FnOnce() -> R) -> R {
    struct Close<'a>(&'a Frame);
    impl Drop for Close<'_> {
        fn drop(&mut self) {
            self.0.open.store(false, Ordering::Release);
        }
    }
    let frame = trace.clone();
    let _close = Close(frame.frame());
    enter(Some(trace), f)
}

/// The transforms around a piece of code, to carry into a thread of one's own.
///
/// A new thread starts outside of all transforms: operations on traced values find their trace through their arguments,
/// but constants are not staged and named axes are not seen there unless the thread enters this handle.
///
/// ```
/// use flaxen::prelude::*;
///
/// let mean = vmap(|x: Tensor| {
///     let handle = flaxen::trace_handle();
///     std::thread::scope(|s| s.spawn(|| handle.enter(|| x.pmean("batch"))).join().unwrap())
/// });
/// let out = mean.axis_name("batch").out_axes(None).call(Tensor::from([1.0f32, 3.0]))?;
/// assert_eq!(out.item::<f32>()?, 2.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone)]
pub struct Handle(Option<Trace>, ranks::Ranks);

/// The transforms around this call.
pub fn trace_handle() -> Handle {
    Handle(current(), ranks::Ranks::here())
}

impl Handle {
    /// Runs `f` as if on the thread the handle was taken on.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        self.1.enter(|| enter(self.0.clone(), f))
    }
}

/// Applies a primitive in the current trace.
///
/// # Errors
/// What the primitive says of its arguments; a leaked value; an unbound axis.
#[track_caller]
pub fn bind(primitive: &dyn Primitive, args: Args) -> Result<Outs> {
    bind_at(primitive, args, Location::caller())
}

pub(crate) fn bind_at(
    primitive: &dyn Primitive,
    args: Args,
    location: &'static Location<'static>,
) -> Result<Outs> {
    if is_eager() && primitive.collectives().is_empty() && args.iter().all(is_array) {
        return eval::process(primitive, args);
    }
    for arg in &args {
        if !(is_abstract(arg) && within_lazy_stage()) {
            arg.check_open()?;
        }
    }
    // Another thread starts without a current trace: there the arguments say where they belong.
    let trace =
        current().or_else(|| args.iter().filter_map(Tensor::owner).max_by_key(|trace| trace.frame().depth));
    for axis in primitive.collectives() {
        find_axis(trace.as_ref(), axis)?;
    }
    match trace {
        None => eval::process(primitive, args),
        Some(Trace::Tape(tape)) => tape.process(primitive, args, location),
        Some(Trace::Batch(batch)) => batch.process(primitive, args, location),
        Some(Trace::Stage(stage)) => stage.process(primitive, args, location),
    }
}

/// Shapes and dtypes of what a primitive makes of arguments, none of which is too large.
fn infer(primitive: &dyn Primitive, args: &Args) -> Result<Outs<Aval>> {
    let avals: Args<&Aval> = args.iter().map(Tensor::aval).collect();
    let outs = primitive.infer(&avals)?;
    for out in &outs {
        out.check_rank(primitive.name())?;
        out.check_size(primitive.name())?;
    }
    Ok(outs)
}

/// `bind` for the many primitives with one output.
///
/// # Errors
/// As [`bind`].
#[track_caller]
pub fn bind1(primitive: &dyn Primitive, args: impl IntoIterator<Item = Tensor>) -> Result<Tensor> {
    let mut outs = bind_at(primitive, args.into_iter().collect(), Location::caller())?;
    match outs.pop() {
        Some(out) => Ok(out),
        None => unreachable!("`{}` has an output", primitive.name()),
    }
}

fn is_array(tensor: &Tensor) -> bool {
    matches!(tensor.repr, Repr::Array(_))
}

/// How many equations the innermost `jit` has staged so far; 0 outside.
pub(crate) fn staged_equations() -> usize {
    CURRENT.with_borrow(|current| {
        let mut next = current.as_ref();
        while let Some(trace) = next {
            if let Trace::Stage(stage) = trace {
                return stage.equations();
            }
            next = trace.frame().parent.as_ref();
        }
        0
    })
}

/// Whether a staged value is zero everywhere, as the program says that makes it.
pub(crate) fn is_known_zero(tensor: &Tensor) -> bool {
    match &tensor.repr {
        Repr::Traced(traced) => match &**traced {
            Traced::Stage { stage, var, .. } => stage.is_zero(*var),
            _ => false,
        },
        Repr::Array(_) => false,
    }
}

fn is_abstract(tensor: &Tensor) -> bool {
    matches!(&tensor.repr, Repr::Traced(traced) if matches!(**traced, Traced::Abstract { .. }))
}

/// Whether a transform around here takes values without numbers as its inputs.
fn within_lazy_stage() -> bool {
    CURRENT.with_borrow(|current| {
        let mut next = current.as_ref();
        while let Some(trace) = next {
            if matches!(trace, Trace::Stage(stage) if stage.is_lazy()) {
                return true;
            }
            next = trace.frame().parent.as_ref();
        }
        false
    })
}

/// The named axes around here, innermost first; those between ranks by the names that programs have for them.
pub(crate) fn axes(from: Option<&Trace>) -> Vec<Axis> {
    let mut axes = Vec::new();
    let mut next = from;
    while let Some(trace) = next {
        ranks::add_axes(trace.frame().depth, &mut axes);
        if let Trace::Batch(batch) = trace
            && batch.axis.name.is_some()
        {
            axes.push(batch.axis.clone());
        }
        next = trace.frame().parent.as_ref();
    }
    ranks::add_axes(0, &mut axes);
    axes
}

/// The named axis of the innermost `vmap` of that name, or the one between ranks that programs call so.
pub(crate) fn find_axis(from: Option<&Trace>, name: &str) -> Result<Axis> {
    let mut bound = Vec::new();
    let mut next = from;
    while let Some(trace) = next {
        if let Trace::Batch(batch) = trace
            && let Some(found) = &batch.axis.name
        {
            if **found == *name {
                return Ok(batch.axis.clone());
            }
            bound.push(found.to_string());
        }
        next = trace.frame().parent.as_ref();
    }
    match ranks::transport(name) {
        Some(transport) => Ok(Axis { name: Some(name.into()), size: transport.size() }),
        None => {
            bound.extend(ranks::aliases());
            Err(Error::UnboundAxis { axis: name.to_owned(), bound })
        }
    }
}

/// What collectives over the axis that is called so here have as its name, and whether it is one between ranks.
pub(crate) fn axis_called(name: &str) -> (Arc<str>, bool) {
    match ranks::name_of(name) {
        Some(name) => (name, true),
        None => (name.into(), false),
    }
}

/// Which transform a piece of code runs under.
#[derive(Clone)]
pub(crate) struct Level(Option<Trace>);

impl Level {
    pub(crate) fn current() -> Level {
        Level(current())
    }
}

impl PartialEq for Level {
    fn eq(&self, other: &Level) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => std::ptr::eq(a.frame(), b.frame()),
            _ => false,
        }
    }
}

impl Frame {
    pub(crate) fn new(parent: Option<Trace>) -> Frame {
        let depth = parent.as_ref().map_or(1, |p| p.frame().depth + 1);
        Frame { parent, depth, open: AtomicBool::new(true) }
    }
}

impl Trace {
    pub(crate) fn frame(&self) -> &Frame {
        match self {
            Trace::Tape(tape) => &tape.frame,
            Trace::Batch(batch) => &batch.frame,
            Trace::Stage(stage) => &stage.frame,
        }
    }
}

impl Traced {
    pub(crate) fn aval(&self) -> &Aval {
        match self {
            Traced::Tape { primal, .. } => primal.aval(),
            Traced::Batch { aval, .. } | Traced::Stage { aval, .. } | Traced::Abstract { aval } => aval,
        }
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        let (frame, transform) = match self {
            Traced::Tape { tape, .. } => (&tape.frame, "grad"),
            Traced::Batch { batch, .. } => (&batch.frame, "vmap"),
            Traced::Stage { stage, .. } => (&stage.frame, "jit"),
            Traced::Abstract { aval } => return Err(Error::Abstract { shape: aval.shape.clone() }),
        };
        if frame.open.load(Ordering::Acquire) { Ok(()) } else { Err(Error::Leaked { transform }) }
    }
}

impl Tensor {
    fn owner(&self) -> Option<Trace> {
        match &self.repr {
            Repr::Array(_) => None,
            Repr::Traced(traced) => match &**traced {
                Traced::Tape { tape, .. } => Some(Trace::Tape(tape.clone())),
                Traced::Batch { batch, .. } => Some(Trace::Batch(batch.clone())),
                Traced::Stage { stage, .. } => Some(Trace::Stage(stage.clone())),
                Traced::Abstract { .. } => None,
            },
        }
    }
}

impl fmt::Debug for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Traced::Tape { primal, .. } => write!(f, "Grad({primal:?})"),
            Traced::Batch { value, aval, .. } => write!(f, "Vmap({aval} of {value:?})"),
            Traced::Stage { var, aval, .. } => write!(f, "Jit({var}:{aval})"),
            Traced::Abstract { aval } => write!(f, "Abstract({aval})"),
        }
    }
}
