//! Which elements each window meets, the same for every slice.

use super::{Axis, Plan};

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
        let mut table = Self { rows: Vec::new(), ends: Vec::new() };
        table.extend(&plan.axes, &[0], &wanted);
        table
    }

    /// Adds the windows along `axes` whose elements along the dimensions before are `lines`.
    fn extend(&mut self, axes: &[Axis], lines: &[usize], wanted: &impl Fn(usize) -> bool) {
        let Some((axis, behind)) = axes.split_first() else {
            self.rows.extend_from_slice(lines);
            return self.ends.push(self.rows.len());
        };
        let (mut elements, mut inner) = (Vec::with_capacity(axis.window), Vec::new());
        for out in 0..axis.outs {
            elements.clear();
            elements.extend((0..axis.window).map(|tap| axis.element(out, tap).unwrap_or(PADDING)));
            inner.clear();
            for &line in lines {
                let row = |&element: &usize| match (line, element) {
                    (PADDING, _) | (_, PADDING) => PADDING,
                    _ => line * axis.size + element,
                };
                inner.extend(elements.iter().map(row).filter(|&row| wanted(row)));
            }
            self.extend(behind, &inner, wanted);
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
