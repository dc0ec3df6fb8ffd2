//! Factored second moments: their rows and columns only.

use super::GradientTransformation;
use super::moments::{
    may_vanish, safe_increment, second_moment_dtype, within, zero_count, zip_uneven_moments,
};
use super::settings::setters;
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{NOT_NEGATIVE, POSITIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::tree::{self, Tree};
use crate::variables::Dict;

/// Updates over a root mean square that is kept by rows and columns; see [`scale_by_factored_rms`].
#[derive(Clone, Debug)]
pub struct ScaleByFactoredRms {
    pub(super) factored: bool,
    pub(super) decay_rate: Tensor,
    step_offset: i32,
    pub(super) min_dim_size_to_factor: usize,
    epsilon: Tensor,
}

/// What Adafactor remembers; a leaf has rows and columns or all numbers, and one zero in place of what it has not.
#[derive(Clone, Debug, Tree)]
pub struct FactoredState<P = Dict> {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The mean squares of rows: without the longest axis. `F32` for leaves of `F16`, as are the others.
    pub v_row: P,
    /// The mean squares of columns: without the second longest axis.
    pub v_col: P,
    /// The mean squares of all numbers.
    pub v: P,
}

/// `g / √v`, with `v` the product of the moving averages of squares over rows and over columns, for leaves whose two
/// longest axes have `min_dim_size_to_factor` elements or more; others keep all of `v`.
///
/// The decay is `1 − t^−decay_rate`.
///
/// Source: Shazeer and Stern, *Adafactor*, 2018.
pub fn scale_by_factored_rms() -> ScaleByFactoredRms {
    ScaleByFactoredRms {
        factored: true,
        decay_rate: bare(0.8),
        step_offset: 0,
        min_dim_size_to_factor: 128,
        epsilon: bare(1e-30),
    }
}

setters! { ScaleByFactoredRms {
    /// Whether any leaf is kept by rows and columns, which is the default.
    factored: bool,
    /// How fast the decay approaches 1: above 0; 0.8 by default.
    decay_rate: Tensor,
    /// From which update on the decay counts; 0 by default. Earlier ones are as the first.
    step_offset: i32,
    /// How long the two longest axes must be; 128 by default.
    min_dim_size_to_factor: usize,
    /// What is added to squares: at least 0; 10⁻³⁰ by default. Where the mean square is 0, the update is.
    epsilon: Tensor,
} }

impl ScaleByFactoredRms {
    /// The second longest and the longest axis, if the leaf is kept by rows and columns.
    fn axes(&self, shape: &[usize]) -> Option<(usize, usize)> {
        let mut axes: Vec<usize> = (0..shape.len()).collect();
        axes.sort_by_key(|&axis| shape[axis]);
        match axes[..] {
            [.., second, longest] if self.factored && shape[second] >= self.min_dim_size_to_factor => {
                Some((second, longest))
            }
            _ => None,
        }
    }
}

fn without(shape: &[usize], axis: usize) -> Vec<usize> {
    shape.iter().enumerate().filter(|&(i, _)| i != axis).map(|(_, &size)| size).collect()
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByFactoredRms {
    type State = FactoredState<P>;

    fn init(&self, params: &P) -> FactoredState<P> {
        let zeros = |shape: &dyn Fn(&[usize]) -> Vec<usize>| {
            let zeros =
                |leaf: &Tensor| Ok(Tensor::zeros_of(shape(leaf.shape()), second_moment_dtype(leaf.dtype())));
            crate::error::unwrap(tree::map(params, zeros))
        };
        FactoredState {
            count: zero_count(),
            v_row: zeros(&|shape| self.axes(shape).map_or_else(|| vec![1], |(_, d0)| without(shape, d0))),
            v_col: zeros(&|shape| self.axes(shape).map_or_else(|| vec![1], |(d1, _)| without(shape, d1))),
            v: zeros(&|shape| if self.axes(shape).is_some() { vec![1] } else { shape.to_vec() }),
        }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        POSITIVE.check_number("scale_by_factored_rms", "decay_rate", &self.decay_rate)?;
        NOT_NEGATIVE.check_number("scale_by_factored_rms", "epsilon", &self.epsilon)?;
        let step = (&state.count - self.step_offset + 1).maximum(1).cast(DType::F32);
        let decay = 1.0 - step.try_pow(-&self.decay_rate)?;
        let moving = |average: &Tensor, x: Tensor| -> Result<Tensor> {
            (within(average, average.dtype())? * &decay + x * (1.0 - &decay)).try_cast(average.dtype())
        };
        let trees = [updates, &state.v_row, &state.v_col, &state.v];
        let may_be_zero = may_vanish(&self.epsilon);
        let one_over_root = |x: &Tensor| {
            if may_be_zero { x.try_gt(0.0)?.try_select(x.rsqrt(), 0.0) } else { Ok(x.rsqrt()) }
        };
        let [updates, v_row, v_col, v] = zip_uneven_moments(trees, 1, |[g, v_row, v_col, v]| {
            let square = g.try_mul(g)? + &self.epsilon;
            let Some((d1, d0)) = self.axes(g.shape()) else {
                let v = moving(v, square)?;
                return Ok([g * one_over_root(&v)?.try_cast(g.dtype())?, v_row.clone(), v_col.clone(), v]);
            };
            let (d1, d0) = (d1 as isize, d0 as isize);
            let v_row = moving(v_row, square.try_mean_axes(d0)?)?;
            let v_col = moving(v_col, square.try_mean_axes(d1)?)?;
            let in_rows = if d1 > d0 { d1 - 1 } else { d1 };
            let rows = one_over_root(&v_row)?.try_expand_dims([d0])?;
            let columns = one_over_root(&v_col)?.try_expand_dims([d1])?;
            // The quotient of a row and the mean of rows may be less than any number, or have no value at all: the product
            // of their roots, in this order, stays within range.
            let mean = v_row.try_mean_keep(in_rows)?.try_expand_dims([d0])?.sqrt();
            let mean = within(&mean, mean.dtype())?;
            Ok([(g * rows * columns * mean).try_cast(g.dtype())?, v_row, v_col, v.clone()])
        })?;
        Ok((updates, FactoredState { count: safe_increment(&state.count), v_row, v_col, v }))
    }
}
