//! Updates in proportion to their parameters.

use super::masked::Mask;
use super::moments::{saturating_cast, upcast, within, zip};
use super::settings::setters;
use super::{GradientTransformation, update};
use crate::core::Tensor;
use crate::core::domain::{FINITE, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::Result;
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
    /// What norms count as at least: at least 0, which is the default.
    min_norm: Tensor,
    /// The factor of all ratios; 1 by default.
    trust_coefficient: Tensor,
    /// What is added to the norm of the update: at least 0, which is the default.
    eps: Tensor,
} }

/// The Euclidean norm of a leaf, in `F32` for `F16`.
pub(super) fn norm(x: &Tensor) -> Result<Tensor> {
    update::wide_norm(x)
}

/// In `F32` for `F16`.
pub(super) fn root_mean_square(x: &Tensor) -> Result<Tensor> {
    let x = upcast(x);
    x.try_mul(&x)?.try_mean()?.try_sqrt()
}

/// A size that may be multiplied by zeros: where squares are beyond all numbers, the largest one.
pub(super) fn bounded(size: &Tensor) -> Result<Tensor> {
    within(size, size.dtype())
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByTrustRatio {
    type State = ();

    fn init(&self, _params: &P) {}

    fn update(&self, updates: &P, _state: &(), params: &P) -> Result<(P, ())> {
        let op = "scale_by_trust_ratio";
        NOT_NEGATIVE.check_number(op, "min_norm", &self.min_norm)?;
        FINITE.check_number(op, "trust_coefficient", &self.trust_coefficient)?;
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        let mut chosen = self.mask.of(params).into_iter();
        let [updates] = zip([updates, params], |[u, p]| {
            if chosen.next() == Some(false) {
                return Ok([u.clone()]);
            }
            let (p, length) = (bounded(&norm(p)?.maximum(&self.min_norm))?, norm(u)?.maximum(&self.min_norm));
            let no_direction = p.eq(0.0).try_bitor(length.eq(0.0))?;
            let ratio = bounded(&(p * &self.trust_coefficient / (length + &self.eps)))?;
            let ratio = no_direction.try_select(ratio.like(1.0), ratio)?;
            Ok([saturating_cast(&(upcast(u) * ratio.try_cast(upcast(u).dtype())?), u.dtype())?])
        })?;
        Ok((updates, ()))
    }
}
