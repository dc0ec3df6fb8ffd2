//! How a reduction of an array looks once axes are merged.

use smallvec::SmallVec;

/// Neighbouring axes that are all kept or all reduced, as one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AxisGroup {
    pub size: usize,
    pub reduced: bool,
}

pub(crate) type AxisGroups = SmallVec<[AxisGroup; 6]>;

/// Merges neighbouring axes of the same kind and drops axes of size one.
///
/// The result alternates between kept and reduced, and is empty for an array of one element.
///
/// # Panics
/// If an axis is out of range or named twice.
pub(crate) fn merge_axes(shape: &[usize], axes: &[usize]) -> AxisGroups {
    for (i, &axis) in axes.iter().enumerate() {
        assert!(axis < shape.len(), "axis {axis} of an array of {} axes", shape.len());
        assert!(!axes[..i].contains(&axis), "axis {axis} is named twice");
    }
    let mut groups = AxisGroups::new();
    for (axis, &size) in shape.iter().enumerate() {
        if size == 1 {
            continue;
        }
        let reduced = axes.contains(&axis);
        match groups.last_mut() {
            Some(last) if last.reduced == reduced => last.size *= size,
            _ => groups.push(AxisGroup { size, reduced }),
        }
    }
    groups
}

/// An axis to step along: how often, and how far each time.
#[derive(Clone, Copy, Debug)]
struct Loop {
    size: usize,
    stride: usize,
}

/// Several axes, walked in row-major order.
#[derive(Debug, Default)]
pub(crate) struct LoopNest(SmallVec<[Loop; 3]>);

impl LoopNest {
    /// How many index tuples there are.
    pub fn count(&self) -> usize {
        self.0.iter().map(|axis| axis.size).product()
    }

    /// Where the index tuple with this number is.
    #[inline]
    pub fn offset(&self, mut number: usize) -> usize {
        match self.0.as_slice() {
            [] => 0,
            [axis] => number * axis.stride,
            loops => {
                let mut offset = 0;
                for axis in loops.iter().rev() {
                    offset += number % axis.size * axis.stride;
                    number /= axis.size;
                }
                offset
            }
        }
    }
}

/// The order in which a reduction visits its array.
///
/// The array consists of contiguous runs of `run` elements. A run is reduced to one element if `run_reduced`, and is a
/// row of that many kept elements otherwise.
#[derive(Debug)]
pub(crate) struct Traversal {
    pub kept: LoopNest,
    pub reduced: LoopNest,
    pub run: usize,
    pub run_reduced: bool,
}

impl Traversal {
    pub fn new(groups: &[AxisGroup]) -> Self {
        let (last, outer) =
            groups.split_last().map_or((AxisGroup { size: 1, reduced: false }, groups), |(l, o)| (*l, o));
        let mut traversal = Self {
            kept: LoopNest::default(),
            reduced: LoopNest::default(),
            run: last.size,
            run_reduced: last.reduced,
        };
        let mut stride = last.size;
        for group in outer.iter().rev() {
            let loops = if group.reduced { &mut traversal.reduced } else { &mut traversal.kept };
            loops.0.insert(0, Loop { size: group.size, stride });
            stride *= group.size;
        }
        traversal
    }

    /// Takes the innermost reduced axis out, if rows are adjacent along it; returns its size.
    pub fn take_adjacent_rows(&mut self) -> Option<usize> {
        match self.reduced.0.last() {
            Some(axis) if !self.run_reduced && axis.stride == self.run => {
                let size = axis.size;
                self.reduced.0.pop();
                Some(size)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(shape: &[usize], axes: &[usize]) -> Vec<(usize, bool)> {
        merge_axes(shape, axes).iter().map(|g| (g.size, g.reduced)).collect()
    }

    #[test]
    fn neighbours_of_a_kind_become_one_axis_across_axes_of_size_one() {
        assert_eq!(kinds(&[2, 3, 4], &[0, 1, 2]), [(24, true)]);
        assert_eq!(kinds(&[2, 3, 4], &[]), [(24, false)]);
        assert_eq!(kinds(&[2, 1, 4, 5], &[1, 3]), [(8, false), (5, true)]);
        assert_eq!(kinds(&[8, 3, 5, 5], &[3, 0, 2]), [(8, true), (3, false), (25, true)]);
        assert_eq!(kinds(&[1, 1], &[0]), []);
    }

    #[test]
    fn levels_walk_in_row_major_order() {
        let traversal = Traversal::new(&merge_axes(&[2, 3, 4, 5, 6], &[1, 3]));
        assert_eq!((traversal.kept.count(), traversal.reduced.count(), traversal.run), (8, 15, 6));
        assert_eq!(traversal.kept.offset(5), 360 + 30);
        assert_eq!(traversal.reduced.offset(7), 120 + 2 * 6);
    }

    #[test]
    #[should_panic(expected = "named twice")]
    fn an_axis_named_twice_is_refused() {
        merge_axes(&[2, 3], &[1, 1]);
    }
}
