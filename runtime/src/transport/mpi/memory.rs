//! Memory that messages are received into: an array cut into parts, each of which has one owner.
//!
//! Who gives a part to MPI must not touch, move or free it until the message is there, however long that takes and whatever fails
//! before. A part therefore keeps the whole alive, and is moved into the transfer that fills it.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::sync::Arc;

use crate::array::Array;

/// An array whose parts are away; [`whole`](Landing::whole) makes it one again.
pub(super) struct Landing(Arc<Memory>);

/// Bytes of an array, of which nobody else has any.
pub(super) struct Part {
    memory: Arc<Memory>,
    start: usize,
    length: usize,
}

struct Memory {
    array: Array,
    bytes: *mut u8,
}

// SAFETY: the pointer is to the memory of `array`, which can be sent and shared; it is only followed by a `Part`, in its own range.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Landing {
    /// Cuts an array that nobody shares into parts of so many bytes, one behind the other.
    ///
    /// # Panics
    /// If it is shared, or its bytes are not as many as those of the parts.
    pub fn cut(mut array: Array, lengths: impl IntoIterator<Item = usize>) -> (Landing, Vec<Part>) {
        let bytes = array.unique_bytes().expect("memory that is received into is shared");
        let (length, bytes) = (bytes.len(), bytes.as_mut_ptr());
        let memory = Arc::new(Memory { array, bytes });
        let mut start = 0;
        let parts = lengths.into_iter().map(|length| {
            start += length;
            Part { memory: memory.clone(), start: start - length, length }
        });
        let parts = parts.collect();
        assert_eq!(start, length, "the parts of an array are not all of it");
        (Landing(memory), parts)
    }

    /// An array that is received into as a whole.
    pub fn uncut(array: Array) -> (Landing, Part) {
        let length = array.bytes().len();
        let (landing, mut parts) = Landing::cut(array, [length]);
        (landing, parts.remove(0))
    }

    /// The array, once all parts are gone.
    ///
    /// # Panics
    /// If one is not.
    pub fn whole(self) -> Array {
        Arc::into_inner(self.0).expect("a part of an array is still written").array
    }
}

impl Part {
    pub fn len(&self) -> usize {
        self.length
    }

    /// Its first so many bytes, and the others.
    pub fn split(self, at: usize) -> (Part, Part) {
        assert!(at <= self.length, "a part of {} bytes is split at {at}", self.length);
        let rest = Part { memory: self.memory.clone(), start: self.start + at, length: self.length - at };
        (Part { length: at, ..self }, rest)
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `start` and `length` are inside of the array, whose memory is initialised (`unique_bytes` gave it as a slice) and
        // kept by `memory`; parts do not overlap, so that only this one writes here, and it is borrowed.
        unsafe { std::slice::from_raw_parts(self.memory.bytes.add(self.start), self.length) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and borrowed by nobody else.
        unsafe { std::slice::from_raw_parts_mut(self.memory.bytes.add(self.start), self.length) }
    }

    /// Where it begins, for whoever owns it.
    pub fn address(&self) -> *mut c_void {
        // SAFETY: `start` is inside of the array, or at its end.
        unsafe { self.memory.bytes.add(self.start).cast() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Aval, DType};

    #[test]
    fn parts_are_written_apart_and_make_the_whole() {
        let array = Array::zeros(Aval::new([5, 5], DType::U8));
        let (landing, mut parts) = Landing::cut(array, [10, 0, 15]);
        let (mut first, mut second) = parts.remove(0).split(4);
        assert_eq!([first.len(), second.len(), parts[0].len()], [4, 6, 0]);
        for (value, part) in [(1, &mut first), (2, &mut second), (3, &mut parts[1])] {
            part.bytes_mut().fill(value);
        }
        assert_eq!(second.bytes(), [2; 6]);
        drop((first, second, parts));
        let expected: Vec<u8> = [vec![1; 4], vec![2; 6], vec![3; 15]].concat();
        assert_eq!(landing.whole().bytes(), expected);
    }

    #[test]
    #[should_panic(expected = "still written")]
    fn an_array_is_not_whole_while_a_part_is_away() {
        let (landing, _part) = Landing::uncut(Array::zeros(Aval::new([3], DType::U8)));
        landing.whole();
    }
}
