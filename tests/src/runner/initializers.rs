//! Cases of initial values, `out/<initializer>/<shape>`, bit for bit.

use flaxen::init::{self, Distribution, FanMode, VarianceScaling};
use flaxen::prelude::*;

use super::random::{same, seed};
use super::{Stop, Verdict};
use crate::golden::Case;

/// How far a decomposition may be off, which rounds otherwise than LAPACK's.
const ORTHOGONAL: f32 = 2.5e-7;

/// Runs a case of initial values.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let key = key(seed(case)?);
    for (name, expected) in case.group("out") {
        let unsupported = || Stop::Unsupported(format!("the initial values `{name}`"));
        let (of, shape) = name.rsplit_once('/').ok_or_else(unsupported)?;
        let shape: Option<Vec<usize>> = shape.split('x').map(|size| size.parse().ok()).collect();
        let (initializer, shape) = initializer(of).zip(shape).ok_or_else(unsupported)?;
        let found = initializer.tensor(&key, &shape, DType::F32)?;
        if of.contains("orthogonal") && found.shape() == expected.shape() {
            let off = (found - &expected).abs().max().item::<f32>()?;
            if off.is_nan() || off > ORTHOGONAL {
                return Err(Stop::Failed(format!("out/{name} is off by {off}")));
            }
        } else {
            same(&format!("out/{name}"), &found, &expected)?;
        }
    }
    Ok(String::new())
}

/// A name, or the name of a function and its arguments: `truncated_normal_0.5_-1_3`.
fn initializer(name: &str) -> Option<Initializer> {
    Some(match name {
        "lecun_normal" => init::lecun_normal(),
        "lecun_uniform" => init::lecun_uniform(),
        "he_normal" => init::he_normal(),
        "he_uniform" => init::he_uniform(),
        "kaiming_normal" => init::kaiming_normal(),
        "kaiming_uniform" => init::kaiming_uniform(),
        "glorot_normal" => init::glorot_normal(),
        "glorot_uniform" => init::glorot_uniform(),
        "xavier_normal" => init::xavier_normal(),
        "xavier_uniform" => init::xavier_uniform(),
        "embed_default" => VarianceScaling::new(1.0, FanMode::FanIn, Distribution::Normal).out_axis(0).into(),
        "lecun_normal_in_axis_(0,1)_batch2" => {
            VarianceScaling::lecun_normal().in_axis([0, 1]).batch_axis(2).into()
        }
        "normal_default" => init::normal(0.01),
        "uniform_default" => init::uniform(0.01),
        "truncated_normal_default" => init::truncated_normal(0.01, -2.0, 2.0),
        "zeros" => init::zeros(),
        "ones" => init::ones(),
        "orthogonal" => init::orthogonal(1.0, -1),
        "delta_orthogonal" => init::delta_orthogonal(1.0, -1),
        _ => return with_arguments(name),
    })
}

fn with_arguments(name: &str) -> Option<Initializer> {
    let numbers =
        |text: &str| text.split('_').map(|number| number.parse().ok()).collect::<Option<Vec<f64>>>();
    let after = |prefix: &str| name.strip_prefix(prefix);
    if let Some(rest) = after("variance_scaling_") {
        return scaling(rest);
    }
    for (prefix, function) in [
        ("delta_orthogonal_", init::delta_orthogonal as fn(f64, isize) -> Initializer),
        ("orthogonal_", init::orthogonal),
    ] {
        if let Some(rest) = after(prefix) {
            let (scale, axis) = rest.split_once("_col").unwrap_or((rest, "-1"));
            return Some(function(scale.parse().ok()?, axis.parse().ok()?));
        }
    }
    let (function, rest) = ["truncated_normal_", "normal_", "uniform_", "constant_"]
        .into_iter()
        .find_map(|function| Some((function, after(function)?)))?;
    Some(match (function, &numbers(rest)?[..]) {
        ("truncated_normal_", &[stddev, low, high]) => init::truncated_normal(stddev, low, high),
        ("normal_", &[stddev]) => init::normal(stddev),
        ("uniform_", &[scale]) => init::uniform(scale),
        ("constant_", &[value]) => init::constant(value),
        _ => return None,
    })
}

/// `SCALE_MODE_DISTRIBUTION`.
fn scaling(text: &str) -> Option<Initializer> {
    let (scale, rest) = text.split_once('_')?;
    let modes = [
        ("fan_in_", FanMode::FanIn),
        ("fan_out_", FanMode::FanOut),
        ("fan_avg_", FanMode::FanAvg),
        ("fan_geo_avg_", FanMode::FanGeoAvg),
    ];
    let (distribution, mode) =
        modes.into_iter().find_map(|(text, mode)| Some((rest.strip_prefix(text)?, mode)))?;
    let distribution = match distribution {
        "truncated_normal" => Distribution::TruncatedNormal,
        "normal" => Distribution::Normal,
        "uniform" => Distribution::Uniform,
        _ => return None,
    };
    Some(init::variance_scaling(scale.parse::<f64>().ok()?, mode, distribution))
}
