//! What is made once and used again by whatever thread needs it next, without locks.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_utils::atomic::AtomicCell;

/// Threads that find something of their own again.
const PLACES: usize = 8;

/// Things to be taken, used, and put back; a pointer is exchanged for each.
///
/// A thread looks first where it has put something before, so one thread that calls again and again exchanges one pointer,
/// and several threads rarely meet.
pub(crate) struct Spares<T>([AtomicCell<Option<Box<T>>>; PLACES]);

impl<T> Default for Spares<T> {
    fn default() -> Spares<T> {
        Spares([const { AtomicCell::new(None) }; PLACES])
    }
}

impl<T> Spares<T> {
    pub(crate) fn take(&self) -> Option<Box<T>> {
        self.places().find_map(AtomicCell::take)
    }

    /// Keeps a thing, or drops one if many are kept already.
    pub(crate) fn put(&self, thing: Box<T>) {
        let mut homeless = Some(thing);
        for place in self.places() {
            homeless = place.swap(homeless);
            if homeless.is_none() {
                return;
            }
        }
    }

    pub(crate) fn clear(&self) {
        self.places().for_each(|place| drop(place.take()));
    }

    /// All of them, beginning at that of this thread.
    fn places(&self) -> impl Iterator<Item = &AtomicCell<Option<Box<T>>>> {
        let (before, behind) = self.0.split_at(own_place());
        behind.iter().chain(before)
    }
}

fn own_place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let own = OWN.get();
    if own < PLACES {
        return own;
    }
    let own = NEXT.fetch_add(1, Ordering::Relaxed) % PLACES;
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
        let spares = Spares::default();
        assert_eq!(spares.take(), None);
        spares.put(Box::new(1));
        spares.put(Box::new(2));
        assert_eq!(spares.take(), Some(Box::new(2)));
        assert_eq!(spares.take(), Some(Box::new(1)));
        assert_eq!(spares.take(), None);
    }

    #[test]
    fn no_more_are_kept_than_there_are_places_and_none_is_lost() {
        let (spares, counted) = (Spares::default(), Arc::new(()));
        for _ in 0..3 * PLACES {
            spares.put(Box::new(counted.clone()));
        }
        assert_eq!(Arc::strong_count(&counted), 1 + PLACES);
        spares.clear();
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[test]
    fn threads_never_hold_the_same_thing() {
        let spares = Spares::<Cell<u32>>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let thing = spares.take().unwrap_or_default();
                        assert_eq!(thing.replace(1), 0);
                        std::hint::spin_loop();
                        assert_eq!(thing.replace(0), 1);
                        spares.put(thing);
                    }
                });
            }
        });
    }
}
