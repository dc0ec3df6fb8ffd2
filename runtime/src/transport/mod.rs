//! How ranks talk: the collectives that every way to connect them has.
//!
//! A *rank* is one of the workers that run the same program on parts of the data: a thread of this process ([`ThreadTransport`]), or a
//! process of its own. All of them call the same collectives in the same order, and each call returns on every rank, with the same
//! bits where the result is common to all, or with an error: every wait has a [limit](Transport::limit).

mod call;
mod fold;
#[cfg(feature = "mpi")]
mod mpi;
mod threads;

use std::fmt;
use std::time::Duration;

pub use fold::fold;
#[cfg(feature = "mpi")]
pub use mpi::MpiTransport;
pub use threads::ThreadTransport;

use crate::array::{Array, Aval};
use crate::error::{Error, Result};

/// How long a rank waits for the others, unless told otherwise.
pub const DEFAULT_LIMIT: Duration = Duration::from_mins(5);

/// What the values of all ranks become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Their sum; integers wrap around.
    Sum,
    /// Their sum divided by their number; of floats and complex numbers.
    Mean,
    /// The largest of them, NaN if there is one; 0 of 0 and -0.
    Max,
    /// The smallest of them, NaN if there is one; -0 of 0 and -0.
    Min,
}

impl Reduction {
    /// The name in errors: `psum`, `pmean`, `pmax` or `pmin`.
    pub fn name(self) -> &'static str {
        match self {
            Reduction::Sum => "psum",
            Reduction::Mean => "pmean",
            Reduction::Max => "pmax",
            Reduction::Min => "pmin",
        }
    }
}

/// The connection of one rank to all of them.
///
/// All ranks call the same methods in the same order with arrays of the same shapes and dtypes; calls that do not fit each other are
/// an error on all ranks. Arrays may have any dtype, but those that are reduced are never `Bool`, `I8`, `I16` or `U16`, nor are
/// complex numbers compared: callers convert. Results that are the same on all ranks are so bit by bit, whenever each of them arrived.
///
/// Once a call has failed, because a rank [ended](Transport::abort) or did not come within the [limit](Transport::limit), all later ones
/// fail at once.
///
/// # Errors
/// Of all methods that talk: [`Error::RankFailed`] if another rank has ended with an error; [`Error::RanksMissing`] if ranks did not come
/// within the limit; [`Error::RanksDiffer`] if ranks did not call the same.
pub trait Transport: Send + Sync + fmt::Debug {
    /// The number of this rank, from 0 on.
    fn rank(&self) -> usize;

    /// The number of ranks.
    fn size(&self) -> usize;

    /// How long a call waits for other ranks.
    fn limit(&self) -> Duration;

    /// Sets how long calls of this rank wait for others.
    fn set_limit(&self, limit: Duration);

    /// Begins to reduce the arrays of all ranks, element by element, and returns at once.
    ///
    /// Several may be under way, and other calls between start and [`wait`](Pending::wait), on all ranks in the same order.
    fn start_all_reduce(&self, reduction: Reduction, array: Array) -> Result<Box<dyn Pending>>;

    /// Reduces the arrays of all ranks, element by element: each of them gets the result.
    fn all_reduce(&self, reduction: Reduction, array: Array) -> Result<Array> {
        self.start_all_reduce(reduction, array)?.wait()
    }

    /// The arrays of all ranks along a new first axis, in the order of ranks.
    fn all_gather(&self, array: Array) -> Result<Array>;

    /// Sends part `j` along the first axis, which is as long as there are ranks, to rank `j`; part `j` of the result is what came from
    /// there.
    fn all_to_all(&self, array: Array) -> Result<Array>;

    /// Gives rank `i` the array of rank `source[i]`, or zeros if there is none; each rank sends at most once.
    fn permute(&self, array: Array, source: &[Option<usize>]) -> Result<Array>;

    /// Gives all ranks the array of rank `root`; of the arrays of others only shape and dtype matter.
    fn broadcast(&self, root: usize, array: Array) -> Result<Array>;

    /// Waits until all ranks are here.
    fn barrier(&self) -> Result<()>;

    /// Makes what was started go on; called now and then while something is under way.
    fn progress(&self) {}

    /// Says that this rank makes no more calls: who waits for it from now on gets an error.
    fn leave(&self) {}

    /// Says that this rank ends with an error, so that the calls of all other ranks fail with it. It does not wait.
    fn abort(&self, error: &Error);
}

/// A reduction under way; dropped, its result is not wanted any more.
pub trait Pending: Send {
    /// Waits for the result.
    ///
    /// # Errors
    /// As those of [`Transport`].
    fn wait(self: Box<Self>) -> Result<Array>;
}

/// What an array of all ranks along a new first axis is.
pub(crate) fn gathered(aval: &Aval, ranks: usize) -> Aval {
    let mut shape = aval.shape.clone();
    shape.insert(0, ranks);
    aval.with_shape(shape)
}

/// Checks that the first axis is as long as there are ranks.
pub(crate) fn check_parts(aval: &Aval, ranks: usize) -> Result<()> {
    match aval.shape.first() {
        Some(&parts) if parts == ranks => Ok(()),
        _ => Err(Error::shape(
            "all_to_all",
            aval.to_string(),
            format!("a first axis of {ranks}, one part for each rank"),
        )),
    }
}
