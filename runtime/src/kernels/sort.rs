//! Sorting, ranking and searching along contiguous rows.
//!
//! Elements are mapped to unsigned integers of the same order (that of floats by flipping the sign bit, or all bits of what is
//! negative, as for IEEE 754's total order), so that every comparison is one of integers. The order of floats is that of
//! `jax.lax.sort`: all NaN are equal and last, and `-0.0` equals `0.0`.
//!
//! Rows are sorted by the standard library's unstable sort; stability comes from positions that are compared after the keys. The
//! greatest `k` are found by quickselect (C. A. R. Hoare, "Algorithm 65: Find", 1961) and then sorted.

use half::{bf16, f16};

use super::scratch::Scratch;
use super::{merge, rows, threads};
use crate::array::memory;
use crate::scalar::number::Number;

/// An unsigned integer that elements are compared by.
pub trait SortKey: Ord + Copy + Send + Sync + 'static {
    /// A key with a position, ordered by key and then by position.
    type Ranked: Ord + Copy + Send + Sync + 'static;

    /// Returns the key whose order is the opposite.
    fn opposite(self) -> Self;
    /// Attaches a position.
    fn ranked(self, position: u32) -> Self::Ranked;
    /// Returns the attached position.
    fn position(ranked: Self::Ranked) -> i32;
}

impl SortKey for u32 {
    type Ranked = u64;

    #[inline]
    fn opposite(self) -> Self {
        !self
    }
    #[inline]
    fn ranked(self, position: u32) -> u64 {
        (self as u64) << 32 | position as u64
    }
    #[inline]
    fn position(ranked: u64) -> i32 {
        ranked as i32
    }
}

impl SortKey for u64 {
    type Ranked = (u64, u32);

    #[inline]
    fn opposite(self) -> Self {
        !self
    }
    #[inline]
    fn ranked(self, position: u32) -> (u64, u32) {
        (self, position)
    }
    #[inline]
    fn position(ranked: (u64, u32)) -> i32 {
        ranked.1 as i32
    }
}

/// A dtype that can be sorted.
pub trait Sortable: Number {
    /// What elements of this type are compared by.
    type SortKey: SortKey;

    /// Returns the key of the sorting order: NaN are equal and last, zeros are equal.
    fn key(self) -> Self::SortKey;
    /// Returns the key of IEEE 754's total order, which tells zeros and NaN of either sign apart.
    fn total_key(self) -> Self::SortKey;
    /// Returns the element with this [`total_key`](Self::total_key).
    fn from_total_key(key: Self::SortKey) -> Self;
}

macro_rules! sortable_float {
    ($($t:ty, $bits:ty, $key:ty;)*) => { $(
        impl Sortable for $t {
            type SortKey = $key;

            #[inline]
            fn key(self) -> $key {
                if Number::is_nan(self) {
                    <$key>::MAX
                } else if self == <$t as Number>::ZERO {
                    <$t as Number>::ZERO.total_key()
                } else {
                    self.total_key()
                }
            }
            #[inline]
            fn total_key(self) -> $key {
                const SIGN: $bits = 1 << (<$bits>::BITS - 1);
                let bits = self.to_bits();
                (if bits & SIGN == 0 { bits | SIGN } else { !bits }) as $key
            }
            #[inline]
            fn from_total_key(key: $key) -> Self {
                const SIGN: $bits = 1 << (<$bits>::BITS - 1);
                let key = key as $bits;
                Self::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
            }
        }
    )* };
}
sortable_float!(f32, u32, u32; f64, u64, u64; bf16, u16, u32; f16, u16, u32;);

macro_rules! sortable_integer {
    ($($t:ty, $key:ty;)*) => { $(
        impl Sortable for $t {
            type SortKey = $key;

            #[inline]
            fn key(self) -> $key {
                (self as $key).wrapping_sub(<$t>::MIN as $key)
            }
            #[inline]
            fn total_key(self) -> $key {
                self.key()
            }
            #[inline]
            fn from_total_key(key: $key) -> Self {
                key.wrapping_add(<$t>::MIN as $key) as $t
            }
        }
    )* };
}
sortable_integer!(i32, u32; i64, u64; u32, u32; u8, u32;);

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortOrder {
    /// From the least to the greatest, NaN last.
    Ascending,
    /// From the greatest to the least, NaN first.
    Descending,
}

/// Rows at least this long are sorted by all threads when there is only one.
const LONG: usize = 1 << 15;

/// Sorts each row of `row` elements in place, as `jax.numpy.sort` does.
///
/// Ascending order is stable. Descending order is the reverse of it, which for equal elements that look different
/// (zeros, NaN) is not what [`argsort`] gives.
///
/// # Panics
/// If `x` is not a whole number of rows.
pub fn sort<T: Sortable>(x: &mut [T], row: usize, order: SortOrder) {
    if x.is_empty() {
        return;
    }
    check_rows(x.len(), row);
    let whole = x.len() == row && row >= LONG;
    threads::split(x, row, cost(row), |_, x| {
        let (mut keys, mut ranked, mut copy) = (Scratch::empty(), Scratch::empty(), Scratch::empty());
        for row in x.chunks_exact_mut(row) {
            // Without -0.0 and NaN equal elements look alike, and their positions, which cost time, show nowhere.
            if row.iter().all(|x| x.key() == x.total_key()) {
                keys.clear();
                keys.extend(row.iter().map(|x| x.total_key()));
                sort_keys(&mut keys, whole);
                for (x, &key) in row.iter_mut().zip(keys.iter()) {
                    *x = T::from_total_key(key);
                }
            } else {
                ranked.clear();
                ranked.extend(row.iter().zip(0..).map(|(x, i)| x.key().ranked(i)));
                sort_keys(&mut ranked, whole);
                copy.clear();
                copy.extend_from_slice(row);
                for (x, &ranked) in row.iter_mut().zip(ranked.iter()) {
                    *x = copy[T::SortKey::position(ranked) as usize];
                }
            }
            if order == SortOrder::Descending {
                row.reverse();
            }
        }
    });
}

/// Sorts keys of which equal ones are alike, on all threads if it is all there is to sort.
///
/// All dtypes share the few instances of this function that there are, which keeps the library small.
fn sort_keys<K: Ord + Copy + Send + Sync + 'static>(keys: &mut [K], whole: bool) {
    if whole {
        merge::sort(keys);
    } else {
        keys.sort_unstable();
    }
}

/// Finds the order of each row of `row` elements: `out` holds the positions of its elements when sorted.
///
/// Equal elements stay in the order in which they are, in descending order too.
///
/// # Panics
/// If `x` and `out` differ in length, are not a whole number of rows, or rows are longer than an `i32` counts.
pub fn argsort<T: Sortable>(x: &[T], row: usize, order: SortOrder, out: &mut [i32]) {
    assert_eq!(x.len(), out.len(), "elements and positions");
    if x.is_empty() {
        return;
    }
    check_rows(x.len(), row);
    let whole = x.len() == row && row >= LONG;
    threads::split(out, row, cost(row), |first, out| {
        let mut ranked = Scratch::empty();
        memory::reserve(&mut ranked, row);
        for (x, out) in x[first * row..].chunks_exact(row).zip(out.chunks_exact_mut(row)) {
            ranked.clear();
            ranked.extend(x.iter().zip(0..).map(|(x, i)| match order {
                SortOrder::Ascending => x.key().ranked(i),
                SortOrder::Descending => x.key().opposite().ranked(i),
            }));
            sort_keys(&mut ranked, whole);
            for (out, &ranked) in out.iter_mut().zip(ranked.iter()) {
                *out = T::SortKey::position(ranked);
            }
        }
    });
}

/// Sorts each row of `row` elements into `values` and tells in `positions` where each came from; stable.
///
/// # Panics
/// As [`argsort`], or if `values` is of another length.
pub fn sort_with_positions<T: Sortable>(
    x: &[T],
    row: usize,
    order: SortOrder,
    values: &mut [T],
    positions: &mut [i32],
) {
    argsort(x, row, order, positions);
    rows::take(x, row, positions, row, values);
}

/// Finds the `k` greatest elements of each row of `row` elements, greatest first, as `jax.lax.top_k` does.
///
/// Of equal elements the one with the lower position comes first. Unlike in sorting, NaN with a sign are the least and
/// `-0.0` is less than `0.0`.
///
/// # Panics
/// If `k` is greater than `row`, rows are longer than an `i32` counts, or a slice has not the length that follows.
pub fn top_k<T: Sortable>(x: &[T], row: usize, k: usize, values: &mut [T], positions: &mut [i32]) {
    assert!(k <= row, "{k} greatest of {row}");
    assert!(values.len() == positions.len(), "values and positions differ in length");
    if positions.is_empty() {
        return;
    }
    check_rows(x.len(), row);
    assert_eq!(positions.len(), x.len() / row * k, "{k} results a row");
    threads::split(positions, k, 4 * row, |first, positions| {
        let mut ranked = Scratch::empty();
        memory::reserve(&mut ranked, row);
        for (x, positions) in x[first * row..].chunks_exact(row).zip(positions.chunks_exact_mut(k)) {
            ranked.clear();
            ranked.extend(x.iter().zip(0..).map(|(x, i)| x.total_key().opposite().ranked(i)));
            if k < row {
                ranked.select_nth_unstable(k - 1);
            }
            ranked[..k].sort_unstable();
            for (position, &ranked) in positions.iter_mut().zip(ranked.iter()) {
                *position = T::SortKey::position(ranked);
            }
        }
    });
    rows::take(x, row, positions, k, values);
}

/// On which side of equal elements a query belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Before them.
    Left,
    /// After them.
    Right,
}

/// Finds where in its ascending row of `row` elements each query belongs; every row has as many queries.
///
/// # Panics
/// If there are no rows but queries, the numbers of elements or queries are not those of whole rows, rows are longer
/// than an `i32` counts, or `queries` and `out` differ in length.
pub fn search_sorted<T: Sortable>(
    sorted: &[T],
    row: usize,
    queries: &[T],
    queries_per_row: usize,
    bound: Bound,
    out: &mut [i32],
) {
    assert_eq!(queries.len(), out.len(), "queries and positions");
    if queries.is_empty() || row == 0 {
        return out.fill(0);
    }
    check_rows(sorted.len(), row);
    assert!(queries.len() == sorted.len() / row * queries_per_row, "{queries_per_row} queries a row");
    threads::split(out, 1, 4 * (row.ilog2() as usize + 1), |first, out| {
        for (out, i) in out.iter_mut().zip(first..) {
            let query = queries[i].key();
            let sorted = &sorted[i / queries_per_row * row..][..row];
            *out = match bound {
                Bound::Left => sorted.partition_point(|x| x.key() < query),
                Bound::Right => sorted.partition_point(|x| x.key() <= query),
            } as i32;
        }
    });
}

fn check_rows(len: usize, row: usize) {
    assert!(row > 0 && len.is_multiple_of(row), "{len} elements in rows of {row}");
    assert!(i32::try_from(row).is_ok(), "rows of {row} elements are too long for positions");
}

/// Scalar operations that sorting a row takes, roughly.
fn cost(row: usize) -> usize {
    2 * row * (row.ilog2() as usize + 1)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;

    const SPECIAL: [f64; 8] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, 1e-300];

    fn floats() -> impl Strategy<Value = Vec<f64>> {
        let one =
            prop_oneof![proptest::sample::select(&SPECIAL[..]), -3.0..3.0f64, (-4..4i32).prop_map(f64::from)];
        proptest::collection::vec(one, 0..80)
    }

    fn compare<T: Number>(a: T, b: T) -> Ordering {
        a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    }

    fn orders_are_stable_and_complete<T: Sortable>(x: &[f64]) -> Result<(), TestCaseError> {
        let x: Vec<T> = x.iter().map(|&x| T::from_f64(x)).collect();
        let n = x.len();
        for order in [SortOrder::Ascending, SortOrder::Descending] {
            let mut want: Vec<usize> = (0..n).collect();
            want.sort_by(|&i, &j| match order {
                SortOrder::Ascending => compare(x[i], x[j]),
                SortOrder::Descending => compare(x[j], x[i]),
            });
            let (mut values, mut positions) = (x.clone(), vec![0; n]);
            sort_with_positions(&x, n, order, &mut values, &mut positions);
            prop_assert_eq!(positions.iter().map(|&i| i as usize).collect::<Vec<_>>(), want.clone());
            let mut sorted = x.clone();
            sort(&mut sorted, n, order);
            for ((sorted, value), i) in sorted.iter().zip(&values).zip(want) {
                prop_assert_eq!(bytemuck::bytes_of(value), bytemuck::bytes_of(&x[i]));
                prop_assert_eq!(compare(*sorted, *value), Ordering::Equal);
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn sorting_is_a_stable_permutation_into_order(x in floats()) {
            orders_are_stable_and_complete::<f32>(&x)?;
            orders_are_stable_and_complete::<f64>(&x)?;
            orders_are_stable_and_complete::<bf16>(&x)?;
            orders_are_stable_and_complete::<f16>(&x)?;
            orders_are_stable_and_complete::<i32>(&x)?;
            orders_are_stable_and_complete::<i64>(&x)?;
            orders_are_stable_and_complete::<u32>(&x)?;
            orders_are_stable_and_complete::<u8>(&x)?;
        }

        #[test]
        fn integers_of_any_size_are_sorted_as_the_standard_library_does(x: Vec<i64>, y: Vec<i32>, z: Vec<u32>) {
            let (mut a, mut b) = (x.clone(), x);
            sort(&mut a, b.len(), SortOrder::Ascending);
            b.sort_unstable();
            prop_assert_eq!(a, b);
            let (mut a, mut b) = (y.clone(), y);
            sort(&mut a, b.len(), SortOrder::Descending);
            b.sort_unstable_by(|a, b| b.cmp(a));
            prop_assert_eq!(a, b);
            let (mut a, mut b) = (z.clone(), z);
            sort(&mut a, b.len(), SortOrder::Ascending);
            b.sort_unstable();
            prop_assert_eq!(a, b);
        }

        #[test]
        fn top_k_is_the_head_of_the_stable_descending_total_order(x in floats(), k in 0..80usize) {
            let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
            let k = k.min(x.len());
            let mut want: Vec<i32> = (0..x.len() as i32).collect();
            want.sort_by(|&i, &j| x[j as usize].total_cmp(&x[i as usize]));
            let (mut values, mut positions) = (vec![0.0; k], vec![0; k]);
            top_k(&x, x.len(), k, &mut values, &mut positions);
            prop_assert_eq!(&positions, &want[..k]);
            prop_assert!(values.iter().zip(&positions).all(|(v, &i)| v.to_bits() == x[i as usize].to_bits()));
        }

        #[test]
        fn queries_go_between_smaller_and_greater_elements(mut x in floats(), queries in floats()) {
            let n = x.len();
            sort(&mut x, n, SortOrder::Ascending);
            let (mut left, mut right) = (vec![9; queries.len()], vec![9; queries.len()]);
            search_sorted(&x, n, &queries, queries.len(), Bound::Left, &mut left);
            search_sorted(&x, n, &queries, queries.len(), Bound::Right, &mut right);
            for ((&query, left), right) in queries.iter().zip(left).zip(right) {
                let below = x.iter().filter(|&&x| compare(x, query) == Ordering::Less).count();
                let equal = x.iter().filter(|&&x| compare(x, query) == Ordering::Equal).count();
                prop_assert_eq!((left as usize, right as usize), (below, below + equal));
            }
        }
    }

    fn scattered(n: usize) -> Vec<f32> {
        (0..n as u32).map(|i| (i.wrapping_mul(2654435761) >> 20) as f32).collect()
    }

    #[test]
    fn rows_are_sorted_one_by_one() {
        let (rows, row, k) = (300, 257, 5);
        let x = scattered(rows * row);
        let mut positions = vec![0; x.len()];
        argsort(&x, row, SortOrder::Ascending, &mut positions);
        let mut sorted = x.clone();
        sort(&mut sorted, row, SortOrder::Ascending);
        let (mut values, mut top) = (vec![0.0; rows * k], vec![0; rows * k]);
        top_k(&x, row, k, &mut values, &mut top);
        let mut found = vec![0; rows * k];
        search_sorted(&sorted, row, &values, k, Bound::Right, &mut found);
        for r in 0..rows {
            let (x, sorted) = (&x[r * row..][..row], &sorted[r * row..][..row]);
            assert!(sorted.is_sorted());
            assert!(sorted.iter().zip(&positions[r * row..]).all(|(&s, &i)| s == x[i as usize]));
            assert!((0..k).all(|i| values[r * k + i] == sorted[row - 1 - i]));
            assert_eq!(found[r * k], row as i32);
        }
    }

    #[test]
    fn a_single_long_row_is_sorted_stably() {
        let x = scattered(LONG + 3);
        let mut want: Vec<i32> = (0..x.len() as i32).collect();
        want.sort_by(|&i, &j| x[i as usize].total_cmp(&x[j as usize]));
        let (mut values, mut positions) = (x.clone(), vec![0; x.len()]);
        sort_with_positions(&x, x.len(), SortOrder::Ascending, &mut values, &mut positions);
        assert!(positions == want && values.is_sorted());
        let mut sorted = x.clone();
        sort(&mut sorted, x.len(), SortOrder::Ascending);
        assert!(sorted == values);
    }

    #[test]
    fn a_search_in_nothing_finds_the_start() {
        let mut out = [5; 2];
        search_sorted(&[], 0, &[1.0f32, 2.0], 2, Bound::Left, &mut out);
        assert_eq!(out, [0, 0]);
    }
}
