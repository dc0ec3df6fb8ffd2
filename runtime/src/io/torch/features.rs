//! Whether the tensors of a layer fit each other.

use super::layout::Kind;
use crate::core::Tensor;

/// Compares what has a number for each feature, such as a bias, with the weight beside it, or says what is wrong.
pub(super) fn check<'a>(
    kind: Kind,
    own: &str,
    tensor: &Tensor,
    beside: &dyn Fn(&str) -> Option<&'a Tensor>,
) -> Result<(), String> {
    let (weight, axis) = match (kind, own) {
        (Kind::Linear | Kind::Conv, "bias") => ("weight", 0),
        (Kind::ConvTranspose | Kind::ConvTransposeFlipped, "bias") => ("weight", 1),
        // A `LayerNorm` may be over several axes.
        (Kind::Norm, "bias") => return same_shape(tensor, "weight", beside("weight")),
        (Kind::BatchNorm, "weight" | "bias" | "running_var") => {
            return same_shape(tensor, "running_mean", beside("running_mean"));
        }
        (Kind::Attention { .. }, "in_proj_bias") => ("in_proj_weight", 0),
        (Kind::Attention { .. }, "out_proj.bias") => ("out_proj.weight", 0),
        _ => return Ok(()),
    };
    let Some(weight) = beside(weight) else { return Ok(()) };
    // Whether the weight is one of this layer is asked where it is placed itself.
    let Some(&features) = weight.shape().get(axis) else { return Ok(()) };
    if tensor.shape() == [features] {
        return Ok(());
    }
    let groups = match (kind, tensor.shape()) {
        (Kind::ConvTranspose | Kind::ConvTransposeFlipped, &[found])
            if features > 0 && found > features && found.is_multiple_of(features) =>
        {
            format!(": it is a transposed convolution in {} groups, which ours has not", found / features)
        }
        _ => String::new(),
    };
    Err(format!(
        "it has shape {:?}, but the weight beside it, of shape {:?}, makes {features} features{groups}",
        tensor.shape(),
        weight.shape()
    ))
}

fn same_shape(tensor: &Tensor, name: &str, other: Option<&Tensor>) -> Result<(), String> {
    match other {
        Some(other) if other.shape() != tensor.shape() => {
            Err(format!("it has shape {:?}, but `{name}` beside it has {:?}", tensor.shape(), other.shape()))
        }
        _ => Ok(()),
    }
}
