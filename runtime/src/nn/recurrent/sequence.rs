//! How a recurrent layer runs over one batch of sequences.

use std::sync::Arc;

use crate::core::Tensor;
use crate::error::Result;
use crate::module::Module;
use crate::random::Key;
use crate::tree::Tree;

/// What a call tells a recurrent layer beside its input; whatever it does not say is as the layer's options have it.
///
/// ```
/// use flaxen::nn::{GruCell, Rnn, Sequence};
/// use flaxen::prelude::*;
///
/// let (rnn, x) = (Rnn::new(GruCell::new(4)), random::normal(&key(0), [2, 5, 3]));
/// let variables = rnn.init(key(1)).call(&x)?;
/// let lengths = Tensor::from([2, 5]);
/// let (carry, y) = rnn.apply(&variables).run(|m| m.with_carry(&x, Sequence::new().lengths(&lengths)))?;
/// // The state after the last step that is no padding.
/// assert_eq!(carry.index_axis(0, 0).to_vec::<f32>()?, y.index_axis(0, 0).index_axis(0, 1).to_vec::<f32>()?);
/// // The next part of the sequence goes on from there.
/// let (_, more) = rnn.apply(&variables).run(|m| m.with_carry(&x, Sequence::new().initial_carry(carry.clone())))?;
/// assert_eq!(more.shape(), [2, 5, 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, Tree)]
#[must_use]
#[non_exhaustive]
pub struct Sequence<C> {
    /// How many steps of each sequence are no padding: integers of the shape `[batch..]`.
    pub lengths: Option<Tensor>,
    /// The state before the first step; by default what the cell begins with.
    pub initial_carry: Option<C>,
    /// The key the cell begins with; by default `key(0)`. Most cells begin with zeros and do not read it.
    pub init_key: Option<Key>,
    /// Whether the first axis is that of time.
    #[tree(static)]
    pub time_major: Option<bool>,
    /// Whether it runs from the end.
    #[tree(static)]
    pub reverse: Option<bool>,
    /// Whether outputs of a run from the end are put into the order of the input.
    #[tree(static)]
    pub keep_order: Option<bool>,
}

impl<C> Default for Sequence<C> {
    fn default() -> Sequence<C> {
        Sequence::new()
    }
}

impl<C> Sequence<C> {
    /// Says nothing yet.
    pub fn new() -> Sequence<C> {
        Sequence {
            lengths: None,
            initial_carry: None,
            init_key: None,
            time_major: None,
            reverse: None,
            keep_order: None,
        }
    }

    /// Says how many steps of each sequence are no padding, by integers of the shape `[batch..]`.
    ///
    /// Outputs of padding are not zeroed. The carry is that after the last step that is no padding. As in Flax, the carry of
    /// a sequence of length 0 is that after the last step of padding, and a length beyond the end counts as all steps. There may
    /// be any number of axes of the batch, where Flax selects states along one of them only.
    pub fn lengths(mut self, lengths: &Tensor) -> Sequence<C> {
        self.lengths = Some(lengths.clone());
        self
    }

    /// Says the state before the first step.
    pub fn initial_carry(mut self, carry: C) -> Sequence<C> {
        self.initial_carry = Some(carry);
        self
    }

    /// Says the key the cell begins with.
    pub fn init_key(mut self, key: &Key) -> Sequence<C> {
        self.init_key = Some(key.clone());
        self
    }

    /// Says whether the first axis is that of time.
    pub fn time_major(mut self, time_major: bool) -> Sequence<C> {
        self.time_major = Some(time_major);
        self
    }

    /// Says whether it runs from the end.
    pub fn reverse(mut self, reverse: bool) -> Sequence<C> {
        self.reverse = Some(reverse);
        self
    }

    /// Says whether outputs of a run from the end are put into the order of the input.
    pub fn keep_order(mut self, keep_order: bool) -> Sequence<C> {
        self.keep_order = Some(keep_order);
        self
    }
}

/// A layer over sequences with a state: [`Rnn`](crate::nn::Rnn), [`Bidirectional`](crate::nn::Bidirectional), or one of your
/// own, for both of whose directions a `Bidirectional` may have it.
///
/// As the protocol `RNNBase` of `flax.linen`.
pub trait Recurrent: Module {
    /// The state.
    type Carry: Tree + Clone + Send + Sync + 'static;

    /// The state after the last step, and the outputs.
    ///
    /// The input is `[batch.., time, features..]`, or `[time, batch.., features..]` if time is major.
    ///
    /// # Errors
    /// If the input does not fit, or the layer is not part of a running model.
    fn with_carry(&self, x: &Tensor, sequence: Sequence<Self::Carry>) -> Result<(Self::Carry, Tensor)>;

    /// The outputs alone, for which nothing is kept of the states.
    ///
    /// # Errors
    /// As [`with_carry`](Recurrent::with_carry).
    fn call_with(&self, x: &Tensor, sequence: Sequence<Self::Carry>) -> Result<Tensor> {
        Ok(self.with_carry(x, sequence)?.1)
    }
}

impl<R: Recurrent> Recurrent for Arc<R> {
    type Carry = R::Carry;

    fn with_carry(&self, x: &Tensor, sequence: Sequence<R::Carry>) -> Result<(R::Carry, Tensor)> {
        (**self).with_carry(x, sequence)
    }

    fn call_with(&self, x: &Tensor, sequence: Sequence<R::Carry>) -> Result<Tensor> {
        (**self).call_with(x, sequence)
    }
}
