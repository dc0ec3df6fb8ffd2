//! Transformations without memory, of each leaf by itself.

use super::GradientTransformation;
use super::moments::{saturating_cast, upcast, zip};
use super::settings::stateless;
use super::trust_ratio::{bounded, norm, root_mean_square};
use crate::array::DType;
use crate::core::domain::NOT_NEGATIVE;
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::error::unwrap;
use crate::tree::{self, Tree};
use crate::variables::Dict;

/// No updates; see [`set_to_zero`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SetToZero;

/// Zeros instead of updates, so that parameters stay.
pub fn set_to_zero() -> SetToZero {
    SetToZero
}

stateless!(SetToZero, |_this, u, _p| Tensor::zeros_of(u.shape(), u.dtype()));

/// Updates whose mean is 0; see [`centralize`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Centralize;

/// Updates minus their mean over all axes but the first; those of one axis or none stay as they are.
///
/// Source: Yong et al., *Gradient Centralization*, 2020.
pub fn centralize() -> Centralize {
    Centralize
}

stateless!(Centralize, |_this, u, _p| {
    let axes: Vec<isize> = (1..u.rank() as isize).collect();
    if axes.is_empty() { u.clone() } else { u - u.try_mean_keep(axes)? }
});

/// Signs instead of updates; see [`scale_by_sign`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ScaleBySign;

/// −1, 0 or 1 instead of each element.
pub fn scale_by_sign() -> ScaleBySign {
    ScaleBySign
}

stateless!(ScaleBySign, |_this, u, _p| u.try_sign()?);

/// Updates times the size of the parameter; see [`scale_by_param_block_norm`] and [`scale_by_param_block_rms`].
#[derive(Clone, Debug)]
pub struct ScaleByParamBlock {
    min_scale: Tensor,
    root_mean_square: bool,
}

/// Each leaf times the norm of its parameter, which counts as at least `min_scale`, itself at least 0.
pub fn scale_by_param_block_norm(min_scale: impl TensorLike) -> ScaleByParamBlock {
    ScaleByParamBlock { min_scale: unwrap(min_scale.operand()), root_mean_square: false }
}

/// Each leaf times the root mean square of its parameter, which counts as at least `min_scale`, itself at least 0.
pub fn scale_by_param_block_rms(min_scale: impl TensorLike) -> ScaleByParamBlock {
    ScaleByParamBlock { min_scale: unwrap(min_scale.operand()), root_mean_square: true }
}

stateless!(ScaleByParamBlock, |this, u, p| {
    NOT_NEGATIVE.check_number("scale_by_param_block", "min_scale", &this.min_scale)?;
    let size = if this.root_mean_square { root_mean_square(p)? } else { norm(p)? };
    let size = bounded(&size.try_maximum(&this.min_scale)?)?;
    if u.dtype() == DType::F16 { saturating_cast(&(upcast(u) * size), u.dtype())? } else { u * size }
});

/// Updates that keep parameters above 0; see [`keep_params_nonnegative`].
#[derive(Clone, Copy, Debug, Default)]
pub struct KeepParamsNonnegative;

/// Updates that lead no parameter below 0: where one would, to 0.
pub fn keep_params_nonnegative() -> KeepParamsNonnegative {
    KeepParamsNonnegative
}

stateless!(KeepParamsNonnegative, |_this, u, p| (p + u).try_lt(0)?.try_select(-p, u)?);

/// Updates without NaN; see [`zero_nans`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ZeroNans;

/// Where there were NaN.
#[derive(Clone, Debug, Tree)]
pub struct ZeroNansState<P = Dict> {
    /// Whether there was one in a leaf, at the last update; boolean scalars.
    pub found_nan: P,
}

/// 0 instead of every NaN.
pub fn zero_nans() -> ZeroNans {
    ZeroNans
}

impl<P: Tree + Clone> GradientTransformation<P> for ZeroNans {
    type State = ZeroNansState<P>;

    fn init(&self, params: &P) -> ZeroNansState<P> {
        let none = tree::map(params, |_| Ok(Tensor::zeros_of([], DType::Bool)));
        ZeroNansState { found_nan: crate::error::unwrap(none) }
    }

    fn update(&self, updates: &P, _state: &ZeroNansState<P>, _params: &P) -> Result<(P, ZeroNansState<P>)> {
        let [updates, found_nan] = zip([updates], |[u]| {
            let is_nan = u.try_is_nan()?;
            Ok([is_nan.try_select(0.0, u)?, is_nan.try_any()?])
        })?;
        Ok((updates, ZeroNansState { found_nan }))
    }
}
