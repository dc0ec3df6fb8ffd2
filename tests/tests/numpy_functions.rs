//! Functions of `jax.numpy`, `jax.lax` and `jax.nn` give the results, gradients and batches of the real JAX.

use flaxen::nn::scaled_dot_product_attention;
use flaxen::prelude::*;
use flaxen::{Beyond, Indexing, QuantileMethod};
use flaxen_tests::probes::{self, Settings};

/// The axes that a setting names, or all.
fn axes(x: &Tensor, settings: &Settings<'_>) -> Vec<isize> {
    settings.ints("axis").unwrap_or_else(|| (0..x.rank() as isize).collect())
}

fn axis(settings: &Settings<'_>) -> isize {
    settings.int("axis").unwrap()
}

fn method(settings: &Settings<'_>) -> QuantileMethod {
    match settings.text("method") {
        None | Some("linear") => QuantileMethod::Linear,
        Some("lower") => QuantileMethod::Lower,
        Some("higher") => QuantileMethod::Higher,
        Some("nearest") => QuantileMethod::Nearest,
        Some("midpoint") => QuantileMethod::Midpoint,
        Some(other) => panic!("no method {other}"),
    }
}

fn quantiles(settings: &Settings<'_>) -> Tensor {
    if settings.json("q").is_array() {
        Tensor::from(settings.floats("q").unwrap())
    } else {
        Tensor::from(settings.float("q").unwrap())
    }
}

/// A reduction over axes, whose result is without them, and one that keeps them.
type Reductions = (fn(&Tensor, Vec<isize>) -> Result<Tensor>, fn(&Tensor, Vec<isize>) -> Result<Tensor>);

fn reductions(name: &str) -> Option<Reductions> {
    Some(match name {
        "nansum" => (|x, axes| x.try_nansum_axes(axes), |x, axes| x.try_nansum_keep(axes)),
        "nanprod" => (|x, axes| x.try_nanprod_axes(axes), |x, axes| x.try_nanprod_keep(axes)),
        "nanmax" => (|x, axes| x.try_nanmax_axes(axes), |x, axes| x.try_nanmax_keep(axes)),
        "nanmin" => (|x, axes| x.try_nanmin_axes(axes), |x, axes| x.try_nanmin_keep(axes)),
        "nanmean" => (|x, axes| x.try_nanmean_axes(axes), |x, axes| x.try_nanmean_keep(axes)),
        "nanmedian" => (|x, axes| x.try_nanmedian_axes(axes), |x, axes| x.try_nanmedian_keep(axes)),
        "median" => (|x, axes| x.try_median_axes(axes), |x, axes| x.try_median_keep(axes)),
        _ => return None,
    })
}

fn reduce(name: &str, x: &Tensor, settings: &Settings<'_>) -> Option<Result<Tensor>> {
    let (axes, kept) = (axes(x, settings), settings.flag("keepdims"));
    let ddof = settings.size("ddof").unwrap_or(0);
    if let Some((plain, keep)) = reductions(name) {
        return Some(if kept { keep(x, axes) } else { plain(x, axes) });
    }
    Some(match (name, kept) {
        ("nanvar", false) => x.try_nanvar_axes(axes, ddof),
        ("nanvar", true) => x.try_nanvar_keep(axes, ddof),
        ("nanstd", false) => x.try_nanstd_axes(axes, ddof),
        ("nanstd", true) => x.try_nanstd_keep(axes, ddof),
        ("softmax", _) => x.try_softmax(axes),
        ("log_softmax", _) => x.try_log_softmax(axes),
        ("logmeanexp", _) => x.try_logmeanexp(axes),
        ("standardize", _) => x.try_standardize(axes, 1e-5),
        _ => return None,
    })
}

/// The masks of the script.
fn mask(x: &Tensor, settings: &Settings<'_>) -> Tensor {
    let rows = [[true, false, true, true], [false; 4], [false, true, true, false]];
    match x.shape() {
        _ if settings.has("mask") => Tensor::from([rows[0], rows[2]]),
        [3, 4] => Tensor::from(rows),
        [2, 3] if x.dtype() == DType::BF16 => Tensor::from([true, false, true]),
        [2, 3] => Tensor::from([[true, false, true], [false, false, true]]),
        _ => Tensor::from([[[true, true, true]]]),
    }
}

fn masked(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Option<Result<Tensor>> {
    let x = &args[0];
    let mask = args.get(1).cloned().unwrap_or_else(|| mask(x, settings));
    let (axes, kept) = (axes(x, settings), settings.flag("keepdims"));
    let ddof = settings.size("ddof").unwrap_or(0);
    let initial = || settings.float("initial").unwrap();
    Some(match (name, kept) {
        ("sum_where", false) => x.try_sum_where(axes, mask),
        ("sum_where", true) => x.try_sum_where_keep(axes, mask),
        ("prod_where", false) => x.try_prod_where(axes, mask),
        ("prod_where", true) => x.try_prod_where_keep(axes, mask),
        ("mean_where", false) => x.try_mean_where(axes, mask),
        ("mean_where", true) => x.try_mean_where_keep(axes, mask),
        ("var_where", false) => x.try_var_where(axes, mask, ddof),
        ("var_where", true) => x.try_var_where_keep(axes, mask, ddof),
        ("std_where", false) => x.try_std_where(axes, mask, ddof),
        ("std_where", true) => x.try_std_where_keep(axes, mask, ddof),
        ("any_where", false) => x.try_any_where(axes, mask),
        ("any_where", true) => x.try_any_where_keep(axes, mask),
        ("all_where", false) => x.try_all_where(axes, mask),
        ("all_where", true) => x.try_all_where_keep(axes, mask),
        ("max_where", _) => x.try_max_where(axes, mask, initial()),
        ("min_where", _) => x.try_min_where(axes, mask, initial()),
        ("logsumexp_where", _) => x.try_logsumexp_where(axes, mask),
        ("softmax_where", _) => x.try_softmax_where(axes, mask),
        ("log_softmax_where", _) => x.try_log_softmax_where(axes, mask),
        ("standardize_where", _) => x.try_standardize_where(axes, 1e-5, mask),
        _ => return None,
    })
}

/// Functions of nothing but settings, and those that return several tensors.
fn created(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Option<Result<Vec<Tensor>>> {
    let indexing = || if settings.text("indexing") == Some("ij") { Indexing::Ij } else { Indexing::Xy };
    let triangle = || (settings.size("n").unwrap(), settings.size("m").unwrap(), settings.int("k").unwrap());
    let count = || settings.size("count").unwrap();
    let endpoint = settings.flag("endpoint");
    Some(match name {
        "tril_indices" => {
            let (rows, columns, k) = triangle();
            Ok(pair(Tensor::tril_indices(rows, columns, k)))
        }
        "triu_indices" => {
            let (rows, columns, k) = triangle();
            Ok(pair(Tensor::triu_indices(rows, columns, k)))
        }
        "meshgrid" if settings.flag("sparse") => Tensor::try_meshgrid_sparse(args, indexing()),
        "meshgrid" => Tensor::try_meshgrid(args, indexing()),
        "mgrid" => {
            let ends = settings.ints("ranges").unwrap();
            let ranges: Vec<_> = ends.chunks(2).map(|ends| ends[0]..ends[1]).collect();
            Tensor::try_mgrid(&ranges).map(|grid| vec![grid])
        }
        "indices" => Tensor::try_indices(&settings.sizes("shape").unwrap()).map(|x| vec![x]),
        "iota" => {
            let shape = settings.sizes("shape").unwrap();
            Tensor::try_iota(settings.dtype("dtype").unwrap(), &shape, axis(settings)).map(|x| vec![x])
        }
        "linspace" => Tensor::try_linspace_between(&args[0], &args[1], count(), endpoint)
            .map(|(numbers, step)| vec![numbers, step]),
        "logspace" => {
            let base = settings.float("base").unwrap();
            Tensor::try_logspace(&args[0], &args[1], 4, endpoint, base).map(|x| vec![x])
        }
        "geomspace" => Tensor::try_geomspace(&args[0], &args[1], 4, endpoint).map(|x| vec![x]),
        "array_split" => args[0].try_array_split(count(), axis(settings)),
        "broadcast_arrays" => Tensor::try_broadcast_arrays(args),
        "sort_together" => Tensor::try_sort_together(args, axis(settings), settings.size("keys").unwrap()),
        _ => return None,
    })
}

fn pair((x, y): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![x, y]
}

/// Functions of one tensor that return two.
fn pairs(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Option<Result<Vec<Tensor>>> {
    let x = &args[0];
    let found = match name {
        "histogram" => x.try_histogram(settings.size("bins").unwrap()),
        "frexp" => x.try_frexp(),
        "divmod" => x.try_divmod(&args[1]),
        "sort_key_val" => x.try_sort_key_val(&args[1], axis(settings)),
        "top_k_along" => x.try_top_k_along(settings.size("k").unwrap(), axis(settings)),
        _ => return None,
    };
    Some(found.map(pair))
}

fn arranged(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Option<Result<Tensor>> {
    let x = &args[0];
    let k = || settings.int("k").unwrap();
    Some(match name {
        "diag" => x.try_diag(k()),
        "diagflat" => x.try_diagflat(k()),
        "diagonal_at" => x.try_diagonal_at(k(), settings.int("a").unwrap(), settings.int("b").unwrap()),
        "vstack" => Tensor::try_vstack(args),
        "hstack" => Tensor::try_hstack(args),
        "dstack" => Tensor::try_dstack(args),
        "column_stack" => Tensor::try_column_stack(args),
        "atleast_1d" => x.try_atleast_1d(),
        "atleast_2d" => x.try_atleast_2d(),
        "atleast_3d" => x.try_atleast_3d(),
        "append" => x.try_append(&args[1], None),
        "block" => Tensor::try_block(&[args[..2].to_vec(), args[2..].to_vec()]),
        "fliplr" => x.try_fliplr(),
        "flipud" => x.try_flipud(),
        "rot90" => {
            let axes = settings.ints("axes").unwrap();
            x.try_rot90(k(), [axes[0], axes[1]])
        }
        "resize" => x.try_resize(settings.sizes("shape").unwrap()),
        "collapse" => x.try_collapse(settings.size("start").unwrap(), settings.size("stop").unwrap()),
        "broadcast_in_dim" => {
            x.try_broadcast_in_dim(settings.sizes("shape").unwrap(), settings.sizes("axes").unwrap())
        }
        "delete" => x.try_delete(Tensor::from([0, -1]), axis(settings)),
        _ => return None,
    })
}

fn of_rows(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Option<Result<Tensor>> {
    let x = &args[0];
    let (length, n) = (settings.size("length"), settings.size("n").unwrap_or(1));
    let side = |key: &str| settings.float(key).map_or(Beyond::Extrapolate, Beyond::Value);
    let end = |at: usize, number: f32| Some(args.get(at).cloned().unwrap_or_else(|| Tensor::from(number)));
    Some(match name {
        "diff" => x.try_diff(n, axis(settings)),
        "diff_with" => x.try_diff_with(n, axis(settings), end(1, 7.0), end(1, -1.0)),
        "ediff1d" => x.try_ediff1d(args.get(1).cloned(), args.get(2).cloned()),
        "interp" => x.try_interp(&args[1], &args[2]),
        "interp_with" => x.try_interp_with(&args[1], &args[2], side("left"), side("right")),
        "interp_periodic" => x.try_interp_periodic(&args[1], &args[2], settings.float("period").unwrap()),
        "histogram_in" => x.try_histogram_in(&args[1], args.get(2), settings.flag("density")),
        "histogram_edges" => {
            let range = settings.floats("range").unwrap();
            x.try_histogram_edges(settings.size("bins").unwrap(), Some((range[0], range[1])))
        }
        "bincount" => x.try_bincount(length),
        "bincount_weighted" => x.try_bincount_weighted(&args[1], length),
        "digitize" => x.try_digitize(&args[1], settings.flag("right")),
        "quantile" => x.try_quantile_by(quantiles(settings), axes(x, settings), method(settings)),
        "nanquantile" => x.try_nanquantile(quantiles(settings), axes(x, settings), method(settings)),
        "percentile" => x.try_percentile(quantiles(settings), axes(x, settings), method(settings)),
        "average" => x.try_average(axes(x, settings), &args[1]),
        "cov" => x.try_cov(settings.flag("rows"), settings.size("ddof").unwrap()),
        "corrcoef" => x.try_corrcoef(settings.flag("rows")),
        "cumulative_sum" => x.try_cumulative_sum(axis(settings), settings.flag("initial")),
        "lexsort" => Tensor::try_lexsort(args, axis(settings)),
        "is_in" => x.try_isin(&args[1]),
        "array_equal" => x.try_array_equal(&args[1]),
        "array_equiv" => x.try_array_equiv(&args[1]),
        "vdot" => x.try_vdot(&args[1]),
        "inner" => x.try_inner(&args[1]),
        "select_n" => Tensor::try_select_n(x, &args[1..]),
        "select_from" => {
            let default = settings.float("default").map_or(7, |default| default as i32);
            Tensor::try_select_from(&args[..2], &args[2..], default)
        }
        "choose" => x.try_choose(&args[1..]),
        "piecewise" => {
            let (square, twice) = (|x: &Tensor| x.try_mul(x), |x: &Tensor| x.try_mul(2));
            if settings.flag("short") {
                x.try_piecewise(&[x.lt(0), x.lt(1)], &[&square, &twice])
            } else {
                x.try_piecewise(&[x.lt(0), x.gt(1)], &[&square, &twice, &Tensor::try_neg])
            }
        }
        _ => return None,
    })
}

fn elementwise(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Option<Result<Tensor>> {
    let x = &args[0];
    let bits = |key: &str| settings.size(key).unwrap() as u32;
    Some(match name {
        "clip" if x.dtype().is_integer() => {
            x.try_clip(settings.int("min").unwrap() as i32, settings.int("max").unwrap() as i32)
        }
        "clip" => match (settings.float("min"), settings.float("max")) {
            (Some(low), Some(high)) => x.try_clip(low, high),
            (Some(low), None) => x.try_clip(low, None),
            (None, Some(high)) => x.try_clip(None, high),
            (None, None) => x.try_clip(None, None),
        },
        "clip_tensors" => x.try_clip(&args[1], &args[2]),
        "nan_to_num" => match settings.float("nan") {
            Some(nan) => x.try_nan_to_num_with(nan, settings.float("posinf"), settings.float("neginf")),
            None => x.try_nan_to_num(),
        },
        "mish" => x.try_mish(),
        "sparse_plus" => x.try_sparse_plus(),
        "sparse_sigmoid" => x.try_sparse_sigmoid(),
        "squareplus" => x.try_squareplus(settings.float("b").unwrap_or(4.0)),
        "signbit" => x.try_signbit(),
        "copysign" => x.try_copysign(&args[1]),
        "nextafter" => x.try_nextafter(&args[1]),
        "heaviside" => x.try_heaviside(&args[1]),
        "ldexp" => x.try_ldexp(&args[1]),
        "sinc" => x.try_sinc(),
        "float_power" => x.try_float_power(&args[1]),
        "logaddexp2" => x.try_logaddexp2(&args[1]),
        "deg2rad" => x.try_deg2rad(),
        "rad2deg" => x.try_rad2deg(),
        "round_to" => x.try_round_to(settings.int("decimals").unwrap() as i32),
        "reduce_precision" => x.try_reduce_precision(bits("exponent"), bits("mantissa")),
        "gcd" => x.try_gcd(&args[1]),
        "lcm" => x.try_lcm(&args[1]),
        "population_count" => x.try_population_count(),
        "leading_zeros" => x.try_leading_zeros(),
        "bitwise_count" => x.try_bitwise_count(),
        _ => return None,
    })
}

fn attention(args: &[Tensor], settings: &Settings<'_>) -> Result<Tensor> {
    let run = scaled_dot_product_attention(&args[0], &args[1], &args[2]).causal(settings.flag("causal"));
    let run = settings.float("scale").map_or(run.clone(), |scale| run.scale(scale));
    let run = settings.sizes("window").map_or(run.clone(), |ends| run.local_window(ends[0], ends[1]));
    match settings.text("with") {
        Some("bias") => run.bias(&args[3]),
        Some("mask") => run.mask(&args[3]),
        Some("lengths") => run.query_lengths(&args[3]).key_value_lengths(&args[4]),
        _ => run,
    }
    .run()
}

fn call(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    if name == "attention" {
        return Ok(vec![attention(args, settings)?]);
    }
    if let Some(found) = created(name, args, settings).or_else(|| pairs(name, args, settings)) {
        return found;
    }
    let found = reduce(name, &args[0], settings)
        .or_else(|| masked(name, args, settings))
        .or_else(|| arranged(name, args, settings))
        .or_else(|| of_rows(name, args, settings))
        .or_else(|| elementwise(name, args, settings));
    found.map_or_else(|| probes::unknown(name), |found| Ok(vec![found?]))
}

#[test]
fn probes_give_what_jax_gives() {
    let count = probes::run("numpy_functions.json", call);
    assert!(count >= 370, "{count} probes");
}
