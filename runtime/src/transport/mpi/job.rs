//! One call of a collective under way.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

use super::super::call::{Call, LAST, differing, ended};
use super::interface::{Communicator, Source, Transfer};
use super::memory::Landing;
use super::steps::{Round, Step, Then, begin, partners};
use super::tags::Tags;
use crate::array::{Array, Aval, DType};
use crate::error::Result;

pub(super) const GREETING: usize = 128;

/// What a rank calls, in the words of an error, as far as they fit, filled up with zeros, and the hash of all of them.
pub(super) type Greeting = [u8; GREETING];

pub(super) struct Job {
    /// The number of the call.
    pub number: u64,
    pub op: &'static str,
    tags: Tags,
    /// Whether anybody waits for it, or will.
    pub is_wanted: bool,
    greeting: Greeting,
    /// Messages that say what other ranks call, and those that say it to them.
    greetings: Vec<Transfer>,
    /// Those of the round.
    transfers: Vec<Transfer>,
    round: u64,
    then: Option<Then>,
    result: Option<Array>,
}

impl Job {
    /// Posts the first messages of a call.
    pub fn start(
        communicator: &Communicator,
        tags: Tags,
        number: u64,
        call: &Call,
        array: Array,
    ) -> Result<Job> {
        let Communicator { rank, size, .. } = *communicator;
        let greeting = greeting(&call.to_string());
        let tag = tags.of_greeting(number);
        let mut greetings = Vec::new();
        let (targets, sources) = partners(&call.kind, rank, size);
        for peer in sources {
            let (_, part) = Landing::uncut(Array::scratch(Aval::new([GREETING], DType::U8)));
            greetings.push(communicator.receive(peer, tag, part)?);
        }
        for peer in targets {
            greetings.push(communicator.send(peer, tag, Source::Bytes(Box::new(greeting)))?);
        }
        let tag = tags.of_round(number, &greeting, 1);
        let mut round = Round { communicator, rank, size, tag, transfers: Vec::new() };
        let (then, result) = match begin(&mut round, &call.kind, array)? {
            Step::Then(then) => (Some(then), None),
            Step::Done(array) => (None, Some(array)),
        };
        let (op, transfers) = (call.kind.name(), round.transfers);
        Ok(Job { number, op, tags, is_wanted: true, greeting, greetings, transfers, round: 1, then, result })
    }

    /// Goes on as far as messages have come; returns whether the result is there.
    ///
    /// # Errors
    /// If another rank calls something else, or a message fails.
    pub fn advance(&mut self, communicator: &Communicator) -> Result<bool> {
        let Communicator { rank, size, .. } = *communicator;
        self.greet(rank)?;
        loop {
            match are_complete(&mut self.transfers) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                // A message of another length is that of another call, whose greeting says more.
                Err(error) => return Err(self.greet(rank).err().unwrap_or(error)),
            }
            // What they were received into is whole once they are gone.
            self.transfers.clear();
            let Some(then) = self.then.take() else { return Ok(self.is_done()) };
            self.round += 1;
            let tag = self.tags.of_round(self.number, &self.greeting, self.round);
            let mut round = Round { communicator, rank, size, tag, transfers: Vec::new() };
            match then(&mut round)? {
                Step::Then(then) => self.then = Some(then),
                Step::Done(array) => self.result = Some(array),
            }
            self.transfers = round.transfers;
        }
    }

    /// Hears what the others call.
    fn greet(&mut self, rank: usize) -> Result<()> {
        let mut at = 0;
        while at < self.greetings.len() {
            if !self.greetings[at].is_complete()? {
                at += 1;
                continue;
            }
            let greeting = self.greetings.swap_remove(at);
            if let Some(theirs) = greeting.received().filter(|&theirs| theirs != self.greeting) {
                let (found, expected) = (text(theirs), text(&self.greeting));
                return Err(if found == LAST {
                    ended(greeting.peer, self.op)
                } else if expected == LAST {
                    ended(rank, found.split('`').nth(1).unwrap_or(&found))
                } else {
                    differing(greeting.peer, found, rank, expected)
                });
            }
        }
        Ok(())
    }

    /// The ranks whose messages have not come, or that have not taken ours.
    pub fn lacking(&self) -> Vec<usize> {
        let transfers = self.greetings.iter().chain(&self.transfers);
        let waiting = transfers.filter(|transfer| !transfer.was_complete());
        let mut ranks: Vec<usize> = waiting.map(|transfer| transfer.peer).collect();
        ranks.sort_unstable();
        ranks.dedup();
        ranks
    }

    /// Whether [`advance`](Job::advance) said that the result is there.
    pub fn is_done(&self) -> bool {
        self.result.is_some() && self.greetings.is_empty() && self.transfers.is_empty()
    }

    /// The result, once it is there.
    pub fn into_result(self) -> Option<Array> {
        self.result
    }
}

/// Whether all are, each of which is looked at.
fn are_complete(transfers: &mut [Transfer]) -> Result<bool> {
    let mut all = true;
    for transfer in transfers {
        all &= transfer.is_complete()?;
    }
    Ok(all)
}

fn greeting(text: &str) -> Greeting {
    let mut hasher = FxHasher::default();
    text.hash(&mut hasher);
    let mut greeting = [0; GREETING];
    let (words, hash) = greeting.split_at_mut(GREETING - 8);
    let length = text.len().min(words.len());
    words[..length].copy_from_slice(&text.as_bytes()[..length]);
    hash.copy_from_slice(&hasher.finish().to_le_bytes());
    greeting
}

fn text(greeting: &[u8]) -> String {
    let words = &greeting[..GREETING - 8];
    let length = words.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    String::from_utf8_lossy(&words[..length]).into_owned()
}
