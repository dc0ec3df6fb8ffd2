//! Ranks that are processes, on one machine or many, connected by MPI.

mod engine;
mod interface;
mod job;
mod memory;
mod notice;
mod steps;
mod tags;
mod wait;

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ::mpi::Threading;
use ::mpi::environment::{Universe, initialize_with_threading, library_version};
use ::mpi::topology::SimpleCommunicator;
use ::mpi::traits::{Communicator as _, CommunicatorCollectives as _};
use rustc_hash::FxBuildHasher;

use self::engine::Engine;
use self::interface::Communicator;
use self::wait::{lock, wait};
use super::call::{Call, Kind};
use super::{DEFAULT_LIMIT, Pending, Reduction, Transport, check_parts};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::kernels::threads;

/// How often messages are looked for while a rank computes.
const BACKGROUND: Duration = Duration::from_millis(5);

/// How long a rank that has failed tries to tell the others.
const FAREWELL: Duration = Duration::from_millis(500);

/// The connection of this process to all those that `mpirun` started with it.
///
/// There is one in a process: while there is, [`connect`](MpiTransport::connect) returns it again. When the last is dropped, it waits for
/// the other ranks to get as far, and MPI is finalized, after which it cannot be used any more.
///
/// Ranks of one machine share its cores: each has its part of the threads that kernels run on, unless `FLAXEN_NUM_THREADS` or
/// [`set_num_threads`](crate::set_num_threads) says otherwise. Those that `mpirun` binds to some cores share only these.
///
/// A rank asks those that it waits for whether they still run, and gives up one that does not answer for half of its limit, or 30 s,
/// with an [`Error::RankFailed`] that it tells all others.
#[derive(Clone, Debug)]
pub struct MpiTransport(Arc<Connection>);

struct Connection {
    engine: Arc<Mutex<Engine>>,
    rank: usize,
    size: usize,
    /// Nanoseconds.
    limit: AtomicU64,
    is_closed: Arc<AtomicBool>,
    background: Option<JoinHandle<()>>,
    universe: Option<Universe>,
}

static CONNECTION: Mutex<Weak<Connection>> = Mutex::new(Weak::new());

impl MpiTransport {
    /// Connects this process with the others: with none, where it was started without `mpirun`.
    ///
    /// # Errors
    /// If MPI has been finalized, was initialised by somebody else, or cannot be called by several threads in turn.
    pub fn connect() -> Result<MpiTransport> {
        let mut existing = CONNECTION.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = existing.upgrade() {
            return Ok(MpiTransport(connection));
        }
        let connection = Arc::new(Connection::new()?);
        *existing = Arc::downgrade(&connection);
        Ok(MpiTransport(connection))
    }

    /// Runs `f`, which calls MPI itself, while no other thread does so for this connection.
    pub fn exclusively<R>(&self, f: impl FnOnce() -> R) -> R {
        let _engine = lock(&self.0.engine);
        f()
    }

    fn start(&self, kind: Kind, array: Array) -> Result<Started> {
        let op = kind.name();
        let call = Call::new(kind, &array);
        let mut engine = lock(&self.0.engine);
        // Those of which nobody has waited for the result yet make room for others by being complete.
        let start = Instant::now();
        while engine.is_full() && engine.failure().is_none() && start.elapsed() < self.limit() {
            engine.progress();
        }
        let number = engine.start(&call, array)?;
        drop(engine);
        Ok(Started { engine: self.0.engine.clone(), number, op, limit: self.limit(), is_done: false })
    }

    fn call(&self, kind: Kind, array: Array) -> Result<Array> {
        self.start(kind, array)?.result()
    }
}

impl Connection {
    fn new() -> Result<Connection> {
        let Some((universe, threading)) = initialize_with_threading(Threading::Serialized) else {
            return Err(Error::msg(
                "`World::mpi`: MPI has been initialised before in this process, and can be only once: keep the first world",
            ));
        };
        if threading < Threading::Serialized {
            let library = library_version().unwrap_or_default();
            return Err(Error::msg(format!(
                "`World::mpi`: the MPI library gives {threading:?} where calls by threads in turn (Serialized) are needed; it is {library}"
            )));
        }
        let world = universe.world();
        let has_own_core = share_threads(&world);
        let engine = Engine::new(Communicator::of(&world)?, Communicator::of(&world)?, has_own_core);
        let (rank, size) = (engine.rank(), engine.size());
        let engine = Arc::new(Mutex::new(engine));
        let is_closed = Arc::new(AtomicBool::new(false));
        let background = {
            let (engine, is_closed) = (engine.clone(), is_closed.clone());
            let watch = move || watch(&engine, &is_closed);
            std::thread::Builder::new().name("mpi".to_owned()).spawn(watch).map_err(Error::other)?
        };
        let limit = AtomicU64::new(DEFAULT_LIMIT.as_nanos() as u64);
        let (background, universe) = (Some(background), Some(universe));
        Ok(Connection { engine, rank, size, limit, is_closed, background, universe })
    }
}

/// Leaves cores to all ranks that run on them, unless somebody has said how many threads there are to be; returns whether each has one
/// at least.
fn share_threads(world: &SimpleCommunicator) -> bool {
    let machine = world.split_shared(world.rank());
    // Ranks are bound to some cores or to all, and those that say the same share them. Elsewhere than on Linux, all say the same.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let own = FxBuildHasher.hash_one(status.lines().find(|line| line.starts_with("Cpus_allowed_list:")));
    let mut all = vec![0u64; machine.size() as usize];
    machine.all_gather_into(&own, &mut all[..]);
    let ranks = all.into_iter().filter(|&cores| cores == own).count().max(1);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if std::env::var_os("FLAXEN_NUM_THREADS").is_none() && threads::count() == cores {
        threads::set_count((cores / ranks).max(1));
    }
    cores >= ranks
}

/// Looks for messages until the connection is closed.
fn watch(engine: &Mutex<Engine>, is_closed: &AtomicBool) {
    while !is_closed.load(Ordering::Acquire) {
        match engine.try_lock() {
            Ok(mut engine) => engine.progress(),
            Err(TryLockError::Poisoned(engine)) => engine.into_inner().progress(),
            // Somebody looks for them at this moment.
            Err(TryLockError::WouldBlock) => {}
        }
        std::thread::park_timeout(BACKGROUND);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let all_have_come = {
            let mut engine = lock(&self.engine);
            engine.leave();
            let nothing = Array::scalar(0u8, false);
            engine.start(&Call::new(Kind::Last, &nothing), nothing)
        };
        // Others may still compute for long; only those that have ended are not waited for.
        let all_have_come = all_have_come.and_then(|number| wait(&self.engine, number, "barrier", None));
        self.is_closed.store(true, Ordering::Release);
        if let Some(background) = self.background.take() {
            background.thread().unpark();
            // Whether it panicked does not matter any more.
            let _ = background.join();
        }
        let universe = self.universe.take();
        if all_have_come.is_err() {
            // MPI would wait for those that have ended.
            std::mem::forget(universe);
        }
    }
}

/// A call under way.
struct Started {
    engine: Arc<Mutex<Engine>>,
    number: u64,
    op: &'static str,
    limit: Duration,
    is_done: bool,
}

impl Started {
    fn result(mut self) -> Result<Array> {
        self.is_done = true;
        wait(&self.engine, self.number, self.op, Some(self.limit))
    }
}

impl Pending for Started {
    fn wait(self: Box<Self>) -> Result<Array> {
        self.result()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.is_done {
            lock(&self.engine).give_up(self.number);
        }
    }
}

impl Transport for MpiTransport {
    fn rank(&self) -> usize {
        self.0.rank
    }

    fn size(&self) -> usize {
        self.0.size
    }

    fn limit(&self) -> Duration {
        Duration::from_nanos(self.0.limit.load(Ordering::Relaxed))
    }

    fn set_limit(&self, limit: Duration) {
        self.0.limit.store(limit.as_nanos().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn start_all_reduce(&self, reduction: Reduction, array: Array) -> Result<Box<dyn Pending>> {
        Ok(Box::new(self.start(Kind::Reduce(reduction), array)?))
    }

    fn all_gather(&self, array: Array) -> Result<Array> {
        self.call(Kind::Gather, array)
    }

    fn all_to_all(&self, array: Array) -> Result<Array> {
        check_parts(array.aval(), self.size())?;
        self.call(Kind::AllToAll, array)
    }

    fn permute(&self, array: Array, source: &[Option<usize>]) -> Result<Array> {
        self.call(Kind::Permute(source.to_vec()), array)
    }

    fn broadcast(&self, root: usize, array: Array) -> Result<Array> {
        self.call(Kind::Broadcast(root), array)
    }

    fn barrier(&self) -> Result<()> {
        self.call(Kind::Barrier, Array::scalar(0u8, false)).map(|_| ())
    }

    fn progress(&self) {
        if let Ok(mut engine) = self.0.engine.try_lock() {
            engine.progress();
        }
    }

    fn abort(&self, error: &Error) {
        let mut engine = lock(&self.0.engine);
        // What this rank was told by another one is known already, and the first failure stays.
        engine.fail(Error::RankFailed { rank: self.0.rank, error: Box::new(error.clone()) });
        let start = Instant::now();
        while !engine.is_quiet() && start.elapsed() < FAREWELL {
            engine.listen();
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank, self.size)
    }
}
