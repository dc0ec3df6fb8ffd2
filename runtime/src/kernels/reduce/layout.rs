//! How a reduction of an array looks once axes are merged.

use smallvec::SmallVec;

/// Neighbouring axes that are all kept or all reduced, as one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub size: usize,
    pub reduced: bool,
}

pub(crate) type Groups = SmallVec<[Group; 6]>;

/// Merges neighbouring axes of the same kind and drops axes of size one.
///
/// The result alternates between kept and reduced, and is empty for an array of one element.
///
/// # Panics
/// If an axis is out of range or named twice.
pub(crate) fn collapse(shape: &[usize], axes: &[usize]) -> Groups {
    for (i, &axis) in axes.iter().enumerate() {
        assert!(axis < shape.len(), "axis {axis} of an array of {} axes", shape.len());
        assert!(!axes[..i].contains(&axis), "axis {axis} is named twice");
    }
    let mut groups = Groups::new();
    for (axis, &size) in shape.iter().enumerate() {
        if size == 1 {
            continue;
        }
        let reduced = axes.contains(&axis);
        match groups.last_mut() {
            Some(last) if last.reduced == reduced => last.size *= size,
            _ => groups.push(Group { size, reduced }),
        }
    }
    groups
}

/// An axis to step along: how often, and how far each time.
#[derive(Clone, Copy, Debug)]
struct Level {
    size: usize,
    stride: usize,
}

/// Several axes, walked in row-major order.
#[derive(Debug, Default)]
pub(crate) struct Levels(SmallVec<[Level; 3]>);

impl Levels {
    /// How many index tuples there are.
    pub fn count(&self) -> usize {
        self.0.iter().map(|level| level.size).product()
    }

    /// Where the index tuple with this number is.
    #[inline]
    pub fn offset(&self, mut number: usize) -> usize {
        match self.0.as_slice() {
            [] => 0,
            [level] => number * level.stride,
            levels => {
                let mut offset = 0;
                for level in levels.iter().rev() {
                    offset += number % level.size * level.stride;
                    number /= level.size;
                }
                offset
            }
        }
    }
}

/// The order in which a reduction visits its array.
///
/// The array consists of contiguous runs of `run` elements. A run is reduced to one number if `run_reduced`, and is a
/// row of that many kept numbers otherwise.
#[derive(Debug)]
pub(crate) struct Visit {
    pub kept: Levels,
    pub reduced: Levels,
    pub run: usize,
    pub run_reduced: bool,
}

impl Visit {
    pub fn new(groups: &[Group]) -> Self {
        let (last, outer) =
            groups.split_last().map_or((Group { size: 1, reduced: false }, groups), |(l, o)| (*l, o));
        let mut visit = Self {
            kept: Levels::default(),
            reduced: Levels::default(),
            run: last.size,
            run_reduced: last.reduced,
        };
        let mut stride = last.size;
        for group in outer.iter().rev() {
            let levels = if group.reduced { &mut visit.reduced } else { &mut visit.kept };
            levels.0.insert(0, Level { size: group.size, stride });
            stride *= group.size;
        }
        visit
    }

    /// Takes the innermost reduced axis out, if rows are adjacent along it; returns its size.
    pub fn take_adjacent_rows(&mut self) -> Option<usize> {
        match self.reduced.0.last() {
            Some(level) if !self.run_reduced && level.stride == self.run => {
                let size = level.size;
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
        collapse(shape, axes).iter().map(|g| (g.size, g.reduced)).collect()
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
        let visit = Visit::new(&collapse(&[2, 3, 4, 5, 6], &[1, 3]));
        assert_eq!((visit.kept.count(), visit.reduced.count(), visit.run), (8, 15, 6));
        assert_eq!(visit.kept.offset(5), 360 + 30);
        assert_eq!(visit.reduced.offset(7), 120 + 2 * 6);
    }

    #[test]
    #[should_panic(expected = "named twice")]
    fn an_axis_named_twice_is_refused() {
        collapse(&[2, 3], &[1, 1]);
    }
}
