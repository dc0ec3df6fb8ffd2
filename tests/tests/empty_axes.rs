//! Axes without elements: each operation with every axis in turn of size 0, against JAX and Flax, and under every transform.

use std::panic::{AssertUnwindSafe, catch_unwind};

use flaxen::nn::{self, Dense, Dropout, Embed};
use flaxen::prelude::*;
use flaxen::random::Choice;
use flaxen::{PadMode, Side, Triangle};
use flaxen_tests::jax::{dtype, table};
use serde_json::Value as Json;

/// Where we give a result and JAX has an error, by the operation's first words, and why that is right.
const WE_GIVE: &[(&str, &str)] = &[
    ("layer dense", "a kernel without rows is initialised; in Flax the number of inputs divides by zero"),
    ("layer conv", "as for `dense`"),
    ("layer attention", "as for `dense`"),
    ("layer embed 0", "as for `dense`"),
    ("layer weight_norm", "as for `dense`"),
    ("loss smooth_labels", "no classes are not smoothed; in optax their number divides by zero"),
];

/// Where our results have another shape than JAX's.
const DIFFER: &[(&str, &str)] = &[
    ("random choice none", "JAX forgets the other axes where nothing is drawn; `numpy.random` does not"),
    ("random choice distinct", "as for `choice none`"),
];

fn array(kind: &Json) -> Tensor {
    let dtype = dtype(kind[1].as_str().expect("a dtype"));
    let value = if dtype.is_float() || dtype == DType::Bool { 0.5 } else { 0.0 };
    Tensor::full_of(shape(kind), value, dtype)
}

fn shape(kind: &Json) -> Vec<usize> {
    kind[0].as_array().expect("a shape").iter().map(|size| size.as_u64().expect("a size") as usize).collect()
}

fn numbers(kind: &Json) -> Option<Vec<f64>> {
    let number = |x: &Json| match x.as_str() {
        Some("nan") => f64::NAN,
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        _ => x.as_f64().expect("a number"),
    };
    kind.get(2).map(|data| data.as_array().expect("values").iter().map(number).collect())
}

/// Whether a tensor is what a table says.
fn differs(found: &Tensor, expected: &Json) -> Option<String> {
    let asked = (shape(expected), dtype(expected[1].as_str().expect("a dtype")));
    if (found.shape(), found.dtype()) != (&asked.0[..], asked.1) {
        return Some(format!("{} is not {asked:?}", found.aval()));
    }
    let data: Vec<f64> = found.cast(DType::F64).to_vec().expect("values");
    let close = |(a, b): (&f64, &f64)| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-4 * b.abs().max(1.0)
    };
    let expected = numbers(expected)?;
    (!data.iter().zip(&expected).all(close)).then(|| format!("{data:?} is not {expected:?}"))
}

fn unary(op: &str, x: &Tensor) -> Option<Result<Tensor>> {
    Some(match op {
        "exp" => x.try_exp(),
        "log" => x.try_log(),
        "sqrt" => x.try_sqrt(),
        "tanh" => x.try_tanh(),
        "abs" => x.try_abs(),
        "sign" => x.try_sign(),
        "floor" => x.try_floor(),
        "round" => x.try_round(),
        "square" => x.try_square(),
        "isnan" => x.try_is_nan(),
        "relu" => x.try_relu(),
        "gelu" => x.try_gelu(),
        "silu" => x.try_silu(),
        "softplus" => x.try_softplus(),
        "elu" => x.try_elu(1.0),
        "add_one" => x.try_add(Tensor::ones([1, 1])),
        "clip" => x.try_clip(0.0, 1.0),
        "cast" => x.try_cast(DType::I32),
        "glu" => x.try_glu(-1),
        "transpose" => x.try_transpose([1, 0]),
        "flatten" => x.try_flatten(0),
        "tril" => x.try_tril(0),
        "triu" => x.try_triu(1),
        "diagonal" => x.try_diagonal(),
        "trace" => x.try_trace(),
        "roll" => x.try_roll(2, 1),
        "flip" => x.try_flip([1]),
        "repeat" => x.try_repeat(2, 1),
        "slice" => x.try_slice_axis(0, 1..3),
        "broadcast_to" => x.try_broadcast_to([&[2], x.shape()].concat()),
        "cholesky" => x.try_add(Tensor::eye(x.shape()[2])).and_then(|x| x.try_cholesky()),
        "causal_mask" => nn::make_causal_mask(x),
        _ => return None,
    })
}

fn reduction(op: &str, along: &str, x: &Tensor) -> Option<Result<Tensor>> {
    macro_rules! reduced {
        ($all:ident $axes:ident $($more:expr)?) => {
            match along.parse::<isize>() {
                Ok(axis) => x.$axes(axis $(, $more)?),
                Err(_) => x.$all(),
            }
        };
    }
    Some(match op {
        "sum" => reduced!(try_sum try_sum_axes),
        "prod" => reduced!(try_prod try_prod_axes),
        "max" => reduced!(try_max try_max_axes),
        "min" => reduced!(try_min try_min_axes),
        "mean" => reduced!(try_mean try_mean_axes),
        "var" => reduced!(try_var try_var_axes 0),
        "std" => reduced!(try_std try_std_axes 0),
        "any" => reduced!(try_any try_any_axes),
        "all" => reduced!(try_all try_all_axes),
        "count_nonzero" => reduced!(try_count_nonzero try_count_nonzero_axes),
        "logsumexp" => reduced!(try_logsumexp try_logsumexp_axes),
        "norm" => x.try_norm_axes(1, along.parse().expect("an order")),
        _ => return None,
    })
}

fn along(op: &str, axis: &str, x: &[Tensor]) -> Option<Result<Tensor>> {
    let (x, axis, rest) = (&x[0], axis.parse::<isize>().ok()?, &x[1..]);
    Some(match op {
        "argmax" => x.try_argmax(axis),
        "argmin" => x.try_argmin(axis),
        "cumsum" => x.try_cumsum(axis),
        "cumprod" => x.try_cumprod(axis),
        "cummax" => x.try_cummax(axis),
        "cumlogsumexp" => x.try_cumlogsumexp(axis),
        "sort" => x.try_sort(axis),
        "argsort" => x.try_argsort(axis),
        "sort_descending" => x.try_sort_descending(axis),
        "softmax" => x.try_softmax(axis),
        "log_softmax" => x.try_log_softmax(axis),
        "softmax_where" => x.try_softmax_where(axis, &rest[0]),
        "standardize" => x.try_standardize(axis, 1e-5),
        "take" => x.try_take(&rest[0], axis),
        "take_clip" => x.try_take_clip(&rest[0], axis),
        "take_along_axis" => x.try_take_along_axis(&rest[0], axis),
        "one_hot" => x.try_one_hot(0, -1, DType::F32),
        "tile" => x.try_tile([2, 0]),
        _ => return None,
    })
}

fn several(op: &str, how: &str, x: &[Tensor]) -> Option<Result<Tensor>> {
    let padding = if how == "SAME" { Padding::Same } else { Padding::Valid };
    Some(match (op, x) {
        ("add_row", [x, y]) => x.try_add(y),
        ("mul_column", [x, y]) => x.try_mul(y.try_expand_dims([1]).ok()?),
        ("pow", [x, y]) => x.try_pow(y),
        ("logaddexp", [x, y]) => x.try_logaddexp(y),
        ("less", [x, y]) => x.try_lt(y),
        ("select", [c, x, y]) => c.try_select(x, y),
        ("searchsorted", [x, y]) => x.try_searchsorted(y),
        ("matmul", [x, y]) => x.try_matmul(y),
        ("dot", [x, y]) => x.try_dot(y),
        ("outer", [x, y]) => x.try_outer(y),
        ("tensordot", [x, y]) => x.try_tensordot(y, &[1, 2], &[0, 1]),
        ("einsum", _) => flaxen::try_einsum(how, &x.iter().collect::<Vec<_>>()),
        ("conv", [x, w]) => x.try_conv_general(w, &ConvOptions::new().padding(padding)),
        ("max_pool", [x]) => max_pool(x, [2]).padding(padding).run(),
        ("avg_pool", [x]) => avg_pool(x, [2]).padding(padding).run(),
        ("concatenate", _) => Tensor::try_concatenate(x, 0),
        ("stack", _) => Tensor::try_stack(x, 1),
        ("tile", [x]) => x.try_tile([2, 3]),
        ("pad", [x]) => match how {
            "" => x.try_pad([(1, 0), (0, 1)], 0.0),
            "edge" => x.try_pad_mode([(1, 0), (0, 1)], PadMode::Edge),
            "reflect" => x.try_pad_mode([(1, 0), (0, 1)], PadMode::Reflect),
            "wrap" => x.try_pad_mode([(1, 0), (0, 1)], PadMode::Wrap),
            _ => x.try_pad_interior([(1, 0, 1), (0, 1, 2)], 0.0),
        },
        ("one_hot", [x]) => x.try_one_hot(3, -1, DType::F32),
        ("dynamic_slice", [x]) => {
            x.try_dynamic_slice([Tensor::from(0), Tensor::from(0)], [x.shape()[0], x.shape()[1] / 2])
        }
        ("dynamic_update_slice", [x, y]) => {
            let part = y.expand_dims([1]).slice_axis(1, 0..x.shape()[1].min(1));
            x.try_dynamic_update_slice(part, [Tensor::from(0), Tensor::from(0)])
        }
        ("index_set", [x, i, y]) => x.try_index_set(0, i, y),
        ("index_add", [x, i, y]) => x.try_index_add(0, i, y),
        ("index_min", [x, i, y]) => x.try_index_min(0, i, y),
        ("index_max", [x, i, y]) => x.try_index_max(0, i, y),
        ("put_along_axis", [x, i, y]) => x.try_put_along_axis(i, y, 1),
        ("triangular_solve", [a, b]) => {
            let triangle = Triangle { lower: true, transpose: false, unit_diagonal: false };
            a.try_add(Tensor::eye(a.shape()[2])).and_then(|a| a.try_triangular_solve(b, Side::Left, triangle))
        }
        ("dot_product_attention", [q, k, v]) => nn::dot_product_attention(q, k, v).run(),
        ("attention_mask", [q, k]) => nn::make_attention_mask(q, k),
        _ => return None,
    })
}

fn sample(how: &str, x: &Tensor) -> Result<Tensor> {
    let (key, shape) = (key(0), x.shape());
    match how {
        "uniform" => random::try_uniform(&key, shape),
        "normal" => random::try_normal(&key, shape),
        "truncated_normal" => random::try_truncated_normal(&key, -1.0, 1.0, shape),
        "bernoulli" => random::try_bernoulli(&key, 0.5, shape),
        "bernoulli p" => random::try_bernoulli(&key, x, shape),
        "randint" => random::try_randint(&key, shape, 0, 3),
        "gumbel" => random::try_gumbel(&key, shape),
        "exponential" => random::try_exponential(&key, shape),
        "laplace" => random::try_laplace(&key, shape),
        "logistic" => random::try_logistic(&key, shape),
        "rademacher" => random::try_rademacher(&key, shape),
        "bits" => random::try_bits(&key, shape, 32),
        "categorical 0" => random::try_categorical(&key, x, 0),
        "categorical 1" => random::try_categorical(&key, x, 1),
        "permute 0" => random::try_permute(&key, x, 0),
        "permute 1" => random::try_permute(&key, x, 1),
        "permute_independently" => random::try_permute_independently(&key, x, 1),
        "choice" => Choice::of(x, 0).try_sample(&key, [2]),
        "choice none" => Choice::of(x, 0).try_sample(&key, [0]),
        "choice distinct" => Choice::of(x, 0).without_replacement().try_sample(&key, [shape[0]]),
        other => panic!("no sampler {other}"),
    }
}

fn layer(how: &str, x: &[Tensor]) -> Result<Tensor> {
    fn run(layer: &impl Layer, x: &Tensor) -> Result<Tensor> {
        Ok(layer.init_with_output([("params", key(0)), ("dropout", key(0))]).call(x)?.0)
    }
    match how {
        "dense" | "dense batch" => run(&Dense::new(4), &x[0]),
        "dense 0" => run(&Dense::new(0), &x[0]),
        "dense_general" => run(&nn::DenseGeneral::new([2, 3]).axis([-2, -1]), &x[0]),
        "conv SAME" => run(&Conv::new(3, [3]), &x[0]),
        "conv VALID" => run(&Conv::new(3, [3]).padding(Padding::Valid), &x[0]),
        "conv_transpose" => run(&nn::ConvTranspose::new(3, [3]), &x[0]),
        "conv_local" => run(&nn::ConvLocal::new(3, [3]), &x[0]),
        "embed" => run(&Embed::new(5, 3), &x[0]),
        "embed 0" => run(&Embed::new(5, 0), &x[0]),
        "layer_norm" => run(&LayerNorm::new(), &x[0]),
        "rms_norm" => run(&nn::RMSNorm::new(), &x[0]),
        "group_norm" => run(&nn::GroupNorm::new().num_groups(1), &x[0]),
        "instance_norm" => run(&nn::InstanceNorm::new(), &x[0]),
        "batch_norm" => run(&BatchNorm::new().use_running_average(false), &x[0]),
        "batch_norm eval" => run(&BatchNorm::new().use_running_average(true), &x[0]),
        "weight_norm" => run(&nn::WeightNorm::new(Dense::new(4)), &x[0]),
        "prelu" => run(&nn::PReLU::new(), &x[0]),
        "dropout" => run(&Dropout::new(0.5).deterministic(false), &x[0]),
        "attention" => {
            let attention = nn::MultiHeadDotProductAttention::new(2).qkv_features(4).out_features(3);
            let module = attention.init_with_output(key(0));
            Ok(module.run(|m| m.call(&x[0], nn::Attend::new().keys(&x[1]).values(&x[1])))?.0)
        }
        other => panic!("no layer {other}"),
    }
}

fn loss(how: &str, x: &Tensor, y: Option<&Tensor>) -> Result<Tensor> {
    let Some(y) = y else { return losses::try_smooth_labels(x, 0.1) };
    match how {
        "softmax_cross_entropy" => losses::try_softmax_cross_entropy(x, y),
        "hinge_loss" => losses::try_hinge_loss(x, y),
        "perceptron_loss" => losses::try_perceptron_loss(x, y),
        "kl_divergence" => losses::try_kl_divergence(x, y),
        "squared_error" => losses::try_squared_error(x, y),
        "log_cosh" => losses::try_log_cosh(x, y),
        "sigmoid_binary_cross_entropy" => losses::try_sigmoid_binary_cross_entropy(x, y),
        "sigmoid_focal_loss" => losses::try_sigmoid_focal_loss(x, y, None, 2.0),
        "poly_loss_cross_entropy" => losses::try_poly_loss_cross_entropy(x, y, 2.0),
        "huber_loss" => losses::try_huber_loss(x, y, 1.0),
        "cosine_similarity" => losses::try_cosine_similarity(x, y, 1e-6),
        "cosine_distance" => losses::try_cosine_distance(x, y, 1e-6),
        "softmax_cross_entropy_with_integer_labels" => {
            losses::try_softmax_cross_entropy_with_integer_labels(x, y)
        }
        other => panic!("no loss {other}"),
    }
}

fn compute(name: &str, x: &[Tensor]) -> Result<Vec<Tensor>> {
    let (op, how) = name.split_once(' ').unwrap_or((name, ""));
    let pair = |(a, b): (Tensor, Tensor)| vec![a, b];
    match op {
        "random" => return sample(how, &x[0]).map(|x| vec![x]),
        "layer" => return layer(how, x).map(|x| vec![x]),
        "loss" => return loss(how, &x[0], x.get(1)).map(|x| vec![x]),
        "split" => return x[0].try_split(2, 0),
        "top_k" => return x[0].try_top_k(how.parse().expect("a number")).map(pair),
        "qr" => {
            let eye = Tensor::eye_of(x[0].shape()[1], x[0].shape()[2], 0, DType::F32);
            return x[0].try_add(eye)?.try_qr().map(pair);
        }
        _ => {}
    }
    let out = unary(op, &x[0])
        .or_else(|| reduction(op, how, &x[0]))
        .or_else(|| along(op, how, x))
        .or_else(|| several(op, how, x))
        .unwrap_or_else(|| panic!("no operation {name}"));
    Ok(vec![out?])
}

/// What is wrong with an entry of the table.
fn faults(entry: &Json) -> Vec<String> {
    let name = entry["op"].as_str().expect("a name");
    if DIFFER.iter().any(|(start, _)| name.starts_with(start)) {
        return Vec::new();
    }
    let args: Vec<Tensor> = entry["args"].as_array().expect("arguments").iter().map(array).collect();
    let mut faults = Vec::new();
    let found = compute(name, &args);
    let f = |x: Vec<Tensor>| compute(name, &x);
    let Some(expected) = entry["out"].as_array() else {
        if found.is_ok() && !WE_GIVE.iter().any(|(start, _)| name.starts_with(start)) {
            faults.push("no error, but JAX has one".into());
        }
        let staged = jit(f).call(args.clone());
        if staged.is_ok() != found.is_ok() {
            faults.push("an error differs under jit".into());
        }
        return faults;
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return vec![format!("error: {error}")],
    };
    let mut compare = |what: &str, found: &[Tensor], expected: &[Json]| {
        if found.len() != expected.len() {
            faults.push(format!("{what}: {} results", found.len()));
        }
        let pairs = found.iter().zip(expected);
        faults.extend(pairs.filter_map(|(x, y)| differs(x, y)).map(|text| format!("{what}: {text}")));
    };
    compare("eager", &found, expected);
    match jit(f).call(args.clone()) {
        Ok(staged) => compare("jit", &staged, expected),
        Err(error) => faults.push(format!("jit: {error}")),
    }
    if let Some(expected) = entry["grads"].as_array() {
        let (floats, positions): (Vec<Tensor>, Vec<usize>) = args
            .iter()
            .enumerate()
            .filter(|(_, x)| x.dtype().is_float())
            .map(|(position, x)| (x.clone(), position))
            .unzip();
        let loss = |floats: &Vec<Tensor>| {
            let mut all = args.clone();
            floats.iter().zip(&positions).for_each(|(x, &position)| all[position] = x.clone());
            let outs = compute(name, &all)?;
            let outs = outs.iter().filter(|x| x.dtype().is_float());
            outs.map(Tensor::try_sum).reduce(|a, b| a?.try_add(b?)).expect("a float")
        };
        let mut compare = |what: &str, grads: Result<Vec<Tensor>>| match grads {
            Ok(grads) => {
                let pairs = grads.iter().zip(expected);
                faults.extend(pairs.filter_map(|(x, y)| differs(x, y)).map(|text| format!("{what}: {text}")));
            }
            Err(error) => faults.push(format!("{what}: {error}")),
        };
        compare("grad", grad(loss)(&floats));
        compare("jit of grad", jit(|x: Vec<Tensor>| grad(loss)(&x)).call(floats.clone()));
    }
    if !name.starts_with("random") {
        for size in [0, 2] {
            let batch = |x: &Tensor| x.broadcast_to([&[size], x.shape()].concat());
            match vmap(f).call(args.iter().map(batch).collect()) {
                Ok(mapped) => {
                    for (mapped, one) in mapped.iter().zip(&found) {
                        let same = mapped.shape() == batch(one).shape()
                            && mapped.dtype() == one.dtype()
                            && (size == 0 || one.size() > 0 || mapped.size() == 0);
                        if !same {
                            faults.push(format!("vmap of {size}: {} of {}", mapped.aval(), one.aval()));
                        }
                    }
                }
                Err(error) => faults.push(format!("vmap of {size}: {error}")),
            }
        }
    }
    faults
}

#[test]
fn every_axis_may_be_empty_where_it_may_in_jax() {
    let table = table("empty_axes");
    let mut wrong = Vec::new();
    for entry in table.as_array().expect("entries") {
        let faults = catch_unwind(AssertUnwindSafe(|| faults(entry)))
            .unwrap_or_else(|panic| vec![format!("panics: {:?}", panic.downcast_ref::<String>())]);
        wrong.extend(faults.into_iter().map(|fault| format!("{} {}: {fault}", entry["op"], entry["args"])));
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}
