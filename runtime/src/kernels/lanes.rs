//! Lanes: memory that several threads write at once, each its own of every few pieces.
//!
//! The pieces of a lane are those whose numbers leave its own number when they are divided by how many lanes there are. So the rows
//! of arrays that a loop puts together from slices are dealt out to threads that each run the loop for some of the rows.

use std::sync::Arc;

use crate::array::pool::Buffer;

/// The pieces of some memory that belong to one thread. It is small, as each step of a loop takes it and puts it back.
pub(crate) struct Lane {
    dealt: Arc<Dealt>,
    number: usize,
}

/// What is the same for all lanes of some memory.
struct Dealt {
    memory: Buffer,
    start: *mut u8,
    /// Bytes of a piece, and how many pieces there are in all lanes.
    bytes: usize,
    pieces: usize,
    count: usize,
}

// SAFETY: the memory goes along with the pointer into it, and may be freed by any thread.
unsafe impl Send for Dealt {}
// SAFETY: its fields are only read while several lanes have it; what the pointer leads to is read and written through lanes alone, each of
// which has pieces that no other lane has.
unsafe impl Sync for Dealt {}

impl Lane {
    /// Deals out `pieces` pieces of so many bytes to `count` lanes.
    ///
    /// # Panics
    /// If there is not so much memory, or there are no lanes.
    pub fn deal(mut memory: Buffer, bytes: usize, pieces: usize, count: usize) -> impl Iterator<Item = Lane> {
        let all = memory.slice_mut::<u8>();
        assert!(count > 0 && bytes.checked_mul(pieces).is_some_and(|needed| needed <= all.len()), "pieces");
        let start = all.as_mut_ptr();
        let dealt = Arc::new(Dealt { memory, start, bytes, pieces, count });
        (0..count).map(move |number| Lane { dealt: dealt.clone(), number })
    }

    /// The memory, once all lanes are given back; none for the others.
    pub fn give_back(self) -> Option<Buffer> {
        Arc::into_inner(self.dealt).map(|dealt| dealt.memory)
    }

    /// A piece by its number among those of all lanes.
    ///
    /// # Panics
    /// If it is that of another lane, or there is no such piece.
    pub fn piece(&self, number: usize) -> &[u8] {
        let first = self.first(number);
        // SAFETY: the piece is inside the memory, and nobody else writes it: other lanes have other pieces, and whoever writes this one
        // has this lane for itself. It was written by this loop, or filled by whoever made the memory.
        unsafe { std::slice::from_raw_parts(self.dealt.start.add(first), self.dealt.bytes) }
    }

    /// As [`piece`](Lane::piece), to be written.
    ///
    /// # Panics
    /// As [`piece`](Lane::piece).
    pub fn piece_mut(&mut self, number: usize) -> &mut [u8] {
        let first = self.first(number);
        // SAFETY: as above, and this lane is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.dealt.start.add(first), self.dealt.bytes) }
    }

    fn first(&self, number: usize) -> usize {
        let Dealt { bytes, pieces, count, .. } = *self.dealt;
        assert!(number < pieces && number % count == self.number, "a piece of another lane");
        number * bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::threads;
    use std::sync::Mutex;

    #[test]
    fn threads_write_every_few_pieces_each() {
        let lanes: Vec<Mutex<Lane>> = Lane::deal(Buffer::zeroed(12 * 5), 5, 12, 3).map(Mutex::new).collect();
        threads::parallel(3, &|number| {
            let mut lane = lanes[number].lock().unwrap();
            for piece in (number..12).step_by(3) {
                lane.piece_mut(piece).fill(piece as u8);
                assert_eq!(lane.piece(piece), [piece as u8; 5]);
            }
        });
        let mut back = lanes.into_iter().filter_map(|lane| lane.into_inner().unwrap().give_back());
        let (Some(memory), None) = (back.next(), back.next()) else { panic!("one memory") };
        assert!(memory.slice::<u8>()[..60].iter().enumerate().all(|(at, &x)| usize::from(x) == at / 5));
    }

    #[test]
    #[should_panic(expected = "a piece of another lane")]
    fn no_lane_reaches_the_pieces_of_another() {
        let mut lanes = Lane::deal(Buffer::zeroed(12), 3, 4, 2);
        lanes.next().unwrap().piece(1);
    }
}
