//! Functions in 64 bits give what they give in JAX under `jax_enable_x64`. The switch is for the whole process.

use flaxen::prelude::*;
use flaxen::random::Key;
use flaxen::try_einsum;
use flaxen_tests::probes::{self, Settings};

fn call(name: &str, args: &[Tensor], _: &Settings<'_>) -> Result<Vec<Tensor>> {
    let x = &args[0];
    let key = || Key::from_data(x);
    Ok(vec![match name {
        "sin" => x.try_sin()?,
        "tanh" => x.try_tanh()?,
        "exp" => x.try_exp()?,
        "expm1" => x.try_expm1()?,
        "sigmoid" => x.try_sigmoid()?,
        "erf" => x.try_erf()?,
        "softplus" => x.try_softplus()?,
        "gelu" => x.try_gelu()?,
        "log" => x.try_log()?,
        "log1p" => x.try_log1p()?,
        "sqrt" => x.try_sqrt()?,
        "rsqrt" => x.try_rsqrt()?,
        "cbrt" => x.try_cbrt()?,
        "lgamma" => x.try_lgamma()?,
        "digamma" => x.try_digamma()?,
        "times a half" => x.try_mul(0.1)?.try_add(1)?,
        "select" => x.try_gt(0)?.try_select(x, 0.1)?,
        "integers times a half" => x.try_mul(0.5)?,
        "integers plus one" => x.try_add(1)?,
        "sum of integers" => x.try_sum()?,
        "softmax" => x.try_softmax(-1)?,
        "logsumexp" => x.try_logsumexp_axes(-1)?,
        "mean" => x.try_mean_axes(0)?,
        "var" => x.try_var_axes(1, 0)?,
        "norm" => x.try_norm()?,
        "cumsum" => x.try_cumsum(1)?,
        "sort" => x.try_sort(1)?,
        "quantile" => x.try_quantile(0.3, 1)?,
        "median" => x.try_median_axes(0)?,
        "matmul" => x.try_matmul(&args[1])?,
        "einsum" => try_einsum("ij,kj->ik", &[x, &args[1]])?,
        "conv" => x.try_conv_general(&args[1], &ConvOptions::new().padding(Padding::Same))?,
        "cholesky" => x.try_cholesky()?,
        "inv" => x.try_inv()?,
        "det" => x.try_det()?,
        "eigvalsh" => x.try_eigvalsh()?,
        "singular values" => x.try_svdvals()?,
        "solve" => x.try_solve(&args[1])?,
        "l2_loss" => losses::l2_loss(x, &args[1]),
        "huber_loss" => losses::huber_loss(x, &args[1], 0.7),
        "cross entropy" => softmax_cross_entropy(x, &args[1]),
        "interp" => x.try_interp([-1.0, 0.0, 2.0], [3.0, 1.0, 5.0])?,
        "loop" => {
            let step = |h: Tensor, x: Tensor| Ok(((&h + x).sin(), h));
            scan(step).call(x.try_index_axis(0, 0)?.zeros_like(), x.clone())?.0
        }
        "uniform" => random::try_uniform_of(&key()?, [3, 2], DType::F64)?,
        "normal" => random::try_normal_of(&key()?, [3, 2], DType::F64)?,
        "exponential" => random::try_exponential_of(&key()?, [3, 2], DType::F64)?,
        "gumbel" => random::try_gumbel_of(&key()?, [3, 2], DType::F64)?,
        _ => return probes::unknown(name),
    }])
}

#[test]
fn probes_in_64_bits_give_what_jax_gives() {
    flaxen::enable_f64();
    let count = probes::run("wide.json", call);
    assert!(count >= 45, "{count} probes");
}
