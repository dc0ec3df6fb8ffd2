//! Named axes whose examples are ranks: what collectives over them talk through.
//!
//! `spmd` gives the ranks of a world a name for as long as its function runs. What that function traces may run later, and its
//! gradients are pulled back later: so collectives hold a name of their own for the axis, `batch@1` for `batch` of the world 1, which
//! stays bound: on threads that are ranks as long as the thread lives, elsewhere for the whole process.

use std::cell::RefCell;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use super::{Axis, Trace, current};
use crate::transport::Transport;

/// An axis between ranks.
#[derive(Clone)]
pub(crate) struct RankAxis {
    /// What users call it.
    alias: Arc<str>,
    /// What programs call it.
    name: Arc<str>,
    transport: Arc<dyn Transport>,
    /// How many transforms were around when it got its name: those that are entered later hide it.
    depth: usize,
}

/// All that a thread knows of ranks.
#[derive(Clone, Default)]
pub(crate) struct Ranks {
    /// Axes that have a name at the moment, the innermost last.
    named: Vec<RankAxis>,
    /// Axes that programs may talk over.
    known: Vec<RankAxis>,
}

thread_local! {
    static RANKS: RefCell<Ranks> = const { RefCell::new(Ranks { named: Vec::new(), known: Vec::new() }) };
}

/// Axes that all threads of the process may talk over, as the process is one rank of them, by the names that programs have for them; as
/// long as somebody holds the connection.
static KNOWN: RwLock<Vec<Known>> = RwLock::new(Vec::new());

/// A name, and the connection between ranks that it stands for.
type Known = (Arc<str>, Weak<dyn Transport>);

/// Restores what the thread knew, also after a panic.
struct Restore(Ranks);

impl Drop for Restore {
    fn drop(&mut self) {
        RANKS.set(std::mem::take(&mut self.0));
    }
}

/// Runs `f` where the ranks of a world are an axis called `alias`.
///
/// `whole_process` says whether the process, and not the thread, is the rank.
pub(crate) fn named<R>(
    alias: &Arc<str>,
    world: u64,
    transport: &Arc<dyn Transport>,
    whole_process: bool,
    f: impl FnOnce() -> R,
) -> R {
    struct Unname;
    impl Drop for Unname {
        fn drop(&mut self) {
            RANKS.with_borrow_mut(|ranks| ranks.named.pop());
        }
    }
    let name: Arc<str> = format!("{alias}@{world}").into();
    let depth = current().map_or(0, |trace| trace.frame().depth);
    let axis = RankAxis { alias: alias.clone(), name, transport: transport.clone(), depth };
    if whole_process {
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, transport)| transport.strong_count() > 0);
        if known.iter().all(|(other, _)| *other != axis.name) {
            known.push((axis.name.clone(), Arc::downgrade(transport)));
        }
    }
    RANKS.with_borrow_mut(|ranks| {
        if !whole_process && ranks.known.iter().all(|other| other.name != axis.name) {
            ranks.known.push(axis.clone());
        }
        ranks.named.push(axis);
    });
    let _unname = Unname;
    f()
}

impl Ranks {
    /// What this thread knows.
    pub(super) fn here() -> Ranks {
        RANKS.with_borrow(Clone::clone)
    }

    /// Runs `f` as if on the thread that this was taken on.
    pub(super) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let _restore = Restore(RANKS.replace(self.clone()));
        f()
    }
}

/// What ranks of an axis talk through, by the name that programs have for it.
pub(crate) fn transport(name: &str) -> Option<Arc<dyn Transport>> {
    let known = RANKS.with_borrow(|ranks| {
        ranks.known.iter().find(|axis| *axis.name == *name).map(|axis| axis.transport.clone())
    });
    known.or_else(|| {
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(other, _)| **other == *name).and_then(|(_, transport)| transport.upgrade())
    })
}

/// The name that programs have for the axis between ranks that is called `alias` here, unless a `vmap` that was entered later has one
/// of that name, or it is such a name.
pub(crate) fn name_of(alias: &str) -> Option<Arc<str>> {
    let found = RANKS.with_borrow(|ranks| {
        ranks
            .named
            .iter()
            .rev()
            .find(|axis| *axis.alias == *alias)
            .map(|axis| (axis.name.clone(), axis.depth))
    });
    match found {
        Some((_, depth)) if is_hidden(alias, depth) => None,
        Some((name, _)) => Some(name),
        None => transport(alias).map(|_| alias.into()),
    }
}

/// Whether a `vmap` that was entered later has an axis of that name.
fn is_hidden(alias: &str, depth: usize) -> bool {
    let mut next = current();
    while let Some(trace) = next.take() {
        let frame = trace.frame();
        if frame.depth <= depth {
            return false;
        }
        if let Trace::Batch(batch) = &trace
            && batch.axis.name.as_deref() == Some(alias)
        {
            return true;
        }
        next.clone_from(&frame.parent);
    }
    false
}

/// Adds the axes between ranks that got their names under at least so many transforms, and are not among `axes` yet.
pub(super) fn add_axes(depth: usize, axes: &mut Vec<Axis>) {
    RANKS.with_borrow(|ranks| {
        for axis in ranks.named.iter().rev().filter(|axis| axis.depth >= depth) {
            if axes.iter().all(|known| known.name.as_ref() != Some(&axis.name)) {
                axes.push(Axis { name: Some(axis.name.clone()), size: axis.transport.size() });
            }
        }
    });
}

/// The names that users have for axes between ranks, the innermost first.
pub(super) fn aliases() -> Vec<String> {
    RANKS.with_borrow(|ranks| ranks.named.iter().rev().map(|axis| axis.alias.to_string()).collect())
}
