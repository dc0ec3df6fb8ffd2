//! Cache blocking: how the windows of a polyphase part are cut into blocks, by shapes alone where sums go across windows, never by
//! the number of threads there.

use super::super::threads;

/// Elements of a block of patches: with its rows of the output it stays in L2.
const PATCHES: usize = 1 << 16;
/// Multiplications that take as long as a scalar operation that goes through memory.
const PER_OPERATION: usize = 4;

/// Returns how many windows to take at a time, for patches of `depth` elements.
pub(super) fn windows(depth: usize) -> usize {
    (PATCHES / depth.max(1)).clamp(32, 2048)
}

/// Returns into how many blocks to cut so many multiplications at least, where results do not depend on that.
pub(super) fn wanted(multiplications: usize) -> usize {
    if threads::worth(multiplications / PER_OPERATION) { threads::count() } else { 1 }
}

/// Calls `work(state, index)` for each index below `count`, on several threads if there is enough to do.
pub(super) fn for_each<S>(
    count: usize,
    multiplications: usize,
    state: impl Fn() -> S + Sync + Send,
    work: impl Fn(&mut S, usize) + Sync + Send,
) {
    if count < 2 || !threads::worth(multiplications / PER_OPERATION) {
        let mut state = state();
        (0..count).for_each(|index| work(&mut state, index));
    } else {
        // A state serves several indices in a row, because making one costs an allocation.
        let each = count.div_ceil(4 * threads::count());
        threads::parallel(count.div_ceil(each), &|piece| {
            let mut state = state();
            (piece * each..count.min((piece + 1) * each)).for_each(|index| work(&mut state, index));
        });
    }
}
