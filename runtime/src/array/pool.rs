//! Aligned memory that is used again: a fresh page costs more than the arithmetic on it.

use std::cell::RefCell;
use std::sync::Mutex;

use bytemuck::{Pod, Zeroable};

use super::memory;

/// One cache line, also one AVX-512 register: the unit and the alignment of all buffers.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([u8; 64]);

const LINE: usize = size_of::<Line>();

/// Buffers of one size class wait here up to this many bytes together.
const KEPT_BYTES: usize = 256 << 20;

/// At least so many buffers of a class wait, however large.
const KEPT_COUNT: usize = 2;

const CLASSES: usize = 4 * 64;

/// Classes of which each thread keeps some buffers for itself, found without a lock: those of up to 64 KiB.
const NEAR_CLASSES: usize = 40;

/// Bytes of one class that a thread keeps for itself.
const NEAR_BYTES: usize = 64 << 10;

thread_local! {
    static NEAR: RefCell<[Vec<Vec<Line>>; NEAR_CLASSES]> =
        const { RefCell::new([const { Vec::new() }; NEAR_CLASSES]) };
}

static POOL: [Mutex<Vec<Vec<Line>>>; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];

/// Memory for numbers, given back to the pool when dropped.
pub(crate) struct Buffer {
    lines: Vec<Line>,
}

impl Buffer {
    /// At least `bytes` bytes with unspecified contents.
    pub(crate) fn scratch(bytes: usize) -> Buffer {
        let (class, lines) = class(bytes);
        let pooled = waiting(class);
        Buffer { lines: pooled.unwrap_or_else(|| fresh(lines)) }
    }

    /// As [`scratch`](Buffer::scratch) for what stays, such as weights from a file: fresh memory is not rounded up, and goes back to the
    /// system.
    #[cfg_attr(not(feature = "io"), allow(dead_code))]
    pub(crate) fn exact(bytes: usize) -> Buffer {
        let lines = bytes.div_ceil(LINE).max(1);
        Buffer { lines: waiting(class(bytes).0).unwrap_or_else(|| fresh(lines)) }
    }

    /// At least `bytes` bytes, all zero.
    pub(crate) fn zeroed(bytes: usize) -> Buffer {
        let (class, lines) = class(bytes);
        match waiting(class) {
            Some(mut lines) => {
                bytemuck::cast_slice_mut::<Line, u8>(&mut lines)[..bytes].fill(0);
                Buffer { lines }
            }
            // Fresh pages are zero already.
            None => Buffer { lines: fresh(lines) },
        }
    }

    pub(crate) fn slice<T: Pod>(&self) -> &[T] {
        bytemuck::cast_slice(&self.lines)
    }

    pub(crate) fn slice_mut<T: Pod>(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        let bytes = lines.len() * LINE;
        let (class, whole) = class(bytes);
        if lines.len() != whole {
            return;
        }
        let Some(lines) = keep_near(class, lines) else { return };
        if let Ok(mut pool) = POOL[class].lock()
            && (pool.len() < KEPT_COUNT || pool.len() * bytes < KEPT_BYTES)
        {
            pool.push(lines);
        }
    }
}

/// Memory of the system, all zero; if there is none, what waits in the pool is given back to it first.
fn fresh(lines: usize) -> Vec<Line> {
    bytemuck::try_zeroed_vec(lines).unwrap_or_else(|()| {
        release();
        memory::zeroed(lines)
    })
}

/// A buffer that waits to be used again.
fn waiting(class: usize) -> Option<Vec<Line>> {
    if class < NEAR_CLASSES
        && let Ok(Some(lines)) = NEAR.try_with(|near| near.borrow_mut()[class].pop())
    {
        return Some(lines);
    }
    POOL[class].lock().ok()?.pop()
}

/// Keeps a buffer for this thread, or hands it back.
fn keep_near(class: usize, lines: Vec<Line>) -> Option<Vec<Line>> {
    if class >= NEAR_CLASSES {
        return Some(lines);
    }
    let mut lines = Some(lines);
    // A thread that ends keeps nothing.
    let _ = NEAR.try_with(|near| {
        let waiting = &mut near.borrow_mut()[class];
        let bytes = lines.as_ref().map_or(0, |lines| lines.len() * LINE);
        if waiting.len() * bytes < NEAR_BYTES {
            waiting.extend(lines.take());
        }
    });
    lines
}

/// Frees the memory that waits to be used again, but for a little that other threads keep for themselves.
pub(crate) fn release() {
    NEAR.with(|near| near.borrow_mut().fill_with(Vec::new));
    for pool in &POOL {
        if let Ok(mut pool) = pool.lock() {
            *pool = Vec::new();
        }
    }
}

/// The class of a size and its lines: four classes between powers of two, so that at most a fifth is wasted.
fn class(bytes: usize) -> (usize, usize) {
    let lines = bytes.div_ceil(LINE).max(1);
    if lines <= 4 {
        return (lines, lines);
    }
    let power = (lines - 1).ilog2() as usize;
    let step = 1usize << (power - 2);
    let rounded = lines.next_multiple_of(step);
    // `rounded` is in (2^power, 2^(power + 1)], in quarters.
    (4 * power + (rounded >> (power - 2)) - 5, rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_memory_is_never_used_as_that_of_its_class() {
        // 5 MiB and a line are rounded up to 6 MiB; a size of its own, so that no other test waits for it.
        let bytes = (5 << 20) + LINE;
        let exact = Buffer::exact(bytes);
        assert_eq!(exact.lines.len(), bytes / LINE);
        drop(exact);
        assert_eq!(Buffer::scratch(bytes).lines.len(), class(bytes).1);
        assert!(class(bytes).1 > bytes / LINE);
        // What waits is used, rounded up as it is.
        drop(Buffer::scratch(bytes));
        assert!(Buffer::exact(bytes).lines.len() >= bytes / LINE);
    }

    #[test]
    fn a_class_has_one_size_and_wastes_little() {
        let mut sizes = std::collections::BTreeMap::new();
        for lines in 1..5000 {
            let (index, rounded) = class(lines * LINE);
            assert!(rounded >= lines && rounded * 4 <= lines * 5, "{lines} → {rounded}");
            assert_eq!(*sizes.entry(index).or_insert(rounded), rounded);
            assert_eq!(class(rounded * LINE), (index, rounded));
        }
        assert!(class(isize::MAX as usize).0 < CLASSES);
    }

    #[test]
    fn a_thread_keeps_small_buffers_for_itself_and_a_bounded_number_of_them() {
        assert_eq!(class(NEAR_BYTES).0, NEAR_CLASSES - 1);
        let bytes = 40 * LINE;
        let made: Vec<Buffer> = (0..100).map(|_| Buffer::scratch(bytes)).collect();
        let first = made[0].slice::<u8>().as_ptr().addr();
        drop(made);
        let near = NEAR.with(|near| near.borrow()[class(bytes).0].len());
        assert_eq!(near, NEAR_BYTES.div_ceil(bytes));
        let found: Vec<Buffer> = (0..near).map(|_| Buffer::scratch(bytes)).collect();
        assert!(found.iter().any(|buffer| buffer.slice::<u8>().as_ptr().addr() == first));
        assert_eq!(NEAR.with(|near| near.borrow()[class(bytes).0].len()), 0);
    }

    #[test]
    fn buffers_are_aligned_to_cache_lines() {
        for bytes in [1, 63, 64, 65, 1000, 1 << 20] {
            let buffer = Buffer::scratch(bytes);
            assert!(buffer.slice::<u8>().len() >= bytes);
            assert_eq!(buffer.slice::<u8>().as_ptr().addr() % LINE, 0);
        }
    }

    #[test]
    fn zeroed_memory_is_zero_also_when_used_again() {
        for _ in 0..3 {
            let mut buffer = Buffer::zeroed(12345);
            assert!(buffer.slice::<u8>()[..12345].iter().all(|&x| x == 0));
            buffer.slice_mut::<u8>().fill(7);
        }
    }
}
