//! Optimizers of optax and of its `contrib` make the updates and the states of the real ones, step by step, with the extra arguments that
//! they need, as they are and under `jit`.

use flaxen::optim::contrib::{self, DogInitStep, MuonDimensionNumbers, Preconditioning};
use flaxen::optim::{
    self, DynTransformation, ExtraArgs, GradientTransformation, InitialGuess, PolyakVariant,
};
use flaxen::prelude::*;
use flaxen::tree::leaves;
use flaxen_tests::jax;
use serde_json::Value as Json;

/// The loss of `optax_more.py`.
fn loss(params: &Dict) -> Result<Tensor> {
    let of = |p: &Tensor| -> Result<Tensor> {
        let i = Tensor::arange_of(0.0, p.size() as f64, 1.0, p.dtype()).try_reshape(p.shape())?;
        let bowl = (i * 0.5 + 1.0) * 0.5 * (p - 0.3).try_square()?;
        bowl.try_sum()?.try_add((p * 2.0).try_cos()?.try_sum()? * 0.1)
    };
    let mut sum = params.tensor("scale")?.try_powi(4)? * 0.1;
    for leaf in leaves(params) {
        sum = sum.try_add(of(leaf)?)?;
    }
    Ok(sum)
}

fn normalized(rate: f64) -> DynTransformation {
    (contrib::normalize(), optim::sgd(rate)).boxed()
}

/// `MASK` of `optax_more.py`.
fn of_matrices(path: &str, _: &Tensor) -> bool {
    matches!(path, "conv" | "kernel")
}

fn given(name: &str) -> DynTransformation {
    let falling = || optim::linear_schedule(0.1, 0.01, 5);
    let numbers = |rows: &[isize], columns: &[isize]| {
        Some(MuonDimensionNumbers { reduction_axis: rows.to_vec(), output_axis: columns.to_vec() })
    };
    match name {
        "adan" => optim::adan(0.1).boxed(),
        "adan options" => {
            optim::adan(falling()).b1(0.9).b2(0.8).b3(0.95).eps(1e-4).weight_decay(0.05).boxed()
        }
        "rprop" => optim::rprop(0.1).boxed(),
        "rprop options" => {
            let tx = optim::rprop(0.1).eta_minus(0.3).eta_plus(2.0);
            tx.min_step_size(0.05).max_step_size(0.5).boxed()
        }
        "fromage" => optim::fromage(0.1).boxed(),
        "fromage schedule" => optim::fromage(falling()).min_norm(0.5).boxed(),
        "noisy_sgd" => optim::noisy_sgd(0.1, &key(7)).boxed(),
        "add_noise" => (optim::add_noise(0.5, 1.0, &key(3)), optim::scale(-0.1)).boxed(),
        "optimistic_gradient_descent" => optim::optimistic_gradient_descent(0.1).boxed(),
        "optimistic_gradient_descent options" => {
            optim::optimistic_gradient_descent(0.1).alpha(0.5).beta(0.25).boxed()
        }
        "optimistic_adam_v2" => optim::optimistic_adam_v2(0.1).boxed(),
        "optimistic_adam_v2 options" => {
            optim::optimistic_adam_v2(falling()).alpha(0.5).beta(0.7).nesterov(false).boxed()
        }
        "optimistic_adam" => optim::optimistic_adam(0.1).boxed(),
        "polyak_sgd" => optim::polyak_sgd().boxed(),
        "polyak_sgd options" => {
            let tx = optim::polyak_sgd().max_learning_rate(0.5).f_min(2.45).eps(0.1);
            tx.scaling(optim::linear_schedule(1.0, 0.5, 4)).variant(PolyakVariant::SpsPlus).boxed()
        }
        "ademamix" => contrib::ademamix(0.1).boxed(),
        "ademamix schedules" => {
            let (b3, alpha) = (optim::linear_schedule(0.9, 0.999, 5), optim::linear_schedule(0.0, 5.0, 5));
            contrib::ademamix(0.1).b3(b3).alpha(alpha).weight_decay(0.1).boxed()
        }
        "simplified_ademamix" => contrib::simplified_ademamix(0.01).boxed(),
        "simplified_ademamix options" => {
            let tx = contrib::simplified_ademamix(0.01).b1(0.9).b2(0.9);
            tx.alpha(optim::linear_schedule(1.0, 2.0, 5)).weight_decay(0.1).boxed()
        }
        "adopt" => contrib::adopt(0.1).boxed(),
        "adopt nesterov" => contrib::adopt(0.1).b2(0.99).nesterov(true).boxed(),
        "adopt without clipping" => contrib::adopt(0.1).eps(1e-2).use_clipping(false).boxed(),
        "adopt clip" => {
            contrib::adopt(0.1).clip_value_fn(|count| Ok(count.cast(DType::F32) * 0.1 + 0.5)).boxed()
        }
        "muon" => contrib::muon(0.1).boxed(),
        "muon options" => {
            let tx = contrib::muon(falling()).ns_steps(3usize).beta(0.9).weight_decay(0.1).nesterov(false);
            let tx = tx.adam_b1(0.8).adam_b2(0.9).adam_eps_root(1e-4).adam_weight_decay(0.2);
            tx.adam_learning_rate(0.02).boxed()
        }
        "muon adaptive" => contrib::muon(0.1).adaptive(true).boxed(),
        "muon aol" => contrib::muon(0.1).preconditioning(Preconditioning::Aol).boxed(),
        "muon schatten" => contrib::muon(0.1).preconditioning(Preconditioning::Schatten).boxed(),
        "muon dion" => contrib::muon(0.1).dion_coefficients().boxed(),
        "muon consistent" => contrib::muon(0.1).consistent_rms(0.2).boxed(),
        "muon dimensions" => {
            let tx = contrib::muon(0.1).muon_weight_dimension_numbers(move |path, _| match path {
                "conv" => numbers(&[0, 1], &[2]),
                "kernel" => numbers(&[1], &[0]),
                _ => None,
            });
            tx.boxed()
        }
        "muon batched" => {
            let tx = contrib::muon(0.1).consistent_rms(0.3);
            let tx = tx.muon_weight_dimension_numbers(move |path, _| match path {
                "conv" => numbers(&[1], &[-1]),
                "kernel" => numbers(&[0], &[1]),
                _ => None,
            });
            tx.boxed()
        }
        "signum" => optim::signum(0.1, 0.8).boxed(),
        "adaptive_grad_clip axis" => {
            let clip = optim::adaptive_grad_clip(0.1).axis(-1);
            (optim::masked(clip, |_, leaf| leaf.rank() > 0), optim::sgd(0.1)).boxed()
        }
        "apply_every" => (optim::apply_every(3), optim::sgd(0.1)).boxed(),
        "normalize_by_update_norm" => {
            (optim::normalize_by_update_norm().scale_factor(2.0), optim::sgd(0.1)).boxed()
        }
        "conditionally_transform" => {
            optim::conditionally_transform(optim::adam(0.1), |step| (step % 2).try_eq(1)).boxed()
        }
        "conditionally_mask" => {
            optim::conditionally_mask(optim::adam(0.1), |step| (step % 2).try_eq(1)).boxed()
        }
        "flatten" => optim::flatten(optim::adam(0.1)).boxed(),
        "named_chain" => {
            optim::named_chain([("a", optim::clip(0.3).boxed()), ("b", optim::adam(0.1).boxed())]).boxed()
        }
        "skip_large_updates" => optim::multi_steps(optim::adam(0.1), 2)
            .should_skip_update_fn(optim::skip_large_updates(8.0))
            .boxed(),
        "every_k_schedule" => {
            let every = |step: &Tensor| step.try_lt(2)?.try_select(1, 3);
            optim::multi_steps(optim::sgd(0.1).momentum(0.9), 1).every_k_schedule(every).boxed()
        }
        "acprop" => contrib::acprop(0.1).boxed(),
        "acprop options" => {
            contrib::acprop(0.1).b1(0.8).b2(0.9).eps(1e-3).eps_root(1e-4).weight_decay(0.1).boxed()
        }
        "momo" => contrib::momo().boxed(),
        "momo options" => {
            let tx = contrib::momo().learning_rate(optim::linear_schedule(1.0, 0.1, 5)).beta(0.8);
            tx.lower_bound(0.5).weight_decay(0.1).adapt_lower_bound(true).boxed()
        }
        "momo_adam" => contrib::momo_adam().boxed(),
        "momo_adam options" => {
            let tx = contrib::momo_adam().learning_rate(optim::linear_schedule(1.0, 0.1, 5));
            let tx = tx.b1(0.8).b2(0.9).eps(1e-3).lower_bound(0.5).weight_decay(0.1);
            tx.adapt_lower_bound(true).boxed()
        }
        "madgrad" => contrib::madgrad(0.1).boxed(),
        "madgrad options" => contrib::madgrad(falling()).momentum(0.5).weight_decay(0.1).eps(1e-3).boxed(),
        "dog" => contrib::dog().boxed(),
        "dog distance" => {
            let tx = contrib::dog().learning_rate(optim::linear_schedule(1.0, 0.1, 5));
            tx.init_step(DogInitStep::distance(0.1)).weight_decay(0.1).boxed()
        }
        "dog learning rate" => {
            let tx = contrib::dog().learning_rate(0.5).init_step(DogInitStep::learning_rate(0.1));
            tx.eps(1e-3).weight_decay(0.1).mask(of_matrices).boxed()
        }
        "dowg" => contrib::dowg().boxed(),
        "dowg options" => {
            let tx = contrib::dowg().learning_rate(optim::linear_schedule(1.0, 0.1, 5));
            tx.init_estim_sq_dist(0.1).eps(1e-3).weight_decay(0.1).mask(of_matrices).boxed()
        }
        "dadapt_adamw" => contrib::dadapt_adamw().boxed(),
        "dadapt_adamw options" => {
            let tx = contrib::dadapt_adamw().learning_rate(optim::linear_schedule(1.0, 0.1, 5));
            tx.b1(0.8).b2(0.9).eps(1e-3).estim_lr0(0.1).weight_decay(0.1).boxed()
        }
        "mechanize" => contrib::mechanize(optim::adam(1.0)).boxed(),
        "mechanize options" => {
            let inner = optim::sgd(optim::linear_schedule(1.0, 0.1, 5)).momentum(0.9);
            contrib::mechanize(inner).weight_decay(0.1).eps(1e-3).s_init(0.1).num_betas(3).boxed()
        }
        "cocob" => contrib::cocob().boxed(),
        "cocob options" => contrib::cocob().alpha(10.0).eps(1e-3).weight_decay(0.1).boxed(),
        "reduce_on_plateau" => {
            (optim::sgd(0.1), contrib::reduce_on_plateau().patience(2).factor(0.5)).boxed()
        }
        "reduce_on_plateau options" => {
            let tx = contrib::reduce_on_plateau().patience(1).factor(0.5).rtol(0.0).atol(0.2);
            (optim::sgd(0.1), tx.cooldown(1).accumulation_size(2).min_scale(0.3)).boxed()
        }
        "prodigy" => contrib::prodigy().boxed(),
        "prodigy options" => {
            let tx = contrib::prodigy().learning_rate(optim::linear_schedule(1.0, 0.1, 5)).b1(0.8).b2(0.9);
            tx.beta3(0.7).estim_lr0(1e-2).estim_lr_coef(2.0).weight_decay(0.1).boxed()
        }
        "prodigy safeguard" => {
            contrib::prodigy().learning_rate(0.5).estim_lr0(0.1).safeguard_warmup(true).boxed()
        }
        "sam" => contrib::sam(optim::sgd(0.1), normalized(0.05)).boxed(),
        "sam momentum" => {
            let tx = contrib::sam(optim::adam(0.1), optim::sgd(0.05).momentum(0.9));
            tx.sync_period(3).reset_state(false).boxed()
        }
        "schedule_free" => {
            let tx = contrib::schedule_free(optim::adam(0.1).b1(0.0), 0.1);
            tx.b1(0.8).weight_lr_power(1.0).boxed()
        }
        "schedule_free_sgd" => contrib::schedule_free_sgd(0.1).boxed(),
        "schedule_free_sgd options" => {
            contrib::schedule_free_sgd(0.1).warmup_steps(4).b1(0.95).weight_decay(0.1).boxed()
        }
        "schedule_free_adamw" => contrib::schedule_free_adamw(0.1).boxed(),
        "schedule_free_adamw options" => {
            let tx = contrib::schedule_free_adamw(0.1).warmup_steps(4).b1(0.95).b2(0.9);
            tx.weight_decay(0.1).weight_lr_power(1.0).boxed()
        }
        "lbfgs without linesearch" => {
            optim::lbfgs().learning_rate(0.1).memory_size(3).without_linesearch().boxed()
        }
        _ => of_loss(name),
    }
}

fn of_loss(name: &str) -> DynTransformation {
    match name {
        "sophia" => contrib::sophia(0.1).update_interval(2).boxed(),
        "sophia options" => {
            let tx = contrib::sophia(0.1).b1(0.9).b2(0.9).gamma(0.5).clip_threshold(2.0);
            tx.update_interval(3).weight_decay(0.0).boxed()
        }
        "sam opaque" => {
            contrib::sam(optim::sgd(0.1), normalized(0.05)).sync_period(3).opaque_mode(true).boxed()
        }
        "lbfgs" => optim::lbfgs().boxed(),
        "lbfgs options" => optim::lbfgs().memory_size(2).scale_init_precond(false).boxed(),
        "lbfgs backtracking" => {
            let search = optim::scale_by_backtracking_linesearch(20).store_grad(true);
            optim::lbfgs().linesearch(search).boxed()
        }
        "zoom" => (optim::sgd(1.0), optim::scale_by_zoom_linesearch(15)).boxed(),
        "zoom options" => {
            let search = optim::scale_by_zoom_linesearch(10).max_learning_rate(20.0).tol(1e-3);
            let search = search.increase_factor(3.0).slope_rtol(1e-3).curv_rtol(0.2);
            let search = search.without_approximate_decrease().initial_guess_strategy(InitialGuess::One);
            (optim::sgd(0.01), search).boxed()
        }
        "zoom too short" => (optim::sgd(1e-3), optim::scale_by_zoom_linesearch(2)).boxed(),
        "backtracking" => (optim::sgd(3.0), optim::scale_by_backtracking_linesearch(15)).boxed(),
        "backtracking options" => {
            let search = optim::scale_by_backtracking_linesearch(3).slope_rtol(0.1).decrease_factor(0.5);
            let search = search.increase_factor(1.2).max_learning_rate(0.7).atol(1e-4).rtol(1e-3);
            (optim::sgd(3.0), search.store_grad(true)).boxed()
        }
        "dpsgd" => contrib::dpsgd(0.1, 1.5, 0.3, &key(5)).boxed(),
        "dpsgd momentum" => contrib::dpsgd(0.1, 0.7, 0.0, &key(5)).momentum(0.9).nesterov(true).boxed(),
        other => panic!("the table has `{other}`, this test has not"),
    }
}

fn numbers(json: &Json) -> Vec<f64> {
    let number = |x: &Json| x.as_f64().unwrap_or_else(|| x.as_str().unwrap().parse().unwrap());
    json.as_array().unwrap().iter().map(number).collect()
}

/// A tree of the shapes of the table, with `front` axes more.
fn tree(table: &Json, json: &Json, front: &[usize], dtype: DType) -> Dict {
    let shapes = table["shapes"].as_object().unwrap();
    let leaf = |((name, shape), values): ((&String, &Json), &Json)| {
        let shape = shape.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize);
        let shape: Vec<usize> = front.iter().copied().chain(shape).collect();
        (name.clone(), Tensor::from_vec_of(numbers(values), shape, dtype))
    };
    shapes.iter().zip(json.as_array().unwrap()).map(leaf).collect()
}

type Step = (Dict, Value, Dict, Tensor);

/// One update: of gradients, state, parameters and loss.
fn step(tx: &DynTransformation, of_loss: bool, (grads, state, params, value): Step) -> Result<(Dict, Value)> {
    if !of_loss {
        return tx.update_with(&grads, &state, &params, &ExtraArgs::new().value(&value));
    }
    let (value, grads) = value_and_grad(loss)(&params)?;
    let grad_fn = |params: &Dict, _step: usize| grad(loss)(params);
    let extra = ExtraArgs::new().value(&value).grad(&grads).value_fn(&loss).grad_fn(&grad_fn);
    tx.update_with(&grads, &state, &params, &extra)
}

/// What differs, if anything does.
fn difference(found: &Tensor, expected: &[f64], relative: f64, absolute: f64) -> Option<String> {
    let found = found.cast(DType::F64).to_vec::<f64>().unwrap();
    let near = |(x, y): (&f64, &f64)| x == y || (x - y).abs() <= absolute + relative * y.abs();
    let fits = found.len() == expected.len() && found.iter().zip(expected).all(near);
    (!fits).then(|| format!("{found:?}, and not {expected:?}"))
}

/// Runs a case in one way; what is wrong with it.
fn run(table: &Json, case: &Json, staged: bool) -> Result<Option<String>> {
    let (name, mode) = (case["name"].as_str().unwrap(), case["mode"].as_str().unwrap());
    let dtype = jax::dtype(case["dtype"].as_str().unwrap());
    let tx = given(name);
    // In BF16, XLA keeps what lies between operations in F32, where ours rounds it.
    let (relative, absolute) = match (dtype, mode) {
        (DType::BF16, _) => (0.04, 0.02),
        (_, "loss") => (2e-3, 2e-4),
        _ => (5e-5, 5e-6),
    };
    let mut params = tree(table, &table["params"], &[], dtype);
    let mut state = tx.init(&params);
    let compiled = jit(|arguments: Step| step(&tx, mode == "loss", arguments));
    for (i, expected) in case["updates"].as_array().unwrap().iter().enumerate() {
        let grads = match mode {
            "examples" => tree(table, &table["examples"][i], &[4], dtype),
            _ => tree(table, &table["grads"][i], &[], dtype),
        };
        let value = Tensor::from(table["values"][i].as_f64().unwrap() as f32);
        let arguments = (grads, state, params.clone(), value);
        let updates;
        (updates, state) =
            if staged { compiled.call(arguments)? } else { step(&tx, mode == "loss", arguments)? };
        for (leaf, expected) in leaves(&updates).iter().zip(expected.as_array().unwrap()) {
            if let Some(what) = difference(leaf, &numbers(expected), relative, absolute) {
                return Ok(Some(format!("step {i}: {what}")));
            }
        }
        params = optim::apply_updates(&params, &updates)?;
    }
    let Some(expected) = case.get("state") else { return Ok(None) };
    let (found, expected) = (leaves(&state), expected.as_array().unwrap());
    if found.len() != expected.len() {
        return Ok(Some(format!("a state of {} tensors, and not {}", found.len(), expected.len())));
    }
    let differences = found.iter().zip(expected).enumerate();
    let mut differences = differences.filter_map(|(i, (found, expected))| {
        let what = difference(found, &numbers(expected), 4.0 * relative, 4.0 * absolute)?;
        Some(format!("the state's tensor {i}: {what}"))
    });
    Ok(differences.next())
}

#[test]
fn optimizers_make_the_updates_and_states_of_optax() {
    let table = jax::table("optax_more");
    let cases = table["cases"].as_array().unwrap();
    let mut wrong = vec![];
    for case in cases {
        for staged in [false, true] {
            let what = match run(&table, case, staged) {
                Ok(None) => continue,
                Ok(Some(what)) => what,
                Err(error) => error.to_string(),
            };
            let way = if staged { ", under jit" } else { "" };
            wrong.push(format!("{} {}{way}: {what}", case["name"], case["dtype"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 70, "{} cases", cases.len());
}

type Boxed = DynTransformation<Tensor>;

#[test]
fn settings_outside_of_their_domains_are_refused_by_name() {
    type Setting = (&'static str, fn(f64) -> Boxed, f64);
    let settings: Vec<Setting> = vec![
        ("b1", |x| optim::adan(0.1).b1(x).boxed(), 1.0),
        ("b3", |x| optim::adan(0.1).b3(x).boxed(), -0.5),
        ("eps", |x| optim::adan(0.1).eps(x).boxed(), -1.0),
        ("learning_rate", |x| optim::rprop(x).boxed(), -1.0),
        ("eta_minus", |x| optim::rprop(0.1).eta_minus(x).boxed(), 0.0),
        ("max_step_size", |x| optim::rprop(0.1).max_step_size(x).boxed(), -1.0),
        ("min_norm", |x| optim::fromage(0.1).min_norm(x).boxed(), -1.0),
        ("eta", |x| optim::noisy_sgd(0.1, &key(0)).eta(x).boxed(), -1.0),
        ("gamma", |x| optim::noisy_sgd(0.1, &key(0)).gamma(x).boxed(), f64::INFINITY),
        ("alpha", |x| optim::optimistic_gradient_descent(0.1).alpha(x).boxed(), f64::INFINITY),
        ("beta", |x| optim::optimistic_adam_v2(0.1).beta(x).boxed(), f64::INFINITY),
        ("scale_factor", |x| optim::normalize_by_update_norm().scale_factor(x).boxed(), 0.0),
        ("decay", |x| optim::signum(0.1, x).boxed(), 1.5),
        ("k", |x| optim::apply_every(x as i32).boxed(), 0.0),
        ("b3", |x| contrib::ademamix(0.1).b3(x).boxed(), 1.0),
        ("value", |x| contrib::simplified_ademamix(0.1).alpha(x).boxed(), f64::INFINITY),
        ("b2", |x| contrib::adopt(0.1).b2(x).boxed(), 1.0),
        ("beta", |x| contrib::muon(0.1).beta(x).boxed(), 1.0),
        ("consistent_rms", |x| contrib::muon(0.1).consistent_rms(x).boxed(), f64::INFINITY),
        ("estim_lr0", |x| contrib::prodigy().estim_lr0(x).boxed(), 0.0),
        ("beta3", |x| contrib::prodigy().beta3(x).boxed(), 1.0),
        ("b1", |x| contrib::schedule_free_sgd(0.1).b1(x).boxed(), 0.0),
        ("weight_lr_power", |x| contrib::schedule_free_adamw(0.1).weight_lr_power(x).boxed(), f64::INFINITY),
        ("factor", |x| contrib::reduce_on_plateau().factor(x).boxed(), 1.0),
        ("rtol", |x| contrib::reduce_on_plateau().rtol(x).boxed(), 1.5),
        ("atol", |x| contrib::reduce_on_plateau().rtol(0.0).atol(x).boxed(), 0.0),
        ("eps_root", |x| contrib::acprop(0.1).eps_root(x).boxed(), -1.0),
        ("beta", |x| contrib::momo().beta(x).boxed(), 1.0),
        ("alpha", |x| contrib::cocob().alpha(x).boxed(), 0.0),
        ("gamma", |x| contrib::sophia(0.1).gamma(x).boxed(), -1.0),
        ("max_learning_rate", |x| optim::polyak_sgd().max_learning_rate(x).boxed(), -1.0),
        ("decrease_factor", |x| optim::scale_by_backtracking_linesearch(3).decrease_factor(x).boxed(), 0.0),
        ("curv_rtol", |x| optim::scale_by_zoom_linesearch(3).curv_rtol(x).boxed(), -1.0),
        ("max_linesearch_steps", |x| optim::scale_by_zoom_linesearch(x as i32).boxed(), 0.0),
        ("memory_size", |x| optim::lbfgs().memory_size(x as usize).without_linesearch().boxed(), 0.0),
    ];
    let params = Tensor::from([[1.0f32, -2.0], [0.0, 0.5]]);
    for (name, make, refused) in settings {
        let counts = ["k", "max_linesearch_steps", "memory_size", "b3"].contains(&name);
        for x in [refused, if counts { refused } else { f64::NAN }] {
            let tx = make(x);
            let extra = ExtraArgs::new().value(1.0);
            let error = tx.update_with(&params, &tx.init(&params), &params, &extra);
            let error = error.expect_err(&format!("{name} accepts {x}")).to_string();
            assert!(error.contains(&format!("`{name}`")), "{name} {x}: {error}");
        }
    }
}

#[test]
fn zeros_and_no_eps_make_no_nan() {
    let everything: Vec<(&str, Boxed)> = vec![
        ("adan", optim::adan(0.1).eps(0.0).eps_root(0.0).boxed()),
        ("rprop", optim::rprop(0.1).boxed()),
        ("fromage", optim::fromage(0.1).min_norm(0.0).boxed()),
        ("optimistic_adam_v2", optim::optimistic_adam_v2(0.1).eps(0.0).boxed()),
        ("normalize_by_update_norm", optim::normalize_by_update_norm().eps(0.0).boxed()),
        ("signum", optim::signum(0.1, 0.9).boxed()),
        ("polyak_sgd", optim::polyak_sgd().boxed()),
        ("lbfgs", optim::lbfgs().without_linesearch().boxed()),
        ("ademamix", contrib::ademamix(0.1).eps(0.0).boxed()),
        ("simplified_ademamix", contrib::simplified_ademamix(0.1).eps(0.0).boxed()),
        ("adopt", contrib::adopt(0.1).eps(0.0).boxed()),
        ("muon", contrib::muon(0.1).eps(0.0).boxed()),
        ("muon aol", contrib::muon(0.1).preconditioning(Preconditioning::Aol).eps(0.0).boxed()),
        ("prodigy", contrib::prodigy().eps(0.0).boxed()),
        ("sam", contrib::sam(optim::sgd(0.1), (contrib::normalize(), optim::sgd(0.1))).boxed()),
        ("schedule_free_sgd", contrib::schedule_free_sgd(0.0).boxed()),
        ("schedule_free_adamw", contrib::schedule_free_adamw(0.1).warmup_steps(3).eps(0.0).boxed()),
        ("acprop", contrib::acprop(0.1).eps(0.0).eps_root(0.0).boxed()),
        ("momo", contrib::momo().boxed()),
        ("cocob", contrib::cocob().eps(0.0).boxed()),
    ];
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        let zeros = Tensor::zeros_of([2, 2], dtype);
        let ones = Tensor::from([[1.0f32, 0.0], [-0.5, 2.0]]).cast(dtype);
        for (name, tx) in &everything {
            for params in [&zeros, &ones] {
                let mut state = tx.init(params);
                let dtypes = |state: &Value| leaves(state).iter().map(|x| x.dtype()).collect::<Vec<_>>();
                let before = dtypes(&state);
                for (step, gradient) in [&zeros, &zeros, &ones, &zeros, &ones].into_iter().enumerate() {
                    let (update, next) = tx
                        .update_with(gradient, &state, params, &ExtraArgs::new().value(0.0))
                        .unwrap_or_else(|error| panic!("{dtype} {name}: {error}"));
                    assert!(
                        !update.is_nan().any().item::<bool>().unwrap(),
                        "{dtype} {name} {step}: {update}"
                    );
                    assert_eq!(update.dtype(), dtype, "{name}");
                    assert_eq!(dtypes(&next), before, "{dtype} {name}");
                    state = next;
                }
            }
        }
    }
}

#[test]
fn extra_arguments_reach_what_is_wrapped() {
    let params = Dict::new().with("a", Tensor::from([3.0f32, 4.0])).with("b", Tensor::from([1.0f32]));
    let extra = || ExtraArgs::new().value(0.5);
    let update = |tx: DynTransformation| tx.update_with(&params, &tx.init(&params), &params, &extra());
    let (expected, _) = update(optim::polyak_sgd().boxed()).unwrap();
    let polyak = || optim::polyak_sgd().boxed();
    for (name, tx) in [
        ("chain", (optim::identity(), optim::polyak_sgd()).boxed()),
        ("vec", vec![polyak()].boxed()),
        ("masked", optim::masked(optim::polyak_sgd(), |_, _| true).boxed()),
        ("partition", optim::partition([("all", optim::polyak_sgd())], |_, _| "all").boxed()),
        ("option", Some(optim::polyak_sgd()).boxed()),
        (
            "inject_hyperparams",
            optim::inject_hyperparams([("eps", 0.0)], |values| optim::polyak_sgd().eps(&values["eps"]))
                .boxed(),
        ),
        ("multi_steps", optim::multi_steps(optim::polyak_sgd(), 1).boxed()),
        ("apply_if_finite", optim::apply_if_finite(optim::polyak_sgd(), 3).boxed()),
        ("conditionally", optim::conditionally_mask(optim::polyak_sgd(), |step| step.try_ge(0)).boxed()),
        ("named_chain", optim::named_chain([("polyak", optim::polyak_sgd())]).boxed()),
        ("flatten", optim::flatten(optim::polyak_sgd()).boxed()),
        ("schedule_free", contrib::schedule_free(optim::polyak_sgd(), 1.0).b1(1.0).boxed()),
    ] {
        let (found, _) = update(tx).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (found, expected) in leaves(&found).iter().zip(leaves(&expected)) {
            assert!(found.all_close(expected, 1e-5, 0.0).unwrap(), "{name}: {found}, not {expected}");
        }
    }
    let state = TrainState::create(params.clone(), optim::polyak_sgd());
    let state = state.apply_gradients_with(&params, &extra()).unwrap();
    let moved = params.tensor("a").unwrap() + expected.tensor("a").unwrap();
    assert!(state.params.tensor("a").unwrap().all_close(moved, 1e-6, 0.0).unwrap());

    let missing = polyak().update(&params, &polyak().init(&params), &params).unwrap_err().to_string();
    assert!(missing.contains("`scale_by_polyak`") && missing.contains("value"), "{missing}");
}

#[test]
fn a_line_search_of_some_leaves_leaves_the_others_alone() {
    let tx = optim::masked(optim::lbfgs(), |path, _| path == "a");
    let loss = |params: &Dict| {
        let (a, b) = (params.tensor("a")?, params.tensor("b")?);
        (a - b).try_square()?.try_sum()
    };
    let mut params =
        Dict::new().with("a", Tensor::from([5.0f32, -1.0])).with("b", Tensor::from([1.0f32, 2.0]));
    let mut state = tx.init(&params);
    for _ in 0..4 {
        let (value, gradient) = value_and_grad(loss)(&params).unwrap();
        let extra = ExtraArgs::new().value(&value).grad(&gradient).value_fn(&loss);
        let (updates, next) = tx.update_with(&gradient, &state, &params, &extra).unwrap();
        // What is not chosen keeps its gradient.
        let same = updates.tensor("b").unwrap().eq(gradient.tensor("b").unwrap()).all();
        assert!(same.item::<bool>().unwrap());
        params = params.with("a", params.tensor("a").unwrap() + updates.tensor("a").unwrap());
        state = next;
    }
    assert!(loss(&params).unwrap().item::<f32>().unwrap() < 1e-6);
}

#[test]
fn averages_of_schedule_free_parameters_are_the_mean_of_what_the_optimizer_passed() {
    let tx = contrib::schedule_free_sgd(0.5).b1(0.5);
    let (mut params, mut passed) = (Tensor::from(1.0f32), vec![]);
    let mut state = tx.init(&params);
    for _ in 0..4 {
        let updates;
        (updates, state) = tx.update(&Tensor::from(1.0f32), &state, &params).unwrap();
        params = optim::apply_updates(&params, &updates).unwrap();
        passed.push(state.z.item::<f32>().unwrap());
    }
    assert_eq!(passed, [0.5, 0.0, -0.5, -1.0]);
    let average = contrib::schedule_free_eval_params(&state, &params).unwrap().item::<f32>().unwrap();
    assert!((average + 0.25).abs() < 1e-6, "{average}");
}
