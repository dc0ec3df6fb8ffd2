//! Control flow in a program: steps that run programs of their own.
//!
//! The program of a loop's body is one with a convention of its own ([`CallingConvention::Loop`]): constants stay where they are for all
//! steps, the carry goes from results to arguments, slices are read where they are in their arrays, and slices of results are written
//! where they belong.

use super::memory::CallingConvention;
use super::program::Program;
use super::scheduled;
use super::spares::Spares;
use crate::array::{Array, Aval};
use crate::core::op::{Op, ScanOp, WhileOp};
use crate::core::{CompileOptions, Graph};
use crate::error::Result;
use crate::ops::prepend;

/// A step that runs other programs.
pub(crate) enum Control {
    Scan(Box<Scan>),
    While(Box<While>),
    Cond(Vec<Program>),
}

pub(crate) struct Scan {
    body: Program,
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
                let body = program(body, CallingConvention::Loop { consts, carry });
                Control::Scan(Box::new(Scan { body, length, reverse, ys }))
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
            Control::Scan(scan) => spares.collecting(|spares| {
                let steps =
                    (0..scan.length).map(|step| if scan.reverse { scan.length - 1 - step } else { step });
                scan.body.run_loop(0, values, &scan.ys, spares, scan.length, |run| {
                    steps.into_iter().try_for_each(|at| run.step(at))
                })
            }),
            Control::While(lasting) => spares.collecting(|spares| lasting.run(values, spares)),
            Control::Cond(branches) => {
                let index = values.remove(0);
                let chosen = index.data::<i32>()[0].clamp(0, branches.len() as i32 - 1);
                spares.give(index);
                branches[chosen as usize].run_within(values, spares)
            }
        }
    }

    /// Bytes of the memory that its programs keep between calls.
    pub fn arena_bytes(&self) -> usize {
        match self {
            Control::Scan(scan) => scan.body.arena_bytes(),
            Control::While(lasting) => lasting.cond.arena_bytes() + lasting.body.arena_bytes(),
            Control::Cond(branches) => branches.iter().map(Program::arena_bytes).sum(),
        }
    }

    /// Bytes of values that its programs have alive at once, at most.
    pub fn peak_bytes(&self) -> usize {
        match self {
            Control::Scan(scan) => scan.body.peak_bytes(),
            Control::While(lasting) => lasting.cond.peak_bytes().max(lasting.body.peak_bytes()),
            Control::Cond(branches) => branches.iter().map(Program::peak_bytes).max().unwrap_or(0),
        }
    }
}

impl While {
    fn run(&self, values: &mut Vec<Array>, spares: &mut Spares) -> Result<()> {
        self.body.run_loop(self.cond_consts, values, &[], spares, 1, |run| {
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
