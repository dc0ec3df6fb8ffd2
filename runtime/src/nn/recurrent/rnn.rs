//! `Rnn`: a cell over sequences.

use super::cell::Cell;
use super::collections::{SplitRngs, VariableAxes};
use super::flip::{check_lengths, flip_sequences, last_states};
use super::sequence::{Recurrent, Sequence};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::module::{Layer, Module, lift};
use crate::random;
use crate::tree::Tree;
use crate::variables::Filter;
use crate::{compact, module};

/// Runs a cell over sequences, step by step.
///
/// The input is `[batch.., time, features..]`, or `[time, batch.., features..]` if `time_major` is true, with any number of
/// axes of the batch, also none; how many of features, the cell says. The output has the cell's features in place of them.
///
/// The steps are one loop, in a compiled function, too, and all of them have the same parameters. What of a step depends on its
/// input alone, such as the product of the input with the gates of an LSTM, is computed for all steps at once.
///
/// # Parameters
/// Those of the cell, as `cell`.
///
/// ```
/// use flaxen::nn::{LstmCell, Rnn, Sequence};
/// use flaxen::prelude::*;
///
/// #[module]
/// struct Classifier {
///     classes: usize,
/// }
///
/// impl Layer for Classifier {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         let y = Rnn::new(LstmCell::new(128)).call(x)?;
///         Dense::new(self.classes).call(&y.index_axis(1, -1))
///     }
/// }
///
/// let x = Tensor::ones([2, 7, 16]);
/// let variables = Classifier::new(10).init(key(0)).call(&x)?;
/// assert_eq!(variables.tensor("params/RNN_0/cell/hf/kernel")?.shape(), [128, 128]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// States to begin with, lengths of sequences with padding, and the state at the end are for
/// [`with_carry`](Rnn::with_carry) and [`call_with`](Rnn::call_with).
///
/// As `flax.linen.RNN`, whose `return_carry` is [`with_carry`](Rnn::with_carry). In a compact method of Flax, a cell that is
/// built in there becomes the method's own child, `LSTMCell_0`; here it does by `Rnn::new(self.child(LstmCell::new(128)))`.
#[module(name = "RNN")]
pub struct Rnn<C: Cell> {
    /// What makes a step.
    #[submodule]
    pub cell: C,
    /// Whether the first axis is that of time.
    #[module(flag)]
    pub time_major: bool,
    /// Whether it runs from the end, and returns what comes first of that first; padding stays at the end.
    #[module(flag)]
    pub reverse: bool,
    /// Whether outputs of a run from the end are put into the order of the input.
    #[module(flag)]
    pub keep_order: bool,
    /// How many steps a turn of the loop makes.
    #[module(default = 1)]
    pub unroll: usize,
    /// The collections with a value for each step, such as statistics or what is sown, and the axis of the steps in them.
    #[module(into, default = VariableAxes::default())]
    pub variable_axes: VariableAxes,
    /// The collections that all steps share, and none changes.
    #[module(into, default = Filter::from("params"))]
    pub variable_broadcast: Filter,
    /// The collections that each step changes for the next one; `init` does not make them.
    #[module(into, default = Filter::none())]
    pub variable_carry: Filter,
    /// The random streams that steps draw from, and whether each step draws other numbers.
    #[module(into, default = SplitRngs::from([("params", false)]))]
    pub split_rngs: SplitRngs,
}

impl<C: Cell> Rnn<C> {
    /// The state after the last step, and the outputs.
    ///
    /// With lengths, the state is that after the last step that is no padding, for which the states after all steps are kept.
    ///
    /// # Errors
    /// If the input has too few axes, lengths are not integers of the batch's shape, the state is another tree after a step, or
    /// the cell fails.
    pub fn with_carry(&self, x: &Tensor, sequence: Sequence<C::Carry>) -> Result<(C::Carry, Tensor)> {
        CallWithCarry::call(self, x, sequence)
    }

    /// The outputs alone; see [`with_carry`](Rnn::with_carry).
    ///
    /// # Errors
    /// As [`with_carry`](Rnn::with_carry).
    pub fn call_with(&self, x: &Tensor, sequence: Sequence<C::Carry>) -> Result<Tensor> {
        CallWith::call(self, x, sequence)
    }

    /// What `f` makes of the layer, for methods other than `call` of one that is built where it is called.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn run<T>(&self, f: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        f(self)
    }

    /// How a call runs: by its own options, or else by those of the layer.
    fn plan(&self, x: &Tensor, sequence: &Sequence<C::Carry>) -> Result<Plan> {
        let axes = self.cell.num_feature_axes() + 1;
        let Some(num_batch_dims) = x.rank().checked_sub(axes) else {
            let expected = format!("[batch.., time, features..] with at least {axes} axes");
            return Err(Error::shape(Self::NAME, x.aval().to_string(), expected));
        };
        let time_major = sequence.time_major.unwrap_or(self.time_major);
        if let Some(lengths) = &sequence.lengths {
            check_lengths(Self::NAME, x, lengths, num_batch_dims, time_major)?;
        }
        Ok(Plan {
            num_batch_dims,
            time_major,
            reverse: sequence.reverse.unwrap_or(self.reverse),
            keep_order: sequence.keep_order.unwrap_or(self.keep_order),
        })
    }

    /// The state before the first step.
    fn first(&self, plan: &Plan, x: &Tensor, sequence: &Sequence<C::Carry>) -> Result<C::Carry> {
        if let Some(carry) = &sequence.initial_carry {
            return Ok(carry.clone());
        }
        let mut input = x.shape().to_vec();
        input.remove(plan.time());
        match &sequence.init_key {
            Some(key) => self.cell.initial_carry(key, &input),
            None => self.cell.initial_carry(&random::key(0), &input),
        }
    }

    /// The state after the last step and the outputs, for a call that asks for both.
    fn states(&self, x: &Tensor, sequence: &Sequence<C::Carry>) -> Result<(C::Carry, Tensor)> {
        let plan = self.plan(x, sequence)?;
        let lengths = sequence.lengths.as_ref();
        let first = self.first(&plan, x, sequence)?;
        let x = plan.input(x, lengths)?;
        let (carry, y) = match lengths {
            None => self.steps(first, x, C::call)?,
            // One more output for each step, from which the states are taken afterwards.
            Some(lengths) => {
                let (_, (states, y)) = self.steps(first, x, |cell, carry, x| {
                    let (carry, y) = cell.call(carry, x)?;
                    Ok((carry.clone(), (carry, y)))
                })?;
                (last_states(Self::NAME, &states, lengths)?, y)
            }
        };
        Ok((carry, plan.output(&y, lengths)?))
    }

    fn outputs(&self, x: &Tensor, sequence: &Sequence<C::Carry>) -> Result<Tensor> {
        let plan = self.plan(x, sequence)?;
        let lengths = sequence.lengths.as_ref();
        let first = self.first(&plan, x, sequence)?;
        let x = plan.input(x, lengths)?;
        let (_, y) = self.steps(first, x, C::call)?;
        plan.output(&y, lengths)
    }

    /// The loop over the first axis of `xs`: the last state, and what the steps return, stacked along the first axis.
    fn steps<Y: Tree>(
        &self,
        carry: C::Carry,
        xs: Tensor,
        step: impl Fn(&C, C::Carry, &Tensor) -> Result<(C::Carry, Y)>,
    ) -> Result<(C::Carry, Y)> {
        let mut looped = lift::scan(&self.cell, |cell: &C, carry: C::Carry, x: Tensor| step(cell, carry, &x))
            .unroll(self.unroll)
            .share(&self.variable_broadcast)
            .carry(&self.variable_carry);
        for (collections, axis) in &self.variable_axes.0 {
            looped = match axis {
                Some(axis) => looped.axis(collections, *axis),
                None => looped.share(collections),
            };
        }
        for (streams, splits) in &self.split_rngs.0 {
            looped = if *splits { looped.split(streams) } else { looped.share(streams) };
        }
        looped.call(carry, xs)
    }
}

/// How a call runs over its input.
struct Plan {
    num_batch_dims: usize,
    time_major: bool,
    reverse: bool,
    keep_order: bool,
}

impl Plan {
    /// The axis of time.
    fn time(&self) -> usize {
        if self.time_major { 0 } else { self.num_batch_dims }
    }

    /// The input in the order in which the cell sees it, with time first.
    fn input(&self, x: &Tensor, lengths: Option<&Tensor>) -> Result<Tensor> {
        let x = if self.reverse { self.flip(x, lengths)? } else { x.clone() };
        x.try_move_axis(self.time() as isize, 0)
    }

    /// The output in the order it is asked for, of one with time first.
    fn output(&self, y: &Tensor, lengths: Option<&Tensor>) -> Result<Tensor> {
        let y = y.try_move_axis(0, self.time() as isize)?;
        if self.reverse && self.keep_order { self.flip(&y, lengths) } else { Ok(y) }
    }

    fn flip(&self, x: &Tensor, lengths: Option<&Tensor>) -> Result<Tensor> {
        flip_sequences(x, lengths, self.num_batch_dims, self.time_major)
    }
}

/// Flax's one method `__call__`, under whose name calls are captured and listed, has several types here: with states …
trait CallWithCarry<C: Cell> {
    fn call(&self, x: &Tensor, sequence: Sequence<C::Carry>) -> Result<(C::Carry, Tensor)>;
}

/// … and without.
trait CallWith<C: Cell> {
    fn call(&self, x: &Tensor, sequence: Sequence<C::Carry>) -> Result<Tensor>;
}

impl<C: Cell> CallWithCarry<C> for Rnn<C> {
    #[compact]
    fn call(&self, x: &Tensor, sequence: Sequence<C::Carry>) -> Result<(C::Carry, Tensor)> {
        self.states(x, &sequence)
    }
}

impl<C: Cell> CallWith<C> for Rnn<C> {
    #[compact]
    fn call(&self, x: &Tensor, sequence: Sequence<C::Carry>) -> Result<Tensor> {
        self.outputs(x, &sequence)
    }
}

impl<C: Cell> Layer for Rnn<C> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.outputs(x, &Sequence::new())
    }
}

impl<C: Cell> Recurrent for Rnn<C> {
    type Carry = C::Carry;

    fn with_carry(&self, x: &Tensor, sequence: Sequence<C::Carry>) -> Result<(C::Carry, Tensor)> {
        Rnn::with_carry(self, x, sequence)
    }

    fn call_with(&self, x: &Tensor, sequence: Sequence<C::Carry>) -> Result<Tensor> {
        Rnn::call_with(self, x, sequence)
    }
}
