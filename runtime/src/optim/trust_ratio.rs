//! Updates in proportion to their parameters.

use super::masked::Mask;
use super::moments::zip;
use super::settings::setters;
use super::{GradientTransformation, update};
use crate::error::Result;
use crate::tensor::{Tensor, bare};
use crate::tree::Tree;

/// Updates in proportion to their parameters; see [`scale_by_trust_ratio`].
#[derive(Clone, Debug)]
pub struct ScaleByTrustRatio {
    min_norm: Tensor,
    pub(super) trust_coefficient: Tensor,
    pub(super) eps: Tensor,
    pub(super) mask: Mask,
}

/// Each leaf times `trust_coefficient·‖p‖ / (‖u‖ + eps)`, where neither norm is 0.
///
/// Source: You et al., *Large Batch Training of Convolutional Networks*, 2017.
pub fn scale_by_trust_ratio() -> ScaleByTrustRatio {
    ScaleByTrustRatio {
        min_norm: bare(0.0),
        trust_coefficient: bare(1.0),
        eps: bare(0.0),
        mask: Mask::default(),
    }
}

setters! { ScaleByTrustRatio {
    /// What norms count as at least; 0 by default.
    min_norm: Tensor,
    /// The factor of all ratios; 1 by default.
    trust_coefficient: Tensor,
    /// What is added to the norm of the update; 0 by default.
    eps: Tensor,
} }

/// The Euclidean norm of a leaf.
pub(super) fn norm(x: &Tensor) -> Result<Tensor> {
    update::global_norm(x)
}

pub(super) fn root_mean_square(x: &Tensor) -> Result<Tensor> {
    x.try_mul(x)?.try_mean()?.try_sqrt()
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByTrustRatio {
    type State = ();

    fn init(&self, _params: &P) {}

    fn update(&self, updates: &P, _state: &(), params: &P) -> Result<(P, ())> {
        let mut chosen = self.mask.of(params).into_iter();
        let [updates] = zip([updates, params], |[u, p]| {
            if chosen.next() == Some(false) {
                return Ok([u.clone()]);
            }
            let (p, length) = (norm(p)?.maximum(&self.min_norm), norm(u)?.maximum(&self.min_norm));
            let no_direction = p.eq(0.0).try_bitor(length.eq(0.0))?;
            let ratio = p * &self.trust_coefficient / (length + &self.eps);
            Ok([u * no_direction.try_select(ratio.like(1.0), ratio)?.try_cast(u.dtype())?])
        })?;
        Ok((updates, ()))
    }
}
