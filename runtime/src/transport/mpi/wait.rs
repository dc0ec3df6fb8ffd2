//! How a rank waits for others: for results, but never longer than its limit, and for those that have ended much less.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::engine::Engine;
use crate::array::Array;
use crate::error::Result;

/// How long messages are looked for without a pause: as long as ranks that compute the same are apart. After that the wait is long, and
/// looking for its end less often makes it hardly longer.
const SPIN: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_micros(500);

/// The longest time between questions whether a rank still runs, and that it may take to answer.
const ASK: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(30);

/// The engine, for one thread at a time.
pub(super) fn lock(engine: &Mutex<Engine>) -> MutexGuard<'_, Engine> {
    // Whoever panicked inside has left messages as they were.
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the result of a call.
///
/// # Errors
/// As those of [`Transport`](crate::transport::Transport). Without a limit, ranks that answer may take as long as they need.
pub(super) fn wait(
    engine: &Mutex<Engine>,
    number: u64,
    op: &'static str,
    limit: Option<Duration>,
) -> Result<Array> {
    let start = Instant::now();
    // Half the limit, so that a rank that has ended is named as such, not only as missing.
    let silence = limit.map_or(SILENCE, |limit| (limit / 2).min(SILENCE));
    let every = (silence / 4).min(ASK);
    let mut asked = Duration::ZERO;
    let mut looked = Duration::ZERO;
    loop {
        let waited = start.elapsed();
        let has_own_core;
        {
            let mut engine = lock(engine);
            has_own_core = engine.has_own_core;
            engine.progress();
            if let Some(array) = engine.take(number) {
                return Ok(array);
            }
            if let Some(failure) = engine.failure() {
                return Err(failure.clone());
            }
            if waited >= asked + every {
                asked = waited;
                engine.ask(number)?;
            }
            if asked > Duration::ZERO {
                engine.look_for_lost(number, op, waited.saturating_sub(looked), silence)?;
                if let Some(limit) = limit.filter(|&limit| waited >= limit) {
                    return Err(engine.miss(number, op, limit.as_secs_f64()));
                }
            }
            looked = waited;
        }
        pause(waited, has_own_core);
    }
}

/// Waits a little. A core that is the rank's own is kept: whoever else is given it keeps it for milliseconds. One that ranks share is
/// left to them, as they are what is waited for.
fn pause(waited: Duration, has_own_core: bool) {
    if waited >= SPIN {
        std::thread::sleep((waited / 16).min(LONGEST_PAUSE));
    } else if has_own_core {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}
