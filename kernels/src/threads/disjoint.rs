//! A slice that threads write disjoint parts of.

use std::marker::PhantomData;

/// A slice whose elements are handed out without a borrow: each part by itself, to whichever thread writes it.
pub struct DisjointSlice<'a, T> {
    start: *mut T,
    length: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: elements are reached through `slice` and pointers alone, whose users promise that parts do not overlap.
unsafe impl<T: Send> Sync for DisjointSlice<'_, T> {}

impl<'a, T> DisjointSlice<'a, T> {
    /// Takes the whole slice.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
    }

    /// A pointer to the element at `index`, for as many elements as follow it.
    pub fn from(&self, index: usize) -> *mut T {
        assert!(index <= self.length);
        self.start.wrapping_add(index)
    }

    /// A part of the slice.
    ///
    /// # Safety
    /// While the slice lives, no one else touches these elements.
    #[allow(clippy::mut_from_ref, reason = "the point of this type")]
    pub unsafe fn slice(&self, index: usize, length: usize) -> &mut [T] {
        assert!(index + length <= self.length);
        // SAFETY: inside the slice, and nobody else's by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.from(index), length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads;

    #[test]
    fn threads_write_parts_of_their_own() {
        let mut all = vec![0; 100];
        let parts = DisjointSlice::new(&mut all);
        threads::parallel(10, &|i| {
            // SAFETY: ten elements for each index.
            unsafe { parts.slice(10 * i, 9) }.fill(i + 1);
            // SAFETY: the last of these ten.
            unsafe { *parts.from(10 * i + 9) = i + 1 };
        });
        assert!(all.iter().enumerate().all(|(at, &x)| x == at / 10 + 1));
    }

    #[test]
    #[should_panic(expected = "index + length <= self.length")]
    fn a_part_beyond_the_end_is_refused() {
        let mut all = [0; 3];
        let parts = DisjointSlice::new(&mut all);
        // SAFETY: refused before anything is touched.
        unsafe { parts.slice(2, 2) };
    }
}
