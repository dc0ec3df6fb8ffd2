//! Gradient clipping, by value, by norm and by ratio.

use super::GradientTransformation;
use super::moments::{in_dtype_of, saturating_cast, upcast, zip_moments};
use super::settings::{setters, stateless};
use super::trust_ratio::{bounded, root_mean_square};
use super::update::wide_norm;
use crate::array::DType;
use crate::core::domain::{LIMIT, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::error::unwrap;
use crate::ops::axes::IntoAxes;
use crate::tree::Tree;

/// Numbers up to a limit; see [`clip`].
#[derive(Clone, Debug)]
pub struct Clip {
    max_delta: Tensor,
}

/// Each number kept between `−max_delta` and `max_delta`, which is at least 0.
pub fn clip(max_delta: impl TensorLike) -> Clip {
    Clip { max_delta: unwrap(max_delta.operand()) }
}

stateless!(Clip, |this, u, _p| {
    LIMIT.check_number("clip", "max_delta", &this.max_delta)?;
    let limit = in_dtype_of(&this.max_delta, u);
    u.try_clamp(-&limit, limit)?
});

/// Leaves up to a size; see [`clip_by_block_rms`].
#[derive(Clone, Debug)]
pub struct ClipByBlockRms {
    threshold: Tensor,
}

/// Each leaf scaled down, where its root mean square is above `threshold`, which is at least 0, to have that.
///
/// Source: Shazeer and Stern, *Adafactor*, 2018.
pub fn clip_by_block_rms(threshold: impl TensorLike) -> ClipByBlockRms {
    ClipByBlockRms { threshold: unwrap(threshold.operand()) }
}

stateless!(ClipByBlockRms, |this, u, _p| {
    LIMIT.check_number("clip_by_block_rms", "threshold", &this.threshold)?;
    let size = root_mean_square(u)?;
    // Of a leaf of zeros nothing is to be clipped, also to nothing.
    let excess = size.try_gt(0.0)?.try_select(&size / &this.threshold, &size)?.try_maximum(1.0)?;
    if u.dtype() == DType::F16 {
        saturating_cast(&(upcast(u) / excess), u.dtype())?
    } else {
        u / excess.try_cast(u.dtype())?
    }
});

/// All leaves together up to a length; see [`clip_by_global_norm`].
#[derive(Clone, Debug)]
pub struct ClipByGlobalNorm {
    max_norm: Tensor,
}

/// All leaves scaled down by one factor, where their common norm is `max_norm` or more, to have that.
///
/// `max_norm` is at least 0; with 0, all updates are 0. Norms of leaves of `F16` are computed in `F32`, so that squares beyond
/// its range count.
///
/// Source: Pascanu et al., *On the difficulty of training recurrent neural networks*, 2013.
pub fn clip_by_global_norm(max_norm: impl TensorLike) -> ClipByGlobalNorm {
    ClipByGlobalNorm { max_norm: unwrap(max_norm.operand()) }
}

impl<P: Tree + Clone> GradientTransformation<P> for ClipByGlobalNorm {
    type State = ();

    fn init(&self, _params: &P) {}

    fn update(&self, updates: &P, _state: &(), _params: &P) -> Result<(P, ())> {
        LIMIT.check_number("clip_by_global_norm", "max_norm", &self.max_norm)?;
        let norm = wide_norm(updates)?;
        let small = norm.try_lt(&self.max_norm)?;
        // A norm of 0 has no direction that could be kept.
        let norm = norm.try_eq(0.0)?.try_select(1.0, norm)?;
        let [updates] = zip_moments([updates], 1, |[u]| {
            let clipped = u / in_dtype_of(&norm, u) * in_dtype_of(&self.max_norm, u);
            Ok([small.try_select(u, clipped)?])
        })?;
        Ok((updates, ()))
    }
}

/// Units up to a part of their parameters; see [`adaptive_grad_clip`].
#[derive(Clone, Debug)]
pub struct AdaptiveGradClip {
    clipping: Tensor,
    eps: Tensor,
    axes: Option<Vec<isize>>,
}

/// The update of each unit scaled down, where its norm is above `clipping` times that of its parameters (of `eps` at
/// least, 10⁻³ by default), to have that.
///
/// A unit is a column of a kernel, and leaves of one axis are one unit, unless [`axis`](AdaptiveGradClip::axis) says otherwise.
///
/// Source: Brock et al., *High-Performance Large-Scale Image Recognition Without Normalization*, 2021.
pub fn adaptive_grad_clip(clipping: impl TensorLike) -> AdaptiveGradClip {
    AdaptiveGradClip { clipping: unwrap(clipping.operand()), eps: bare(1e-3), axes: None }
}

setters! { AdaptiveGradClip {
    /// What the norm of parameters counts as at least: at least 0; 10⁻³ by default.
    eps: Tensor,
} }

impl AdaptiveGradClip {
    /// The axes along which elements are one unit, of every leaf.
    #[must_use]
    pub fn axis(self, axes: impl IntoAxes) -> Self {
        AdaptiveGradClip { axes: Some(axes.axes().to_vec()), ..self }
    }

    fn unit_norm(&self, x: &Tensor) -> Result<Tensor> {
        match &self.axes {
            None => unit_norm(x),
            Some(axes) => x.try_mul(x)?.try_sum_keep(axes)?.try_sqrt(),
        }
    }
}

stateless!(AdaptiveGradClip, |this, u, p| {
    LIMIT.check_number("adaptive_grad_clip", "clipping", &this.clipping)?;
    NOT_NEGATIVE.check_number("adaptive_grad_clip", "eps", &this.eps)?;
    let (wide, p) = (upcast(u), upcast(p));
    let (found, limit) =
        (this.unit_norm(&wide)?, bounded(&this.unit_norm(&p)?)?.try_maximum(&this.eps)? * &this.clipping);
    let clipped = &wide * (&limit / found.try_maximum(1e-6)?);
    // A limit beyond all numbers is none.
    let small = found.try_lt(&limit)?.try_bitor(limit.try_is_inf()?)?;
    saturating_cast(&small.try_select(wide, clipped)?, u.dtype())?
});

/// The norm of each unit, in a shape that broadcasts.
fn unit_norm(x: &Tensor) -> Result<Tensor> {
    let long = x.shape().iter().filter(|&&size| size > 1).count();
    let axes: Vec<isize> = match x.rank() {
        rank if long <= 1 => (0..rank as isize).collect(),
        // A kernel of [heads, in, out] and the like, and one of [in, out].
        2 | 3 => vec![0],
        rank => (0..rank as isize - 1).collect(),
    };
    x.try_mul(x)?.try_sum_keep(axes)?.try_sqrt()
}
