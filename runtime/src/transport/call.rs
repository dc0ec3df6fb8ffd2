//! Calls of collectives, as far as they have to be the same on all ranks.

use std::fmt;

use super::Reduction;
use crate::array::{Array, Aval};
use crate::error::Error;

/// What all ranks do alike.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub kind: Kind,
    aval: Aval,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Reduce(Reduction),
    Gather,
    AllToAll,
    Permute(Vec<Option<usize>>),
    Broadcast(usize),
    Barrier,
    /// No more calls.
    #[cfg(feature = "mpi")]
    Last,
}

/// What a rank says that makes no more calls.
#[cfg(feature = "mpi")]
pub(super) const LAST: &str = "nothing more";

/// The error of a rank that has ended while another one waits for it.
pub(super) fn ended(rank: usize, op: &str) -> Error {
    let error = Error::msg(format!("it has ended, and others wait for it in `{op}`"));
    Error::RankFailed { rank, error: Box::new(error) }
}

impl Call {
    pub fn new(kind: Kind, array: &Array) -> Call {
        // Whether a dtype is weak is no matter of numbers.
        Call { kind, aval: Aval { weak: false, ..array.aval().clone() } }
    }
}

impl Kind {
    /// All names that there are.
    #[cfg(feature = "mpi")]
    pub const NAMES: [&'static str; 9] =
        ["psum", "pmean", "pmax", "pmin", "all_gather", "all_to_all", "ppermute", "broadcast", "barrier"];

    /// The name in errors.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Reduce(reduction) => reduction.name(),
            Kind::Gather => "all_gather",
            Kind::AllToAll => "all_to_all",
            Kind::Permute(_) => "ppermute",
            Kind::Broadcast(_) => "broadcast",
            Kind::Barrier => "barrier",
            #[cfg(feature = "mpi")]
            Kind::Last => "barrier",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "mpi")]
        if self.kind == Kind::Last {
            return f.write_str(LAST);
        }
        write!(f, "`{}` of {}", self.kind.name(), self.aval)?;
        match &self.kind {
            Kind::Broadcast(root) => write!(f, " from rank {root}"),
            Kind::Permute(source) => {
                let from = |source: &Option<usize>| source.map_or("-".to_owned(), |rank| rank.to_string());
                write!(f, " from ranks {}", source.iter().map(from).collect::<Vec<_>>().join(" "))
            }
            _ => Ok(()),
        }
    }
}

/// The error of a rank that calls something else than another one.
pub(super) fn differing(
    rank: usize,
    found: impl fmt::Display,
    other: usize,
    expected: impl fmt::Display,
) -> Error {
    let message = format!("it calls {found} where rank {other} calls {expected}");
    Error::RanksDiffer { ranks: vec![rank], message: message.into() }
}
