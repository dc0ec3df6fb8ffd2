//! Initializers: `nn.initializers.normal(0.02)`.

use flaxen::init::{self, Distribution, FanMode, VarianceScaling};
use flaxen::nn::AxisList;
use flaxen::prelude::*;

use crate::runner::python::reader::Reader;
use crate::runner::python::value::Py;

/// The initializer that a value is, if it is one: `nn.initializers.zeros` is one itself.
pub fn as_initializer(value: &Py) -> Py {
    let Py::Library(path) = value else { return value.clone() };
    match path.rsplit('.').next().unwrap_or_default() {
        "zeros" | "zeros_init" => Py::Initializer(init::zeros()),
        "ones" | "ones_init" => Py::Initializer(init::ones()),
        // That of `jax.random`, called with a key, a shape and a dtype; the other one makes an initializer when it is called.
        "normal" if !path.contains("initializers") => Py::Initializer(init::normal(1.0)),
        _ => value.clone(),
    }
}

/// Makes an initializer; of `zeros` and `ones`, which are initializers themselves, the values.
///
/// # Errors
/// If an argument is none of its own.
pub fn call(name: &str, reader: &mut Reader<'_>) -> Result<Option<Py>> {
    let is_itself = matches!(name, "zeros" | "ones");
    if is_itself && reader.count() > 0 {
        let (_, shape) = (reader.key(0, "key")?, reader.sizes(1, "shape")?);
        let dtype = reader.get(2, "dtype")?.unwrap_or(DType::F32);
        let values =
            if name == "zeros" { Tensor::zeros_of(shape, dtype) } else { Tensor::ones_of(shape, dtype) };
        return Ok(Some(Py::Tensor(values)));
    }
    Ok(made(name, reader)?.map(Py::Initializer))
}

fn made(name: &str, reader: &mut Reader<'_>) -> Result<Option<Initializer>> {
    let mut number = |position, name: &str, default: f64| -> Result<f64> {
        Ok(reader.get::<f64>(position, name)?.unwrap_or(default))
    };
    Ok(Some(match name {
        "zeros" | "zeros_init" => init::zeros(),
        "ones" | "ones_init" => init::ones(),
        "constant" => init::constant(number(0, "value", 0.0)?),
        "normal" => init::normal(number(0, "stddev", 1e-2)?),
        "uniform" => init::uniform(number(0, "scale", 1e-2)?),
        "truncated_normal" => {
            let stddev = number(0, "stddev", 1e-2)?;
            let (lower, upper) = (number(2, "lower", -2.0)?, number(3, "upper", 2.0)?);
            init::truncated_normal(stddev, lower, upper)
        }
        "orthogonal" | "delta_orthogonal" => {
            let scale = number(0, "scale", 1.0)?;
            let axis = reader.get::<isize>(1, "column_axis")?.unwrap_or(-1);
            if name == "orthogonal" {
                init::orthogonal(scale, axis)
            } else {
                init::delta_orthogonal(scale, axis)
            }
        }
        "variance_scaling" => {
            let scale = number(0, "scale", 1.0)?;
            let (mode, distribution) =
                (reader.required::<String>(1, "mode")?, reader.required::<String>(2, "distribution")?);
            let mode = match &mode[..] {
                "fan_in" => FanMode::FanIn,
                "fan_out" => FanMode::FanOut,
                "fan_avg" => FanMode::FanAvg,
                "fan_geo_avg" => FanMode::FanGeoAvg,
                _ => return Ok(None),
            };
            let distribution = match &distribution[..] {
                "truncated_normal" => Distribution::TruncatedNormal,
                "normal" => Distribution::Normal,
                "uniform" => Distribution::Uniform,
                _ => return Ok(None),
            };
            with_axes(VarianceScaling::new(scale, mode, distribution), 3, reader)?
        }
        _ => {
            let scaling = match name {
                "lecun_normal" => VarianceScaling::lecun_normal(),
                "lecun_uniform" => VarianceScaling::lecun_uniform(),
                "he_normal" | "kaiming_normal" => VarianceScaling::he_normal(),
                "he_uniform" | "kaiming_uniform" => VarianceScaling::he_uniform(),
                "glorot_normal" | "xavier_normal" => VarianceScaling::glorot_normal(),
                "glorot_uniform" | "xavier_uniform" => VarianceScaling::glorot_uniform(),
                _ => return Ok(None),
            };
            with_axes(scaling, 0, reader)?
        }
    }))
}

fn with_axes(mut scaling: VarianceScaling, first: usize, reader: &mut Reader<'_>) -> Result<Initializer> {
    if let Some(axes) = reader.get::<AxisList>(first, "in_axis")? {
        scaling = scaling.in_axis(axes);
    }
    if let Some(axes) = reader.get::<AxisList>(first + 1, "out_axis")? {
        scaling = scaling.out_axis(axes);
    }
    if let Some(axes) = reader.get::<AxisList>(first + 2, "batch_axis")? {
        scaling = scaling.batch_axis(axes);
    }
    Ok(scaling.into())
}
