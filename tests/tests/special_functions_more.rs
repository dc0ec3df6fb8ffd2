//! Special functions and distributions give what `jax.scipy` gives.

use flaxen::prelude::*;
use flaxen::special::{self, LogSumExp};
use flaxen::stats;
use flaxen_tests::probes::{self, Settings};

fn special(name: &str, x: &[Tensor], settings: &Settings<'_>) -> Option<Result<Tensor>> {
    let arg = |i: usize| &x[i];
    Some(match name {
        "gammainc" => special::try_gammainc(arg(0), arg(1)),
        "gammaincc" => special::try_gammaincc(arg(0), arg(1)),
        "igamma_grad_a" => special::try_igamma_grad_a(arg(0), arg(1)),
        "random_gamma_grad" => special::try_random_gamma_grad(arg(0), arg(1)),
        "betainc" => special::try_betainc(arg(0), arg(1), arg(2)),
        "betaln" => special::try_betaln(arg(0), arg(1)),
        "beta" => special::try_beta(arg(0), arg(1)),
        "gamma" => special::try_gamma(arg(0)),
        "factorial" => special::try_factorial(arg(0)),
        "multigammaln" => special::try_multigammaln(arg(0), 3),
        "polygamma" => special::try_polygamma(settings.int("n").unwrap() as i32, arg(0)),
        "trigamma" => arg(0).try_trigamma(),
        "zeta" => special::try_zeta(arg(0), arg(1)),
        "i0" => special::try_i0(arg(0)),
        "i0e" => special::try_i0e(arg(0)),
        "i1" => special::try_i1(arg(0)),
        "i1e" => special::try_i1e(arg(0)),
        "ndtr" => special::try_ndtr(arg(0)),
        "log_ndtr" => special::try_log_ndtr(arg(0)),
        "ndtri" => special::try_ndtri(arg(0)),
        "logit" => special::try_logit(arg(0)),
        "expit" => arg(0).try_logistic(),
        "erfinv" => arg(0).try_erf_inv(),
        "xlogy" => special::try_xlogy(arg(0), arg(1)),
        "xlog1py" => special::try_xlog1py(arg(0), arg(1)),
        "entr" => special::try_entr(arg(0)),
        "rel_entr" => special::try_rel_entr(arg(0), arg(1)),
        "kl_div" => special::try_kl_div(arg(0), arg(1)),
        _ => return None,
    })
}

fn distribution(name: &str, x: &[Tensor]) -> Option<Result<Tensor>> {
    let arg = |i: usize| &x[i];
    Some(match name {
        "norm.logpdf" => stats::norm::try_logpdf(arg(0), arg(1), arg(2)),
        "norm.pdf" => stats::norm::try_pdf(arg(0), arg(1), arg(2)),
        "norm.cdf" => stats::norm::try_cdf(arg(0), arg(1), arg(2)),
        "norm.logcdf" => stats::norm::try_logcdf(arg(0), arg(1), arg(2)),
        "norm.sf" => stats::norm::try_sf(arg(0), arg(1), arg(2)),
        "norm.ppf" => stats::norm::try_ppf(arg(0), arg(1), arg(2)),
        "expon.logpdf" => stats::expon::try_logpdf(arg(0), arg(1), arg(2)),
        "laplace.logpdf" => stats::laplace::try_logpdf(arg(0), arg(1), arg(2)),
        "laplace.cdf" => stats::laplace::try_cdf(arg(0), arg(1), arg(2)),
        "logistic.logpdf" => stats::logistic::try_logpdf(arg(0), arg(1), arg(2)),
        "logistic.ppf" => stats::logistic::try_ppf(arg(0), arg(1), arg(2)),
        "gamma.logpdf" => stats::gamma::try_logpdf(arg(0), arg(1), arg(2), arg(3)),
        "gamma.cdf" => stats::gamma::try_cdf(arg(0), arg(1), arg(2), arg(3)),
        "beta.logpdf" => stats::beta::try_logpdf(arg(0), arg(1), arg(2), arg(3), arg(4)),
        "poisson.logpmf" => stats::poisson::try_logpmf(arg(0), arg(1), arg(2)),
        "poisson.cdf" => stats::poisson::try_cdf(arg(0), arg(1), arg(2)),
        "uniform.logpdf" => stats::uniform::try_logpdf(arg(0), arg(1), arg(2)),
        _ => return None,
    })
}

fn call(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    if let Some(value) = special(name, args, settings).or_else(|| distribution(name, args)) {
        return Ok(vec![value?]);
    }
    if name != "logsumexp" {
        return probes::unknown(name);
    }
    let mut log_sum = LogSumExp::of(&args[0]);
    if let Some(weights) = args.get(1) {
        log_sum = log_sum.weights(weights);
    }
    if let Some(axis) = settings.int("axis") {
        log_sum = log_sum.axes(axis);
    }
    if settings.flag("keepdims") {
        log_sum = log_sum.keep();
    }
    if settings.flag("return_sign") {
        let (log, sign) = log_sum.signed()?;
        return Ok(vec![log, sign]);
    }
    Ok(vec![log_sum.value()?])
}

#[test]
fn probes_give_what_jax_gives() {
    let count = probes::run("special_functions_more.json", call);
    assert!(count >= 60, "{count} probes");
}
