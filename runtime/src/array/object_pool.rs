//! An object pool: what is made once and used again by whatever thread needs it next, without locks.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_utils::atomic::AtomicCell;

/// Threads that find what they have put back themselves.
const SLOTS: usize = 8;

/// Things to be taken, used, and put back; a pointer is exchanged for each.
///
/// A thread looks first where it has put something before, so one thread that calls again and again exchanges one pointer,
/// and several threads rarely meet.
pub(crate) struct ObjectPool<T>([AtomicCell<Option<Box<T>>>; SLOTS]);

impl<T> Default for ObjectPool<T> {
    fn default() -> ObjectPool<T> {
        ObjectPool([const { AtomicCell::new(None) }; SLOTS])
    }
}

impl<T> ObjectPool<T> {
    pub(crate) fn take(&self) -> Option<Box<T>> {
        self.slots().find_map(AtomicCell::take)
    }

    /// Keeps a thing, or drops one if many are kept already.
    pub(crate) fn put(&self, thing: Box<T>) {
        let mut left = Some(thing);
        for slot in self.slots() {
            left = slot.swap(left);
            if left.is_none() {
                return;
            }
        }
    }

    pub(crate) fn clear(&self) {
        self.slots().for_each(|slot| drop(slot.take()));
    }

    /// All of them, beginning at that of this thread.
    fn slots(&self) -> impl Iterator<Item = &AtomicCell<Option<Box<T>>>> {
        let (before, behind) = self.0.split_at(own_slot());
        behind.iter().chain(before)
    }
}

fn own_slot() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let own = OWN.get();
    if own < SLOTS {
        return own;
    }
    let own = NEXT.fetch_add(1, Ordering::Relaxed) % SLOTS;
    OWN.set(own);
    own
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_pointer_is_exchanged_without_a_lock() {
        assert!(AtomicCell::<Option<Box<[u8; 100]>>>::is_lock_free());
    }

    #[test]
    fn a_thread_finds_what_it_has_put_back_last() {
        let pool = ObjectPool::default();
        assert_eq!(pool.take(), None);
        pool.put(Box::new(1));
        pool.put(Box::new(2));
        assert_eq!(pool.take(), Some(Box::new(2)));
        assert_eq!(pool.take(), Some(Box::new(1)));
        assert_eq!(pool.take(), None);
    }

    #[test]
    fn no_more_are_kept_than_there_are_slots_and_none_is_lost() {
        let (pool, counted) = (ObjectPool::default(), Arc::new(()));
        for _ in 0..3 * SLOTS {
            pool.put(Box::new(counted.clone()));
        }
        assert_eq!(Arc::strong_count(&counted), 1 + SLOTS);
        pool.clear();
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[test]
    fn threads_never_hold_the_same_thing() {
        let pool = ObjectPool::<Cell<u32>>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let thing = pool.take().unwrap_or_default();
                        assert_eq!(thing.replace(1), 0);
                        std::hint::spin_loop();
                        assert_eq!(thing.replace(0), 1);
                        pool.put(thing);
                    }
                });
            }
        });
    }
}
