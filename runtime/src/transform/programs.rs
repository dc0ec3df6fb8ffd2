//! The programs that a compiled function keeps, and the longest unused of which it forgets.
//!
//! Nothing here is generic, as all that is generic is compiled anew for each function that is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::jit::JitStats;
use super::stage::Staged;
use crate::array::Aval;
use crate::core::trace;
use crate::core::trace::Axis;
use crate::core::{CacheLookup, Tensor};
use crate::error::Result;
use crate::ops::call::{Call, Target};
use crate::tree::{Reuses, Structure};

/// Programs that are kept, unless told otherwise.
const LIMIT: usize = 256;

/// A function traced this often hardly ever sees the same shapes twice.
const SUSPICIOUS: u64 = 64;

/// The programs of a function, by structure, shapes and dtypes of its argument.
pub(super) struct Programs {
    pub target: Target,
    pub limit: usize,
    cache: RwLock<Vec<Arc<CachedProgram>>>,
    counts: CallCounts,
}

#[derive(Default)]
struct CallCounts {
    calls: AtomicU64,
    /// Calls that found no program.
    misses: AtomicU64,
    traces: AtomicU64,
    compile_nanos: AtomicU64,
    evicted: AtomicU64,
    /// By [`CacheLookup`]: what the cache on disk had.
    lookups: [AtomicU64; 3],
}

pub(super) struct CachedProgram {
    /// The number of the last call that ran it.
    used: AtomicU64,
    key: u64,
    pub inputs: Structure,
    pub avals: Vec<Aval>,
    /// A staged collective depends on the named axes around the call.
    pub axes: Vec<Axis>,
    pub call: Call,
    /// Traced values from outside that `f` closes over. A Rust closure cannot be given other ones, so they stay right
    /// for as long as their trace lasts, and using them later is `Error::Leaked`.
    pub captured: Vec<Tensor>,
    pub outs: Structure,
    /// Which containers of the result are those of the argument.
    pub reuses: Reuses,
}

/// What a program is looked for by.
pub(super) struct Wanted<'a> {
    /// Of structure, shapes and dtypes.
    pub key: u64,
    /// Whether a program with this key is for this argument.
    pub fits: &'a dyn Fn(&CachedProgram) -> bool,
}

impl Programs {
    pub fn new(target: Target) -> Programs {
        Programs { target, limit: LIMIT, cache: RwLock::default(), counts: CallCounts::default() }
    }

    /// Counts a call of a program.
    pub fn count(&self, program: &CachedProgram) {
        let call = self.counts.calls.fetch_add(1, Ordering::Relaxed);
        program.used.store(call, Ordering::Relaxed);
    }

    /// The program of a call, if there is one, and the number of the call.
    pub fn find(&self, wanted: &Wanted<'_>) -> (Option<Arc<CachedProgram>>, u64) {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        let found = cache.iter().find(|program| program.is(wanted)).cloned();
        drop(cache);
        let call = self.counts.calls.fetch_add(1, Ordering::Relaxed);
        if let Some(program) = &found {
            program.used.store(call, Ordering::Relaxed);
        } else {
            self.counts.misses.fetch_add(1, Ordering::Relaxed);
        }
        (found, call)
    }

    /// Compiles and keeps the program of a call that found none, for an argument of this structure; `start` is when its tracing began.
    ///
    /// Threads may trace at once, as no lock is held meanwhile: all of them run what the first has kept.
    pub fn add(
        &self,
        wanted: &Wanted<'_>,
        call_number: u64,
        start: Instant,
        (inputs, avals, axes): (Structure, Vec<Aval>, Vec<Axis>),
        staged: Staged,
        name: &str,
    ) -> Result<Arc<CachedProgram>> {
        let Staged { graph, captured, mut outs } = staged;
        let reuses = Reuses::new(&inputs, &mut outs);
        let call = Call::new(graph, self.target);
        if trace::current().is_none()
            && let Some(lookup) = call.executable()?.cache_lookup()
        {
            self.counts.lookups[lookup as usize].fetch_add(1, Ordering::Relaxed);
        }
        let (used, key) = (AtomicU64::new(call_number), wanted.key);
        let program =
            Arc::new(CachedProgram { used, key, inputs, avals, axes, call, captured, outs, reuses });
        let spent = start.elapsed().as_nanos() as u64;
        self.counts.compile_nanos.fetch_add(spent, Ordering::Relaxed);
        if self.counts.traces.fetch_add(1, Ordering::Relaxed) + 1 == SUSPICIOUS {
            warn_of_many(name);
        }
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = cache.iter().find(|program| program.is(wanted)) {
            kept.used.store(call_number, Ordering::Relaxed);
            return Ok(kept.clone());
        }
        if cache.len() >= self.limit
            && let Some(oldest) = (0..cache.len()).min_by_key(|&i| cache[i].used.load(Ordering::Relaxed))
        {
            cache.swap_remove(oldest);
            self.counts.evicted.fetch_add(1, Ordering::Relaxed);
        }
        cache.push(program.clone());
        Ok(program)
    }

    pub fn len(&self) -> usize {
        self.cache.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn clear(&self) {
        self.cache.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn stats(&self) -> JitStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let looked_up = |lookup: CacheLookup| read(&self.counts.lookups[lookup as usize]);
        JitStats {
            traces: read(&self.counts.traces),
            hits: read(&self.counts.calls).saturating_sub(read(&self.counts.misses)),
            programs: self.len(),
            evicted: read(&self.counts.evicted),
            compile_time: Duration::from_nanos(read(&self.counts.compile_nanos)),
            disk_hits: looked_up(CacheLookup::Hit),
            disk_misses: looked_up(CacheLookup::Miss),
            disk_rejected: looked_up(CacheLookup::Rejected),
        }
    }
}

impl CachedProgram {
    fn is(&self, wanted: &Wanted<'_>) -> bool {
        self.key == wanted.key && (wanted.fits)(self)
    }
}

/// Says once that a function is traced again and again.
fn warn_of_many(name: &str) {
    eprintln!(
        "flaxen: `{name}` was compiled {SUSPICIOUS} times, each time for other shapes or settings: pad its inputs \
         to few shapes (`Jit::buckets`), or pass what changes as a tensor; `Jit::stats` counts, `Jit::limit` bounds what is kept"
    );
}
