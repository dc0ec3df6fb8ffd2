//! jit: appends to a graph.

use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{Frame, Trace, Traced, enter};
use crate::array::Aval;
use crate::core::Tensor;
use crate::core::op::Op;
use crate::core::primitive::{Args, Outs, Primitive};
use crate::core::tensor::Repr;
use crate::core::{Eqn, Graph, Var};
use crate::error::Result;

pub(crate) struct Stage {
    pub(crate) frame: Frame,
    /// Whether values without numbers are taken as inputs.
    is_lazy: bool,
    build: Mutex<Build>,
}

#[derive(Default)]
struct Build {
    avals: Vec<Aval>,
    inputs: Vec<Var>,
    eqns: Vec<Eqn>,
    captured: Vec<(Var, Tensor)>,
    known: FxHashMap<Capture, Var>,
}

#[derive(PartialEq, Eq, Hash)]
enum Capture {
    Scalar(SmallVec<[u8; 8]>, Aval),
    /// By address, which stays its own because `captured` keeps the value alive.
    Array(usize, Aval),
    Traced(usize),
}

impl Stage {
    pub(crate) fn new(parent: Option<Trace>) -> Arc<Stage> {
        Arc::new(Stage { frame: Frame::new(parent), is_lazy: false, build: Mutex::default() })
    }

    /// A stage that takes values without numbers as inputs; `finish` returns them among the captured ones.
    pub(crate) fn lazy(parent: Option<Trace>) -> Arc<Stage> {
        Arc::new(Stage { frame: Frame::new(parent), is_lazy: true, build: Mutex::default() })
    }

    pub(crate) fn equations(&self) -> usize {
        self.build().eqns.len()
    }

    /// Whether the program makes a variable of zeros alone.
    pub(crate) fn is_zero(&self, var: Var) -> bool {
        let build = self.build();
        let mut var = var;
        // Back through what only changes shape or dtype.
        for eqn in build.eqns.iter().rev() {
            if !eqn.outs.contains(&var) {
                continue;
            }
            match (eqn.primitive.op(), &eqn.args[..]) {
                (Op::Full(number), _) => return number == 0.0,
                (Op::Cast | Op::Reshape | Op::BroadcastTo, &[arg]) => var = arg,
                _ => return false,
            }
        }
        build.captured.iter().any(|(other, value)| {
            *other == var && value.array().is_ok_and(|array| array.bytes().iter().all(|&byte| byte == 0))
        })
    }

    pub(crate) fn is_lazy(&self) -> bool {
        self.is_lazy
    }

    // No user code runs under the lock, so a poisoned record is still whole.
    fn build(&self) -> MutexGuard<'_, Build> {
        self.build.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn input(self: &Arc<Self>, aval: &Aval) -> Tensor {
        let mut build = self.build();
        let var = build.fresh(aval.clone());
        build.inputs.push(var);
        self.wrap(var, aval.clone())
    }

    fn wrap(self: &Arc<Self>, var: Var, aval: Aval) -> Tensor {
        Traced::Stage { stage: self.clone(), var, aval }.into()
    }

    pub(crate) fn process(
        self: &Arc<Self>,
        primitive: &dyn Primitive,
        args: Args,
        location: &'static Location<'static>,
    ) -> Result<Outs> {
        if let Some(graph) = primitive.inline() {
            let outs = enter(Some(Trace::Stage(self.clone())), || graph.interpret(args))?;
            return Ok(outs.into());
        }
        let avals = super::infer(primitive, &args)?;
        let mut build = self.build();
        let args = args.iter().map(|arg| self.var(&mut build, arg)).collect();
        let outs: Outs<Var> = avals.iter().map(|aval| build.fresh(aval.clone())).collect();
        let (primitive, path) = (primitive.to_arc(), crate::core::trace::name_stack::current());
        build.eqns.push(Eqn { primitive, args, outs: outs.clone(), location, path });
        Ok(outs.into_iter().zip(avals).map(|(var, aval)| self.wrap(var, aval)).collect())
    }

    /// The variable of a value; one that is not ours is captured.
    fn var(self: &Arc<Self>, build: &mut Build, tensor: &Tensor) -> Var {
        let capture = match &tensor.repr {
            Repr::Array(array) if array.is_scalar() && array.is_on_host() => {
                Capture::Scalar(array.bytes().into(), array.aval().clone())
            }
            Repr::Array(array) => Capture::Array(array.address(), array.aval().clone()),
            Repr::Traced(traced) => match &**traced {
                Traced::Stage { stage, var, .. } if Arc::ptr_eq(stage, self) => return *var,
                _ => Capture::Traced(Arc::as_ptr(traced).addr()),
            },
        };
        if let Some(var) = build.known.get(&capture) {
            return *var;
        }
        let var = build.fresh(tensor.aval().clone());
        build.captured.push((var, tensor.clone()));
        build.known.insert(capture, var);
        var
    }

    /// The graph, and the captured *traced* values, which are its leading inputs: closure conversion. `Graph`s therefore
    /// hold numbers only, and may be kept, cached and sent anywhere.
    pub(crate) fn finish(self: &Arc<Self>, outs: &[Tensor]) -> (Graph, Vec<Tensor>) {
        let mut build = self.build();
        let outs = outs.iter().map(|out| self.var(&mut build, out)).collect();
        let build = std::mem::take(&mut *build);
        let mut graph =
            Graph { avals: build.avals, inputs: Vec::new(), consts: Vec::new(), eqns: build.eqns, outs };
        let mut captured = Vec::new();
        for (var, tensor) in build.captured {
            match &tensor.repr {
                Repr::Array(array) => graph.consts.push((var, array.clone())),
                Repr::Traced(_) => {
                    graph.inputs.push(var);
                    captured.push(tensor);
                }
            }
        }
        graph.inputs.extend(build.inputs);
        (graph, captured)
    }
}

impl Build {
    fn fresh(&mut self, aval: Aval) -> Var {
        self.avals.push(aval);
        Var(self.avals.len() as u32 - 1)
    }
}
