//! Which elements each window meets, the same for every slice.

use super::Plan;

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
        let windows = plan.axes.iter().map(|axis| axis.outs).product();
        let (mut rows, mut ends) = (Vec::new(), Vec::with_capacity(windows));
        let (mut taps, mut before) = (Vec::new(), Vec::new());
        for window in 0..windows {
            taps.clear();
            taps.push(0);
            let (mut below, mut rest) = (windows, window);
            for axis in &plan.axes {
                below /= axis.outs;
                let out = rest / below;
                rest %= below;
                std::mem::swap(&mut taps, &mut before);
                taps.clear();
                for &start in before.iter().filter(|&&start| wanted(start)) {
                    let element = |tap| match axis.element(out, tap) {
                        Some(element) if start != PADDING => start * axis.size + element,
                        _ => PADDING,
                    };
                    taps.extend((0..axis.window).map(element));
                }
            }
            rows.extend(taps.iter().filter(|&&row| wanted(row)));
            ends.push(rows.len());
        }
        Self { rows, ends }
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
