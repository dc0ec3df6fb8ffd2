//! Recurrent layers beyond the golden cases: loops written by hand, flips, lengths, cells of users, halves.

mod models;
mod sequences;

use std::sync::Arc;

use flaxen::nn::{
    Bidirectional, ConvLstmCell, GruCell, LstmCell, MguCell, OptimizedLstmCell, Recurrent, Rnn, Sequence,
    SimpleCell, flip_sequences,
};
use flaxen::prelude::*;
use flaxen::random::Key;
use flaxen::{lift, scan};

fn random(seed: u64, shape: &[usize]) -> Tensor {
    random::normal(&key(seed), shape)
}

/// The numbers from 0 in a shape.
fn counted(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::arange(0, count as i32, 1).reshape(shape)
}

#[track_caller]
fn assert_close(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.shape(), expected.shape());
    assert!(found.all_close(expected, 1e-5, 1e-6).unwrap(), "{found:?}\n{expected:?}");
}

#[track_caller]
fn assert_same(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.shape(), expected.shape());
    assert_eq!(found.to_vec::<f32>().unwrap(), expected.to_vec::<f32>().unwrap());
}

/// One step of a cell that is called `cell`, as those of an [`Rnn`] are.
#[module]
struct Step<C: Cell> {
    #[submodule]
    cell: C,
}

impl<C: Cell> Step<C> {
    #[compact]
    fn step(&self, carry: C::Carry, x: &Tensor) -> Result<(C::Carry, Tensor)> {
        self.cell.call(carry, x)
    }
}

/// The outputs and the states of all steps along the axis of time, by a loop written by hand.
fn by_hand<C: Cell>(
    cell: &C,
    variables: &Variables,
    x: &Tensor,
    time: isize,
) -> Result<(Vec<C::Carry>, Tensor)> {
    let step = Step::new(cell.clone());
    let first = x.index_axis(time, 0);
    let mut carry = cell.initial_carry(&key(0), first.shape())?;
    let (mut carries, mut outputs) = (Vec::new(), Vec::new());
    for t in 0..x.shape()[time as usize] {
        let x = x.index_axis(time, t as isize);
        let y;
        (carry, y) = step.apply(variables).run(|m| m.step(carry.clone(), &x))?;
        carries.push(carry.clone());
        outputs.push(y);
    }
    Ok((carries, Tensor::stack(&outputs, time)))
}
