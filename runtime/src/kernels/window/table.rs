//! Which elements each window meets, the same for every slice.

use super::{Axis, Plan};
use crate::array::memory;

/// Stands for padding in place of a row.
pub(super) const PADDING: usize = usize::MAX;

/// The elements of each window of a slice in row-major order, as numbers of rows of `inner` elements.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<usize>,
    ends: Vec<usize>,
}

impl Table {
    /// Elements that are there.
    pub fn inside(plan: &Plan) -> Self {
        Self::new(plan, |row| row != PADDING)
    }

    /// All taps of every window; padding is [`PADDING`].
    pub fn all(plan: &Plan) -> Self {
        Self::new(plan, |_| true)
    }

    fn new(plan: &Plan, wanted: impl Fn(usize) -> bool) -> Self {
        let lines: Vec<Line> = plan.axes.iter().map(Line::new).collect();
        let mut table = Self { rows: Vec::new(), ends: Vec::new() };
        table.extend(&lines, &[0], &wanted);
        table
    }

    /// Adds the windows along `lines` whose elements along the dimensions before are `before`.
    fn extend(&mut self, lines: &[Line], before: &[usize], wanted: &impl Fn(usize) -> bool) {
        let Some((line, behind)) = lines.split_first() else {
            self.rows.extend_from_slice(before);
            return self.ends.push(self.rows.len());
        };
        let mut rows = memory::with_capacity(before.len() * line.window);
        for elements in line.elements.chunks_exact(line.window) {
            rows.clear();
            for &start in before {
                let row = |&element: &usize| match (start, element) {
                    (PADDING, _) | (_, PADDING) => PADDING,
                    _ => start * line.size + element,
                };
                rows.extend(elements.iter().map(row).filter(|&row| wanted(row)));
            }
            self.extend(behind, &rows, wanted);
        }
    }

    /// How many windows there are.
    pub fn windows(&self) -> usize {
        self.ends.len()
    }

    /// The rows of a window.
    #[inline(always)]
    pub fn rows(&self, window: usize) -> &[usize] {
        let start = if window == 0 { 0 } else { self.ends[window - 1] };
        &self.rows[start..self.ends[window]]
    }
}

/// What the windows along one dimension meet.
struct Line {
    size: usize,
    window: usize,
    /// By window and tap.
    elements: Vec<usize>,
}

impl Line {
    fn new(axis: &Axis) -> Self {
        let element = |out| (0..axis.window).map(move |tap| axis.element(out, tap).unwrap_or(PADDING));
        Self { size: axis.size, window: axis.window, elements: (0..axis.outs).flat_map(element).collect() }
    }
}
