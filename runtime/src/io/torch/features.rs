//! Whether the tensors of a layer fit each other.

use super::layout::Kind;

/// Compares what has a number for each feature, such as a bias, with the weight beside it, or says what is wrong.
pub(super) fn check<'a>(
    kind: Kind,
    own: &str,
    shape: &[usize],
    beside: &dyn Fn(&str) -> Option<&'a [usize]>,
) -> Result<(), String> {
    let (weight, axis) = match (kind, own) {
        (
            Kind::Linear
            | Kind::Conv
            | Kind::ToHeads { .. }
            | Kind::FromHeads { .. }
            | Kind::QueryKeyValue { .. },
            "bias",
        ) => ("weight", 0),
        (Kind::ConvTranspose | Kind::ConvTransposeFlipped | Kind::LinearInOut, "bias") => ("weight", 1),
        // A `LayerNorm` may be over several axes.
        (Kind::Norm, "bias") => return same_shape(shape, "weight", beside("weight")),
        (Kind::BatchNorm, "weight" | "bias" | "running_var") => {
            return same_shape(shape, "running_mean", beside("running_mean"));
        }
        (Kind::Attention { .. }, "in_proj_bias") => ("in_proj_weight", 0),
        (Kind::Attention { .. }, "out_proj.bias") => ("out_proj.weight", 0),
        _ => return Ok(()),
    };
    let Some(weight) = beside(weight) else { return Ok(()) };
    // Whether the weight is one of this layer is asked where it is placed itself.
    let Some(&features) = weight.get(axis) else { return Ok(()) };
    if *shape == [features] {
        return Ok(());
    }
    let groups = match (kind, shape) {
        (Kind::ConvTranspose | Kind::ConvTransposeFlipped, &[found])
            if features > 0 && found > features && found.is_multiple_of(features) =>
        {
            format!(": it is a transposed convolution in {} groups, which ours has not", found / features)
        }
        _ => String::new(),
    };
    Err(format!(
        "it has shape {shape:?}, but the weight beside it, of shape {weight:?}, makes {features} features{groups}"
    ))
}

fn same_shape(shape: &[usize], name: &str, other: Option<&[usize]>) -> Result<(), String> {
    match other {
        Some(other) if other != shape => {
            Err(format!("it has shape {shape:?}, but `{name}` beside it has {other:?}"))
        }
        _ => Ok(()),
    }
}
