//! Pooling: reductions over windows of the spatial axes.

mod adaptive;
mod ceil;

pub use adaptive::{adaptive_avg_pool, adaptive_max_pool};

use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::elementwise::inexact;
use crate::ops::padding::{Padding, ones_unless_given};
use crate::ops::reduce_window::{WindowOptions, WindowReduction};

/// The average of each window of the spatial axes of `x`, `[batch.., spatial.., channels]`.
///
/// There is one spatial axis per entry of `window`, and any number of batch axes, also none. Strides are 1 and nothing is
/// padded unless said otherwise. Integers are averaged as `F32`.
///
/// ```
/// use flaxen::prelude::*;
/// let x = Tensor::ones([8, 28, 28, 3]);
/// let y = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
/// assert_eq!(y.shape(), [8, 14, 14, 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn avg_pool(x: &Tensor, window: impl AsRef<[usize]>) -> AvgPool {
    AvgPool { pool: Pool::new("avg_pool", x, window.as_ref()), count_include_pad: true }
}

/// The maximum of each window of the spatial axes of `x`, `[batch.., spatial.., channels]`.
///
/// There is one spatial axis per entry of `window`, and any number of batch axes, also none. Strides are 1 and nothing is
/// padded unless said otherwise; padding never wins against an element. At a tie the first element of the window, in
/// row-major order, has the gradient.
///
/// ```
/// use flaxen::prelude::*;
/// let x = Tensor::from([[1.0f32], [5.0], [2.0]]);
/// assert_eq!(max_pool(&x, [2]).run()?.to_vec::<f32>()?, [5.0, 5.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn max_pool(x: &Tensor, window: impl AsRef<[usize]>) -> Pool {
    Pool { reduction: WindowReduction::Max, ..Pool::new("max_pool", x, window.as_ref()) }
}

/// The minimum of each window of the spatial axes of `x`, as [`max_pool`] takes the maximum.
///
/// ```
/// use flaxen::prelude::*;
/// let x = Tensor::from([[1.0f32], [5.0], [2.0]]);
/// assert_eq!(min_pool(&x, [2]).run()?.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn min_pool(x: &Tensor, window: impl AsRef<[usize]>) -> Pool {
    Pool { reduction: WindowReduction::Min, ..Pool::new("min_pool", x, window.as_ref()) }
}

/// Any reduction of each window of the spatial axes of `x`, `[batch.., spatial.., channels]`, as [`max_pool`] takes the
/// maximum.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::WindowReduction;
/// let x = Tensor::from([[1.0f32], [5.0], [2.0]]);
/// assert_eq!(nn::pool(&x, [2], WindowReduction::Sum).run()?.to_vec::<f32>()?, [6.0, 7.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn pool(x: &Tensor, window: impl AsRef<[usize]>, reduction: WindowReduction) -> Pool {
    Pool { reduction, ..Pool::new("pool", x, window.as_ref()) }
}

/// A pooling about to be run; see [`max_pool`], [`min_pool`] and [`pool`].
#[derive(Clone, Debug)]
#[must_use = "nothing is computed before `run`"]
pub struct Pool {
    op: &'static str,
    x: Tensor,
    window: Vec<usize>,
    strides: Vec<usize>,
    padding: Padding,
    ceil_mode: bool,
    reduction: WindowReduction,
}

impl Pool {
    fn new(op: &'static str, x: &Tensor, window: &[usize]) -> Pool {
        let reduction = WindowReduction::Sum;
        Pool {
            op,
            x: x.clone(),
            window: window.into(),
            strides: Vec::new(),
            padding: Padding::Valid,
            ceil_mode: false,
            reduction,
        }
    }

    /// Sets the steps between windows, one per spatial axis; all 1 by default.
    pub fn strides(self, strides: impl AsRef<[usize]>) -> Pool {
        Pool { strides: strides.as_ref().into(), ..self }
    }

    /// Sets what is put around the spatial axes, by pairs or a name such as `"SAME"`; nothing by default.
    pub fn padding(self, padding: impl Into<Padding>) -> Pool {
        Pool { padding: padding.into(), ..self }
    }

    /// Sets whether what remains at the end of an axis, too little for a window, has a window, too; false by default.
    ///
    /// That window begins within the axis or the padding in front, as `ceil_mode` of PyTorch. [`Padding::Same`] leaves no remainder.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32], [5.0], [2.0]]);
    /// let y = max_pool(&x, [2]).strides([2]).ceil_mode(true).run()?;
    /// assert_eq!(y.to_vec::<f32>()?, [5.0, 2.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn ceil_mode(self, ceil_mode: bool) -> Pool {
        Pool { ceil_mode, ..self }
    }

    /// Computes the pooling.
    ///
    /// # Errors
    /// If `x` has fewer axes than the window's and one for channels, or a list has not one entry per spatial axis.
    #[track_caller]
    pub fn run(self) -> Result<Tensor> {
        let options = self.options()?;
        self.x.try_reduce_window(&options, self.reduction)
    }

    fn options(&self) -> Result<WindowOptions> {
        let (rank, spatial) = (self.x.rank(), self.window.len());
        if rank < spatial + 1 {
            let expected =
                format!("{spatial} spatial axes for the window {:?}, and one of channels", self.window);
            return Err(Error::shape(self.op, self.x.aval().to_string(), expected));
        }
        let strides = ones_unless_given(&self.strides, spatial);
        let pairs = if let Padding::Explicit(pairs) = &self.padding { pairs.len() } else { spatial };
        for (what, count) in [("strides", strides.len()), ("pairs of padding", pairs)] {
            if count != spatial {
                let message =
                    format!("{count} {what} for the window {:?}: give one per spatial axis", self.window);
                return Err(Error::argument(self.op, message));
            }
        }
        if let (true, Padding::Explicit(pairs)) = (self.ceil_mode, &self.padding)
            && pairs.iter().any(|&(low, high)| low < 0 || high < 0)
        {
            let message =
                format!("`ceil_mode` with the padding {pairs:?}, which crops: slice the input instead");
            return Err(Error::argument(self.op, message));
        }
        let batch = rank - spatial - 1;
        let around = |list: &[usize]| [&vec![1; batch][..], list, &[1]].concat();
        let padding = match self.padding_of(&self.x.shape()[batch..rank - 1], &strides) {
            Padding::Explicit(pairs) => [&vec![(0, 0); batch][..], &pairs, &[(0, 0)]].concat().into(),
            padding => padding,
        };
        Ok(WindowOptions::new(around(&self.window)).strides(around(&strides)).padding(padding))
    }

    /// The padding of the spatial axes, with what the last windows need behind.
    fn padding_of(&self, sizes: &[usize], strides: &[usize]) -> Padding {
        let pairs = match &self.padding {
            Padding::Valid => vec![(0, 0); sizes.len()],
            Padding::Explicit(pairs) => pairs.clone(),
            Padding::Same | Padding::SameLower | Padding::Unknown(_) => return self.padding.clone(),
        };
        if !self.ceil_mode {
            return self.padding.clone();
        }
        let axes = sizes.iter().zip(&self.window).zip(strides).zip(pairs);
        let padded = axes
            .map(|(((&size, &window), &stride), pair)| (pair.0, ceil::behind(size, window, stride, pair)));
        Padding::Explicit(padded.collect())
    }
}

/// An averaging about to be run; see [`avg_pool`].
#[derive(Clone, Debug)]
#[must_use = "nothing is computed before `run`"]
pub struct AvgPool {
    pool: Pool,
    count_include_pad: bool,
}

impl AvgPool {
    /// Sets the steps between windows, one per spatial axis; all 1 by default.
    pub fn strides(self, strides: impl AsRef<[usize]>) -> AvgPool {
        AvgPool { pool: self.pool.strides(strides), ..self }
    }

    /// Sets what is put around the spatial axes, by pairs or a name such as `"SAME"`; nothing by default.
    pub fn padding(self, padding: impl Into<Padding>) -> AvgPool {
        AvgPool { pool: self.pool.padding(padding), ..self }
    }

    /// Sets whether what remains at the end of an axis, too little for a window, has a window, too; false by default.
    ///
    /// As [`Pool::ceil_mode`]. What such a window has beyond the padding never counts.
    pub fn ceil_mode(self, ceil_mode: bool) -> AvgPool {
        AvgPool { pool: self.pool.ceil_mode(ceil_mode), ..self }
    }

    /// Sets whether padding counts as elements of a window that are 0; true by default.
    ///
    /// If false, sums are divided by the number of elements that are not padding; a window without any gives NaN. The
    /// numbers are `F32`, so averages of halves are, too, as in Flax.
    pub fn count_include_pad(self, count: bool) -> AvgPool {
        AvgPool { count_include_pad: count, ..self }
    }

    /// Computes the pooling.
    ///
    /// # Errors
    /// As [`Pool::run`].
    #[track_caller]
    pub fn run(self) -> Result<Tensor> {
        let AvgPool { pool, count_include_pad } = self;
        let options = pool.options()?;
        let sum = inexact(&pool.x.try_reduce_window(&options, WindowReduction::Sum)?)?;
        // Examples and channels have the same counts.
        let rank = pool.x.rank();
        let mut shape = vec![1; rank];
        let spatial = rank - 1 - pool.window.len()..rank - 1;
        shape[spatial.clone()].copy_from_slice(&pool.x.shape()[spatial]);
        let counts = |shape: Vec<usize>, options: &WindowOptions| {
            Tensor::ones(shape).try_reduce_window(options, WindowReduction::Sum)
        };
        if !count_include_pad {
            return sum.try_div(counts(shape, &options)?);
        }
        match pool.beyond_padding(&mut shape, &options) {
            None => sum.try_div(sum.like(pool.window.iter().product::<usize>() as f64)),
            Some(beyond) => sum.try_div(counts(shape, &options.padding(beyond))?.try_cast(sum.dtype())?),
        }
    }
}

impl Pool {
    /// What windows reach beyond the padding that was asked for, which becomes part of `shape`; None if they do not.
    fn beyond_padding(&self, shape: &mut [usize], options: &WindowOptions) -> Option<Padding> {
        let Padding::Explicit(pairs) = &options.padding else { return None };
        let batch = shape.len() - 1 - self.window.len();
        let asked = |axis: usize| match &self.padding {
            Padding::Explicit(asked) => axis.checked_sub(batch).and_then(|d| asked.get(d)).copied(),
            _ => None,
        };
        let asked: Vec<(isize, isize)> =
            (0..shape.len()).map(|axis| asked(axis).unwrap_or_default()).collect();
        let beyond: Vec<(isize, isize)> =
            pairs.iter().zip(&asked).map(|(there, asked)| (0, there.1 - asked.1)).collect();
        if beyond.iter().all(|pair| *pair == (0, 0)) {
            return None;
        }
        for (size, (low, high)) in shape.iter_mut().zip(asked) {
            *size = size.saturating_add_signed(low).saturating_add_signed(high);
        }
        Some(beyond.into())
    }
}
