//! `PReLU`: a leaky rectifier that learns its slope.

use super::support::features_of;
use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::core::domain::FINITE;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::{compact, init, module};

/// `y = x` where that is not negative, else `a·x`, with one learned `a` for all elements, or one for each channel.
///
/// The input has any shape, and the output has the same.
///
/// # Parameters
/// - `negative_slope`: a scalar; `[channels]`, as the last axis of the input, if `per_channel` is true.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::PReLU;
///
/// let x = Tensor::from([-2.0f32, 3.0]);
/// let y = PReLU::new().negative_slope_init(0.25).init_with_output(key(0)).call(&x)?.0;
/// assert_eq!(y.to_vec::<f32>()?, [-0.5, 3.0]);
/// let variables = PReLU::new().per_channel(true).init(key(0)).call(&x)?;
/// assert_eq!(variables.tensor("params/negative_slope")?.shape(), [2]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// He et al., arXiv:1502.01852; as `flax.linen.PReLU`, which has one slope, and as `torch.nn.PReLU(channels)` with a slope for each
/// channel.
#[module]
pub struct PReLU {
    /// The dtype the slope begins with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// The slope for negative elements to begin with: finite.
    #[module(into, default = 0.01)]
    pub negative_slope_init: f64,
    /// Whether each channel, along the last axis, has a slope of its own.
    #[module(default = false)]
    pub per_channel: bool,
}

impl Layer for PReLU {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        FINITE.check(Self::NAME, "negative_slope_init", self.negative_slope_init)?;
        let start = init::constant(self.negative_slope_init);
        let channels = if self.per_channel { Some(features_of(Self::NAME, x)?) } else { None };
        let shape: Shape = channels.into_iter().collect();
        let slope = self.param_of("negative_slope", start, shape, self.param_dtype)?.try_cast(x.dtype())?;
        x.try_ge(x.like(0.0))?.try_select(x, x.try_mul(slope)?)
    }
}
