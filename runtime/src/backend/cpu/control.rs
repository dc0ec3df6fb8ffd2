//! Control flow in a program: steps that run programs of their own.
//!
//! The program of a loop's body is one with a convention of its own ([`CallingConvention::Loop`]): constants stay where they are for all
//! steps, the carry goes from results to arguments, slices are read where they are in their arrays, and slices of results are written
//! where they belong.

use std::sync::{Mutex, PoisonError};

use super::looping::Share;
use super::memory::CallingConvention;
use super::program::Program;
use super::scheduled;
use super::spares::Spares;
use crate::array::pool::Buffer;
use crate::array::{Array, Aval};
use crate::core::op::{Op, ScanOp, WhileOp};
use crate::core::{CompileOptions, Graph};
use crate::error::Result;
use crate::kernels::lanes::Lane;
use crate::kernels::threads;
use crate::ops::prepend;

/// A step that runs other programs.
pub(crate) enum Control {
    Scan(Box<Scan>),
    While(Box<While>),
    Cond(Vec<Program>),
}

pub(crate) struct Scan {
    /// For one share of the rows.
    body: Program,
    /// Of how many shares that go their own ways; one is all rows.
    shares: usize,
    /// What packs constants for all steps: takes all that are given, and makes those that the body takes behind them.
    packing: Option<Program>,
    /// Constants, packed ones among them.
    consts: usize,
    /// What is carried from step to step.
    carry: Vec<Aval>,
    length: usize,
    reverse: bool,
    /// Of the results that are put together from slices.
    ys: Vec<Aval>,
}

pub(crate) struct While {
    cond: Program,
    body: Program,
    cond_consts: usize,
}

impl Control {
    /// What an operation runs, if it is control flow.
    pub fn of(op: Op<'_>) -> Option<Control> {
        let program = |graph: &Graph, convention| {
            Program::with(&scheduled(graph, CompileOptions::default()), convention)
        };
        Some(match op {
            Op::Scan(ScanOp { body, consts, carry, length, reverse }) => {
                let slices = body.outs[carry..].iter().map(|&var| body.aval(var));
                let ys = slices.map(|aval| aval.with_shape(prepend(length, &aval.shape))).collect();
                let carried = body.outs[..carry].iter().map(|&var| body.aval(var).clone()).collect();
                let cut = body.by_rows(consts, length);
                let (body, shares) = cut.as_ref().map_or((body, 1), |(body, shares)| (body, *shares));
                let packed = if length > 1 { body.packed(consts) } else { None };
                let (body, all) =
                    packed.as_ref().map_or((body, consts), |packed| (&packed.body, consts + packed.count));
                let packing = packed.as_ref().map(|packed| program(&packed.before, CallingConvention::Call));
                let body = program(body, CallingConvention::Loop { consts: all, carry });
                let scan = Scan { body, shares, packing, consts: all, carry: carried, length, reverse, ys };
                Control::Scan(Box::new(scan))
            }
            Op::While(WhileOp { cond, body, cond_consts, body_consts }) => {
                let carry = body.outs.len();
                let cond = program(cond, CallingConvention::Call);
                let body = program(body, CallingConvention::Loop { consts: body_consts, carry });
                Control::While(Box::new(While { cond, body, cond_consts }))
            }
            Op::Cond(branches) => {
                let branches = branches.iter().map(|graph| program(graph, CallingConvention::Call));
                Control::Cond(branches.collect())
            }
            _ => return None,
        })
    }

    /// Runs it on arguments that it may write into, if nobody else holds them; its results take their place.
    pub fn run(&self, values: &mut Vec<Array>, spares: &mut Spares) -> Result<()> {
        match self {
            Control::Scan(scan) => scan.run(values, spares),
            Control::While(lasting) => spares.collecting(|spares| lasting.run(values, spares)),
            Control::Cond(branches) => {
                let index = values.remove(0);
                let chosen = index.data::<i32>()[0].clamp(0, branches.len() as i32 - 1);
                spares.give(index);
                branches[chosen as usize].run_within(values, spares)
            }
        }
    }

    /// The programs that it runs.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        let (some, branches) = match self {
            Control::Scan(scan) => ([Some(&scan.body), scan.packing.as_ref()], &[][..]),
            Control::While(lasting) => ([Some(&lasting.cond), Some(&lasting.body)], &[][..]),
            Control::Cond(branches) => ([None, None], &branches[..]),
        };
        some.into_iter().flatten().chain(branches)
    }

    /// Bytes of the memory that its programs keep between calls.
    pub fn arena_bytes(&self) -> usize {
        match self {
            Control::Scan(scan) => {
                let packing = scan.packing.as_ref().map_or(0, Program::arena_bytes);
                scan.body.arena_bytes() * scan.shares + packing
            }
            Control::While(lasting) => lasting.cond.arena_bytes() + lasting.body.arena_bytes(),
            Control::Cond(branches) => branches.iter().map(Program::arena_bytes).sum(),
        }
    }

    /// Bytes of values that its programs have alive at once, at most.
    pub fn peak_bytes(&self) -> usize {
        match self {
            Control::Scan(scan) => scan.body.peak_bytes() * scan.shares,
            Control::While(lasting) => lasting.cond.peak_bytes().max(lasting.body.peak_bytes()),
            Control::Cond(branches) => branches.iter().map(Program::peak_bytes).max().unwrap_or(0),
        }
    }
}

impl Scan {
    fn run(&self, values: &mut Vec<Array>, spares: &mut Spares) -> Result<()> {
        if let Some(packing) = &self.packing {
            let given = self.consts - packing.outs.len();
            let mut consts: Vec<Array> = values[..given].to_vec();
            packing.run_within(&mut consts, spares)?;
            values.splice(given..given, consts);
        }
        let mut lanes: Vec<Lane> = Vec::new();
        for aval in &self.ys {
            let (bytes, pieces) = (aval.bytes(), self.length * self.shares);
            lanes.extend(Lane::deal(Buffer::scratch(bytes), bytes / pieces, pieces, self.shares));
        }
        if self.shares == 1 {
            self.run_share(values, (&mut lanes, Share::ALL), spares)?;
        } else {
            self.run_shares(values, &mut lanes)?;
        }
        let made = lanes.drain(..).filter_map(Lane::give_back);
        values.extend(self.ys.iter().zip(made).map(|(aval, buffer)| Array::of_buffer(aval.clone(), buffer)));
        Ok(())
    }

    fn run_share(
        &self,
        values: &mut Vec<Array>,
        (lanes, share): (&mut Vec<Lane>, Share),
        spares: &mut Spares,
    ) -> Result<()> {
        let steps = (0..self.length).map(|step| if self.reverse { self.length - 1 - step } else { step });
        spares.collecting(|spares| {
            self.body.run_loop(0, values, (lanes, share), spares, self.length, |run| {
                steps.into_iter().try_for_each(|at| run.step(at))
            })
        })
    }

    /// Runs all shares, on as many threads as there are, and puts their last carries together. Results are left in lanes: those of
    /// one after another, each with all shares.
    fn run_shares(&self, values: &mut Vec<Array>, lanes: &mut Vec<Lane>) -> Result<()> {
        let last = self.consts + self.carry.len();
        let mut jobs: Vec<Mutex<ShareJob>> = (0..self.shares)
            .map(|number| {
                let values = values.iter().enumerate().map(|(i, value)| {
                    if !(self.consts..last).contains(&i) {
                        return value.clone();
                    }
                    let aval = self.share_of(value.aval());
                    value.part(number * aval.bytes(), aval)
                });
                Mutex::new(ShareJob { values: values.collect(), lanes: Vec::new(), result: Ok(()) })
            })
            .collect();
        for (i, lane) in lanes.drain(..).enumerate() {
            unlocked(&mut jobs[i % self.shares]).lanes.push(lane);
        }
        values.clear();
        threads::parallel(self.shares, &|number| {
            let mut job = jobs[number].lock().unwrap_or_else(PoisonError::into_inner);
            let ShareJob { values, lanes, result } = &mut *job;
            let share = Share { number, count: self.shares };
            *result = self.run_share(values, (lanes, share), &mut Spares::default());
        });
        for job in &mut jobs {
            std::mem::replace(&mut unlocked(job).result, Ok(()))?;
        }
        for (at, whole) in self.carry.iter().enumerate() {
            let mut array = Array::scratch(whole.clone());
            let Some(bytes) = array.unique_bytes() else { unreachable!("a new array is nobody else's") };
            let each = bytes.len() / self.shares;
            for (job, to) in jobs.iter_mut().zip(bytes.chunks_exact_mut(each.max(1))) {
                let job = unlocked(job);
                to.copy_from_slice(job.values[at].bytes());
            }
            values.push(array);
        }
        for _ in &self.ys {
            lanes.extend(jobs.iter_mut().map(|job| unlocked(job).lanes.remove(0)));
        }
        Ok(())
    }

    /// The shape of a share of an array's rows.
    fn share_of(&self, whole: &Aval) -> Aval {
        let mut shape = whole.shape.clone();
        shape[0] /= self.shares;
        whole.with_shape(shape)
    }
}

/// A share of the rows of a loop, for the thread that runs it.
struct ShareJob {
    /// Arguments, and then the last carry.
    values: Vec<Array>,
    lanes: Vec<Lane>,
    result: Result<()>,
}

fn unlocked(job: &mut Mutex<ShareJob>) -> &mut ShareJob {
    job.get_mut().unwrap_or_else(PoisonError::into_inner)
}

impl While {
    fn run(&self, values: &mut Vec<Array>, spares: &mut Spares) -> Result<()> {
        let mut none = Vec::new();
        self.body.run_loop(self.cond_consts, values, (&mut none, Share::ALL), spares, 1, |run| {
            loop {
                let mut asked = std::mem::take(run.list());
                asked.extend(run.given().chain(run.carry()).cloned());
                self.cond.run_within(&mut asked, run.spares())?;
                let mut goes_on = false;
                for answer in asked.drain(..) {
                    goes_on = answer.bytes()[0] != 0;
                    run.spares().give(answer);
                }
                *run.list() = asked;
                if !goes_on {
                    return Ok(());
                }
                run.step(0)?;
            }
        })
    }
}
