//! Dynamic loss scaling: gradients in half precision without those that are too small to be numbers.

use super::moments::zero_count;
use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::transform::{Loss, value_and_grad};
use crate::tree::{self, Tree};

/// The factor by which a loss is multiplied, so that gradients in half precision are neither too small to be numbers nor too
/// large, and what is known of the steps so far.
///
/// A step whose gradients are not finite makes the factor smaller, and many in a row whose are make it larger. What such a step
/// makes of parameters and optimizer is to be dropped:
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::{DynamicScale, Sgd};
///
/// let step = jit(|(state, scale): (TrainState<Sgd, Tensor>, DynamicScale)| {
///     let loss = |x: &Tensor| Ok(x.cast(DType::F16).square());
///     let found = scale.value_and_grad(loss)(&state.params)?;
///     let next = state.apply_gradients(&found.gradients)?;
///     let keep = |new: &Tensor, old: &Tensor| found.is_finite.try_select(new, old);
///     Ok((tree::zip_map(&next, &state, keep)?, found.dynamic_scale))
/// });
/// let state = TrainState::create(Tensor::from(1.0f32), optim::sgd(0.25));
/// // The first gradient, 2 · 65536, is more than halves can be.
/// let (state, scale) = step.call((state, DynamicScale::new()))?;
/// assert_eq!((state.params.item::<f32>()?, scale.scale.item::<f32>()?), (1.0, 32768.0));
/// let (state, scale) = step.call((state, scale.with_scale(1024.0)))?;
/// assert_eq!((state.params.item::<f32>()?, scale.fin_steps.item::<i32>()?), (0.5, 1));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Micikevicius et al., *Mixed precision training*, 2018; as `flax.training.dynamic_scale.DynamicScale`.
#[derive(Clone, Debug, Tree)]
#[must_use]
pub struct DynamicScale {
    /// How many steps in a row had finite gradients, `I32`.
    pub fin_steps: Tensor,
    /// The factor, `F32`.
    pub scale: Tensor,
    #[tree(static)]
    settings: Settings,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Settings {
    growth_factor: f32,
    backoff_factor: f32,
    growth_interval: i32,
    minimum_scale: Option<f32>,
}

/// What a function returns and its gradients, by [`DynamicScale::value_and_grad`].
#[derive(Clone, Debug, Tree)]
pub struct ScaledGradients<P, R> {
    /// The scale for the next step.
    pub dynamic_scale: DynamicScale,
    /// Whether all gradients are finite, a single boolean.
    pub is_finite: Tensor,
    /// What the function returned; its loss is not scaled.
    pub value: R,
    /// The gradients, without the factor, in `F32`.
    pub gradients: P,
}

impl Default for DynamicScale {
    fn default() -> DynamicScale {
        DynamicScale::new()
    }
}

impl DynamicScale {
    /// A factor of 65536, which doubles after 2000 finite steps and halves after each that is not.
    pub fn new() -> DynamicScale {
        DynamicScale {
            fin_steps: zero_count(),
            scale: Tensor::from(65536.0f32),
            settings: Settings {
                growth_factor: 2.0,
                backoff_factor: 0.5,
                growth_interval: 2000,
                minimum_scale: Some(f32::MIN_POSITIVE),
            },
        }
    }

    /// Sets the factor itself.
    pub fn with_scale(mut self, scale: f32) -> DynamicScale {
        self.scale = Tensor::from(scale);
        self
    }

    /// Sets what the factor is multiplied by after finite steps; 2 by default.
    pub fn growth_factor(mut self, factor: f32) -> DynamicScale {
        self.settings.growth_factor = factor;
        self
    }

    /// Sets what the factor is multiplied by after a step that is not finite; ½ by default.
    pub fn backoff_factor(mut self, factor: f32) -> DynamicScale {
        self.settings.backoff_factor = factor;
        self
    }

    /// Sets after how many finite steps the factor grows; 2000 by default.
    pub fn growth_interval(mut self, steps: i32) -> DynamicScale {
        self.settings.growth_interval = steps;
        self
    }

    /// Sets what the factor does not fall below; the smallest normal number by default.
    pub fn minimum_scale(mut self, scale: impl Into<Option<f32>>) -> DynamicScale {
        self.settings.minimum_scale = scale.into();
        self
    }

    /// As [`value_and_grad`](crate::value_and_grad), of the loss times the factor.
    ///
    /// # Errors
    /// The returned function returns what that of [`value_and_grad`](crate::value_and_grad) does.
    pub fn value_and_grad<P, R, F>(&self, f: F) -> impl Fn(&P) -> Result<ScaledGradients<P, R>>
    where
        P: Tree,
        R: Loss,
        F: Fn(&P) -> Result<R>,
    {
        let scaled = self.scaled(f);
        move |params| {
            let (dynamic_scale, value, gradients) = scaled(params)?;
            dynamic_scale.judge(value, gradients)
        }
    }

    /// As [`value_and_grad`](DynamicScale::value_and_grad), with gradients that are averaged over a named axis before they are
    /// judged.
    ///
    /// # Errors
    /// As [`value_and_grad`](DynamicScale::value_and_grad); if there is no such axis.
    pub fn value_and_grad_over<P, R, F>(
        &self,
        axis: &str,
        f: F,
    ) -> impl Fn(&P) -> Result<ScaledGradients<P, R>>
    where
        P: Tree,
        R: Loss,
        F: Fn(&P) -> Result<R>,
    {
        let (scaled, axis) = (self.scaled(f), axis.to_owned());
        move |params| {
            let (dynamic_scale, value, gradients) = scaled(params)?;
            dynamic_scale.judge(value, tree::map(&gradients, |gradient| gradient.pmean(&axis))?)
        }
    }

    /// The value, and the gradients of the scaled loss with the factor taken out of them.
    fn scaled<P, R, F>(&self, f: F) -> impl Fn(&P) -> Result<(DynamicScale, R, P)>
    where
        P: Tree,
        R: Loss,
        F: Fn(&P) -> Result<R>,
    {
        let this = self.clone();
        move |params| {
            let loss = |params: &P| {
                let value = f(params)?;
                Ok((value.loss().try_mul(&this.scale)?, value))
            };
            let ((_, value), gradients) = value_and_grad(loss)(params)?;
            let unscaled = |gradient: &Tensor| {
                if gradient.dtype().is_float() {
                    gradient.try_cast(DType::F32)?.try_div(&this.scale)
                } else {
                    Ok(gradient.clone())
                }
            };
            Ok((this.clone(), value, tree::map(&gradients, unscaled)?))
        }
    }

    /// The next scale, by whether the gradients are finite.
    fn judge<P: Tree, R>(&self, value: R, gradients: P) -> Result<ScaledGradients<P, R>> {
        let Settings { growth_factor, backoff_factor, growth_interval, minimum_scale } = self.settings;
        let mut is_finite = Tensor::from(true);
        for gradient in tree::leaves(&gradients) {
            is_finite = is_finite.try_bitand(gradient.try_is_finite()?.try_all()?)?;
        }
        let grows = self.fin_steps.try_eq(growth_interval)?;
        let grown = self.scale.try_mul(growth_factor)?.try_minimum(f32::MAX)?;
        let mut backed_off = self.scale.try_mul(backoff_factor)?;
        if let Some(minimum) = minimum_scale {
            backed_off = backed_off.try_maximum(minimum)?;
        }
        let scale = is_finite.try_select(grows.try_select(grown, &self.scale)?, backed_off)?;
        let counted = grows.try_select(0, self.fin_steps.try_add(1)?)?;
        let fin_steps = is_finite.try_select(counted, 0)?;
        let dynamic_scale = DynamicScale { fin_steps, scale, settings: self.settings };
        Ok(ScaledGradients { dynamic_scale, is_finite, value, gradients })
    }
}
