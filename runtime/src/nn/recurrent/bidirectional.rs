//! `Bidirectional`: sequences from both ends.

use super::sequence::{Recurrent, Sequence};
use crate::core::Tensor;
use crate::error::Result;
use crate::module::Layer;
use crate::nn::function::MergeFn;
use crate::{compact, module};

/// Runs one recurrent layer from the beginning and another one from the end, and merges their outputs.
///
/// The input is `[batch.., time, features..]`, or `[time, batch.., features..]` if `time_major` is true. Both outputs are in the
/// order of the input, and by default side by side along the last axis.
///
/// # Parameters
/// Those of the two layers, as `forward_rnn` and `backward_rnn`; what both share, such as an `Arc` of a cell, is in the first.
///
/// ```
/// use flaxen::nn::{Bidirectional, LstmCell, Rnn};
/// use flaxen::prelude::*;
///
/// let rnn = Bidirectional::new(Rnn::new(LstmCell::new(4)), Rnn::new(LstmCell::new(6)));
/// let (y, variables) = rnn.init_with_output(key(0)).call(&Tensor::ones([2, 5, 3]))?;
/// assert_eq!(y.shape(), [2, 5, 10]);
/// assert_eq!(variables.tensor("params/backward_rnn/cell/ii/kernel")?.shape(), [3, 6]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As `flax.linen.Bidirectional`, whose `return_carry` is [`with_carry`](Bidirectional::with_carry).
#[module]
pub struct Bidirectional<F: Recurrent, B: Recurrent> {
    /// What runs from the beginning.
    #[submodule]
    pub forward_rnn: F,
    /// What runs from the end.
    #[submodule]
    pub backward_rnn: B,
    /// What makes one output of both; by default it concatenates them along the last axis.
    #[module(into, default = MergeFn::new(concatenate))]
    pub merge_fn: MergeFn,
    /// Whether the first axis is that of time.
    #[module(flag)]
    pub time_major: bool,
}

fn concatenate(forward: &Tensor, backward: &Tensor) -> Result<Tensor> {
    Tensor::try_concatenate(&[forward.clone(), backward.clone()], -1)
}

/// What both directions are called with.
type Both<F, B> = (Sequence<<F as Recurrent>::Carry>, Sequence<<B as Recurrent>::Carry>);

/// The states of both directions.
type Carries<F, B> = (<F as Recurrent>::Carry, <B as Recurrent>::Carry);

impl<F: Recurrent, B: Recurrent> Bidirectional<F, B> {
    /// The states after the last steps of both directions, and the merged outputs.
    ///
    /// `sequence` may have lengths, the pair of states to begin with, a key, of which each direction gets another one, and
    /// whether time is major; the directions are what they are.
    ///
    /// # Errors
    /// What one of the layers or the merging function returns.
    pub fn with_carry(
        &self,
        x: &Tensor,
        sequence: Sequence<Carries<F, B>>,
    ) -> Result<(Carries<F, B>, Tensor)> {
        CallWithCarry::call(self, x, sequence)
    }

    /// The merged outputs alone; see [`with_carry`](Bidirectional::with_carry).
    ///
    /// # Errors
    /// As [`with_carry`](Bidirectional::with_carry).
    pub fn call_with(&self, x: &Tensor, sequence: Sequence<Carries<F, B>>) -> Result<Tensor> {
        CallWith::call(self, x, sequence)
    }

    /// What `f` makes of the layer, for methods other than `call` of one that is built where it is called.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn run<T>(&self, f: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        f(self)
    }

    fn both(&self, sequence: Sequence<Carries<F, B>>) -> Result<Both<F, B>> {
        let time_major = sequence.time_major.unwrap_or(self.time_major);
        let (forward_carry, backward_carry) = sequence.initial_carry.unzip();
        let keys = sequence.init_key.map(|key| key.try_split()).transpose()?;
        let (forward_key, backward_key) = keys.map(|[forward, backward]| (forward, backward)).unzip();
        let forward = Sequence {
            lengths: sequence.lengths.clone(),
            initial_carry: forward_carry,
            init_key: forward_key,
            time_major: Some(time_major),
            reverse: Some(false),
            keep_order: None,
        };
        let backward = Sequence {
            lengths: sequence.lengths,
            initial_carry: backward_carry,
            init_key: backward_key,
            time_major: Some(time_major),
            reverse: Some(true),
            keep_order: Some(true),
        };
        Ok((forward, backward))
    }

    /// The states and the outputs, for calls of all kinds: Flax asks both directions for their states, too, which shows where
    /// outputs are captured.
    fn states(&self, x: &Tensor, sequence: Sequence<Carries<F, B>>) -> Result<(Carries<F, B>, Tensor)> {
        let (forward, backward) = self.both(sequence)?;
        let (forward_carry, forward) = self.forward_rnn.with_carry(x, forward)?;
        let (backward_carry, backward) = self.backward_rnn.with_carry(x, backward)?;
        Ok(((forward_carry, backward_carry), self.merge_fn.call(&forward, &backward)?))
    }
}

/// Flax's one method `__call__`, under whose name calls are captured and listed, has several types here: with states …
trait CallWithCarry<F: Recurrent, B: Recurrent> {
    fn call(&self, x: &Tensor, sequence: Sequence<Carries<F, B>>) -> Result<(Carries<F, B>, Tensor)>;
}

/// … and without.
trait CallWith<F: Recurrent, B: Recurrent> {
    fn call(&self, x: &Tensor, sequence: Sequence<Carries<F, B>>) -> Result<Tensor>;
}

impl<F: Recurrent, B: Recurrent> CallWithCarry<F, B> for Bidirectional<F, B> {
    #[compact]
    fn call(&self, x: &Tensor, sequence: Sequence<Carries<F, B>>) -> Result<(Carries<F, B>, Tensor)> {
        self.states(x, sequence)
    }
}

impl<F: Recurrent, B: Recurrent> CallWith<F, B> for Bidirectional<F, B> {
    #[compact]
    fn call(&self, x: &Tensor, sequence: Sequence<Carries<F, B>>) -> Result<Tensor> {
        Ok(self.states(x, sequence)?.1)
    }
}

impl<F: Recurrent, B: Recurrent> Layer for Bidirectional<F, B> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.states(x, Sequence::new())?.1)
    }
}

impl<F: Recurrent, B: Recurrent> Recurrent for Bidirectional<F, B> {
    type Carry = Carries<F, B>;

    fn with_carry(&self, x: &Tensor, sequence: Sequence<Self::Carry>) -> Result<(Self::Carry, Tensor)> {
        Bidirectional::with_carry(self, x, sequence)
    }

    fn call_with(&self, x: &Tensor, sequence: Sequence<Self::Carry>) -> Result<Tensor> {
        Bidirectional::call_with(self, x, sequence)
    }
}
