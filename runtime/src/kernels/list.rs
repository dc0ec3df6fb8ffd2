//! Lists whose memory is used again by the next run of a kernel.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

/// Items that a list may have room for to be kept.
const KEPT: usize = 1 << 16;

/// A list for the time of one run, as long as it has to be: kernels may have hundreds of inputs.
pub(crate) struct List<T: Listed>(Vec<T>);

/// What each thread keeps memory for a list of.
pub(crate) trait Listed: Sized + 'static {
    fn kept() -> &'static LocalKey<Cell<Vec<Self>>>;
}

macro_rules! listed {
    ($($item:ty),*) => {
        $(impl Listed for $item {
            fn kept() -> &'static LocalKey<Cell<Vec<Self>>> {
                thread_local! {
                    static KEPT: Cell<Vec<$item>> = const { Cell::new(Vec::new()) };
                }
                &KEPT
            }
        })*
    };
}

listed!(*const u8, *mut u8, usize);

impl<T: Listed> List<T> {
    pub(crate) fn push(&mut self, item: T) {
        self.0.push(item);
    }
}

impl<T: Listed> Default for List<T> {
    fn default() -> List<T> {
        List(T::kept().take())
    }
}

impl<T: Listed> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> List<T> {
        let mut list = List::default();
        list.0.extend(items);
        list
    }
}

impl<T: Listed> Drop for List<T> {
    fn drop(&mut self) {
        if self.0.capacity() <= KEPT {
            self.0.clear();
            T::kept().set(std::mem::take(&mut self.0));
        }
    }
}

impl<T: Listed> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Listed> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_list_is_empty_and_has_the_memory_of_the_last() {
        let list: List<usize> = (0..100).collect();
        let at = list.as_ptr();
        drop(list);
        let mut list = List::<usize>::default();
        list.push(1);
        assert_eq!((list.as_ptr(), &list[..]), (at, &[1][..]));
    }

    #[test]
    fn two_lists_at_once_have_memory_of_their_own() {
        let (a, b): (List<usize>, List<usize>) = ((0..3).collect(), (3..6).collect());
        assert_eq!((&a[..], &b[..]), (&[0, 1, 2][..], &[3, 4, 5][..]));
    }
}
