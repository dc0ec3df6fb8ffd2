//! The collectives, as steps of messages between pairs of ranks.
//!
//! Each is one or two rounds in which every rank sends to every other one, so that whoever does not come is known by name: no rank
//! waits for one that waits for another. Of what is large, a rank reduces or hands on the part that is its own: reduce-scatter and
//! all-gather (R. Thakur, R. Rabenseifner, W. Gropp, "Optimization of collective communication operations in MPICH", 2005), in which
//! each byte is sent twice, for any number of ranks. Parts are folded in the order of ranks by the function that threads use, once,
//! on one rank: results are the same bits everywhere, and those of ranks that are threads.

use std::ops::Range;
use std::sync::Arc;

use super::super::call::Kind;
use super::super::{Reduction, fold, gathered};
use super::interface::{Communicator, LONGEST, Source, Transfer};
use super::memory::{Landing, Part};
use crate::array::{Array, Aval};
use crate::error::Result;

/// Bytes up to which an array is sent to all as a whole: one round of more bytes takes less time than two.
const SMALL: usize = 1 << 13;

/// What a round leads to, once its messages are there.
pub(super) enum Step {
    /// The result.
    Done(Array),
    /// The next round.
    Then(Then),
}

/// Posts the messages of a round.
pub(super) type Then = Box<dyn FnOnce(&mut Round<'_>) -> Result<Step> + Send>;

/// The messages of one round.
pub(super) struct Round<'a> {
    pub communicator: &'a Communicator,
    pub rank: usize,
    pub size: usize,
    pub tag: i32,
    pub transfers: Vec<Transfer>,
}

impl Round<'_> {
    /// The other ranks, beginning with the next one, so that not all begin with the same.
    fn peers(&self) -> impl Iterator<Item = usize> + use<> {
        (self.rank + 1..self.size).chain(0..self.rank)
    }

    fn receive(&mut self, peer: usize, mut part: Part) -> Result<()> {
        while part.len() > LONGEST {
            let (first, rest) = part.split(LONGEST);
            self.transfers.push(self.communicator.receive(peer, self.tag, first)?);
            part = rest;
        }
        self.transfers.push(self.communicator.receive(peer, self.tag, part)?);
        Ok(())
    }

    /// Receives into an array of its own.
    fn receive_array(&mut self, peer: usize, aval: Aval) -> Result<Landing> {
        let (landing, part) = Landing::uncut(Array::scratch(aval));
        self.receive(peer, part)?;
        Ok(landing)
    }

    fn send(&mut self, peer: usize, bytes: Range<usize>, of: impl Fn(Range<usize>) -> Source) -> Result<()> {
        let Range { mut start, end } = bytes;
        while end - start > LONGEST {
            self.transfers.push(self.communicator.send(peer, self.tag, of(start..start + LONGEST))?);
            start += LONGEST;
        }
        self.transfers.push(self.communicator.send(peer, self.tag, of(start..end))?);
        Ok(())
    }

    fn send_array(&mut self, peer: usize, array: &Array, bytes: Range<usize>) -> Result<()> {
        self.send(peer, bytes, |range| Source::Array(array.clone(), range))
    }

    fn send_part(&mut self, peer: usize, part: &Arc<Part>) -> Result<()> {
        self.send(peer, 0..part.len(), |range| Source::Part(part.clone(), range))
    }
}

/// The ranks that a rank sends to, and those that it receives from, in a call.
pub(super) fn partners(kind: &Kind, rank: usize, size: usize) -> (Vec<usize>, Vec<usize>) {
    let others = || (0..size).filter(|&peer| peer != rank).collect();
    match kind {
        Kind::Permute(source) => {
            let targets = (0..size).filter(|&peer| peer != rank && source[peer] == Some(rank)).collect();
            (targets, source[rank].into_iter().filter(|&peer| peer != rank).collect())
        }
        Kind::Broadcast(root) if *root == rank => (others(), vec![]),
        Kind::Broadcast(root) => (vec![], vec![*root]),
        Kind::Reduce(_) | Kind::Gather | Kind::AllToAll | Kind::Barrier | Kind::Last => (others(), others()),
    }
}

/// Posts the first round of a call.
pub(super) fn begin(round: &mut Round<'_>, kind: &Kind, array: Array) -> Result<Step> {
    let bytes = array.bytes().len();
    let is_small = bytes <= SMALL || array.size() < round.size || round.size == 1;
    match kind {
        Kind::Reduce(reduction) if is_small => reduce_whole(round, *reduction, array),
        Kind::Reduce(reduction) => reduce_parts(round, *reduction, array),
        Kind::Gather => {
            let whole = gathered(array.aval(), round.size);
            let step = receive_beside(round, whole, bytes, array.bytes())?;
            round.peers().try_for_each(|peer| round.send_array(peer, &array, 0..bytes))?;
            Ok(step)
        }
        Kind::AllToAll => {
            let part = bytes / round.size;
            let sent = |peer| part * peer..part * (peer + 1);
            let step = receive_beside(round, array.aval().clone(), part, &array.bytes()[sent(round.rank)])?;
            round.peers().try_for_each(|peer| round.send_array(peer, &array, sent(peer)))?;
            Ok(step)
        }
        Kind::Permute(source) => permute(round, source, array),
        Kind::Broadcast(root) if is_small => broadcast_whole(round, *root, array),
        Kind::Broadcast(root) => broadcast_parts(round, *root, array),
        // That all have come is seen by their greetings.
        Kind::Barrier | Kind::Last => Ok(Step::Done(array)),
    }
}

fn done(landing: Landing) -> Step {
    Step::Then(Box::new(move |_| Ok(Step::Done(landing.whole()))))
}

/// Receives a part from every other rank, one behind the other, with the own one between them.
fn receive_beside(round: &mut Round<'_>, whole: Aval, part: usize, own: &[u8]) -> Result<Step> {
    let (landing, parts) = Landing::cut(Array::scratch(whole), vec![part; round.size]);
    for (rank, mut part) in parts.into_iter().enumerate() {
        if rank == round.rank {
            part.bytes_mut().copy_from_slice(own);
        } else {
            round.receive(rank, part)?;
        }
    }
    Ok(done(landing))
}

/// Sends everything to all, and each rank folds it.
fn reduce_whole(round: &mut Round<'_>, reduction: Reduction, array: Array) -> Result<Step> {
    let aval = array.aval().clone();
    let arriving = receive_from_all(round, &aval)?;
    round.peers().try_for_each(|peer| round.send_array(peer, &array, 0..array.bytes().len()))?;
    let rank = round.rank;
    Ok(Step::Then(Box::new(move |_| {
        let others = whole(arriving);
        let parts = in_order(&others, rank, array.bytes());
        let fold = |out: &mut [u8]| fold(reduction, aval.dtype, &parts, out);
        Ok(Step::Done(Array::build_bytes(aval.clone(), fold)))
    })))
}

/// Each rank folds its part, and hands on the result.
fn reduce_parts(round: &mut Round<'_>, reduction: Reduction, array: Array) -> Result<Step> {
    let aval = array.aval().clone();
    let shares = shares(&aval, round.size);
    let own = shares[round.rank].clone();
    let arriving = receive_from_all(round, &Aval::new([own.len() / aval.dtype.size()], aval.dtype))?;
    round.peers().try_for_each(|peer| round.send_array(peer, &array, shares[peer].clone()))?;
    Ok(Step::Then(Box::new(move |round| {
        let others = whole(arriving);
        let (landing, mut parts) = Landing::cut(Array::scratch(aval.clone()), shares.iter().map(Range::len));
        let folded = parts[round.rank].bytes_mut();
        fold(reduction, aval.dtype, &in_order(&others, round.rank, &array.bytes()[own]), folded);
        exchange_parts(round, parts)?;
        Ok(done(landing))
    })))
}

/// Sends the own part of an array to all, and receives those of the others.
fn exchange_parts(round: &mut Round<'_>, mut parts: Vec<Part>) -> Result<()> {
    let own = Arc::new(parts.remove(round.rank));
    let (rank, size) = (round.rank, round.size);
    let others = (0..size).filter(|&peer| peer != rank);
    others.zip(parts).try_for_each(|(peer, part)| round.receive(peer, part))?;
    round.peers().try_for_each(|peer| round.send_part(peer, &own))
}

fn permute(round: &mut Round<'_>, source: &[Option<usize>], array: Array) -> Result<Step> {
    let (targets, _) = partners(&Kind::Permute(source.to_vec()), round.rank, round.size);
    let landing = match source[round.rank] {
        Some(from) if from != round.rank => Some(round.receive_array(from, array.aval().clone())?),
        _ => None,
    };
    targets.into_iter().try_for_each(|peer| round.send_array(peer, &array, 0..array.bytes().len()))?;
    Ok(match (landing, source[round.rank]) {
        (Some(landing), _) => done(landing),
        (None, Some(_)) => Step::Done(array),
        (None, None) => Step::Done(Array::zeros(array.aval().clone())),
    })
}

fn broadcast_whole(round: &mut Round<'_>, root: usize, array: Array) -> Result<Step> {
    if round.rank == root {
        round.peers().try_for_each(|peer| round.send_array(peer, &array, 0..array.bytes().len()))?;
        return Ok(Step::Done(array));
    }
    Ok(done(round.receive_array(root, array.aval().clone())?))
}

/// The root gives each rank a part, which that rank hands on (scatter and all-gather).
fn broadcast_parts(round: &mut Round<'_>, root: usize, array: Array) -> Result<Step> {
    let aval = array.aval().clone();
    let shares = shares(&aval, round.size);
    if round.rank == root {
        for peer in round.peers() {
            round.send_array(peer, &array, shares[peer].clone())?;
            round.send_array(peer, &array, shares[root].clone())?;
        }
        return Ok(Step::Done(array));
    }
    let (landing, parts) = Landing::cut(Array::scratch(aval.clone()), shares.iter().map(Range::len));
    let mut parts: Vec<Option<Part>> = parts.into_iter().map(Some).collect();
    let own = shares[round.rank].clone();
    let arriving = round.receive_array(root, Aval::new([own.len() / aval.dtype.size()], aval.dtype))?;
    if let Some(part) = parts[root].take() {
        round.receive(root, part)?;
    }
    Ok(Step::Then(Box::new(move |round| {
        let arrived = arriving.whole();
        for (rank, part) in parts.into_iter().enumerate() {
            match part {
                Some(mut part) if rank == round.rank => part.bytes_mut().copy_from_slice(arrived.bytes()),
                Some(part) => round.receive(rank, part)?,
                None => {}
            }
        }
        let mut peers = round.peers().filter(|&peer| peer != root);
        peers.try_for_each(|peer| round.send_array(peer, &arrived, 0..own.len()))?;
        Ok(done(landing))
    })))
}

/// Which bytes of an array are whose: as many elements each, but for one.
fn shares(aval: &Aval, ranks: usize) -> Vec<Range<usize>> {
    let (elements, width) = (aval.size(), aval.dtype.size());
    let start = |rank: usize| (rank * (elements / ranks) + rank.min(elements % ranks)) * width;
    (0..ranks).map(|rank| start(rank)..start(rank + 1)).collect()
}

/// Receives an array from every other rank.
fn receive_from_all(round: &mut Round<'_>, aval: &Aval) -> Result<Vec<(usize, Landing)>> {
    round.peers().map(|peer| Ok((peer, round.receive_array(peer, aval.clone())?))).collect()
}

fn whole(arriving: Vec<(usize, Landing)>) -> Vec<(usize, Array)> {
    let mut arrays: Vec<_> = arriving.into_iter().map(|(rank, landing)| (rank, landing.whole())).collect();
    arrays.sort_by_key(|(rank, _)| *rank);
    arrays
}

/// The bytes of all ranks, in their order.
fn in_order<'a>(others: &'a [(usize, Array)], rank: usize, own: &'a [u8]) -> Vec<&'a [u8]> {
    let mut parts: Vec<&[u8]> = others.iter().map(|(_, array)| array.bytes()).collect();
    parts.insert(rank, own);
    parts
}
