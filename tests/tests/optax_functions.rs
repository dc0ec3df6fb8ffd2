//! Projections, clipping by example and arithmetic of trees give what those of the real optax give.

use flaxen::optim::{self, projections, tree::Norm};
use flaxen::prelude::*;
use flaxen::tree::leaves;
use flaxen_tests::probes::{self, Settings};

fn pair(args: &[Tensor]) -> Dict {
    let names = ["x", "y"];
    names.iter().zip(args).map(|(name, leaf)| (*name, leaf.clone())).collect()
}

fn call(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    let (first, second) = (pair(&args[..args.len().min(2)]), pair(&args[args.len().min(2)..]));
    let scale = settings.float("scale").unwrap_or(0.0);
    let both = |(sums, counts): (Dict, Dict)| {
        leaves(&sums).into_iter().chain(leaves(&counts)).cloned().collect::<Vec<_>>()
    };
    let tree = match name {
        "non_negative" => projections::projection_non_negative(&first)?,
        "hypercube" => projections::projection_hypercube(&first, scale)?,
        "simplex" => projections::projection_simplex(&first, scale)?,
        "l1_sphere" => projections::projection_l1_sphere(&first, scale)?,
        "l1_ball" => projections::projection_l1_ball(&first, scale)?,
        "l2_sphere" => projections::projection_l2_sphere(&first, scale)?,
        "l2_ball" => projections::projection_l2_ball(&first, scale)?,
        "linf_ball" => projections::projection_linf_ball(&first, scale)?,
        "vector" => projections::projection_vector(&first, &second)?,
        "hyperplane" => projections::projection_hyperplane(&first, &second, scale)?,
        "halfspace" => projections::projection_halfspace(&first, &second, scale)?,
        "per_example_global_norm_clip" => {
            let (sums, count) = optim::per_example_global_norm_clip(&first, scale)?;
            return Ok(leaves(&sums).into_iter().chain([&count]).cloned().collect());
        }
        "per_example_layer_norm_clip" => {
            return Ok(both(optim::per_example_layer_norm_clip(&first, scale, settings.flag("uniform"))?));
        }
        "vdot" => return Ok(vec![optim::tree::vdot(&first, &second)?]),
        "norm" => {
            let order = match settings.text("order") {
                Some("1") => Norm::L1,
                Some("2") => Norm::L2,
                _ => Norm::Inf,
            };
            return Ok(vec![optim::tree::norm(&first, order)?]);
        }
        "sum" => return Ok(vec![optim::tree::sum(&first)?]),
        "add_scale" => optim::tree::add_scale(&first, 0.3, &second)?,
        "update_moment" => optim::tree::update_moment(&first, &second, 0.9, 2)?,
        "update_infinity_moment" => optim::tree::update_infinity_moment(&first, &second, 0.9, 0.01)?,
        "bias_correction" => optim::tree::bias_correction(&first, 0.9, &Tensor::from(3))?,
        "clip" => optim::tree::clip(&first, -0.5, 0.5)?,
        "scale_gradient" => optim::scale_gradient(&first, scale)?,
        _ => return probes::unknown(name),
    };
    Ok(leaves(&tree).into_iter().cloned().collect())
}

#[test]
fn probes_give_what_optax_gives() {
    let count = probes::run("optax_functions.json", call);
    assert!(count >= 40, "{count} probes");
}
