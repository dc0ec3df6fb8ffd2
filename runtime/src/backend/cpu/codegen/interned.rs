//! Hash consing (interning) with weak references: a thing is made once for equal descriptions, and shared by whoever holds it.

use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustc_hash::{FxBuildHasher, FxHashMap};

/// Entries that are kept before those that nobody holds any more are looked for.
const FEW: usize = 64;

/// Things by their descriptions, for as long as somebody holds them.
pub(crate) struct Interned<K, V>(Mutex<Entries<K, V>>);

struct Entries<K, V> {
    known: FxHashMap<K, Weak<V>>,
    /// With so many entries, those that nobody holds are dropped.
    full: usize,
}

impl<K: Hash + Eq, V> Interned<K, V> {
    pub const fn new() -> Interned<K, V> {
        Interned(Mutex::new(Entries { known: FxHashMap::with_hasher(FxBuildHasher), full: FEW }))
    }

    /// The thing that belongs to a description, made if nobody holds it.
    ///
    /// No lock is held while it is made: of threads that make the same, all get what the first has made.
    pub fn get(&self, key: K, make: impl FnOnce(&K) -> V) -> Arc<V> {
        if let Some(found) = self.table().find(&key) {
            return found;
        }
        let made = Arc::new(make(&key));
        let mut table = self.table();
        if let Some(found) = table.find(&key) {
            return found;
        }
        if table.known.len() >= table.full {
            table.known.retain(|_, thing| thing.strong_count() > 0);
            table.full = FEW.max(2 * table.known.len());
        }
        table.known.insert(key, Arc::downgrade(&made));
        made
    }

    // Nothing under the lock panics half-way.
    fn table(&self) -> MutexGuard<'_, Entries<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq, V> Entries<K, V> {
    fn find(&self, key: &K) -> Option<Arc<V>> {
        self.known.get(key)?.upgrade()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn equal_descriptions_share_one_thing_while_somebody_holds_it() {
        let interned = Interned::new();
        let first = interned.get(1, |_| "made");
        let second = interned.get(1, |_| unreachable!("it is held"));
        assert!(Arc::ptr_eq(&first, &second));
        let gone = Arc::downgrade(&first);
        drop((first, second));
        assert!(gone.upgrade().is_none());
        assert_eq!(*interned.get(1, |_| "made again"), "made again");
    }

    #[test]
    fn entries_that_nobody_holds_do_not_pile_up() {
        let interned = Interned::new();
        let held: Vec<Arc<usize>> = (0..10).map(|i| interned.get(i, |&i| i)).collect();
        for i in 10..100_000 {
            interned.get(i, |&i| i);
        }
        assert!(interned.table().known.len() <= FEW);
        assert!(held.iter().all(|thing| Arc::ptr_eq(thing, &interned.get(**thing, |_| unreachable!()))));
    }

    #[test]
    fn threads_that_make_the_same_at_once_get_the_same() {
        const THREADS: usize = 16;
        let (interned, meeting, makes) = (Interned::new(), Barrier::new(THREADS), AtomicUsize::new(0));
        let make = |_: &u8| {
            // All of them are making it when they meet.
            meeting.wait();
            makes.fetch_add(1, Ordering::Relaxed)
        };
        let things: Vec<Arc<usize>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| interned.get(7, make))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(makes.into_inner(), THREADS);
        assert!(things.iter().all(|thing| Arc::ptr_eq(thing, &things[0])));
    }
}
