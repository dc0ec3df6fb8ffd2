//! A thread pool that runs one parallel loop at a time, together with whoever gives it.
//!
//! Indices are dealt out in contiguous shares, and who has finished its own takes single indices from others: a simple form of
//! affinity scheduling (E. P. Markatos et al., "Using processor affinity in loop scheduling on shared-memory multiprocessors",
//! 1992). Sleeping workers are woken along a binary tree.
//!
//! Handing a job to a thread that spins costs about a microsecond, waking one that sleeps a hundred times that. So
//! workers spin for a while after a job, and for as long as somebody says that more is to come.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::memory;

/// Threads at most, callers included.
pub(super) const MAX_THREADS: usize = 256;

/// How long a worker without work spins before it sleeps.
const SPIN: Duration = Duration::from_micros(50);
/// The same while somebody says that more is to come.
const SPIN_AWAKE: Duration = Duration::from_millis(2);
/// Turns of a spinning thread between two looks at the clock, after which others may have its core for a moment.
const TURNS: u32 = 64;
/// If so much time passes between two looks, somebody else needs the core, and had it: whoever spins there only loses its
/// turn in the queue.
const INTERRUPTION: Duration = Duration::from_micros(100);

/// Parts of [`Pool::state`]: how many workers are at the job, whether its caller sleeps until they are gone, whether more
/// may join, and the number of the job.
const INSIDE: usize = CALLER_SLEEPS - 1;
const CALLER_SLEEPS: usize = 1 << 14;
const OPEN: usize = 1 << 15;
const JOB: usize = 1 << 16;

type Task<'a> = dyn Fn(usize) + Sync + 'a;

#[derive(Clone, Copy)]
struct Job {
    task: *const Task<'static>,
    count: usize,
    /// Threads that it is dealt out to.
    shares: usize,
}

impl Job {
    /// The first index of a share.
    fn start(&self, share: usize) -> usize {
        (share * self.count).div_ceil(self.shares)
    }
}

/// On cache lines of its own (two, because they are fetched in pairs).
#[repr(align(128))]
struct CachePadded<T>(T);

struct Worker {
    sleeps: AtomicBool,
    thread: OnceLock<Thread>,
}

pub(super) struct Pool {
    state: CachePadded<AtomicUsize>,
    /// The index that is taken next of each share: the caller's, and then that of each worker. Who has finished its own takes
    /// from others, so most indices meet the same thread, and what it has in its cache, in every job.
    next: [CachePadded<AtomicUsize>; MAX_THREADS],
    job: UnsafeCell<Option<Job>>,
    /// Workers with a number below this one take part in the job.
    wanted: AtomicUsize,
    /// Whether a caller has the pool.
    taken: AtomicBool,
    /// How many say that more is to come.
    awake: AtomicUsize,
    /// Threads to use, the caller included; 0 before anybody asks.
    threads: AtomicUsize,
    started: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// The last caller that slept.
    caller: Mutex<Option<Thread>>,
    workers: [Worker; MAX_THREADS - 1],
}

// SAFETY: a job is written by the caller that has the pool while it is closed and nobody is inside, and read by those
// who joined while it was open; its task is `Sync`, and outlives the job, because its caller waits for those inside.
unsafe impl Sync for Pool {}
// SAFETY: as above; nothing belongs to a thread.
unsafe impl Send for Pool {}

impl Pool {
    #[allow(clippy::large_stack_arrays, reason = "a pool is a static")]
    pub const fn new() -> Pool {
        Pool {
            state: CachePadded(AtomicUsize::new(0)),
            next: [const { CachePadded(AtomicUsize::new(0)) }; MAX_THREADS],
            job: UnsafeCell::new(None),
            wanted: AtomicUsize::new(0),
            taken: AtomicBool::new(false),
            awake: AtomicUsize::new(0),
            threads: AtomicUsize::new(0),
            started: AtomicUsize::new(0),
            panic: Mutex::new(None),
            caller: Mutex::new(None),
            workers: [const { Worker { sleeps: AtomicBool::new(false), thread: OnceLock::new() } };
                MAX_THREADS - 1],
        }
    }

    /// Sets how many threads take part in a job, the caller included; 0 means as many as there are unless told otherwise.
    pub fn set_threads(&self, threads: usize) {
        let threads = if threads == 0 { default_count() } else { threads };
        self.threads.store(threads.min(MAX_THREADS), Ordering::Relaxed);
    }

    #[inline]
    pub fn threads(&self) -> usize {
        match self.threads.load(Ordering::Relaxed) {
            0 => self.decide(),
            threads => threads,
        }
    }

    #[cold]
    fn decide(&self) -> usize {
        let default_count = default_count();
        // Whoever has set another number meanwhile is right.
        match self.threads.compare_exchange(0, default_count, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => default_count,
            Err(set) => set,
        }
    }

    /// Whether a job would find a worker that does not sleep.
    #[inline]
    pub fn is_awake(&self) -> bool {
        self.threads() > 1
            && self.started.load(Ordering::Relaxed) > 0
            && !self.workers[0].sleeps.load(Ordering::Relaxed)
    }

    /// Makes workers wait for jobs without sleeping, until [`Pool::let_sleep`] has been called as often.
    #[inline]
    pub fn keep_awake(&'static self) {
        self.awake.fetch_add(1, Ordering::SeqCst);
        let helpers = self.threads() - 1;
        if helpers > 0
            && self.started.load(Ordering::Relaxed) == 0
            && !self.taken.swap(true, Ordering::Acquire)
        {
            self.start(helpers);
            self.taken.store(false, Ordering::Release);
        } else if helpers > 0 {
            self.wake(0);
        }
    }

    #[inline]
    pub fn let_sleep(&self) {
        self.awake.fetch_sub(1, Ordering::Relaxed);
    }

    /// Calls `task` with each index below `count`, on this thread and on the workers, unless they have another job: then on
    /// this thread alone.
    ///
    /// Returns when all calls have returned. If one panics, some indices may be left out, and so does this function.
    pub fn run(&'static self, count: usize, task: &Task<'_>) {
        let helpers = self.threads().min(count).saturating_sub(1);
        if helpers == 0 || self.taken.swap(true, Ordering::Acquire) {
            return (0..count).for_each(task);
        }
        let helpers = self.start(helpers);
        #[allow(clippy::transmute_ptr_to_ptr, reason = "a cast does not change the lifetime of an object")]
        // SAFETY: only the lifetime changes: nobody reads the task after `close`, which this function calls first.
        let task = unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task) };
        let job = Job { task, count, shares: helpers + 1 };
        // SAFETY: the pool is ours, no job is open, and nobody is inside.
        unsafe { *self.job.get() = Some(job) };
        for (share, next) in self.next[..job.shares].iter().enumerate() {
            next.0.store(job.start(share), Ordering::Relaxed);
        }
        self.wanted.store(helpers, Ordering::Relaxed);
        let last = self.state.0.load(Ordering::Relaxed);
        self.state.0.store(last.wrapping_add(JOB) | OPEN, Ordering::SeqCst);
        self.wake(0);
        self.participate(job, 0);
        self.close();
        let panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.taken.store(false, Ordering::Release);
        if let Some(panic) = panic {
            memory::take_over(panic);
        }
    }

    /// Starts workers that are missing, and returns how many of those that are wanted there are.
    fn start(&'static self, wanted: usize) -> usize {
        let started = self.started.load(Ordering::Relaxed);
        for number in started..wanted {
            let thread = thread::Builder::new().name(format!("flaxen-{number}"));
            if thread.spawn(move || self.work(number)).is_err() {
                // The system has no more threads: do with those that there are.
                self.threads.store(number + 1, Ordering::Relaxed);
                return number;
            }
            self.started.store(number + 1, Ordering::Relaxed);
        }
        wanted
    }

    /// Wakes a worker that sleeps and is wanted.
    #[inline]
    fn wake(&self, number: usize) {
        if number < self.wanted.load(Ordering::Relaxed) {
            let worker = &self.workers[number];
            if worker.sleeps.load(Ordering::SeqCst) {
                worker.thread.get().inspect(|thread| thread.unpark());
            }
        }
    }

    /// Takes indices of a share, and then of the others, until there are no more; whatever panics is kept for the caller.
    fn participate(&self, job: Job, own: usize) {
        // SAFETY: the caller of `run` waits until everybody has left the job.
        let task = unsafe { &*job.task };
        let result = catch_unwind(AssertUnwindSafe(|| {
            for share in (own..job.shares).chain(0..own) {
                let (next, end) = (&self.next[share].0, job.start(share + 1));
                while next.load(Ordering::Relaxed) < end {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index < end {
                        task(index);
                    }
                }
            }
        }));
        if let Err(panic) = result {
            self.next[..job.shares].iter().for_each(|next| next.0.store(job.count, Ordering::Relaxed));
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
    }

    /// Lets nobody join any more, and waits for those inside.
    fn close(&self) {
        let mut state = self.state.0.fetch_and(!OPEN, Ordering::AcqRel);
        let mut idle = Idle::default();
        while state & INSIDE != 0 && idle.turn(SPIN) {
            state = self.state.0.load(Ordering::Acquire);
        }
        if state & INSIDE == 0 {
            return;
        }
        // A worker has lost its core, or has a long way to go.
        *self.caller.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
        state = self.state.0.fetch_or(CALLER_SLEEPS, Ordering::AcqRel);
        while state & INSIDE != 0 {
            thread::park();
            state = self.state.0.load(Ordering::Acquire);
        }
        self.state.0.fetch_and(!CALLER_SLEEPS, Ordering::Relaxed);
    }

    /// Leaves the job; the last one to do so wakes a caller that sleeps.
    fn leave(&self) {
        let state = self.state.0.fetch_sub(1, Ordering::AcqRel);
        if state & CALLER_SLEEPS != 0 && state & INSIDE == 1 {
            // It may be another caller's by now, who does not mind.
            let caller = self.caller.lock().unwrap_or_else(PoisonError::into_inner);
            caller.as_ref().inspect(|caller| caller.unpark());
        }
    }

    fn work(&'static self, number: usize) {
        super::OWN.set(Some(self));
        let worker = &self.workers[number];
        worker.thread.get_or_init(thread::current);
        memory::hand_over_panics();
        let mut last = 0;
        let mut idle = Idle::default();
        loop {
            let state = self.state.0.load(Ordering::Acquire);
            // A worker joins each job once, and only while it is open: both stand in one word, so that joining is one exchange.
            let is_new = state & OPEN != 0 && state / JOB != last;
            if is_new && number < self.wanted.load(Ordering::Relaxed) {
                self.wake_next(number);
                let joined =
                    self.state.0.compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed);
                if joined.is_ok() {
                    last = state / JOB;
                    // SAFETY: this thread is inside of an open job, so it stays until this thread leaves.
                    if let Some(job) = unsafe { *self.job.get() } {
                        self.participate(job, number + 1);
                    }
                    self.leave();
                    idle = Idle::default();
                }
                continue;
            }
            let patience = if self.awake.load(Ordering::Relaxed) > 0 { SPIN_AWAKE } else { SPIN };
            if idle.turn(patience) {
                continue;
            }
            worker.sleeps.store(true, Ordering::SeqCst);
            // Whoever opens a job looks for sleepers afterwards, so one of the two sees the other (as in Dekker's algorithm, which
            // needs sequential consistency).
            if self.state.0.load(Ordering::SeqCst) == state {
                thread::park();
            }
            worker.sleeps.store(false, Ordering::SeqCst);
            self.wake_next(number);
            idle = Idle::default();
        }
    }

    /// Each worker wakes two others, so that many are soon awake.
    fn wake_next(&self, number: usize) {
        self.wake(2 * number + 1);
        self.wake(2 * number + 2);
    }
}

/// How many threads there are to use: what the environment says, or one for each core.
fn default_count() -> usize {
    let named = std::env::var("FLAXEN_NUM_THREADS").ok().and_then(|value| value.trim().parse().ok());
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    named.filter(|&threads| threads > 0).unwrap_or_else(cores).min(MAX_THREADS)
}

/// How long a thread has been waiting.
#[derive(Default)]
struct Idle {
    turns: u32,
    /// When it looked at the clock first, and last.
    looks: Option<[Instant; 2]>,
}

impl Idle {
    /// Waits for a moment; false if it is time to sleep.
    fn turn(&mut self, patience: Duration) -> bool {
        self.turns += 1;
        std::hint::spin_loop();
        if self.turns < TURNS {
            return true;
        }
        self.turns = 0;
        let now = Instant::now();
        let [first, last] = self.looks.unwrap_or([now; 2]);
        self.looks = Some([first, now]);
        thread::yield_now();
        now - first < patience && now - last < INTERRUPTION
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
