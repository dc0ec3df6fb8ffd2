//! `World`: all ranks, seen from outside or from one of them.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::kernels::threads;
use crate::transport::{DEFAULT_LIMIT, ThreadTransport, Transport};

/// All ranks of a program: as many threads of this process, or processes of their own.
///
/// ```
/// use flaxen::parallel::World;
///
/// let numbers = World::threads(3).run(|rank| Ok(10 * rank.rank()))?;
/// assert_eq!(numbers, [0, 10, 20]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct World {
    ranks: Ranks,
    /// The same on all ranks of a process, and no other world's.
    id: u64,
    /// Whether the process is one rank, and not each of its threads.
    is_whole_process: bool,
}

#[derive(Clone)]
enum Ranks {
    /// Threads that are still to be started.
    Threads { count: usize, limit: Duration },
    /// As seen from one of them.
    Connected(Arc<dyn Transport>),
}

/// Bytes of the stack of a rank's thread: as many as the thread has that a program begins with.
const STACK: usize = 8 << 20;

static WORLDS: AtomicU64 = AtomicU64::new(0);

impl World {
    /// Ranks that are threads of this process, which [`run`](World::run) starts; there is one at least.
    pub fn threads(ranks: usize) -> World {
        World::of(Ranks::Threads { count: ranks, limit: DEFAULT_LIMIT })
    }

    /// One rank: this process.
    pub fn single() -> World {
        // A group of one has one member.
        let alone = ThreadTransport::group(1).into_iter().flatten().next();
        alone.map_or_else(|| World::threads(1), World::connected)
    }

    /// Ranks that are connected already, as seen from one of them.
    pub fn connected(transport: impl Transport + 'static) -> World {
        World::of(Ranks::Connected(Arc::new(transport)))
    }

    /// All processes that `mpirun` started together, as seen from this one, where it was started so; else only this one. Of the feature
    /// `mpi`.
    ///
    /// # Errors
    /// As those of [`MpiTransport::connect`](super::MpiTransport::connect).
    #[cfg(feature = "mpi")]
    pub fn mpi() -> Result<World> {
        Ok(World::connected(crate::transport::MpiTransport::connect()?))
    }

    fn of(ranks: Ranks) -> World {
        let is_whole_process = matches!(ranks, Ranks::Connected(_));
        World { ranks, id: WORLDS.fetch_add(1, Ordering::Relaxed), is_whole_process }
    }

    /// The same ranks, which wait no longer than this for each other: 5 minutes unless told otherwise.
    #[must_use]
    pub fn limit(mut self, wait: Duration) -> World {
        match &mut self.ranks {
            Ranks::Threads { limit, .. } => *limit = wait,
            Ranks::Connected(transport) => transport.set_limit(wait),
        }
        self
    }

    /// The number of ranks.
    pub fn size(&self) -> usize {
        match &self.ranks {
            Ranks::Threads { count, .. } => *count,
            Ranks::Connected(transport) => transport.size(),
        }
    }

    /// The number of this rank, from 0 on; 0 outside of [`run`](World::run) as well, so that whoever writes files for all is the one
    /// with the number 0.
    pub fn rank(&self) -> usize {
        match &self.ranks {
            Ranks::Threads { .. } => 0,
            Ranks::Connected(transport) => transport.rank(),
        }
    }

    /// The connection of this rank to the others; none outside of [`run`](World::run), where ranks are threads.
    pub fn transport(&self) -> Option<&Arc<dyn Transport>> {
        match &self.ranks {
            Ranks::Threads { .. } => None,
            Ranks::Connected(transport) => Some(transport),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn is_whole_process(&self) -> bool {
        self.is_whole_process
    }

    /// Runs `f` on each rank of this process, which sees the world as that rank, and returns what it returned on them: on a thread for
    /// each rank, or, where ranks are processes, here.
    ///
    /// Of several threads, each has its share of the threads that kernels run on ([`num_threads`](crate::num_threads)).
    ///
    /// # Errors
    /// [`Error::RankFailed`] if `f` fails or panics on a rank: then all others are told, and end with that error when they next talk; if
    /// there are no ranks.
    pub fn run<T: Send>(&self, f: impl Fn(&World) -> Result<T> + Sync) -> Result<Vec<T>> {
        match &self.ranks {
            Ranks::Connected(_) => Ok(vec![self.as_rank(&f)?]),
            Ranks::Threads { count, limit } => {
                let group = ThreadTransport::group(*count)?;
                let ranks = group.into_iter().map(|transport| {
                    transport.set_limit(*limit);
                    World {
                        ranks: Ranks::Connected(Arc::new(transport)),
                        id: self.id,
                        is_whole_process: false,
                    }
                });
                run_threads(ranks, &f)
            }
        }
    }

    /// Runs `f` on this rank, and tells the others if it fails.
    fn as_rank<T>(&self, f: &(impl Fn(&World) -> Result<T> + ?Sized)) -> Result<T> {
        let Ranks::Connected(transport) = &self.ranks else { unreachable!("only a rank runs") };
        let result =
            catch_unwind(AssertUnwindSafe(|| f(self))).unwrap_or_else(|panic| Err(panicked(&*panic)));
        match result {
            Ok(value) => Ok(value),
            Err(error) => {
                transport.abort(&error);
                Err(error.of_rank(self.rank()))
            }
        }
    }
}

/// Runs `f` on a thread for each rank.
fn run_threads<T: Send>(
    ranks: impl Iterator<Item = World>,
    f: &(impl Fn(&World) -> Result<T> + Sync),
) -> Result<Vec<T>> {
    let all = threads::count();
    std::thread::scope(|scope| {
        let start = |world: World| {
            let (rank, size) = (world.rank(), world.size());
            let thread = std::thread::Builder::new().name(format!("rank {rank}")).stack_size(STACK);
            let transport = world.transport().cloned();
            // The first ones have one more if there is a rest.
            let own = all / size + usize::from(rank < all % size);
            let thread = thread.spawn_scoped(scope, move || {
                let value = threads::with_own(own, || world.as_rank(f))?;
                world.transport().inspect(|transport| transport.leave());
                Ok(value)
            });
            thread.map_err(|error| {
                let error = Error::msg(format!("the thread of a rank cannot be started: {error}"));
                transport.inspect(|transport| transport.abort(&error));
                error
            })
        };
        let threads: Vec<_> = ranks.map(start).collect();
        let mut results = Vec::new();
        for thread in threads {
            results.push(thread?.join().unwrap_or_else(|panic| Err(panicked(&*panic)))?);
        }
        Ok(results)
    })
}

/// A panic as an error.
fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("something that is no text");
    Error::msg(format!("it panicked: {text}"))
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ranks::Threads { count, .. } => write!(f, "{count} threads"),
            Ranks::Connected(transport) => write!(f, "rank {} of {}", transport.rank(), transport.size()),
        }
    }
}
