//! Samplers give the samples of `jax.random`, and their gradients.

use flaxen::prelude::*;
use flaxen::random::{self, Key};
use flaxen_tests::probes::{self, Settings};

fn call(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    let key = &Key::from_data(&args[0])?;
    let shape = settings.sizes("shape").unwrap();
    let arg = |i: usize| &args[i + 1];
    Ok(vec![match name {
        "gamma" => random::try_gamma(key, arg(0), shape)?,
        "loggamma" => random::try_loggamma(key, arg(0), shape)?,
        "beta" => random::try_beta(key, arg(0), arg(1), shape)?,
        "dirichlet" => random::try_dirichlet(key, arg(0), shape)?,
        "chisquare" => random::try_chisquare(key, arg(0), shape)?,
        "f" => random::try_f(key, arg(0), arg(1), shape)?,
        "t" => random::try_t(key, arg(0), shape)?,
        "generalized_normal" => random::try_generalized_normal(key, settings.float("p").unwrap(), shape)?,
        "ball" => random::try_ball(key, settings.size("d").unwrap(), settings.float("p").unwrap(), shape)?,
        "cauchy" => random::try_cauchy(key, shape)?,
        "maxwell" => random::try_maxwell(key, shape)?,
        "double_sided_maxwell" => random::try_double_sided_maxwell(key, arg(0), arg(1), shape)?,
        "pareto" => random::try_pareto(key, arg(0), shape)?,
        "rayleigh" => random::try_rayleigh(key, arg(0), shape)?,
        "weibull_min" => random::try_weibull_min(key, arg(0), arg(1), shape)?,
        "lognormal" => random::try_lognormal(key, arg(0), shape)?,
        "triangular" => random::try_triangular(key, arg(0), arg(1), arg(2), shape)?,
        "wald" => random::try_wald(key, arg(0), shape)?,
        "geometric" => random::try_geometric(key, arg(0), shape)?,
        "poisson" => random::try_poisson(key, arg(0), shape)?,
        "binomial" => random::try_binomial(key, arg(0), arg(1), shape)?,
        "multinomial" => random::try_multinomial(key, arg(0), arg(1), shape)?,
        "multivariate_normal" => random::try_multivariate_normal(key, arg(0), arg(1), shape)?,
        "orthogonal" => {
            random::try_orthogonal(key, settings.size("n").unwrap(), settings.size("m").unwrap(), shape)?
        }
        "categorical_without_replacement" => {
            let axis = settings.int("axis").unwrap();
            random::try_categorical_without_replacement(key, arg(0), axis, shape)?
        }
        "split_shape" => key.try_split_shape(shape)?.data().clone(),
        _ => return probes::unknown(name),
    }])
}

#[test]
fn samples_are_those_of_jax() {
    let count = probes::run("samplers.json", call);
    assert!(count >= 50, "{count} probes");
}
