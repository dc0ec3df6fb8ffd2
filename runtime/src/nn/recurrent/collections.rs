//! Which collections of variables and random streams a loop over time takes along, and how.

use crate::variables::Filter;

/// Collections with a value for each step, and the axis of the steps in them; None for one value for all steps.
///
/// ```
/// use flaxen::nn::VariableAxes;
/// assert_eq!(VariableAxes::from([("batch_stats", 0)]).0.len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VariableAxes(pub Vec<(Filter, Option<isize>)>);

impl<F: Into<Filter>, A: Into<Option<isize>>, const N: usize> From<[(F, A); N]> for VariableAxes {
    fn from(axes: [(F, A); N]) -> VariableAxes {
        VariableAxes(axes.into_iter().map(|(filter, axis)| (filter.into(), axis.into())).collect())
    }
}

/// Random streams, and whether each step draws other numbers from them.
///
/// ```
/// use flaxen::nn::SplitRngs;
/// assert_eq!(SplitRngs::from([("params", false), ("dropout", true)]).0.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SplitRngs(pub Vec<(Filter, bool)>);

impl<F: Into<Filter>, const N: usize> From<[(F, bool); N]> for SplitRngs {
    fn from(splits: [(F, bool); N]) -> SplitRngs {
        SplitRngs(splits.into_iter().map(|(filter, splits)| (filter.into(), splits)).collect())
    }
}
