//! What a rank has under way, and what it knows of the others.
//!
//! Nothing here waits: messages are posted, and whoever has time looks what has come, one thread at a time: the one that needs a
//! result, again and again, and one in the background every few milliseconds, which also answers those who ask whether this rank still
//! runs, while it computes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::call::{Call, ended};
use super::interface::{Communicator, Source, Transfer};
use super::job::Job;
use super::notice::Notice;
use super::tags::Tags;
use crate::array::Array;
use crate::error::{Error, Result};

/// How often messages besides calls are looked for.
const LISTEN: Duration = Duration::from_micros(200);

/// The longest time that a look at the clock adds to a rank's silence, so that nobody is given up because *this* process was stopped.
const STEP: Duration = Duration::from_millis(100);

/// The state of one rank; see the module.
pub(super) struct Engine {
    /// Messages of calls, and those besides.
    calls: Communicator,
    notices: Communicator,
    tags: Tags,
    /// Whether ranks are not more than the cores that they share.
    pub has_own_core: bool,
    jobs: VecDeque<Job>,
    /// The number of the next call.
    next: u64,
    has_left: bool,
    failure: Option<Error>,
    outbox: Vec<Transfer>,
    peers: Vec<Peer>,
    listened: Instant,
}

/// What is known of a rank.
#[derive(Clone, Default)]
struct Peer {
    /// For how long it has not answered, if it was asked.
    silent: Option<Duration>,
    /// How many calls it had made when it answered last, and whether they were all.
    calls: u64,
    has_left: bool,
}

impl Engine {
    pub fn new(calls: Communicator, notices: Communicator, has_own_core: bool) -> Engine {
        Engine {
            tags: Tags::up_to(calls.last_tag),
            peers: vec![Peer::default(); calls.size],
            calls,
            notices,
            has_own_core,
            jobs: VecDeque::new(),
            next: 0,
            has_left: false,
            failure: None,
            outbox: Vec::new(),
            listened: Instant::now(),
        }
    }

    pub fn rank(&self) -> usize {
        self.calls.rank
    }

    pub fn size(&self) -> usize {
        self.calls.size
    }

    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Whether as many calls are under way as may be.
    pub fn is_full(&self) -> bool {
        self.jobs.len() as u64 >= self.tags.calls() / 2
    }

    /// Begins a call, and returns its number.
    pub fn start(&mut self, call: &Call, array: Array) -> Result<u64> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let number = self.next;
        self.next += 1;
        match Job::start(&self.calls, self.tags, number, call, array) {
            Ok(job) => self.jobs.push_back(job),
            Err(error) => return Err(self.fail(error)),
        }
        Ok(number)
    }

    /// Says that no calls follow.
    pub fn leave(&mut self) {
        self.has_left = true;
    }

    /// Goes on with everything as far as messages have come.
    pub fn progress(&mut self) {
        if self.listened.elapsed() >= LISTEN {
            self.listen();
        }
        if let Err(error) = self.advance() {
            self.fail(error);
        }
    }

    fn advance(&mut self) -> Result<()> {
        let mut at = 0;
        while at < self.jobs.len() {
            let is_done = self.jobs[at].advance(&self.calls)?;
            if is_done && !self.jobs[at].is_wanted {
                self.jobs.remove(at);
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    /// The result of a call, once it is there.
    pub fn take(&mut self, number: u64) -> Option<Array> {
        let at = self.position(number)?;
        self.jobs[at].is_done().then(|| self.jobs.remove(at)?.into_result())?
    }

    /// Says that nobody will wait for a call.
    pub fn give_up(&mut self, number: u64) {
        if let Some(at) = self.position(number) {
            self.jobs[at].is_wanted = false;
        }
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.jobs.iter().position(|job| job.number == number)
    }

    /// Ends all calls, those under way and those to come, with an error that the others are told; the first one stays, and is returned.
    pub fn fail(&mut self, error: Error) -> Error {
        if self.failure.is_none() {
            let bytes = Notice::Failure(error.clone()).bytes();
            for peer in 0..self.size() {
                if peer != self.rank() {
                    // Those that cannot be reached have ended, or will find out for themselves.
                    let _ = self.notify(peer, bytes.clone());
                }
            }
            self.end(error);
        }
        self.failure.clone().unwrap_or_else(|| unreachable!("it has failed"))
    }

    fn end(&mut self, error: Error) {
        self.failure.get_or_insert(error);
        // Messages that are not complete keep their memory for ever.
        self.jobs.clear();
    }

    fn notify(&mut self, peer: usize, bytes: Box<[u8]>) -> Result<()> {
        self.outbox.push(self.notices.send(peer, 0, Source::Bytes(bytes))?);
        Ok(())
    }

    /// Whether all notices have been sent.
    pub fn is_quiet(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Hears what others say besides their calls, and answers.
    pub fn listen(&mut self) {
        self.listened = Instant::now();
        if let Err(error) = self.hear() {
            self.end(error);
        }
        // One that fails will not be sent better by being kept.
        self.outbox.retain_mut(|transfer| matches!(transfer.is_complete(), Ok(false)));
    }

    fn hear(&mut self) -> Result<()> {
        while let Some(message) = self.notices.incoming()? {
            let peer = &mut self.peers[message.from];
            match Notice::read(&message.bytes)? {
                Notice::Ask => {
                    let answer = Notice::Answer { calls: self.next, has_left: self.has_left };
                    self.notify(message.from, answer.bytes())?;
                }
                Notice::Answer { calls, has_left } => *peer = Peer { silent: None, calls, has_left },
                Notice::Failure(error) => self.end(error),
            }
        }
        Ok(())
    }

    /// Asks the ranks that a call waits for whether they still run, unless they are still to answer.
    pub fn ask(&mut self, number: u64) -> Result<()> {
        for peer in self.lacking(number) {
            if self.peers[peer].silent.is_none() {
                self.notify(peer, Notice::Ask.bytes())?;
                self.peers[peer].silent = Some(Duration::ZERO);
            }
        }
        Ok(())
    }

    /// Fails if a rank that a call waits for has not answered for so long, or has ended.
    pub fn look_for_lost(
        &mut self,
        number: u64,
        op: &str,
        waited: Duration,
        silence: Duration,
    ) -> Result<()> {
        self.listen();
        for rank in self.lacking(number) {
            let peer = &mut self.peers[rank];
            if peer.has_left && peer.calls <= number {
                return Err(self.fail(ended(rank, op)));
            }
            let Some(silent) = &mut peer.silent else { continue };
            *silent += waited.min(STEP);
            if *silent >= silence {
                let text = format!(
                    "it has not answered for {:.1} s: its process has ended or hangs",
                    silent.as_secs_f64()
                );
                return Err(self.fail(Error::RankFailed { rank, error: Box::new(Error::msg(text)) }));
            }
        }
        Ok(())
    }

    /// Fails because ranks have not come to a call for so long.
    pub fn miss(&mut self, number: u64, op: &'static str, seconds: f64) -> Error {
        let lacking = self.lacking(number);
        // Those that have come wait for the same ranks as this one.
        let mut ranks: Vec<usize> =
            lacking.iter().copied().filter(|&rank| self.peers[rank].calls <= number).collect();
        if ranks.is_empty() {
            ranks = lacking;
        }
        self.fail(Error::RanksMissing { ranks, op, seconds })
    }

    fn lacking(&self, number: u64) -> Vec<usize> {
        self.position(number).map_or_else(Vec::new, |at| self.jobs[at].lacking())
    }
}
