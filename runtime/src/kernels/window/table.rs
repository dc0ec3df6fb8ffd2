//! A look-up table of the elements that each window meets, the same for every slice.

use super::{WindowAxis, WindowPlan};
use crate::array::memory;

/// Stands for padding instead of a row.
pub(super) const PADDING: usize = usize::MAX;

/// The elements of each window of a slice in row-major order, as indices of rows of `inner` elements.
#[derive(Debug)]
pub(super) struct WindowTable {
    rows: Vec<usize>,
    ends: Vec<usize>,
}

impl WindowTable {
    /// Elements that are there.
    pub fn inside(plan: &WindowPlan) -> Self {
        Self::new(plan, |row| row != PADDING)
    }

    /// All taps of every window; padding is [`PADDING`].
    pub fn all(plan: &WindowPlan) -> Self {
        Self::new(plan, |_| true)
    }

    fn new(plan: &WindowPlan, wanted: impl Fn(usize) -> bool) -> Self {
        let axes: Vec<AxisTaps> = plan.axes.iter().map(AxisTaps::new).collect();
        let mut table = Self { rows: Vec::new(), ends: Vec::new() };
        table.extend(&axes, &[0], &wanted);
        table
    }

    /// Adds the windows along `axes` whose elements along the dimensions before are `before`.
    fn extend(&mut self, axes: &[AxisTaps], before: &[usize], wanted: &impl Fn(usize) -> bool) {
        let Some((axis, behind)) = axes.split_first() else {
            self.rows.extend_from_slice(before);
            return self.ends.push(self.rows.len());
        };
        let mut rows = memory::with_capacity(before.len() * axis.window);
        for elements in axis.elements.chunks_exact(axis.window) {
            rows.clear();
            for &start in before {
                let row = |&element: &usize| match (start, element) {
                    (PADDING, _) | (_, PADDING) => PADDING,
                    _ => start * axis.size + element,
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
struct AxisTaps {
    size: usize,
    window: usize,
    /// By window and tap.
    elements: Vec<usize>,
}

impl AxisTaps {
    fn new(axis: &WindowAxis) -> Self {
        let element = |out| (0..axis.window).map(move |tap| axis.element(out, tap).unwrap_or(PADDING));
        Self { size: axis.size, window: axis.window, elements: (0..axis.outs).flat_map(element).collect() }
    }
}
