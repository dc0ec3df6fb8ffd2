//! Reverse mode: evaluates in the parent and records pullbacks.

use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Frame, Trace, Traced, enter};
use crate::core::Tensor;
use crate::core::add_any::add_any;
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Outs, Primitive, Pullback};
use crate::core::tensor::Repr;
use crate::error::Result;

pub(crate) struct Tape {
    pub(crate) frame: Frame,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    nodes: Vec<Node>,
    values: usize,
}

struct Node {
    inputs: Args<Option<usize>>,
    /// Outputs are numbered from here.
    first: usize,
    count: usize,
    /// Holds values of the parent only: a tape that held its own tracers would keep itself alive.
    pullback: Pullback,
    /// The path of the module it was recorded in, to be told when it is pulled back.
    path: Option<Arc<str>>,
}

impl Tape {
    pub(crate) fn new(parent: Option<Trace>) -> Arc<Tape> {
        Arc::new(Tape { frame: Frame::new(parent), record: Mutex::default() })
    }

    // No user code runs under the lock, so a poisoned record is still whole.
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a value the tape differentiates with respect to.
    pub(crate) fn watch(self: &Arc<Self>, primal: Tensor) -> Tensor {
        let mut record = self.record();
        let id = record.values;
        record.values += 1;
        Traced::Tape { tape: self.clone(), primal, id }.into()
    }

    /// The parent's value, and its number if it depends on a watched value.
    pub(crate) fn open(self: &Arc<Self>, tensor: Tensor) -> (Tensor, Option<usize>) {
        if let Repr::Traced(traced) = &tensor.repr
            && let Traced::Tape { tape, primal, id } = &**traced
            && Arc::ptr_eq(tape, self)
        {
            return (primal.clone(), Some(*id));
        }
        (tensor, None)
    }

    /// Whether a value is this tape's.
    pub(crate) fn owns(self: &Arc<Self>, tensor: &Tensor) -> bool {
        matches!(&tensor.repr, Repr::Traced(traced)
            if matches!(&**traced, Traced::Tape { tape, .. } if Arc::ptr_eq(tape, self)))
    }

    /// Runs the forward rule in the parent and records its pullback.
    ///
    /// Only floats and complex numbers have gradients, so values of other dtypes are opened and forgotten: an operation on nothing else is not recorded.
    pub(crate) fn process(
        self: &Arc<Self>,
        primitive: &dyn Primitive,
        args: Args,
        location: &'static Location<'static>,
    ) -> Result<Outs> {
        // By value: the caller's handles go, so that a kernel below may still reuse a buffer.
        let (primals, mut inputs): (Args, Args<Option<usize>>) =
            args.into_iter().map(|arg| self.open(arg)).unzip();
        for (input, primal) in inputs.iter_mut().zip(&primals) {
            *input = input.filter(|_| primal.dtype().is_inexact());
        }
        enter(self.frame.parent.clone(), || {
            // What no gradient flows to is a constant from here on.
            if inputs.iter().all(Option::is_none) || matches!(primitive.op(), Op::StopGradient) {
                return super::bind_at(primitive, primals, location);
            }
            let needs_grad: Args<bool> = inputs.iter().map(Option::is_some).collect();
            let (outs, pullback) = primitive.vjp_fwd(primals, &needs_grad)?;
            if outs.iter().all(|out| !out.dtype().is_inexact()) {
                return Ok(outs);
            }
            let mut record = self.record();
            let first = record.values;
            record.values += outs.len();
            record.nodes.push(Node {
                inputs,
                first,
                count: outs.len(),
                pullback,
                path: crate::core::trace::name_stack::current(),
            });
            let wrap = |(i, primal): (usize, Tensor)| {
                if !primal.dtype().is_inexact() {
                    return primal;
                }
                Traced::Tape { tape: self.clone(), primal, id: first + i }.into()
            };
            Ok(outs.into_iter().enumerate().map(wrap).collect())
        })
    }

    /// Takes the record out: the tape itself holds nothing afterwards, even if a tracer of it was leaked.
    pub(crate) fn finish(&self) -> Backward {
        let record = std::mem::take(&mut *self.record());
        Backward { nodes: record.nodes, values: record.values }
    }
}

/// A finished tape, ready to be run backwards in whatever trace is current then.
pub(crate) struct Backward {
    nodes: Vec<Node>,
    values: usize,
}

impl Backward {
    /// Gradients for the values numbered `0..watched`, each node dropped once used.
    pub(crate) fn run_once(
        mut self,
        seeds: Vec<(usize, Tensor)>,
        watched: usize,
    ) -> Result<Vec<Option<Tensor>>> {
        let mut cts = self.seed(seeds)?;
        while let Some(node) = self.nodes.pop() {
            node.pull(&mut cts)?;
        }
        cts.truncate(watched);
        Ok(cts)
    }

    /// As `run_once`, for a pullback that may be called again.
    pub(crate) fn run(&self, seeds: Vec<(usize, Tensor)>, watched: usize) -> Result<Vec<Option<Tensor>>> {
        let mut cts = self.seed(seeds)?;
        for node in self.nodes.iter().rev() {
            node.pull(&mut cts)?;
        }
        cts.truncate(watched);
        Ok(cts)
    }

    fn seed(&self, seeds: Vec<(usize, Tensor)>) -> Result<Vec<Option<Tensor>>> {
        let mut cts = vec![None; self.values];
        for (id, ct) in seeds {
            accumulate(&mut cts[id], ct)?;
        }
        Ok(cts)
    }
}

impl Node {
    fn pull(&self, cts: &mut [Option<Tensor>]) -> Result<()> {
        let outs: Cotangents =
            cts[self.first..self.first + self.count].iter_mut().map(Option::take).collect();
        if outs.iter().all(Option::is_none) {
            return Ok(());
        }
        let _path = crate::core::trace::name_stack::enter(self.path.clone());
        for (input, ct) in self.inputs.iter().zip((self.pullback)(outs)?) {
            if let (Some(id), Some(ct)) = (input, ct) {
                accumulate(&mut cts[*id], ct)?;
            }
        }
        Ok(())
    }
}

fn accumulate(slot: &mut Option<Tensor>, ct: Tensor) -> Result<()> {
    *slot = Some(match slot.take() {
        None => ct,
        // By value: the running sum owns its buffer, so it is added to in place.
        Some(sum) => add_any(sum, ct)?,
    });
    Ok(())
}
