//! Control flow in a program: steps that run programs of their own.

use smallvec::SmallVec;

use super::Program;
use super::scheduled;
use crate::array::{Array, Aval};
use crate::core::op::{Op, ScanOp, WhileOp};
use crate::core::primitive::{Args, Outs};
use crate::core::{CompileOptions, Graph};
use crate::error::Result;

/// A step that runs other programs.
pub(crate) enum Control {
    Scan(Box<Scan>),
    While(Box<While>),
    Cond(Vec<Program>),
}

pub(crate) struct Scan {
    body: Program,
    consts: usize,
    carry: usize,
    length: usize,
    reverse: bool,
    /// Of a slice of each of the arrays that are sliced.
    slices: Vec<Aval>,
}

pub(crate) struct While {
    cond: Program,
    body: Program,
    cond_consts: usize,
    body_consts: usize,
}

impl Control {
    /// What an operation runs, if it is control flow.
    pub(crate) fn of(op: Op<'_>) -> Option<Control> {
        let program = |graph: &Graph| Program::new(&scheduled(graph, CompileOptions::default()));
        match op {
            Op::Scan(ScanOp { body, consts, carry, length, reverse }) => {
                let slices =
                    body.inputs[consts + carry..].iter().map(|&var| body.aval(var).clone()).collect();
                let body = program(body);
                Some(Control::Scan(Box::new(Scan { body, consts, carry, length, reverse, slices })))
            }
            Op::While(WhileOp { cond, body, cond_consts, body_consts }) => {
                let (cond, body) = (program(cond), program(body));
                Some(Control::While(Box::new(While { cond, body, cond_consts, body_consts })))
            }
            Op::Cond(branches) => Some(Control::Cond(branches.iter().map(|graph| program(graph)).collect())),
            _ => None,
        }
    }

    /// Runs it on arguments that it may write into, if nobody else holds them.
    pub(crate) fn run(&self, args: Args<Array>, outs: &[Aval]) -> Result<Outs<Array>> {
        match self {
            Control::Scan(scan) => scan.run(args, outs),
            Control::While(lasting) => lasting.run(args),
            Control::Cond(branches) => {
                let mut args = args.into_iter();
                let index = args.next().map_or(0, |index| index.data::<i32>()[0]);
                let chosen = index.clamp(0, branches.len() as i32 - 1) as usize;
                Ok(branches[chosen].run(args)?.into())
            }
        }
    }
}

impl Scan {
    fn run(&self, args: Args<Array>, outs: &[Aval]) -> Result<Outs<Array>> {
        let mut args = args.into_iter();
        let consts: SmallVec<[Array; 8]> = args.by_ref().take(self.consts).collect();
        let mut carry: SmallVec<[Array; 8]> = args.by_ref().take(self.carry).collect();
        let xs: SmallVec<[Array; 8]> = args.collect();
        let mut ys: SmallVec<[Array; 8]> =
            outs[self.carry..].iter().map(|aval| Array::scratch(aval.clone())).collect();
        for step in 0..self.length {
            let at = if self.reverse { self.length - 1 - step } else { step };
            let slices = xs.iter().zip(&self.slices).map(|(x, aval)| {
                let bytes = aval.bytes();
                Array::build_bytes(aval.clone(), |out| out.copy_from_slice(&x.bytes()[at * bytes..][..bytes]))
            });
            let inputs = consts.iter().cloned().chain(carry.drain(..)).chain(slices);
            let inputs: SmallVec<[Array; 16]> = inputs.collect();
            self.body.run_and_finish(inputs, |made| {
                carry.extend((0..self.carry).filter_map(|_| made.next()));
                for (y, slice) in ys.iter_mut().zip(made) {
                    let bytes = slice.bytes();
                    if let Some(y) = y.unique_bytes() {
                        y[at * bytes.len()..][..bytes.len()].copy_from_slice(bytes);
                    }
                }
            })?;
        }
        Ok(carry.into_iter().chain(ys).collect())
    }
}

impl While {
    fn run(&self, args: Args<Array>) -> Result<Outs<Array>> {
        let mut args = args.into_iter();
        let of_cond: SmallVec<[Array; 8]> = args.by_ref().take(self.cond_consts).collect();
        let of_body: SmallVec<[Array; 8]> = args.by_ref().take(self.body_consts).collect();
        let mut carry: Outs<Array> = args.collect();
        loop {
            let goes_on = self.cond.run(of_cond.iter().chain(&carry).cloned())?;
            if goes_on[0].bytes()[0] == 0 {
                return Ok(carry);
            }
            carry = self.body.run(of_body.iter().cloned().chain(carry))?.into();
        }
    }
}
