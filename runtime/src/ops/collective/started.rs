//! Reductions between ranks in two steps: one that sends, and one that waits for what comes of it.
//!
//! Values of several reductions are sent in one flat buffer. Between both steps stands a number, the *ticket* of the reduction
//! under way, which belongs to the thread that runs the program.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::smallvec;

use super::{Collective, between_ranks};
use crate::array::{Array, Aval, DType, Shape};
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::CollectiveOp;
use crate::core::primitive::{Args, Outs, Primitive};
use crate::error::{Error, Result};
use crate::transport::{Pending, Reduction, Transport};

/// Sends arrays, one behind the other; the result is a ticket.
#[derive(Clone, PartialEq)]
pub(crate) struct StartReduction {
    pub reduction: Reduction,
    /// The name of the axis.
    pub name: Arc<str>,
}

/// Waits for what was sent, and hands out the results in the order in which they were sent.
#[derive(Clone, PartialEq)]
pub(crate) struct FinishReduction {
    pub reduction: Reduction,
    /// Of the results.
    pub avals: Vec<Aval>,
}

/// What a ticket is as an array.
pub(crate) fn ticket() -> Aval {
    Aval::new(Shape::new(), DType::I64)
}

/// How a primitive reduces between ranks, and over which axis, if it does, and may be sent together with others.
pub(crate) fn reduction_between_ranks(
    primitive: &dyn Primitive,
    dtype: DType,
) -> Option<(Reduction, &Arc<str>)> {
    let collective = (primitive as &dyn std::any::Any).downcast_ref::<Collective>()?;
    let adds = matches!(collective.kind, CollectiveOp::Sum | CollectiveOp::Mean);
    let reduction = between_ranks::reduction(collective.kind)?;
    let is_sent_as_it_is = match dtype {
        DType::Bool | DType::I8 | DType::I16 | DType::U16 => false,
        DType::C64 => adds,
        _ => dtype.is_float() || reduction != Reduction::Mean,
    };
    (collective.between_ranks && is_sent_as_it_is).then_some((reduction, &collective.name))
}

/// A reduction under way.
struct UnderWay {
    transport: Arc<dyn Transport>,
    pending: Box<dyn Pending>,
}

thread_local! {
    static UNDER_WAY: RefCell<FxHashMap<i64, UnderWay>> = RefCell::default();
    static TICKETS: Cell<i64> = const { Cell::new(0) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// Lets reductions under way on this thread go on.
pub(crate) fn progress() {
    if COUNT.get() > 0 {
        UNDER_WAY.with_borrow(|all| all.values().for_each(|under_way| under_way.transport.progress()));
    }
}

/// The next ticket: what is started from now on has one that is not less.
pub(crate) fn next_ticket() -> i64 {
    TICKETS.get()
}

/// Forgets reductions that have a ticket from this one on: their program has failed.
pub(crate) fn forget_from(ticket: i64) {
    if COUNT.get() > 0 {
        let mut all = UNDER_WAY.take();
        let gone: Vec<UnderWay> = all.extract_if(|&other, _| other >= ticket).map(|(_, gone)| gone).collect();
        COUNT.set(all.len());
        UNDER_WAY.set(all);
        drop(gone);
    }
}

impl Primitive for StartReduction {
    fn name(&self) -> &'static str {
        match self.reduction {
            Reduction::Sum => "start_psum",
            Reduction::Mean => "start_pmean",
            Reduction::Max => "start_pmax",
            Reduction::Min => "start_pmin",
        }
    }

    fn infer(&self, _args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![ticket()])
    }

    fn has_effects(&self) -> bool {
        true
    }

    on_cpu!();
}

impl CpuRules for StartReduction {
    fn eval(&self, mut args: Args<Array>, _outs: Outs<Aval>) -> Result<Outs<Array>> {
        let transport = between_ranks::transport(&self.name)?;
        let flat = match args.len() {
            1 => args.remove(0),
            _ => side_by_side(&args),
        };
        let pending = transport.start_all_reduce(self.reduction, flat)?;
        let ticket = TICKETS.get();
        TICKETS.set(ticket + 1);
        UNDER_WAY.with_borrow_mut(|all| {
            all.insert(ticket, UnderWay { transport, pending });
            COUNT.set(all.len());
        });
        Ok(smallvec![Array::scalar(ticket, false)])
    }
}

/// The elements of arrays of one dtype, one array behind the other.
fn side_by_side(arrays: &[Array]) -> Array {
    let size = arrays.iter().map(Array::size).sum();
    let aval = Aval::new([size], arrays[0].dtype());
    Array::build_bytes(aval, |mut out| {
        for array in arrays {
            let (to, rest) = out.split_at_mut(array.bytes().len());
            to.copy_from_slice(array.bytes());
            out = rest;
        }
    })
}

impl Primitive for FinishReduction {
    fn name(&self) -> &'static str {
        match self.reduction {
            Reduction::Sum => "finish_psum",
            Reduction::Mean => "finish_pmean",
            Reduction::Max => "finish_pmax",
            Reduction::Min => "finish_pmin",
        }
    }

    fn infer(&self, _args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(self.avals.iter().cloned().collect())
    }

    fn has_effects(&self) -> bool {
        true
    }

    on_cpu!();
}

impl CpuRules for FinishReduction {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ticket = args[0].data::<i64>()[0];
        let under_way = UNDER_WAY.with_borrow_mut(|all| {
            let found = all.remove(&ticket);
            COUNT.set(all.len());
            found
        });
        let Some(UnderWay { pending, .. }) = under_way else {
            return Err(Error::msg("a reduction between ranks was started on another thread"));
        };
        let flat = pending.wait()?;
        if let [out] = &outs[..] {
            return Ok(smallvec![flat.redescribed(out)]);
        }
        let mut at = 0;
        let parts = outs.into_iter().map(|out| {
            let part = flat.part(at, out);
            at += part.bytes().len();
            part
        });
        Ok(parts.collect())
    }
}

impl std::fmt::Debug for StartReduction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[axis_name={}]", self.name(), self.name)
    }
}

impl std::fmt::Debug for FinishReduction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
