//! Ranks that are threads of one process: what one of them brings, the others read where it lies.
//!
//! Calls are numbered on each rank, and call `k` of one rank meets call `k` of the others: an *exchange*. A rank that has brought its
//! array goes on until it needs the result, so that reductions that were started early cost no waiting. Results are computed
//! by each rank for itself, in the order of ranks, so that they are the same everywhere.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::call::{Call, Kind, differing, ended};
use super::{DEFAULT_LIMIT, Pending, Reduction, Transport, check_parts, fold, gathered};
use crate::array::{Array, Aval};
use crate::error::{Error, Result};

/// How long a rank looks for others before it sleeps: as long as waking it takes.
const SPIN: Duration = Duration::from_micros(50);

/// The connection of one thread to all threads of its group; see [`ThreadTransport::group`].
#[derive(Debug)]
pub struct ThreadTransport {
    group: Arc<Group>,
    rank: usize,
    /// The number of the next call.
    next: AtomicU64,
    /// Nanoseconds.
    limit: AtomicU64,
}

#[derive(Debug)]
struct Group {
    meeting: Mutex<Meeting>,
    news: Condvar,
    /// How many calls each rank has come to.
    arrived: Vec<AtomicU64>,
    has_failed: AtomicBool,
}

#[derive(Debug)]
struct Meeting {
    /// Those that not all ranks are done with; the first has the number `first`.
    exchanges: VecDeque<Exchange>,
    first: u64,
    /// Ranks that make no more calls.
    left: Vec<bool>,
    failure: Option<Error>,
}

#[derive(Debug)]
struct Exchange {
    call: Call,
    brought: Vec<Option<Array>>,
    /// Ranks that are done with it.
    done: usize,
}

impl ThreadTransport {
    /// The connections of so many ranks with each other, in the order of ranks, one for each thread.
    ///
    /// # Errors
    /// If there are to be none.
    pub fn group(size: usize) -> Result<Vec<ThreadTransport>> {
        if size == 0 {
            return Err(Error::argument("World::threads", "0 ranks: there is one at least"));
        }
        let meeting =
            Meeting { exchanges: VecDeque::new(), first: 0, left: vec![false; size], failure: None };
        let group = Arc::new(Group {
            meeting: Mutex::new(meeting),
            news: Condvar::new(),
            arrived: (0..size).map(|_| AtomicU64::new(0)).collect(),
            has_failed: AtomicBool::new(false),
        });
        let limit = DEFAULT_LIMIT.as_nanos() as u64;
        let member = |rank| ThreadTransport {
            group: group.clone(),
            rank,
            next: AtomicU64::new(0),
            limit: AtomicU64::new(limit),
        };
        Ok((0..size).map(member).collect())
    }

    /// Brings an array to the next exchange.
    fn bring(&self, kind: Kind, array: Array) -> Result<Brought> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let op = kind.name();
        let call = Call::new(kind, &array);
        let mut meeting = self.group.meeting();
        if let Some(failure) = &meeting.failure {
            return Err(failure.clone());
        }
        let at = (number - meeting.first) as usize;
        if at == meeting.exchanges.len() {
            let brought = vec![None; self.size()];
            meeting.exchanges.push_back(Exchange { call, brought, done: 0 });
        } else if meeting.exchanges[at].call != call {
            let failure = differs(self.rank, &call, &meeting.exchanges[at]);
            self.group.fail(&mut meeting, failure.clone());
            return Err(failure);
        }
        meeting.exchanges[at].brought[self.rank] = Some(array);
        self.group.arrived[self.rank].store(number + 1, Ordering::Release);
        let all_are_here = self.group.missing(number).next().is_none();
        drop(meeting);
        if all_are_here {
            self.group.news.notify_all();
        }
        let limit = self.limit();
        Ok(Brought { group: self.group.clone(), number, op, limit, is_done: false })
    }
}

/// The error of a call that differs from what others have brought.
fn differs(rank: usize, call: &Call, exchange: &Exchange) -> Error {
    let first = exchange.brought.iter().position(Option::is_some).unwrap_or_default();
    differing(rank, call, first, &exchange.call)
}

impl Group {
    // Whoever panics does so outside of the lock.
    fn meeting(&self) -> MutexGuard<'_, Meeting> {
        self.meeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ranks that have not come to a call yet.
    fn missing(&self, number: u64) -> impl Iterator<Item = usize> {
        let ranks = self.arrived.iter().enumerate();
        ranks.filter(move |(_, arrived)| arrived.load(Ordering::Acquire) <= number).map(|(rank, _)| rank)
    }

    /// Ends the calls of all ranks, those under way and those to come, with an error; the first one stays.
    fn fail(&self, meeting: &mut Meeting, error: Error) {
        meeting.failure.get_or_insert(error);
        self.has_failed.store(true, Ordering::Release);
        self.news.notify_all();
    }
}

/// What this rank has brought to an exchange.
struct Brought {
    group: Arc<Group>,
    number: u64,
    op: &'static str,
    limit: Duration,
    is_done: bool,
}

impl Brought {
    /// What all ranks have brought, once they have.
    fn all(mut self) -> Result<Vec<Array>> {
        let start = Instant::now();
        while self.group.missing(self.number).next().is_some()
            && !self.group.has_failed.load(Ordering::Acquire)
            && start.elapsed() < SPIN
        {
            std::hint::spin_loop();
            std::thread::yield_now();
        }
        let group = self.group.clone();
        let mut meeting = group.meeting();
        loop {
            let missing: Vec<usize> = group.missing(self.number).collect();
            if missing.is_empty() {
                return Ok(self.take(&mut meeting));
            }
            if let Some(failure) = &meeting.failure {
                return Err(failure.clone());
            }
            if let Some(&rank) = missing.iter().find(|&&rank| meeting.left[rank]) {
                group.fail(&mut meeting, ended(rank, self.op));
                continue;
            }
            let Some(left) = self.limit.checked_sub(start.elapsed()) else {
                let seconds = self.limit.as_secs_f64();
                group.fail(&mut meeting, Error::RanksMissing { ranks: missing, op: self.op, seconds });
                continue;
            };
            meeting = group.news.wait_timeout(meeting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn take(&mut self, meeting: &mut Meeting) -> Vec<Array> {
        let exchange = &meeting.exchanges[(self.number - meeting.first) as usize];
        let all = exchange.brought.iter().flatten().cloned().collect();
        self.finish(meeting);
        all
    }

    /// Says that this rank needs the exchange no more.
    fn finish(&mut self, meeting: &mut Meeting) {
        let at = (self.number - meeting.first) as usize;
        meeting.exchanges[at].done += 1;
        let ranks = self.group.arrived.len();
        while meeting.exchanges.front().is_some_and(|exchange| exchange.done == ranks) {
            meeting.exchanges.pop_front();
            meeting.first += 1;
        }
        self.is_done = true;
    }
}

impl Drop for Brought {
    fn drop(&mut self) {
        if !self.is_done {
            let group = self.group.clone();
            self.finish(&mut group.meeting());
        }
    }
}

/// A reduction of which this rank has brought its part.
struct Reducing(Reduction, Brought);

impl Pending for Reducing {
    fn wait(self: Box<Self>) -> Result<Array> {
        let Reducing(reduction, brought) = *self;
        let arrays = brought.all()?;
        let parts: Vec<&[u8]> = arrays.iter().map(Array::bytes).collect();
        let aval = arrays[0].aval();
        Ok(Array::build_bytes(aval.clone(), |out| fold(reduction, aval.dtype, &parts, out)))
    }
}

impl Transport for ThreadTransport {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.group.arrived.len()
    }

    fn limit(&self) -> Duration {
        Duration::from_nanos(self.limit.load(Ordering::Relaxed))
    }

    fn set_limit(&self, limit: Duration) {
        self.limit.store(limit.as_nanos().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn start_all_reduce(&self, reduction: Reduction, array: Array) -> Result<Box<dyn Pending>> {
        Ok(Box::new(Reducing(reduction, self.bring(Kind::Reduce(reduction), array)?)))
    }

    fn all_gather(&self, array: Array) -> Result<Array> {
        let whole = gathered(array.aval(), self.size());
        let arrays = self.bring(Kind::Gather, array)?.all()?;
        Ok(joined(whole, arrays.iter().map(Array::bytes)))
    }

    fn all_to_all(&self, array: Array) -> Result<Array> {
        check_parts(array.aval(), self.size())?;
        let aval = array.aval().clone();
        let arrays = self.bring(Kind::AllToAll, array)?.all()?;
        let bytes = aval.bytes() / self.size();
        Ok(joined(aval, arrays.iter().map(|array| &array.bytes()[self.rank * bytes..][..bytes])))
    }

    fn permute(&self, array: Array, source: &[Option<usize>]) -> Result<Array> {
        let aval = array.aval().clone();
        let mut arrays = self.bring(Kind::Permute(source.to_vec()), array)?.all()?;
        Ok(match source[self.rank] {
            Some(from) => arrays.swap_remove(from),
            None => Array::zeros(aval),
        })
    }

    fn broadcast(&self, root: usize, array: Array) -> Result<Array> {
        Ok(self.bring(Kind::Broadcast(root), array)?.all()?.swap_remove(root))
    }

    fn barrier(&self) -> Result<()> {
        let nothing = Array::scalar(0u8, false);
        self.bring(Kind::Barrier, nothing)?.all().map(|_| ())
    }

    fn abort(&self, error: &Error) {
        self.group.fail(&mut self.group.meeting(), error.clone().of_rank(self.rank));
    }

    fn leave(&self) {
        self.group.meeting().left[self.rank] = true;
        self.group.news.notify_all();
    }
}

/// Parts, one behind the other.
fn joined<'a>(whole: Aval, parts: impl Iterator<Item = &'a [u8]>) -> Array {
    Array::build_bytes(whole, |mut out| {
        for part in parts {
            let (to, rest) = out.split_at_mut(part.len());
            to.copy_from_slice(part);
            out = rest;
        }
    })
}

#[cfg(test)]
#[path = "threads_tests.rs"]
mod tests;
