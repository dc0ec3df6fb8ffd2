//! Updates kept small.

use super::GradientTransformation;
use super::moments::{beside, zip};
use super::settings::{setters, stateless};
use super::trust_ratio::root_mean_square;
use super::update::global_norm;
use crate::error::Result;
use crate::ops::unwrap;
use crate::tensor::{Tensor, TensorLike, bare};
use crate::tree::Tree;

/// Numbers up to a limit; see [`clip`].
#[derive(Clone, Debug)]
pub struct Clip {
    max_delta: Tensor,
}

/// Each number kept between `−max_delta` and `max_delta`.
pub fn clip(max_delta: impl TensorLike) -> Clip {
    Clip { max_delta: unwrap(max_delta.operand()) }
}

stateless!(Clip, |this, u, _p| {
    let limit = beside(&this.max_delta, u);
    u.try_clamp(-&limit, limit)?
});

/// Leaves up to a size; see [`clip_by_block_rms`].
#[derive(Clone, Debug)]
pub struct ClipByBlockRms {
    threshold: Tensor,
}

/// Each leaf scaled down, where its root mean square is above `threshold`, to have that.
///
/// Source: Shazeer and Stern, *Adafactor*, 2018.
pub fn clip_by_block_rms(threshold: impl TensorLike) -> ClipByBlockRms {
    ClipByBlockRms { threshold: unwrap(threshold.operand()) }
}

stateless!(ClipByBlockRms, |this, u, _p| {
    u / (root_mean_square(u)? / &this.threshold).try_maximum(1.0)?.try_cast(u.dtype())?
});

/// All leaves together up to a length; see [`clip_by_global_norm`].
#[derive(Clone, Debug)]
pub struct ClipByGlobalNorm {
    max_norm: Tensor,
}

/// All leaves scaled down by one factor, where their common norm is `max_norm` or more, to have that.
///
/// Source: Pascanu et al., *On the difficulty of training recurrent neural networks*, 2013.
pub fn clip_by_global_norm(max_norm: impl TensorLike) -> ClipByGlobalNorm {
    ClipByGlobalNorm { max_norm: unwrap(max_norm.operand()) }
}

impl<P: Tree + Clone> GradientTransformation<P> for ClipByGlobalNorm {
    type State = ();

    fn init(&self, _params: &P) {}

    fn update(&self, updates: &P, _state: &(), _params: &P) -> Result<(P, ())> {
        let norm = global_norm(updates)?;
        let small = norm.try_lt(&self.max_norm)?;
        let [updates] = zip([updates], |[u]| {
            let clipped = u / beside(&norm, u) * beside(&self.max_norm, u);
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
}

/// The update of each unit scaled down, where its norm is above `clipping` times that of its parameters (of `eps` at
/// least, 10⁻³ by default), to have that.
///
/// A unit is a column of a kernel; leaves of one axis are one unit.
///
/// Source: Brock et al., *High-Performance Large-Scale Image Recognition Without Normalization*, 2021.
pub fn adaptive_grad_clip(clipping: impl TensorLike) -> AdaptiveGradClip {
    AdaptiveGradClip { clipping: unwrap(clipping.operand()), eps: bare(1e-3) }
}

setters! { AdaptiveGradClip {
    /// What the norm of parameters counts as at least.
    eps: Tensor,
} }

stateless!(AdaptiveGradClip, |this, u, p| {
    let (found, limit) = (unit_norm(u)?, unit_norm(p)?.try_maximum(&this.eps)? * &this.clipping);
    let clipped = u * (&limit / found.try_maximum(1e-6)?);
    found.try_lt(&limit)?.try_select(u, clipped)?
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
