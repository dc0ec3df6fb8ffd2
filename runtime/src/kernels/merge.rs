//! Parallel merge sort of one long slice: parts are sorted apart, and then merged pair by pair.
//!
//! Threads merge disjoint pieces of one pair by finding where a piece starts in either part with a binary search along the
//! merge path: S. Odeh, O. Green, Z. Mwassi, O. Shmueli and Y. Birk, "Merge path: parallel merging made simple" (2012).

use super::scratch::Scratch;
use super::threads;
use crate::array::memory;

/// Sorts keys of which equal ones are alike.
pub(super) fn sort<K: Ord + Copy + Send + Sync + 'static>(keys: &mut [K]) {
    sort_in_parts(keys, (2 * threads::count()).next_power_of_two());
}

fn sort_in_parts<K: Ord + Copy + Send + Sync + 'static>(keys: &mut [K], parts: usize) {
    let size = keys.len().div_ceil(parts);
    if size < 2 || parts < 2 {
        return keys.sort_unstable();
    }
    threads::chunks(keys, size, |_, part| part.sort_unstable());
    let mut copy = Scratch::empty();
    memory::reserve(&mut copy, keys.len());
    copy.extend_from_slice(keys);
    let (mut from, mut to) = (&mut *keys, &mut copy[..]);
    let (mut run, mut is_swapped) = (size, false);
    while run < from.len() {
        let runs = &*from;
        threads::chunks(to, size, |part, out| {
            let start = part * size;
            let pair = &runs[start / (2 * run) * (2 * run)..];
            let (left, right) = pair[..pair.len().min(2 * run)].split_at(run.min(pair.len()));
            merge(left, right, start % (2 * run), out);
        });
        (from, to) = (to, from);
        (run, is_swapped) = (2 * run, !is_swapped);
    }
    if is_swapped {
        to.copy_from_slice(from);
    }
}

/// Writes as many elements of the merged slices as `out` has, from index `first` on.
fn merge<K: Ord + Copy>(left: &[K], right: &[K], first: usize, out: &mut [K]) {
    let mut i = merge_path(left, right, first);
    let mut j = first - i;
    for out in out {
        let is_left = j == right.len() || (i < left.len() && left[i] <= right[j]);
        *out = if is_left { left[i] } else { right[j] };
        i += is_left as usize;
        j += !is_left as usize;
    }
}

/// How many of the first `count` merged elements are of `left`: where the merge path crosses that diagonal.
fn merge_path<K: Ord>(left: &[K], right: &[K], count: usize) -> usize {
    let (mut low, mut high) = (count.saturating_sub(right.len()), count.min(left.len()));
    while low < high {
        let middle = low.midpoint(high);
        if left[middle] <= right[count - middle - 1] {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_merged_to_the_order_of_the_whole() {
        for count in [0, 1, 2, 7, 64, 1000, 1023] {
            for values in [1, 5, 1 << 20] {
                let keys: Vec<u64> =
                    (0..count).map(|i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).collect();
                let keys: Vec<u64> = keys.iter().map(|key| key % values).collect();
                let mut sorted = keys.clone();
                sorted.sort_unstable();
                for parts in [1, 2, 4, 8, 16] {
                    let mut own = keys.clone();
                    sort_in_parts(&mut own, parts);
                    assert_eq!(own, sorted, "{count} keys in {parts} parts");
                }
            }
        }
    }

    #[test]
    fn any_part_of_two_merged_slices_can_be_had() {
        let (left, right) = ([1, 3, 3, 8, 9], [0, 3, 4, 10]);
        let mut whole = [left.as_slice(), &right].concat();
        whole.sort_unstable();
        for first in 0..=whole.len() {
            for end in first..=whole.len() {
                let mut out = vec![0; end - first];
                merge(&left, &right, first, &mut out);
                assert_eq!(out, whole[first..end]);
            }
        }
    }
}
