//! Replicas: values that are to be the same on all ranks, compared by their digests.

use sha1_smol::Sha1;

use super::World;
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::{self, Tree};

/// Bytes of a digest, SHA-1.
const DIGEST: usize = 20;

/// Compares values of all ranks now and then; see [`Replicas::new`].
#[derive(Clone, Debug)]
pub struct Replicas {
    every: usize,
    calls: usize,
}

impl Replicas {
    /// Compares at the first [`check`](Replicas::check), and then at each one whose number is a multiple of `every`, 1 at least.
    ///
    /// Parameters that each rank keeps for itself stay the same as long as all ranks do the same with the same gradients. One that
    /// read other files, drew from another key or left out a `pmean` would train a network of its own, and nobody would see it.
    ///
    /// ```
    /// use flaxen::parallel::{Replicas, World};
    /// use flaxen::prelude::*;
    ///
    /// let ended = World::threads(2).run(|world| {
    ///     let params = Dict::new().with("bias", Tensor::from(world.rank() as f32));
    ///     Replicas::new(100).check(world, &params)
    /// });
    /// let message = ended.err().unwrap().to_string();
    /// assert!(message.starts_with("rank 1 differs: its `bias` is not that of rank 0"));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn new(every: usize) -> Replicas {
        Replicas { every: every.max(1), calls: 0 }
    }

    /// Compares `tree` with those of the other ranks, if it is time to: all of them call this as often.
    ///
    /// # Errors
    /// [`Error::RanksDiffer`], on all ranks, which says what differs and on which; as those of [`Transport`](super::Transport); on
    /// values that have no elements yet.
    pub fn check(&mut self, world: &World, tree: &impl Tree) -> Result<()> {
        let is_due = self.calls.is_multiple_of(self.every);
        self.calls += 1;
        if is_due { compare(world, tree) } else { Ok(()) }
    }
}

/// Compares `tree` with those of the other ranks.
fn compare(world: &World, tree: &impl Tree) -> Result<()> {
    let Some(transport) = world.transport().filter(|transport| transport.size() > 1) else { return Ok(()) };
    let leaves = tree::leaves(tree);
    let mut digests = Vec::with_capacity(leaves.len() * DIGEST);
    for leaf in &leaves {
        let array = leaf.array()?;
        let mut digest = Sha1::new();
        digest.update(array.aval().to_string().as_bytes());
        digest.update(array.bytes());
        digests.extend(digest.digest().bytes());
    }
    let own = Tensor::from_vec(digests, [leaves.len(), DIGEST]);
    let all = transport.all_gather(own.array()?.clone())?;
    debug_assert_eq!(all.dtype(), DType::U8);
    let ranks: Vec<&[u8]> = all.bytes().chunks_exact((leaves.len() * DIGEST).max(1)).collect();
    for (at, (path, _)) in tree::leaves_with_path(tree).into_iter().enumerate() {
        let digest = |rank: usize| &ranks[rank][at * DIGEST..][..DIGEST];
        let others: Vec<usize> = (1..ranks.len()).filter(|&rank| digest(rank) != digest(0)).collect();
        if !others.is_empty() {
            let message = format!(
                "its `{}` is not that of rank 0: begin on all ranks with the same values (one key, one file), and average \
                 gradients over all of them",
                path.join("/")
            );
            return Err(Error::RanksDiffer { ranks: others, message: message.into() });
        }
    }
    Ok(())
}
