//! `(x − mean) / √(variance + ε) · scale + bias`, with learned scale and bias.

use super::statistics::signed;
use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::core::domain::NOT_NEGATIVE;
use crate::error::Result;
use crate::module::Module;
use crate::nn::precision::layer_dtype;
use crate::scope::Initializer;

/// What follows after mean and variance.
pub(super) struct Normalization<'a> {
    pub op: &'static str,
    pub epsilon: f64,
    pub dtype: Option<DType>,
    pub param_dtype: DType,
    /// How the scale begins, if there is one.
    pub scale: Option<&'a Initializer>,
    /// How the bias begins, if there is one.
    pub bias: Option<&'a Initializer>,
    /// The axes that mean and variance do not have.
    pub reduced: &'a [usize],
    /// The axes of scale and bias.
    pub features: &'a [usize],
}

impl Normalization<'_> {
    /// The normalised input; scale and bias become parameters of the layer.
    pub fn apply<M: Module>(
        &self,
        layer: &M,
        x: &Tensor,
        mean: Option<&Tensor>,
        variance: &Tensor,
    ) -> Result<Tensor> {
        NOT_NEGATIVE.check(self.op, "epsilon", self.epsilon)?;
        let sizes: Shape = self.features.iter().map(|&axis| x.shape()[axis]).collect();
        let mut spread = Shape::from_elem(1, x.rank());
        self.features.iter().for_each(|&axis| spread[axis] = x.shape()[axis]);
        let param = |name: &str, init: Option<&Initializer>| {
            init.map(|init| layer.param_of(name, init, &sizes, self.param_dtype)?.try_reshape(&spread))
                .transpose()
        };

        let axes = signed(self.reduced);
        let centred = match mean {
            Some(mean) => x.try_sub(mean.try_expand_dims(&axes)?)?,
            None => x.clone(),
        };
        let mut factor = (variance.try_expand_dims(&axes)? + self.epsilon).try_rsqrt()?;
        let scale = param("scale", self.scale)?;
        if let Some(scale) = &scale {
            factor = factor.try_mul(scale)?;
        }
        let mut y = centred.try_mul(factor)?;
        let bias = param("bias", self.bias)?;
        if let Some(bias) = &bias {
            y = y.try_add(bias)?;
        }
        y.try_cast(layer_dtype(self.op, self.dtype, x, scale.iter().chain(&bias))?)
    }
}
