//! Preparing what follows on a thread of its own.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

/// An iterator that runs ahead on a thread; see [`prefetch`].
#[derive(Debug)]
pub struct Prefetch<T> {
    // Dropped before the thread is waited for, so that it sees that nobody listens.
    ready: Option<Receiver<T>>,
    worker: Option<JoinHandle<()>>,
}

/// Runs an iterator on a thread of its own, up to `ahead` items ahead of what is taken: files are read and images decoded while a step
/// computes.
///
/// Items come in their order. A panic of the iterator is one of `next`; dropping the result ends the thread after the item it is at.
///
/// ```
/// use flaxen::train::{Batches, prefetch};
///
/// let batches = Batches::new(1000, 64).epoch(0)?;
/// let mut seen = 0;
/// for indices in prefetch(batches.map(|batch| batch.indices()), 2) {
///     seen += indices.size();
/// }
/// assert_eq!(seen, 1000);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn prefetch<I>(items: I, ahead: usize) -> Prefetch<I::Item>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
{
    let (sender, ready) = sync_channel(ahead);
    let worker = thread::spawn(move || {
        for item in items {
            if sender.send(item).is_err() {
                break;
            }
        }
    });
    Prefetch { ready: Some(ready), worker: Some(worker) }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if let Ok(item) = self.ready.as_ref()?.recv() {
            return Some(item);
        }
        self.ready = None;
        if let Some(Err(panic)) = self.worker.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        None
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.ready = None;
        if let Some(worker) = self.worker.take() {
            // Its panic is nobody's any more.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn items_come_in_order_and_no_more_than_asked_for_are_made_ahead() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let mut items = prefetch((0..100).inspect(move |_| _ = counted.fetch_add(1, Ordering::SeqCst)), 3);
        assert_eq!(items.next(), Some(0));
        // Three wait, and one is made and finds no room.
        assert!(made.load(Ordering::SeqCst) <= 5);
        assert_eq!(items.collect::<Vec<_>>(), (1..100).collect::<Vec<_>>());
    }

    #[test]
    fn dropping_it_ends_the_thread() {
        let mut endless = prefetch(0u64.., 1);
        assert_eq!(endless.next(), Some(0));
        drop(endless);
    }

    #[test]
    #[should_panic(expected = "no such file")]
    fn a_panic_is_passed_on_after_what_came_before_it() {
        let items = prefetch((0..).map(|i| if i == 2 { panic!("no such file") } else { i }), 1);
        let mut seen = Vec::new();
        for item in items {
            seen.push(item);
            assert!(seen.len() < 3);
        }
    }
}
