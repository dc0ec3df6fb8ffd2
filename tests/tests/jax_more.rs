//! Arguments of functions of JAX that few programs use give what they give there.

use flaxen::prelude::*;
use flaxen::random::{CovarianceFactor, Key};
use flaxen::{ConvOptions, DotOptions, OperandPrecision, QuantileMethod, try_einsum_with};
use flaxen_tests::probes::{self, Settings};

fn axes(x: &Tensor, settings: &Settings<'_>) -> Vec<isize> {
    match settings.json("axis") {
        axis if axis.is_number() => vec![settings.int("axis").unwrap()],
        _ => (0..x.rank() as isize).collect(),
    }
}

fn quantiles(settings: &Settings<'_>) -> Tensor {
    if settings.json("q").is_array() {
        Tensor::from(settings.floats("q").unwrap())
    } else {
        Tensor::from(settings.float("q").unwrap())
    }
}

fn precision(settings: &Settings<'_>) -> OperandPrecision {
    match settings.json("precision") {
        name if name.is_string() => name.as_str().unwrap().into(),
        pair if pair.is_array() => (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()).into(),
        _ => OperandPrecision::Unsaid,
    }
}

fn call(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    let x = &args[0];
    let options =
        || DotOptions::new().precision(precision(settings)).preferred_element_type(settings.dtype("sum"));
    let axis = || settings.int("axis").unwrap();
    let by = QuantileMethod::InvertedCdf;
    Ok(vec![match name {
        "quantile_weighted" => x.try_quantile_weighted(quantiles(settings), axes(x, settings), &args[1])?,
        "nanquantile_weighted" => {
            x.try_nanquantile_weighted(quantiles(settings), axes(x, settings), &args[1])?
        }
        "quantile_by" => x.try_quantile_by(quantiles(settings), axes(x, settings), by)?,
        "nanquantile_by" => x.try_nanquantile(quantiles(settings), axes(x, settings), by)?,
        "unique" => {
            let fill = settings.float("fill").map(|fill| Tensor::from(fill).cast(x.dtype()));
            let found = x.try_unique_all_along(axis(), settings.size("size"), fill)?;
            return Ok(vec![found.values, found.indices, found.inverse, found.counts]);
        }
        "unique_values" => x.try_unique_along(axis())?,
        "eigh_triangle" => x.try_eigh_triangle(settings.flag("lower"))?.0,
        "multivariate_normal" => {
            let factor = match settings.text("method").unwrap() {
                "eigh" => CovarianceFactor::Eigh,
                "svd" => CovarianceFactor::Svd,
                _ => CovarianceFactor::Cholesky,
            };
            let (key, shape) = (Key::from_data(x.clone())?, settings.sizes("shape").unwrap());
            let drawn = random::try_multivariate_normal_by(&key, &args[1], &args[2], shape, factor)?;
            drawn.try_sub(&args[1])?.try_square()?
        }
        "dot" => x.try_dot_with(&args[1], &options())?,
        "matmul" => x.try_matmul_with(&args[1], &options())?,
        "einsum" => try_einsum_with("ij,jk->ki", &[x, &args[1]], &options())?,
        "conv" => {
            let options = ConvOptions::new().padding(Padding::Same).precision(precision(settings));
            x.try_conv_general(&args[1], &options)?
        }
        _ => return probes::unknown(name),
    }])
}

#[test]
fn probes_give_what_jax_gives() {
    let count = probes::run("jax_more.json", call);
    assert!(count >= 60, "{count} probes");
}
