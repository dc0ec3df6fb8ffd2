//! The loss whose gradients the golden cases have.

use flaxen::{Result, Tensor};

/// `Σ cᵢ·yᵢ + ½·yᵢ²` with `cᵢ = (((7·i) mod 11) − 5) / 10`, `i` the flat index.
///
/// # Errors
/// If `y` is not of numbers.
pub fn golden_loss(y: &Tensor) -> Result<Tensor> {
    let weights: Vec<f32> = (0..y.size()).map(|i| ((7 * i % 11) as f32 - 5.0) / 10.0).collect();
    let weights = Tensor::from_vec(weights, y.shape()).try_cast(y.dtype())?;
    (weights * y + y * y * 0.5).try_reshape([y.size()])?.try_sum()
}
