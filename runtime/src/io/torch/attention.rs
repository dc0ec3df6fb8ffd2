//! Attention of several heads: PyTorch keeps all heads in one axis, which is two here.

use super::layout::{Target, Targets};
use super::way::Way;

const PROJECTIONS: [&str; 3] = ["query", "key", "value"];

/// The tensors of `MultiheadAttention`.
pub(super) fn module(heads: usize, own: &str, shape: &[usize]) -> Targets {
    match own {
        // `[3 · features, in]`: queries, keys and values below each other.
        "in_proj_weight" if !matches!(shape, [all, inputs] if *inputs == all / 3) => Err(wrong(heads, shape)),
        "in_proj_weight" => query_key_value(heads, "weight", shape),
        "in_proj_bias" => query_key_value(heads, "bias", shape),
        // Where keys and values are made of other features than queries.
        "q_proj_weight" => projection(heads, "query", shape),
        "k_proj_weight" => projection(heads, "key", shape),
        "v_proj_weight" => projection(heads, "value", shape),
        _ => match own.strip_prefix("out_proj.") {
            Some(own) => Ok(from_heads(heads, own, shape)?.map(|targets| inside("out", targets))),
            None => Ok(None),
        },
    }
}

fn projection(heads: usize, name: &str, shape: &[usize]) -> Targets {
    Ok(to_heads(heads, "weight", shape)?.map(|targets| inside(name, targets)))
}

/// Targets of a module with a name.
fn inside(name: &str, mut targets: Vec<Target>) -> Vec<Target> {
    targets.iter_mut().for_each(|target| target.path.insert(1, name.to_owned()));
    targets
}

/// One `Linear` that makes queries, keys and values: `[3 · heads · depth, in]`.
pub(super) fn query_key_value(heads: usize, own: &str, shape: &[usize]) -> Targets {
    match (own, shape) {
        ("weight", [all, _]) | ("bias", [all]) if all.is_multiple_of(3) => {}
        ("weight" | "bias", _) => return Err(wrong(heads, shape)),
        _ => return Ok(None),
    }
    let mut targets = Vec::new();
    for (name, way) in PROJECTIONS.into_iter().zip(Way::parts(shape, 3)) {
        let (own, way) = split(heads, own, way).ok_or_else(|| wrong(heads, shape))?;
        targets.push(Target::new(["params", name, own], way));
    }
    Ok(Some(targets))
}

/// A `Linear` that makes heads: `[heads · depth, in]` there, `[in, heads, depth]` here.
pub(super) fn to_heads(heads: usize, own: &str, shape: &[usize]) -> Targets {
    match (own, shape) {
        ("weight", [_, _]) | ("bias", [_]) => {}
        ("weight" | "bias", _) => return Err(wrong(heads, shape)),
        _ => return Ok(None),
    }
    let (own, way) = split(heads, own, Way::of(shape)).ok_or_else(|| wrong(heads, shape))?;
    Ok(Some(vec![Target::new(["params", own], way)]))
}

/// A weight or a bias whose rows are heads; none if they cannot be.
fn split(heads: usize, own: &str, way: Way) -> Option<(&'static str, Way)> {
    let (&features, inputs) = way.shape().split_first()?;
    if heads == 0 || !features.is_multiple_of(heads) {
        return None;
    }
    Some(match (own, inputs) {
        ("weight", &[inputs]) => ("kernel", way.t().reshape(&[inputs, heads, features / heads])),
        _ => ("bias", way.reshape(&[heads, features / heads])),
    })
}

/// A `Linear` of heads: `[out, heads · depth]` there, `[heads, depth, out]` here.
pub(super) fn from_heads(heads: usize, own: &str, shape: &[usize]) -> Targets {
    let target = |own, way| Ok(Some(vec![Target::new(["params", own], way)]));
    match (own, shape) {
        ("weight", &[outputs, inputs]) if heads > 0 && inputs.is_multiple_of(heads) => {
            target("kernel", Way::of(shape).t().reshape(&[heads, inputs / heads, outputs]))
        }
        ("weight", _) => Err(wrong(heads, shape)),
        ("bias", _) => target("bias", Way::of(shape)),
        _ => Ok(None),
    }
}

fn wrong(heads: usize, shape: &[usize]) -> String {
    format!("it has shape {shape:?}, which is none of an attention of {heads} heads")
}
