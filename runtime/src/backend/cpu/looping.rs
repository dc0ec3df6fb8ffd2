//! Running the program of a loop's body again and again, and programs within programs.

use super::program::{Env, LARGE, Program};
use super::spares::Spares;
use crate::array::Array;
use crate::backend::cpu::memory::{CallingConvention, Copied};
use crate::error::Result;
use crate::kernels::lanes::Lane;
use crate::kernels::threads;

/// A loop that is running.
pub(super) struct Run<'a> {
    program: &'a Program,
    env: Box<Env>,
    consts: usize,
    carry: usize,
    share: Share,
    /// The next carry, while it is taken from where it was made.
    carried: Vec<Array>,
}

/// Which rows a run of a loop is about: one of so many equal shares.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub number: usize,
    pub count: usize,
}

impl Share {
    pub const ALL: Share = Share { number: 0, count: 1 };
}

impl Run<'_> {
    /// The carry, as the next step is given it.
    pub fn carry(&self) -> impl Iterator<Item = &Array> {
        self.env.arrays[self.consts..self.consts + self.carry].iter().flatten()
    }

    /// What came in front of the arguments of the body.
    pub fn given(&self) -> impl Iterator<Item = &Array> {
        self.env.room.of_cond.iter()
    }

    /// A list to be used and put back.
    pub fn list(&mut self) -> &mut Vec<Array> {
        &mut self.env.room.asked
    }

    pub fn spares(&mut self) -> &mut Spares {
        &mut self.env.spares
    }

    /// A step, which is about slice `at` of all arrays.
    pub fn step(&mut self, at: usize) -> Result<()> {
        let (program, env) = (self.program, &mut *self.env);
        // Rows of a slice follow each other, so its shares are slices of their own.
        env.slice = at * self.share.count + self.share.number;
        program.run_steps(env)?;
        for &Copied { y, from, ends } in &program.copied {
            // Out of its place, as what is copied is borrowed from there, too.
            let Some(mut lane) = env.ys[y as usize].take() else { unreachable!("a result of the loop") };
            lane.piece_mut(env.slice).copy_from_slice(program.bytes(env, from));
            env.ys[y as usize] = Some(lane);
            if let Some(array) = ends.and_then(|at| env.arrays[at as usize].take()) {
                env.spares.give(array);
            }
        }
        self.carried.extend(program.outs.iter().map(|&out| program.take(env, out)));
        for (array, own) in self.carried.drain(..).zip(&mut env.arrays[self.consts..]) {
            if let Some(before) = own.replace(array) {
                env.spares.give(before);
            }
        }
        Ok(())
    }
}

impl Program {
    /// Runs `steps` of this body of a loop, for a share of the rows; `values` are `others`, which are kept for a condition, the
    /// constants, the carry and arrays of slices, and then the last carry. Slices of results go to `ys`. About so many steps
    /// are to be expected.
    pub(super) fn run_loop(
        &self,
        others: usize,
        values: &mut Vec<Array>,
        (ys, share): (&mut Vec<Lane>, Share),
        spares: &mut Spares,
        expected: usize,
        steps: impl FnOnce(&mut Run<'_>) -> Result<()>,
    ) -> Result<()> {
        let CallingConvention::Loop { consts, carry } = self.convention else {
            unreachable!("the program of a loop's body")
        };
        let mut env = self.take_env();
        std::mem::swap(&mut env.spares, spares);
        env.ys.extend(ys.drain(..).map(Some));
        env.room.of_cond.extend(values.drain(..others));
        for (own, array) in env.arrays.iter_mut().zip(values.drain(..)) {
            *own = Some(array);
        }
        let awake = (self.work.saturating_mul(expected as u64) >= LARGE).then(threads::awake);
        let mut run = Run { program: self, env, consts, carry, share, carried: std::mem::take(values) };
        steps(&mut run)?;
        drop(awake);
        let Run { mut env, carried, .. } = run;
        *values = carried;
        values.extend(env.arrays[consts..consts + carry].iter_mut().filter_map(Option::take));
        ys.extend(env.ys.drain(..).flatten());
        env.room.of_cond.clear();
        self.end_within(env, spares);
        Ok(())
    }

    /// Runs within another program: from arguments to results, in one list.
    pub(super) fn run_within(&self, values: &mut Vec<Array>, spares: &mut Spares) -> Result<()> {
        let mut env = self.take_env();
        std::mem::swap(&mut env.spares, spares);
        for (own, array) in env.arrays.iter_mut().zip(values.drain(..)) {
            *own = Some(array);
        }
        let awake = (self.work >= LARGE).then(threads::awake);
        self.run_steps(&mut env)?;
        drop(awake);
        values.extend(self.outs.iter().map(|&out| self.take(&mut env, out)));
        self.end_within(env, spares);
        Ok(())
    }

    /// Gives back what a run within another program was lent, and what it leaves.
    fn end_within(&self, mut env: Box<Env>, spares: &mut Spares) {
        let Env { arrays, spares: lent, .. } = &mut *env;
        arrays.iter_mut().filter_map(Option::take).for_each(|array| lent.give(array));
        std::mem::swap(lent, spares);
        self.put_env(env);
    }
}
