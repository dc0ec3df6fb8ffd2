//! Batches of indices: shuffled by a key, the same in every run and on every number of ranks.

use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::random::{self, Key};

/// How the examples of a data set are grouped into batches.
///
/// Batches are of indices, so that any data can be taken by them: rows of a tensor by [`Tensor::take`], files, records. The order of an
/// epoch depends on the key and the epoch's number alone, so that a training that is resumed at a step goes on as it would have.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::train::Batches;
///
/// let data = Tensor::arange(0, 10, 1);
/// let batches = Batches::new(10, 4).shuffle(key(0));
/// let sizes: Vec<usize> = batches.epoch(0)?.map(|batch| data.take(&batch.indices(), 0).size()).collect();
/// assert_eq!(sizes, [4, 4, 2]);
/// // All of one shape: the last one is filled up, and a mask says which of it count.
/// let last = batches.clone().pad_last().epoch(0)?.last().unwrap();
/// assert_eq!(last.mask().to_vec::<bool>()?, [true, true, false, false]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batches {
    count: usize,
    batch_size: usize,
    key: Option<Key>,
    last: Last,
    rank: usize,
    ranks: usize,
}

/// What becomes of examples that make no whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Short,
    Dropped,
    Padded,
}

/// The indices of a batch, or of one rank's part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    indices: Vec<usize>,
    /// So many at the beginning are examples; the others fill it up.
    real: usize,
    step: usize,
}

/// The batches of one epoch, in order.
#[derive(Clone, Debug)]
pub struct Epoch {
    batches: Batches,
    /// None in the order that they have.
    order: Option<Vec<usize>>,
    step: usize,
}

impl Batches {
    /// Batches of `batch_size` of `count` examples, in the order that they have; the last may be smaller.
    pub fn new(count: usize, batch_size: usize) -> Batches {
        Batches { count, batch_size, key: None, last: Last::Short, rank: 0, ranks: 1 }
    }

    /// In an order of its own for each epoch, by [`random::permutation`] of the key with the epoch's number folded in.
    #[must_use]
    pub fn shuffle(self, key: Key) -> Batches {
        Batches { key: Some(key), ..self }
    }

    /// Leaves out what makes no whole batch, other examples in each shuffled epoch.
    #[must_use]
    pub fn drop_last(self) -> Batches {
        Batches { last: Last::Dropped, ..self }
    }

    /// Fills the last batch up with the first example; [`Batch::mask`] says which count.
    #[must_use]
    pub fn pad_last(self) -> Batches {
        Batches { last: Last::Padded, ..self }
    }

    /// Only the part of each batch that is rank `rank`'s of `ranks`: neighbours of each other, as even as can be. All parts together are the
    /// batches of one rank.
    #[must_use]
    pub fn shard(self, rank: usize, ranks: usize) -> Batches {
        Batches { rank, ranks, ..self }
    }

    /// The number of batches of an epoch.
    pub fn steps(&self) -> usize {
        match self.last {
            Last::Dropped => self.count / self.batch_size.max(1),
            Last::Short | Last::Padded => self.count.div_ceil(self.batch_size.max(1)),
        }
    }

    /// The batches of an epoch, counted from 0.
    ///
    /// # Errors
    /// If batches have no size, there is no such rank, or there are more examples than `I32` counts and they are to be shuffled.
    pub fn epoch(&self, epoch: usize) -> Result<Epoch> {
        if self.batch_size == 0 {
            return Err(Error::msg("`Batches`: a batch size of 0: use 1 or more"));
        }
        if self.rank >= self.ranks {
            let (rank, ranks) = (self.rank, self.ranks);
            return Err(Error::msg(format!(
                "`Batches`: rank {rank} of {ranks}: use one below the number of ranks"
            )));
        }
        let order = self.key.as_ref().map(|key| self.order(key, epoch)).transpose()?;
        Ok(Epoch { batches: self.clone(), order, step: 0 })
    }

    fn order(&self, key: &Key, epoch: usize) -> Result<Vec<usize>> {
        let order = random::try_permutation(&key.try_fold_in(epoch)?, self.count)?;
        Ok(order.to_vec::<i32>()?.into_iter().map(|index| index as usize).collect())
    }
}

impl Epoch {
    /// Goes on at a step, counted from 0, as if the batches before it had been taken.
    #[must_use]
    pub fn from_step(self, step: usize) -> Epoch {
        Epoch { step, ..self }
    }

    /// The number of batches, those that have been taken included.
    pub fn steps(&self) -> usize {
        self.batches.steps()
    }
}

impl Iterator for Epoch {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let Batches { count, batch_size, last, rank, ranks, .. } = self.batches;
        if self.step >= self.steps() {
            return None;
        }
        let first = self.step * batch_size;
        let real = batch_size.min(count - first);
        let size = if last == Last::Padded { batch_size } else { real };
        let own = rank * size / ranks..(rank + 1) * size / ranks;
        // What fills it up is an example like any other, so that nothing it leads to is out of the ordinary.
        let at = |place: usize| {
            let place = if place < real { first + place } else { 0 };
            self.order.as_ref().map_or(place, |order| order[place])
        };
        let step = self.step;
        self.step += 1;
        let real = real.clamp(own.start, own.end) - own.start;
        Some(Batch { indices: own.map(at).collect(), real, step })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.steps().saturating_sub(self.step);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Epoch {}

impl Batch {
    /// The indices as a tensor, `I32[size]`, to take rows by.
    pub fn indices(&self) -> Tensor {
        Tensor::from(self.indices.iter().map(|&index| index as i32).collect::<Vec<_>>())
    }

    /// The indices as numbers.
    pub fn as_slice(&self) -> &[usize] {
        &self.indices
    }

    /// Which of them are examples that count, `Bool[size]`; all of them, unless the last batch is [padded](Batches::pad_last).
    pub fn mask(&self) -> Tensor {
        Tensor::from((0..self.indices.len()).map(|place| place < self.real).collect::<Vec<_>>())
    }

    /// How many count.
    pub fn count(&self) -> usize {
        self.real
    }

    /// The number of the batch in its epoch, counted from 0.
    pub fn step(&self) -> usize {
        self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::key;

    fn taken(batches: &Batches, epoch: usize) -> Vec<Vec<usize>> {
        batches.epoch(epoch).unwrap().map(|batch| batch.indices[..batch.real].to_vec()).collect()
    }

    #[test]
    fn an_epoch_has_every_example_once_in_an_order_of_its_own() {
        let batches = Batches::new(103, 10).shuffle(key(1));
        let (first, second) = (taken(&batches, 0).concat(), taken(&batches, 1).concat());
        assert_ne!(first, second);
        for mut order in [first, second] {
            order.sort_unstable();
            assert_eq!(order, (0..103).collect::<Vec<_>>());
        }
        assert_eq!(taken(&batches, 1), taken(&batches.clone(), 1));
    }

    #[test]
    fn the_parts_of_ranks_are_the_batches_of_one() {
        let batches = Batches::new(23, 7).shuffle(key(2));
        for all in [batches.clone(), batches.clone().pad_last(), batches.clone().drop_last()] {
            let parts: Vec<_> = (0..3).map(|rank| taken(&all.clone().shard(rank, 3), 4)).collect();
            for (step, whole) in taken(&all, 4).iter().enumerate() {
                let together: Vec<usize> = parts.iter().flat_map(|part| part[step].clone()).collect();
                assert_eq!(together, *whole);
            }
        }
    }

    #[test]
    fn an_epoch_goes_on_at_a_step_as_if_it_had_never_ended() {
        let epoch = Batches::new(20, 3).shuffle(key(3)).epoch(0).unwrap();
        let rest: Vec<Batch> = epoch.clone().from_step(4).collect();
        assert_eq!(rest, epoch.skip(4).collect::<Vec<_>>());
    }

    #[test]
    fn what_makes_no_whole_batch_is_short_dropped_or_padded() {
        let batches = Batches::new(7, 3);
        assert_eq!((batches.steps(), taken(&batches, 0)), (3, vec![vec![0, 1, 2], vec![3, 4, 5], vec![6]]));
        assert_eq!(batches.clone().drop_last().steps(), 2);
        let last = batches.pad_last().epoch(0).unwrap().last().unwrap();
        assert_eq!((last.as_slice(), last.count(), last.step()), (&[6, 0, 0][..], 1, 2));
        assert_eq!(Batches::new(0, 3).epoch(0).unwrap().count(), 0);
        assert!(Batches::new(3, 0).epoch(0).is_err());
        assert!(Batches::new(3, 1).shard(2, 2).epoch(0).is_err());
    }
}
