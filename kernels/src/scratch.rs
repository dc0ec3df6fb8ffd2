//! Scratch memory: the one allocator of kernels for what they need while they run and nobody sees.
//!
//! Memory that is freed and asked for again costs page faults, which take longer than most arithmetic on it. So each thread keeps
//! the vectors that its kernels have given back, by element type, and hands out the last one first, which is in its cache.
//! [`Scratch::new`] is for panels, patches and sums, [`Scratch::empty`] and `collect` for lists whose length is found on the way.
//!
//! Who keeps memory, and for how long:
//!
//! - the pool of arrays keeps the buffers of tensors, in classes by size, for any thread;
//! - an object pool of a program keeps the memory that was planned for its intermediate results, for the next run;
//! - the interpreter of fused kernels keeps one buffer a thread, for the blocks that its loops work on;
//! - this module keeps what the other kernels need inside of one call;
//! - what is smaller and of a fixed size (a tile at an edge, the lanes of a sum) is an array on the stack.
//!
//! All of them grow through `memory`, which refuses what is not there in words instead of ending the process.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Elements that a vector may have room for to be kept (16 MiB of `f32`).
const MAX_KEPT: usize = 1 << 22;

thread_local! {
    static POOL: RefCell<Vec<(TypeId, Box<dyn Any>)>> = const { RefCell::new(Vec::new()) };
}

/// A vector whose memory the next one on this thread has again.
#[allow(
    clippy::box_collection,
    reason = "the box comes from the pool and goes back to it, without an allocation"
)]
pub struct Scratch<T: Copy + 'static>(Option<Box<Vec<T>>>);

impl<T: Copy + 'static> Scratch<T> {
    /// Returns a vector of unspecified length and contents.
    pub fn new() -> Scratch<T> {
        let pooled = POOL.with_borrow_mut(|pool| {
            let at = pool.iter().rposition(|(id, _)| *id == TypeId::of::<T>())?;
            pool.swap_remove(at).1.downcast::<Vec<T>>().ok()
        });
        Scratch(Some(pooled.unwrap_or_default()))
    }

    /// Returns a vector without elements.
    pub fn empty() -> Scratch<T> {
        let mut scratch = Scratch::new();
        scratch.clear();
        scratch
    }
}

impl<T: Copy + 'static> Default for Scratch<T> {
    fn default() -> Scratch<T> {
        Scratch::empty()
    }
}

impl<T: Copy + 'static> FromIterator<T> for Scratch<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Scratch<T> {
        let mut scratch = Scratch::empty();
        scratch.extend(items);
        scratch
    }
}

impl<T: Copy + 'static> Deref for Scratch<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        self.0.as_ref().expect("the vector is there until the drop")
    }
}

impl<T: Copy + 'static> DerefMut for Scratch<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        self.0.as_mut().expect("the vector is there until the drop")
    }
}

impl<T: Copy + 'static> Drop for Scratch<T> {
    fn drop(&mut self) {
        if let Some(vector) = self.0.take().filter(|vector| vector.capacity() <= MAX_KEPT) {
            // A thread that ends has no pool any more.
            let _ = POOL.try_with(|pool| pool.borrow_mut().push((TypeId::of::<T>(), vector)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_two_at_once_have_their_own() {
        let mut outer = Scratch::<f32>::new();
        outer.clear();
        outer.resize(100, 1.0);
        {
            let mut inner = Scratch::<f32>::new();
            inner.resize(200, 2.0);
            assert!(Scratch::<f64>::new().is_empty());
        }
        assert_eq!(outer[99], 1.0);
        let at = outer.as_ptr();
        drop(outer);
        let again = Scratch::<f32>::new();
        assert_eq!((again.as_ptr(), again.len()), (at, 100));
    }

    #[test]
    fn the_next_list_is_empty_and_has_the_memory_of_the_last() {
        let list: Scratch<usize> = (0..100).collect();
        let at = list.as_ptr();
        drop(list);
        let mut list = Scratch::<usize>::empty();
        list.push(1);
        assert_eq!((list.as_ptr(), &list[..]), (at, &[1][..]));
    }

    #[test]
    fn two_lists_at_once_have_memory_of_their_own() {
        let (a, b): (Scratch<usize>, Scratch<usize>) = ((0..3).collect(), (3..6).collect());
        assert_eq!((&a[..], &b[..]), (&[0, 1, 2][..], &[3, 4, 5][..]));
    }
}
