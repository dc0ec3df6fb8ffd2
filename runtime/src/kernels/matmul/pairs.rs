//! Products of `bf16` in pairs, on processors that have an instruction for them: as many terms a cycle as two products of `f32`,
//! and nothing is widened in memory.
//!
//! The loops around the micro-kernel are those of BLIS, for operands that are packed once: each job packs panels of the right matrix,
//! for which all rows (of a large block) pass; the left matrix is read as it lies where that is pairs already. An operand in `f32` is
//! rounded while it is packed. How the work is cut depends on shapes alone, and each sum has one order.

use half::bf16;

use super::super::microkernels::{
    PAIR_COLUMNS, PAIR_ROWS, PAIR_TILE, PairKernels, PairPacking, PairProduct, PairSums, PairTile,
};
use super::super::scratch::Scratch;
use super::super::simd::Level;
use super::super::threads::{self, DisjointSlice};
use super::MatrixView;
use crate::array::memory;

/// Multiplications below which a batch stays on one thread: about 10 µs of work.
const THRESHOLD: usize = 1 << 20;
/// Multiplications that a job should have, if a panel has fewer: about 10 µs of work.
const JOB: usize = 1 << 21;
/// Rows that a panel is packed for at most: their sums stay in L2.
const ROWS: usize = 1024;
/// Pairs of a panel: it stays in L1, beside the rows of a tile.
const DEPTH: usize = 256;
/// Pairs behind each packed row: rows whose distance is a power of two would drive each other out of the cache.
const GAP: usize = 16;
/// Numbers to which panels are aligned (a cache line).
const LINE: usize = 16;
/// Rows from which on packing the right matrix takes no longer than widening it.
pub(super) const MIN_ROWS: usize = 4;

/// A matrix of `bf16`, or of `f32` that are rounded to it.
#[derive(Clone, Copy)]
pub(super) enum Brains {
    Halves(MatrixView<bf16>),
    Floats(MatrixView<f32>),
}

/// A batch of matrices: the first one, and the distances between consecutive ones.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub first: Brains,
    pub batch: &'a [isize],
}

/// A batch of products.
pub(super) struct Products<'a> {
    pub size: [usize; 3],
    pub batch: &'a [usize],
    pub lhs: Side<'a>,
    pub rhs: Side<'a>,
}

/// How the numbers of a matrix lie.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Order {
    /// Terms of a sum follow each other; lines are so far apart.
    Along(usize),
    /// Lines follow each other; terms are so far apart.
    Across(usize),
}

impl Order {
    /// None unless either follow each other; of a single line, and of a single term, no distance matters.
    fn of([lines, terms]: [usize; 2], line: isize, term: isize) -> Option<Order> {
        if (term == 1 || terms == 1) && (line >= 0 || lines == 1) {
            Some(Order::Along(line as usize))
        } else if (line == 1 || lines == 1) && term >= 0 {
            Some(Order::Across(term as usize))
        } else {
            None
        }
    }
}

impl Brains {
    fn strides(self) -> [isize; 2] {
        match self {
            Brains::Halves(view) => [view.row, view.col],
            Brains::Floats(view) => [view.row, view.col],
        }
    }

    fn behind(self, elements: isize) -> Brains {
        let elements = elements as usize;
        match self {
            Brains::Halves(view) => {
                Brains::Halves(MatrixView { start: view.start.wrapping_add(elements), ..view })
            }
            Brains::Floats(view) => {
                Brains::Floats(MatrixView { start: view.start.wrapping_add(elements), ..view })
            }
        }
    }

    /// Packs lines from `line` and terms from `term` on, at most a tile of them, to lines or to pairs of terms.
    ///
    /// # Safety
    /// They are inside of the matrix, which is readable; `to` has rows as [`PairTile`] wants them.
    unsafe fn pack(
        self,
        kernels: &PairKernels,
        order: Order,
        [line, lines]: [usize; 2],
        [term, terms]: [usize; 2],
        (to, to_pitch): (*mut u32, usize),
        by_pairs: bool,
    ) {
        let (pitch, first) = match order {
            Order::Along(pitch) => (pitch, line * pitch + term),
            Order::Across(pitch) => (pitch, line + term * pitch),
        };
        let to_rows = if by_pairs { terms.div_ceil(2) } else { lines };
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Brains::Halves(view) => {
                    let from = view.start.cast::<u16>().wrapping_add(first);
                    let tile = PairTile { from, pitch, lines, terms, to, to_pitch, to_rows };
                    by_order(&kernels.halves, order)[usize::from(by_pairs)](&tile);
                }
                Brains::Floats(view) => {
                    let from = view.start.wrapping_add(first);
                    let tile = PairTile { from, pitch, lines, terms, to, to_pitch, to_rows };
                    by_order(&kernels.floats, order)[usize::from(by_pairs)](&tile);
                }
            }
        }
    }
}

fn by_order<T>(packing: &PairPacking<T>, order: Order) -> &[unsafe fn(&PairTile<T>); 2] {
    match order {
        Order::Along(_) => &packing.along,
        Order::Across(_) => &packing.across,
    }
}

/// How two matrices with these strides of rows and columns lie, if both lie in one of the orders that are packed.
pub(super) fn orders(
    [m, k, n]: [usize; 3],
    [row, col]: [isize; 2],
    [rhs_row, rhs_col]: [isize; 2],
) -> Option<(Order, Order)> {
    Some((Order::of([m, k], row, col)?, Order::of([n, k], rhs_col, rhs_row)?))
}

/// Whether processor and level have the instructions.
pub(super) fn is_available(level: Level) -> bool {
    PairKernels::of(level).is_some()
}

/// Computes all products of a batch, rounded once, and tells whether it did: not if the machine has no instruction for it at this level,
/// or a side lies in neither order.
///
/// # Safety
/// Both sides are readable for all batch indices and their part of `size`, in which no number is 0; `out` has one element per batch
/// index, row and column.
pub(super) unsafe fn run(level: Level, products: &Products<'_>, out: &mut [bf16]) -> bool {
    let orders = orders(products.size, products.lhs.first.strides(), products.rhs.first.strides());
    let (Some(kernels), Some((lhs, rhs))) = (PairKernels::of(level), orders) else { return false };
    let loops = Loops { kernels, products, lhs, rhs };
    // SAFETY: the caller's promise.
    unsafe { loops.run(out) };
    true
}

/// The loops around the micro-kernels.
struct Loops<'a> {
    kernels: &'a PairKernels,
    products: &'a Products<'a>,
    lhs: Order,
    rhs: Order,
}

impl Loops<'_> {
    /// # Safety
    /// As [`run`].
    unsafe fn run(&self, out: &mut [bf16]) {
        let [m, k, n] = self.products.size;
        let count = out.len() / (m * n);
        let is_parallel = count * m * k * n >= THRESHOLD;
        let mut packed = Scratch::<u32>::new();
        // SAFETY: the caller's promise.
        let left = unsafe { self.left(count, is_parallel, &mut packed) };
        let rows = m.div_ceil(m.div_ceil(ROWS)).next_multiple_of(PAIR_ROWS).min(m);
        let panels = n.div_ceil(PAIR_COLUMNS);
        let panels_each = (JOB / (rows * k * PAIR_COLUMNS)).clamp(1, panels);
        let (down, across) = (m.div_ceil(rows), panels.div_ceil(panels_each));
        let target = DisjointSlice::new(out);
        let job = |job: usize| {
            let (index, at) = (job / (down * across), job % (down * across));
            let first = at / across * rows;
            let block = Block { loops: self, left: &left, index, first, rows: rows.min(m - first) };
            for panel in (at % across * panels_each..panels).take(panels_each) {
                // SAFETY: the caller's promise; a block of `out` that is no other's.
                unsafe { block.panel(panel * PAIR_COLUMNS, target.from((index * m + first) * n)) };
            }
        };
        let jobs = count * down * across;
        if is_parallel { threads::parallel(jobs, &job) } else { (0..jobs).for_each(job) }
    }

    /// # Safety
    /// As [`run`].
    unsafe fn left(&self, count: usize, is_parallel: bool, packed: &mut Vec<u32>) -> Left {
        let (products, [m, k, _]) = (self.products, self.products.size);
        let lies = (products.lhs.first, self.lhs, k.is_multiple_of(2));
        if let (Brains::Halves(view), Order::Along(pitch), true) = lies {
            return Left::Direct(view, pitch);
        }
        let pitch = k.div_ceil(2).next_multiple_of(PAIR_TILE) + GAP;
        if packed.len() < count * m * pitch {
            memory::resize(packed, count * m * pitch, 0);
        }
        let target = DisjointSlice::new(packed);
        let tiles = m.div_ceil(PAIR_TILE);
        let job = |job: usize| {
            let (index, line) = (job / tiles, job % tiles * PAIR_TILE);
            let lhs = products.lhs.first.behind(products.distance(products.lhs, index));
            let lines = PAIR_TILE.min(m - line);
            for term in (0..k).step_by(2 * PAIR_TILE) {
                let terms = (2 * PAIR_TILE).min(k - term);
                let to = target.from((index * m + line) * pitch + term / 2);
                // SAFETY: the caller's promise; these lines are no other job's.
                unsafe { lhs.pack(self.kernels, self.lhs, [line, lines], [term, terms], (to, pitch), false) };
            }
        };
        if is_parallel {
            threads::parallel(count * tiles, &job);
        } else {
            (0..count * tiles).for_each(job);
        }
        Left::Packed(packed.as_ptr(), pitch)
    }
}

impl Products<'_> {
    /// The distance to the matrix with this row-major batch index.
    fn distance(&self, side: Side<'_>, index: usize) -> isize {
        let (mut distance, mut rest) = (0, index);
        for (&size, &stride) in self.batch.iter().zip(side.batch).rev() {
            distance += (rest % size) as isize * stride;
            rest /= size;
        }
        distance
    }
}

/// The rows of all left matrices, as pairs.
enum Left {
    /// As they lie: the first one, and how many numbers they are apart.
    Direct(MatrixView<bf16>, usize),
    /// Packed: the first one, and how many pairs they are apart.
    Packed(*const u32, usize),
}

// SAFETY: a shared reference to plain values, which outlives the jobs.
unsafe impl Sync for Left {}

/// Some rows of one product.
struct Block<'a> {
    loops: &'a Loops<'a>,
    left: &'a Left,
    index: usize,
    first: usize,
    rows: usize,
}

impl Block<'_> {
    /// From pair `p` of a row on.
    fn row(&self, row: usize, p: usize) -> *const u32 {
        match *self.left {
            Left::Direct(view, pitch) => {
                let products = self.loops.products;
                let start = products.distance(products.lhs, self.index) as usize;
                view.start.wrapping_add(start + (self.first + row) * pitch + 2 * p).cast()
            }
            Left::Packed(start, pitch) => {
                let row = self.index * self.loops.products.size[0] + self.first + row;
                start.wrapping_add(row * pitch + p)
            }
        }
    }

    /// Computes the columns of a panel from `column` on; the first row of the block is at `out`.
    ///
    /// # Safety
    /// As [`run`], for a part of `out` that is no other's.
    unsafe fn panel(&self, column: usize, out: *mut bf16) {
        let [_, k, n] = self.loops.products.size;
        let (pairs, columns) = (k.div_ceil(2), PAIR_COLUMNS.min(n - column));
        let mut memory = Scratch::<u32>::new();
        let panel = aligned(&mut memory, DEPTH.min(pairs).next_multiple_of(PAIR_TILE) * PAIR_COLUMNS);
        let mut memory = Scratch::<f32>::new();
        let sums = aligned(&mut memory, self.rows * PAIR_COLUMNS);
        let height = self.rows.div_ceil(self.rows.div_ceil(PAIR_ROWS));
        let by_rows = &self.loops.kernels.product[columns.div_ceil(PAIR_COLUMNS / 2) - 1];
        for p in (0..pairs).step_by(DEPTH) {
            let depth = DEPTH.min(pairs - p);
            // SAFETY: the caller's promise; the panel has room for so many pairs.
            unsafe { self.pack([column, columns], [2 * p, (2 * depth).min(k - 2 * p)], panel) };
            for row in (0..self.rows).step_by(height) {
                let count = height.min(self.rows - row);
                let rows: [_; PAIR_ROWS] = std::array::from_fn(|i| self.row(row + i.min(count - 1), p));
                let out = sums.wrapping_add(row * PAIR_COLUMNS);
                let job = PairProduct { rows: &rows[..count], pairs: depth, panel, out, accumulate: p > 0 };
                // SAFETY: rows of the left matrix, a packed panel, and sums for each row.
                unsafe { by_rows[count - 1](&job) };
            }
        }
        let to = out.wrapping_add(column).cast();
        // SAFETY: sums of all rows; this part of `out`.
        unsafe {
            (self.loops.kernels.round)(&PairSums { from: sums, rows: self.rows, columns, to, to_row: n });
        };
    }

    /// Packs terms of a panel of the right matrix.
    ///
    /// # Safety
    /// As [`run`]; `panel` has room for all pairs of terms.
    unsafe fn pack(&self, [column, columns]: [usize; 2], [term, terms]: [usize; 2], panel: *mut u32) {
        let Loops { kernels, products, rhs: order, .. } = *self.loops;
        let rhs = products.rhs.first.behind(products.distance(products.rhs, self.index));
        for t in (0..terms).step_by(2 * PAIR_TILE) {
            for c in (0..columns).step_by(PAIR_TILE) {
                let (lines, some) = (PAIR_TILE.min(columns - c), (2 * PAIR_TILE).min(terms - t));
                let to = panel.wrapping_add(t / 2 * PAIR_COLUMNS + c);
                // SAFETY: the caller's promise.
                unsafe {
                    rhs.pack(kernels, order, [column + c, lines], [term + t, some], (to, PAIR_COLUMNS), true);
                }
            }
        }
    }
}

/// So many numbers of a vector that begin with a cache line.
fn aligned<T: Copy + bytemuck::Zeroable>(memory: &mut Vec<T>, count: usize) -> *mut T {
    if memory.len() < count + LINE {
        memory::resize(memory, count + LINE, T::zeroed());
    }
    let start = memory.as_mut_ptr();
    start.wrapping_add(start.align_offset(LINE * size_of::<T>()).min(LINE))
}
