//! Polyak's step size: how far it is to the lowest loss.

use super::moments::{in_dtype_of, zip_moments};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use super::sgd::{SgdState, sgd};
use super::tree_math::norm_squared;
use super::{ExtraArgs, GradientTransformation};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{FINITE, LIMIT, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::tree::Tree;

/// Which step size of Polyak's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolyakVariant {
    /// The gap as it is, optax's `"sps"`.
    #[default]
    Sps,
    /// The gap, or 0 where it is negative, optax's `"sps+"`.
    SpsPlus,
}

/// Polyak's step size; see [`scale_by_polyak`].
#[derive(Clone, Debug)]
pub struct ScaleByPolyak {
    f_min: Tensor,
    max_learning_rate: Tensor,
    eps: Tensor,
    variant: PolyakVariant,
}

/// Updates times `min((value − f_min) / (‖u‖² + eps), max_learning_rate)`, and 0 where they vanish.
///
/// It needs `value`, the loss, in [`update_with`](GradientTransformation::update_with).
///
/// Source: Loizou et al., *Stochastic Polyak Step-size for SGD*, 2021.
pub fn scale_by_polyak() -> ScaleByPolyak {
    ScaleByPolyak {
        f_min: bare(0.0),
        max_learning_rate: bare(1.0),
        eps: bare(0.0),
        variant: PolyakVariant::Sps,
    }
}

macro_rules! polyak_setters {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// The lowest loss there is: finite; 0 by default.
            f_min: Tensor,
            /// The longest step: at least 0; 1 by default.
            max_learning_rate: Tensor,
            /// What is added to the square of the norm: at least 0, which is the default.
            eps: Tensor,
            /// Which step size of Polyak's.
            variant: PolyakVariant,
        } }
    };
}

polyak_setters!(ScaleByPolyak);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByPolyak {
    type State = ();

    fn init(&self, _params: &P) {}

    fn update(&self, updates: &P, state: &(), params: &P) -> Result<(P, ())> {
        self.update_with(updates, state, params, &ExtraArgs::new())
    }

    fn update_with(
        &self,
        updates: &P,
        _state: &(),
        _params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, ())> {
        let op = "scale_by_polyak";
        FINITE.check_number(op, "f_min", &self.f_min)?;
        LIMIT.check_number(op, "max_learning_rate", &self.max_learning_rate)?;
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        let size = norm_squared(updates)?;
        let mut gap = extra.need_value(op)?.try_sub(&self.f_min)?.try_cast(size.dtype())?;
        if self.variant == PolyakVariant::SpsPlus {
            gap = gap.try_maximum(0.0)?;
        }
        let size = size.try_add(&self.eps)?;
        let tiny = size.try_le(f64::EPSILON)?;
        let ratio = gap.try_div(tiny.try_select(size.like(1.0), &size)?)?;
        let step = tiny.try_select(size.like(0.0), ratio.try_minimum(&self.max_learning_rate)?)?;
        let [updates] = zip_moments([updates], 1, |[u]| Ok([u * in_dtype_of(&step, u)]))?;
        Ok((updates, ()))
    }
}

/// Gradient descent with Polyak's step size; see [`polyak_sgd`].
#[derive(Clone, Debug)]
pub struct PolyakSgd {
    scaling: Schedule,
    scale: ScaleByPolyak,
}

/// `u = −scaling·γ·g` with `γ` Polyak's step size, `min((value − f_min) / (‖scaling·g‖² + eps), max_learning_rate)`; the scaling is 1 by
/// default, and may be a schedule.
///
/// It needs `value`, the loss, in [`update_with`](GradientTransformation::update_with).
///
/// Source: Loizou et al., *Stochastic Polyak Step-size for SGD*, 2021.
pub fn polyak_sgd() -> PolyakSgd {
    PolyakSgd { scaling: 1.0.into(), scale: scale_by_polyak() }
}

setters! { PolyakSgd {
    /// What gradients are multiplied by: a number or a schedule; 1 by default.
    scaling: Schedule,
} }

polyak_setters!(PolyakSgd.scale);

alias!(PolyakSgd, (SgdState<P>, ()), |this| (sgd(&this.scaling), this.scale.clone()));

/// The narrowest dtype of a tree's floats, which a scalar beside it has.
pub(super) fn lowest_dtype(params: &impl Tree) -> DType {
    let lower = |a: DType, b: DType| if a.promote(b) == b { a } else { b };
    let dtypes = crate::tree::leaves(params).into_iter().map(Tensor::dtype).filter(|dtype| dtype.is_float());
    dtypes.reduce(lower).unwrap_or(DType::F32)
}

/// The widest dtype of a tree's floats.
pub(super) fn highest_dtype(params: &impl Tree) -> DType {
    let dtypes = crate::tree::leaves(params).into_iter().map(Tensor::dtype).filter(|dtype| dtype.is_float());
    dtypes.reduce(DType::promote).unwrap_or(DType::F32)
}
