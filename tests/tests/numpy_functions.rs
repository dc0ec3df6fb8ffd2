//! Functions of `jax.numpy`, `jax.lax` and `jax.nn` give the results, gradients and batches of the real JAX.

use flaxen::prelude::*;
use flaxen_tests::probes::{self, Settings};

fn call(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    let x = &args[0];
    Ok(vec![match name {
        "sum" => {
            let axes = settings.ints("axis").unwrap();
            if settings.flag("keepdims") { x.try_sum_keep(axes)? } else { x.try_sum_axes(axes)? }
        }
        "hypot" => x.try_hypot(&args[1])?,
        _ => return probes::unknown(name),
    }])
}

#[test]
fn probes_give_what_jax_gives() {
    let count = probes::run("numpy_functions.json", call);
    assert!(count >= 2, "{count} probes");
}
