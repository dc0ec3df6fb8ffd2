//! `interpolate`: images of another size as PyTorch makes them.

use std::sync::Arc;

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::POSITIVE;
use crate::error::{Error, Result};
use crate::kernels::banded::Bands;
use crate::numpy::pooling::adaptive_avg_pool;
use crate::ops::banded::banded;
use crate::ops::elementwise::inexact;
use crate::ops::pick::picked;

const OP: &str = "interpolate";

/// How [`interpolate`] finds elements between those of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InterpolateMode {
    /// The element at `⌊i · from / to⌋`, of any dtype: not the nearest one, but PyTorch's `nearest`.
    #[default]
    Nearest,
    /// The element at `⌊(i + 0.5) · from / to⌋`, of any dtype: PyTorch's `nearest-exact`, and
    /// [`ResizeMethod::Nearest`](super::ResizeMethod::Nearest).
    NearestExact,
    /// Between two elements: `linear`, over two axes `bilinear` and over three `trilinear`.
    Linear,
    /// Of four elements by Keys' kernel with `a = -0.75`: over two axes `bicubic`.
    Cubic,
    /// The mean of each bin: [`adaptive_avg_pool`](crate::nn::adaptive_avg_pool).
    Area,
}

/// The images `x`, `[batch.., spatial.., channels]`, with the sizes given for the spatial axes, as `torch.nn.functional.interpolate`.
///
/// There is one spatial axis per size, and any number of batch axes, also none. Nothing is smoothed where an axis shrinks, unless
/// [`antialias`](Interpolate::antialias) is on. Where elements are is reckoned in `F32`, of `F64` images in `F64`; all modes but the nearest ones make integers `F32`.
///
/// ```
/// use flaxen::image::{InterpolateMode, interpolate};
/// use flaxen::prelude::*;
///
/// let x = Tensor::from([[0.0f32], [1.0]]);
/// let y = interpolate(&x, [3]).mode(InterpolateMode::Linear).align_corners(true).run()?;
/// assert_eq!(y.to_vec::<f32>()?, [0.0, 0.5, 1.0]);
/// let images = Tensor::ones([8, 32, 32, 3]);
/// assert_eq!(interpolate(&images, [16, 48]).mode(InterpolateMode::Cubic).run()?.shape(), [8, 16, 48, 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn interpolate(x: &Tensor, sizes: impl AsRef<[usize]>) -> Interpolate {
    Interpolate::new(x, Target::Sizes(sizes.as_ref().into()))
}

/// As [`interpolate`], with the factors by which the spatial axes grow: PyTorch's `scale_factor`.
///
/// A size is rounded down, and where elements come from follows the factor rather than the sizes, as in PyTorch without
/// `recompute_scale_factor`.
///
/// ```
/// use flaxen::image::interpolate_by;
/// use flaxen::prelude::*;
/// assert_eq!(interpolate_by(&Tensor::ones([5, 4, 3]), [2.0, 0.6]).run()?.shape(), [10, 2, 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn interpolate_by(x: &Tensor, factors: impl AsRef<[f64]>) -> Interpolate {
    Interpolate::new(x, Target::Factors(factors.as_ref().into()))
}

/// What an image is to become.
#[derive(Clone, Debug)]
enum Target {
    Sizes(Vec<usize>),
    Factors(Vec<f64>),
}

/// An interpolation about to be run; see [`interpolate`].
#[derive(Clone, Debug)]
#[must_use = "nothing is computed before `run`"]
pub struct Interpolate {
    x: Tensor,
    target: Target,
    mode: InterpolateMode,
    align_corners: bool,
    antialias: bool,
}

impl Interpolate {
    fn new(x: &Tensor, target: Target) -> Interpolate {
        Interpolate {
            x: x.clone(),
            target,
            mode: InterpolateMode::default(),
            align_corners: false,
            antialias: false,
        }
    }

    /// Sets how elements between others are found; [`InterpolateMode::Nearest`] by default.
    pub fn mode(self, mode: InterpolateMode) -> Interpolate {
        Interpolate { mode, ..self }
    }

    /// Sets whether the first and last elements of an axis are those of the image, rather than their outer edges; false by default.
    pub fn align_corners(self, align_corners: bool) -> Interpolate {
        Interpolate { align_corners, ..self }
    }

    /// Sets whether an axis that shrinks is smoothed: each element of the result is a mean of all that it covers, as in Pillow; false by
    /// default.
    ///
    /// The cubic kernel has `a = -0.5` then, also where an axis grows, elements beyond the edge count for nothing, and an axis that keeps
    /// its size is as it was.
    ///
    /// ```
    /// use flaxen::image::{InterpolateMode, interpolate};
    /// use flaxen::prelude::*;
    ///
    /// let x = Tensor::from([[0.0f32], [8.0], [0.0], [0.0], [0.0], [0.0]]);
    /// let y = interpolate(&x, [2]).mode(InterpolateMode::Linear);
    /// assert_eq!(y.clone().run()?.to_vec::<f32>()?, [8.0, 0.0]);
    /// assert!(y.antialias(true).run()?.to_vec::<f32>()?[0] < 4.0);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn antialias(self, antialias: bool) -> Interpolate {
        Interpolate { antialias, ..self }
    }

    /// Computes the image.
    ///
    /// # Errors
    /// If `x` has fewer axes than were given sizes and one for channels; if an axis without elements is to have some; if a factor is not
    /// above 0; if `align_corners` or `antialias` is asked of a mode other than [`Linear`](InterpolateMode::Linear) and
    /// [`Cubic`](InterpolateMode::Cubic).
    #[track_caller]
    pub fn run(self) -> Result<Tensor> {
        let spatial = match &self.target {
            Target::Sizes(sizes) => sizes.len(),
            Target::Factors(factors) => factors.len(),
        };
        let Some(batch) = self.x.rank().checked_sub(spatial + 1) else {
            let expected = format!("{spatial} spatial axes as {:?}, and one of channels", self.target);
            return Err(Error::shape(OP, self.x.aval().to_string(), expected));
        };
        let is_between = matches!(self.mode, InterpolateMode::Linear | InterpolateMode::Cubic);
        for (name, asked) in [("align_corners", self.align_corners), ("antialias", self.antialias)] {
            if asked && !is_between {
                let message =
                    format!("`{name}` with the mode {:?}: it is for `Linear` and `Cubic`", self.mode);
                return Err(Error::argument(OP, message));
            }
        }
        let from = &self.x.shape()[batch..batch + spatial];
        let to: Vec<usize> = match &self.target {
            Target::Sizes(sizes) => sizes.clone(),
            Target::Factors(factors) => {
                factors.iter().try_for_each(|&factor| POSITIVE.check(OP, "factor", factor))?;
                from.iter().zip(factors).map(|(&from, factor)| (from as f64 * factor) as usize).collect()
            }
        };
        if from.iter().zip(&to).any(|(&from, &to)| from == 0 && to > 0) {
            let found = format!("{:?} to {to:?}", self.x.shape());
            return Err(Error::shape(OP, found, "elements where the result has some"));
        }
        if self.mode == InterpolateMode::Area {
            return adaptive_avg_pool(&self.x, to);
        }
        (0..spatial).try_fold(self.x.clone(), |x, d| {
            let factor = if let Target::Factors(factors) = &self.target { Some(factors[d]) } else { None };
            self.along(&x, batch + d, to[d], factor)
        })
    }

    /// The image with another size of one axis.
    #[track_caller]
    fn along(&self, x: &Tensor, axis: usize, to: usize, factor: Option<f64>) -> Result<Tensor> {
        if to == 0 {
            return x.try_slice_axis(axis, 0..0);
        }
        let from = x.shape()[axis];
        let grid = Grid::new(from, to, factor, self.align_corners, x.dtype() == DType::F64);
        let bands = |x: &Tensor, row: fn(&Grid, usize) -> (usize, Vec<f64>)| {
            banded(x, axis, Arc::new(Bands::new(from, (0..to).map(|i| row(&grid, i)))))
        };
        let picked = |place: &dyn Fn(usize) -> usize| picked(x, vec![(axis, (0..to).map(place).collect())]);
        match self.mode {
            // Whatever the factor.
            InterpolateMode::Linear | InterpolateMode::Cubic if self.antialias && from == to => inexact(x),
            InterpolateMode::Linear if self.antialias => {
                bands(&inexact(x)?, |grid, i| grid.smooth(i, 1.0, triangle))
            }
            InterpolateMode::Cubic if self.antialias => {
                bands(&inexact(x)?, |grid, i| grid.smooth(i, 2.0, keys))
            }
            InterpolateMode::Linear if from == to => inexact(x),
            // As PyTorch has it for images, whatever the factor; its sequences are moved.
            InterpolateMode::Nearest if from == to => Ok(x.clone()),
            InterpolateMode::Linear => bands(&inexact(x)?, Grid::linear),
            InterpolateMode::Cubic => bands(&inexact(x)?, Grid::cubic),
            InterpolateMode::NearestExact => picked(&|i| grid.nearest(i as f64 + 0.5)),
            InterpolateMode::Nearest | InterpolateMode::Area => picked(&|i| grid.nearest(i as f64)),
        }
    }
}

/// Where the elements of the result lie between those of an axis.
struct Grid {
    from: usize,
    align_corners: bool,
    /// Steps of the axis for each of the result.
    step: f64,
    is_wide: bool,
}

impl Grid {
    fn new(from: usize, to: usize, factor: Option<f64>, align_corners: bool, is_wide: bool) -> Grid {
        let step = match factor {
            _ if align_corners && to == 1 => 0.0,
            _ if align_corners => (from as f64 - 1.0) / (to as f64 - 1.0),
            Some(factor) => 1.0 / factor,
            None => from as f64 / to as f64,
        };
        let grid = Grid { from, align_corners, step, is_wide };
        Grid { step: grid.round(step), ..grid }
    }

    /// The number in the precision that PyTorch reckons with.
    fn round(&self, x: f64) -> f64 {
        if self.is_wide { x } else { f64::from(x as f32) }
    }

    /// The element, and the fraction of the way to the next one, at which element `i` of the result is.
    fn place(&self, i: usize, is_cubic: bool) -> (isize, f64) {
        let at = if self.align_corners {
            self.round(self.step * i as f64)
        } else {
            let at = self.round(self.round(self.step * (i as f64 + 0.5)) - 0.5);
            if is_cubic { at } else { at.max(0.0) }
        };
        let element = at.floor().min(self.from as f64 - 1.0);
        (element as isize, self.round(at - element).clamp(0.0, 1.0))
    }

    /// The weights of all elements that element `i` of the result covers, by a kernel that reaches so many elements to each side: more
    /// where the axis shrinks. Both are as PyTorch's images with `antialias` have them, which are Pillow's; elements are wide there also
    /// with `align_corners`, which changes the steps alone.
    fn smooth(&self, i: usize, reach: f64, kernel: fn(f64) -> f64) -> (usize, Vec<f64>) {
        const HALF: f64 = 0.5;
        let center = self.round(self.step * self.round(i as f64 + HALF));
        let shrinks = self.step.max(1.0);
        let support = self.round(reach * shrinks);
        // What is cut off is the fraction, also of numbers below 0.
        let first = (self.round(center - support + HALF).trunc()).max(0.0);
        let end = (self.round(center + support + HALF).trunc()).min(self.from as f64);
        let first = first.min(self.from as f64 - 1.0);
        let weights = (0..(end - first).max(1.0) as usize)
            .map(|j| kernel(self.round((j as f64 + first - center + HALF) / shrinks)));
        let weights: Vec<f64> = weights.collect();
        let total: f64 = weights.iter().sum();
        let total = if total == 0.0 { 1.0 } else { total };
        (first as usize, weights.into_iter().map(|weight| weight / total).collect())
    }

    fn nearest(&self, i: f64) -> usize {
        (self.round(i * self.step).floor() as usize).min(self.from - 1)
    }

    fn linear(&self, i: usize) -> (usize, Vec<f64>) {
        let (element, fraction) = self.place(i, false);
        let element = element as usize;
        if element + 1 == self.from {
            (element, vec![1.0])
        } else {
            (element, vec![1.0 - fraction, fraction])
        }
    }

    /// R. G. Keys' convolution, "Cubic convolution interpolation for digital image processing" (1981), with `a = -0.75`; elements
    /// beyond the edge are those of the edge.
    fn cubic(&self, i: usize) -> (usize, Vec<f64>) {
        const A: f64 = -0.75;
        let (element, t) = self.place(i, true);
        let inside = |at: isize| at.clamp(0, self.from as isize - 1) as usize;
        let first = inside(element - 1);
        let mut weights = vec![0.0; inside(element + 2) + 1 - first];
        for (at, weight) in (element - 1..).zip([t + 1.0, t, 1.0 - t, 2.0 - t].map(|x| convolution(A, x))) {
            weights[inside(at) - first] += weight;
        }
        (first, weights)
    }
}

/// Keys' kernel of four elements.
fn convolution(a: f64, x: f64) -> f64 {
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    }
}

/// The same with `a = -0.5`, at a distance, as Pillow has it.
fn keys(distance: f64) -> f64 {
    if distance.abs() < 2.0 { convolution(-0.5, distance.abs()) } else { 0.0 }
}

/// The kernel of a linear interpolation, at a distance.
fn triangle(distance: f64) -> f64 {
    (1.0 - distance.abs()).max(0.0)
}
