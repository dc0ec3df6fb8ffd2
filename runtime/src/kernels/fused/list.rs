//! Lists of pointers whose memory is used again by the next run.

use std::cell::Cell;
use std::ops::Deref;
use std::thread::LocalKey;

/// A list for the time of one run of a kernel, which may have hundreds of inputs.
pub(super) struct List<T: Listed>(Vec<T>);

/// Pointers that each thread keeps memory for.
pub(super) trait Listed: Sized + 'static {
    fn kept() -> &'static LocalKey<Cell<Vec<Self>>>;
}

macro_rules! listed {
    ($($pointer:ty),*) => {
        $(impl Listed for $pointer {
            fn kept() -> &'static LocalKey<Cell<Vec<Self>>> {
                thread_local! {
                    static KEPT: Cell<Vec<$pointer>> = const { Cell::new(Vec::new()) };
                }
                &KEPT
            }
        })*
    };
}

listed!(*const u8, *mut u8);

impl<T: Listed> List<T> {
    pub(super) fn push(&mut self, pointer: T) {
        self.0.push(pointer);
    }
}

impl<T: Listed> Default for List<T> {
    fn default() -> List<T> {
        List(T::kept().take())
    }
}

impl<T: Listed> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(pointers: I) -> List<T> {
        let mut list = List::default();
        list.0.extend(pointers);
        list
    }
}

impl<T: Listed> Drop for List<T> {
    fn drop(&mut self) {
        self.0.clear();
        T::kept().set(std::mem::take(&mut self.0));
    }
}

impl<T: Listed> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}
