//! Optimizers at the ends of what numbers are: half precision over many steps, zeros, tiny and huge gradients.

use flaxen::optim::{self, Adam, DynTransformation, InjectHyperparams, contrib};
use flaxen::prelude::*;
use flaxen::tree::leaves;

type Boxed = DynTransformation<Tensor>;

/// By the names of `tests/golden/scripts/half_moments.py`.
fn of_half_moments(name: &str) -> Boxed {
    match name {
        "momentum" => optim::sgd(0.1).momentum(0.9).boxed(),
        "trace in float32" => optim::trace(0.9).accumulator_dtype(DType::F32).boxed(),
        "ema" => optim::ema(0.99).boxed(),
        "adam" => optim::adam(0.1).boxed(),
        "adam with mu in float32" => optim::adam(0.1).mu_dtype(DType::F32).boxed(),
        "adamw" => optim::adamw(0.1).boxed(),
        "nadam" => optim::nadam(0.1).boxed(),
        "amsgrad" => optim::amsgrad(0.1).boxed(),
        "adabelief" => optim::adabelief(0.1).boxed(),
        "adamax" => optim::adamax(0.1).boxed(),
        "radam" => optim::radam(0.1).boxed(),
        "yogi" => optim::yogi(0.1).boxed(),
        "adagrad" => optim::adagrad(0.1).boxed(),
        "adadelta" => optim::adadelta(0.1).boxed(),
        "rmsprop" => optim::rmsprop(0.1).boxed(),
        "rmsprop centered" => optim::rmsprop(0.1).centered(true).boxed(),
        "adafactor" => optim::adafactor(0.1).min_dim_size_to_factor(2usize).boxed(),
        "adafactor with momentum" => optim::adafactor(0.1).momentum(0.9).boxed(),
        "sm3" => optim::sm3(0.1).boxed(),
        "novograd" => optim::novograd(0.1).boxed(),
        "lamb" => optim::lamb(0.1).boxed(),
        "lars" => optim::lars(0.1).boxed(),
        "lion" => optim::lion(0.1).boxed(),
        "clip_by_global_norm" => optim::clip_by_global_norm(1.0).boxed(),
        "clip_by_block_rms" => optim::clip_by_block_rms(0.25).boxed(),
        "adaptive_grad_clip" => optim::adaptive_grad_clip(0.1).boxed(),
        "centralize" => optim::centralize().boxed(),
        "multi_steps" => optim::multi_steps(optim::sgd(1.0), 500).boxed(),
        "multi_steps of sums" => optim::multi_steps(optim::sgd(1.0), 500).use_grad_mean(false).boxed(),
        other => panic!("the table has `{other}`, this test has not"),
    }
}

#[test]
fn a_thousand_steps_in_half_precision_end_where_those_of_optax_do() {
    let gradient = |step: i32| {
        let row = |f: &dyn Fn(i32) -> f32| [f(0), f(1), f(2)];
        Tensor::from([
            row(&|j| ((step * 7 + j * 3) % 11 - 4) as f32 / 8.0),
            row(&|j| ((step * 5 + j) % 7 + 1) as f32 / 4.0),
        ])
    };
    let params = Tensor::from([[1.0f32, -0.5, 2.0], [0.25, 3.0, -1.0]]);
    let numbers =
        |line: &str| -> Vec<f32> { line.split(' ').map(|number| number.parse().unwrap()).collect() };
    let table: Vec<Vec<&str>> =
        include_str!("../data/half_moments.txt").lines().map(|line| line.split(" | ").collect()).collect();
    let exact = |name: &str| {
        let line = table.iter().find(|line| line[0] == "F32" && line[1] == name).unwrap();
        numbers(line[4])
    };
    let mut wrong = vec![];
    for fields in table.iter().filter(|fields| fields[0] != "F32") {
        let (dtype, name) = (if fields[0] == "F16" { DType::F16 } else { DType::BF16 }, fields[1]);
        let (tx, params) = (of_half_moments(name), params.cast(dtype));
        let step = jit(|(g, state, params): (Tensor, Value, Tensor)| tx.update(&g, &state, &params));
        let (mut state, mut update) = (tx.init(&params), params.clone());
        for i in 0..1000 {
            (update, state) = step.call((gradient(i).cast(dtype), state, params.clone())).unwrap();
        }
        let found = update.cast(DType::F32).to_vec::<f32>().unwrap();
        let expected = numbers(fields[4]);
        let same_dtype = update.dtype().name() == fields[3];
        // As optax in the same dtype, or nearer to what optax has in F32.
        let fits = found.iter().zip(&expected).zip(exact(name)).all(|((found, expected), exact)| {
            let far = |x: f32, y: f32| (x - y).abs() - 1e-4;
            far(*found, *expected) <= 0.02 * expected.abs() || far(*found, exact) <= (expected - exact).abs()
        });
        if !same_dtype || !fits {
            wrong.push(format!("{} {name}: {} {found:?} and not {expected:?}", fields[0], update.dtype()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The values are those of Flax 0.12.8, optax 0.2.8 and JAX 0.10.2.
#[test]
fn other_averages_and_sums_of_bf16_over_a_thousand_steps_are_those_of_flax_and_optax() {
    let of = |values: &[f32]| Tensor::from(values).cast(DType::BF16);
    let x = of(&[1.0, 3.0]).reshape([2, 1]);
    for (norm, dtype, expected) in [
        (BatchNorm::new(), DType::F32, 1.999_915_5),
        (BatchNorm::new().param_dtype(DType::BF16).force_float32_reductions(false), DType::BF16, 1.671_88),
    ] {
        let mut variables = norm.init(key(0)).run(|m| m.call(&x, true)).unwrap();
        let step = jit(|(variables, x): (Variables, Tensor)| {
            let (_, updates) = norm.apply(&variables).mutable("batch_stats").run(|m| m.call(&x, true))?;
            Ok(variables.with("batch_stats", updates.dict("batch_stats")?.clone()))
        });
        for _ in 0..1000 {
            variables = step.call((variables, x.clone())).unwrap();
        }
        let mean = variables.tensor("batch_stats/mean").unwrap();
        assert_eq!(mean.dtype(), dtype);
        let mean = mean.cast(DType::F32).to_vec::<f32>().unwrap()[0];
        assert!((mean - expected).abs() < 2e-5 * expected, "{mean} {expected}");
    }

    let ones = Tensor::ones_of([1000], DType::BF16);
    let norm = optim::global_norm(&vec![ones.clone(), ones.clone()]).unwrap();
    let found = [ones.cumsum(0).max(), ones.sum(), (&ones * 0.1).mean(), norm];
    for (found, expected) in found.iter().zip([1000.0, 1000.0, 0.100_098, 44.75]) {
        assert_eq!(found.dtype(), DType::BF16);
        let found = found.cast(DType::F32).item::<f32>().unwrap();
        assert!((found - expected).abs() < 1e-5 * expected, "{found} {expected}");
    }

    let (one, mut average, mut sum) = (of(&[1.0]), of(&[0.0]), of(&[0.0]));
    for _ in 0..1000 {
        average = optim::incremental_update(&one, &average, 0.01).unwrap();
        sum = optim::apply_updates(&sum, &of(&[0.01])).unwrap();
    }
    let number = |x: &Tensor| x.cast(DType::F32).to_vec::<f32>().unwrap()[0];
    assert_eq!((number(&average), number(&sum)), (0.835_937_5, 4.0));
    let schedule = optim::linear_schedule(1.0, 0.0, 1000).at(333).unwrap();
    assert!(schedule.dtype() == DType::F32 && (schedule.item::<f32>().unwrap() - 0.667).abs() < 1e-6);
}

#[test]
fn accumulated_gradients_of_half_precision_are_summed_in_f32() {
    let params = Tensor::from([1.0f32]).cast(DType::BF16);
    for dtype in [DType::F32, DType::BF16] {
        let last = |tx: Boxed, steps: i32, gradient: &dyn Fn(i32) -> f32| {
            let (mut update, mut state) = (params.clone(), tx.init(&params));
            for i in 0..steps {
                let g = Tensor::from([gradient(i)]).cast(dtype);
                (update, state) = tx.update(&g, &state, &params).unwrap();
            }
            update.cast(DType::F32).to_vec::<f32>().unwrap()[0]
        };
        let mean = last(optim::multi_steps(optim::sgd(1.0), 64).boxed(), 64, &|i| 1.0 + 0.01 * i as f32);
        let expected = if dtype == DType::F32 { -1.315 } else { -1.3125 };
        assert!((mean - expected).abs() < 1e-6, "{dtype}: {mean}");
        let sum = optim::multi_steps(optim::sgd(1.0), 512).use_grad_mean(false);
        assert_eq!(last(sum.boxed(), 512, &|_| 1.0), -512.0, "{dtype}");
    }
    let tx = optim::multi_steps(optim::sgd(1.0), 2);
    let state = |dtype| tx.init(&params.cast(dtype)).acc_grads.dtype();
    assert_eq!(
        [state(DType::F16), state(DType::BF16), state(DType::F64)],
        [DType::F32, DType::F32, DType::F64]
    );
    let narrow = optim::multi_steps(optim::sgd(1.0), 2).accumulator_dtype(DType::BF16);
    assert_eq!(narrow.init(&params).acc_grads.dtype(), DType::BF16);
}

/// Every optimizer and transformation, with settings that may make it divide by 0.
fn everything() -> Vec<(&'static str, Boxed)> {
    vec![
        ("sgd", optim::sgd(0.1).boxed()),
        ("momentum", optim::sgd(0.1).momentum(0.9).boxed()),
        ("nesterov", optim::sgd(0.1).momentum(0.9).nesterov(true).boxed()),
        ("adam", optim::adam(0.1).boxed()),
        ("adam without eps", optim::adam(0.1).eps(0.0).boxed()),
        ("adam with a wide mu", optim::adam(0.1).mu_dtype(DType::F32).boxed()),
        ("adamw", optim::adamw(0.1).boxed()),
        ("nadam", optim::nadam(0.1).boxed()),
        ("nadamw", optim::nadamw(0.1).boxed()),
        ("amsgrad", optim::amsgrad(0.1).boxed()),
        ("amsgrad without eps", optim::amsgrad(0.1).eps(0.0).boxed()),
        ("adabelief", optim::adabelief(0.1).boxed()),
        ("adabelief without eps", optim::adabelief(0.1).eps(0.0).eps_root(0.0).nesterov(true).boxed()),
        ("adamax", optim::adamax(0.1).boxed()),
        ("adamax without eps", optim::adamax(0.1).eps(0.0).boxed()),
        ("adamaxw", optim::adamaxw(0.1).boxed()),
        ("radam", optim::radam(0.1).boxed()),
        ("radam of a low threshold", optim::radam(0.1).b2(0.9).threshold(2.0).nesterov(true).boxed()),
        ("yogi", optim::yogi(0.1).boxed()),
        ("adagrad", optim::adagrad(0.1).boxed()),
        ("adagrad from 0", optim::adagrad(0.1).initial_accumulator_value(0.0).eps(0.0).boxed()),
        ("adadelta", optim::adadelta(0.1).boxed()),
        ("adadelta without eps", optim::adadelta(0.1).eps(0.0).boxed()),
        ("rmsprop", optim::rmsprop(0.1).boxed()),
        ("rmsprop without eps", optim::rmsprop(0.1).eps(0.0).boxed()),
        ("rmsprop outside", optim::rmsprop(0.1).eps(0.0).eps_in_sqrt(false).momentum(0.9).boxed()),
        ("rmsprop centered", optim::rmsprop(0.1).centered(true).bias_correction(true).boxed()),
        ("rmsprop centered outside", optim::rmsprop(0.1).centered(true).eps_in_sqrt(false).boxed()),
        ("adafactor", optim::adafactor(0.1).min_dim_size_to_factor(2usize).boxed()),
        ("adafactor without eps", optim::adafactor(0.1).min_dim_size_to_factor(2usize).eps(0.0).boxed()),
        ("adafactor in full", optim::adafactor(0.1).momentum(0.9).factored(false).eps(0.0).boxed()),
        ("adafactor later", optim::adafactor(0.1).decay_offset(3).boxed()),
        ("sm3", optim::sm3(0.1).boxed()),
        ("novograd", optim::novograd(0.1).weight_decay(0.01).boxed()),
        ("novograd without eps", optim::novograd(0.1).eps(0.0).boxed()),
        ("lamb", optim::lamb(0.1).boxed()),
        ("lars", optim::lars(0.1).weight_decay(0.01).boxed()),
        ("lion", optim::lion(0.1).boxed()),
        ("sign_sgd", optim::sign_sgd(0.1).boxed()),
        ("ema", optim::ema(0.9).boxed()),
        ("trace", optim::trace(0.9).nesterov(true).boxed()),
        ("clip to 0", optim::clip(0.0).boxed()),
        ("clip_by_block_rms", optim::clip_by_block_rms(1.0).boxed()),
        ("clip_by_block_rms to 0", optim::clip_by_block_rms(0.0).boxed()),
        ("clip_by_global_norm", optim::clip_by_global_norm(1.0).boxed()),
        ("clip_by_global_norm to 0", optim::clip_by_global_norm(0.0).boxed()),
        ("adaptive_grad_clip", optim::adaptive_grad_clip(0.1).boxed()),
        ("adaptive_grad_clip to 0", optim::adaptive_grad_clip(0.0).eps(0.0).boxed()),
        ("centralize", optim::centralize().boxed()),
        ("trust ratio", optim::scale_by_trust_ratio().boxed()),
        ("param norm", optim::scale_by_param_block_norm(0.0).boxed()),
        ("param rms", optim::scale_by_param_block_rms(0.0).boxed()),
        ("nonnegative", optim::keep_params_nonnegative().boxed()),
        ("multi_steps", optim::multi_steps(optim::adam(0.1), 3).boxed()),
        ("multi_steps of sums", optim::multi_steps(optim::adam(0.1), 2).use_grad_mean(false).boxed()),
        ("if finite", optim::apply_if_finite(optim::rmsprop(0.1), 3).boxed()),
        ("injected", injected().boxed()),
        ("adan", optim::adan(0.1).boxed()),
        ("fromage", optim::fromage(0.1).boxed()),
        ("rprop", optim::rprop(0.1).boxed()),
        ("optimistic_gradient_descent", optim::optimistic_gradient_descent(0.1).boxed()),
        ("optimistic_adam_v2", optim::optimistic_adam_v2(0.1).boxed()),
        ("lbfgs", optim::lbfgs().learning_rate(0.1).without_linesearch().boxed()),
        ("acprop", contrib::acprop(0.1).boxed()),
        ("ademamix", contrib::ademamix(0.1).boxed()),
        ("dadapt_adamw", contrib::dadapt_adamw().boxed()),
        ("dog", contrib::dog().boxed()),
        ("dog without eps", contrib::dog().eps(0.0).boxed()),
        ("dowg", contrib::dowg().boxed()),
        ("dowg without eps", contrib::dowg().eps(0.0).boxed()),
        ("madgrad", contrib::madgrad(0.1).boxed()),
        ("madgrad without eps", contrib::madgrad(0.1).eps(0.0).boxed()),
        ("mechanize", contrib::mechanize(optim::adam(1.0)).boxed()),
        ("prodigy", contrib::prodigy().boxed()),
        ("schedule_free_adamw", contrib::schedule_free_adamw(0.1).boxed()),
    ]
}

fn injected() -> InjectHyperparams<Adam> {
    optim::inject_hyperparams([("learning_rate", 0.1), ("b2", 0.999)], |values| {
        optim::adam(&values["learning_rate"]).b2(&values["b2"])
    })
}

#[test]
fn no_optimizer_makes_nan_of_finite_gradients() {
    // Sums of two such numbers are beyond all numbers, as a momentum may be, and then infinite.
    // Zeros, the least and the largest numbers of the dtype, ordinary ones, and all of them side by side.
    let rows = |dtype: DType| {
        let (least, low, high) = match dtype {
            DType::F16 => (6e-8f32, 1e-4, 65504.0),
            DType::BF16 => (1e-40, 1e-30, 3.3e38),
            _ => (1e-45, 1e-30, 3.3e38),
        };
        let rows = [
            [0.0; 4],
            [least; 4],
            [low, -low, low, low],
            [1.0, -0.5, 0.25, 2.0],
            [high; 4],
            [high, -high, -high, high],
            [0.0, least, 1.0, -high],
        ];
        rows.map(|row| Tensor::from([row, [0.0, row[1], -row[0], row[3]]]).cast(dtype))
    };
    let mut wrong = vec![];
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        let rows = rows(dtype);
        for (name, tx) in everything() {
            let step = jit(|(g, state, params): (Tensor, Value, Tensor)| tx.update(&g, &state, &params));
            for (p, params) in [0, 1, 3, 5, 6].map(|p| (p, &rows[p])) {
                // The same gradient again and again, then all of them in turn.
                for first in 0..=rows.len() {
                    let mut state = tx.init(params);
                    let before = flaxen::tree::map(&state, |leaf| Ok(leaf.clone())).unwrap();
                    for i in 0..4 {
                        let g = &rows[if first == rows.len() { (i * 3 + 4) % rows.len() } else { first }];
                        let (update, next) = step.call((g.clone(), state, params.clone())).unwrap();
                        let spoilt =
                            |x: &Tensor| x.dtype().is_float() && x.is_nan().any().item::<bool>().unwrap();
                        let in_state = leaves(&next).into_iter().any(spoilt);
                        if spoilt(&update) || in_state {
                            wrong.push(format!(
                                "{dtype} {name}: params {p}, gradients {first}, step {i}: {update}"
                            ));
                            break;
                        }
                        let dtypes =
                            |state: &Value| leaves(state).iter().map(|x| x.dtype()).collect::<Vec<_>>();
                        assert_eq!(dtypes(&next), dtypes(&before), "{dtype} {name}");
                        state = next;
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_gradient_of_zero_leaves_parameters_of_f16_alone() {
    let params = Tensor::from([[1.0f32, -2.0]]).cast(DType::F16);
    for (name, tx) in everything() {
        let decays = [
            "adamw",
            "nadamw",
            "adamaxw",
            "novograd",
            "lamb",
            "lars",
            "lion",
            "yogi",
            "nonnegative",
            "fromage",
        ];
        if decays.contains(&name) {
            continue;
        }
        let (update, _) = tx.update(&params.zeros_like(), &tx.init(&params), &params).unwrap();
        assert_eq!(update.cast(DType::F32).to_vec::<f32>().unwrap(), [0.0, 0.0], "{name}");
    }
}

#[test]
fn gradients_of_f16_whose_squares_are_beyond_its_range_are_scaled_as_any_others() {
    let params = Tensor::from([1.0f32, 1.0]).cast(DType::F16);
    for size in [1e-4f32, 1.0, 6e4] {
        let g = Tensor::from([size, -size]).cast(DType::F16);
        let after = |tx: Boxed| {
            let (mut update, mut state) = (g.clone(), tx.init(&params));
            for _ in 0..20 {
                (update, state) = tx.update(&g, &state, &params).unwrap();
            }
            update.cast(DType::F32).to_vec::<f32>().unwrap()
        };
        let near = |found: Vec<f32>, expected: f32| {
            let close = |x: f32, y: f32| (x - y).abs() < 0.01 * y.abs();
            assert!(close(found[0], expected) && close(found[1], -expected), "{size}: {found:?}");
        };
        near(after(optim::adam(0.1).boxed()), -0.1);
        near(after(optim::amsgrad(0.1).boxed()), -0.1);
        near(after(optim::adamax(0.1).boxed()), -0.1);
        near(after((optim::clip_by_global_norm(1e-4), optim::sgd(1.0)).boxed()), -1e-4 / 2.0f32.sqrt());
    }
    let huge = Tensor::full([2], 5e4f32).cast(DType::F16);
    assert_eq!(
        optim::global_norm(&huge.slice_axis(0, 0..1)).unwrap().cast(DType::F32).item::<f32>().unwrap(),
        49984.0
    );
}

#[test]
fn a_limit_of_zero_clips_to_zero() {
    let (zeros, ones) = (Tensor::zeros([3]), Tensor::ones([3]));
    for tx in [
        optim::clip_by_global_norm(0.0).boxed(),
        optim::clip_by_block_rms(0.0).boxed(),
        optim::clip(0.0).boxed(),
        optim::adaptive_grad_clip(0.0).boxed(),
    ] {
        for g in [&zeros, &ones] {
            let (update, _) = tx.update(g, &tx.init(g), &ones).unwrap();
            assert_eq!(update.to_vec::<f32>().unwrap(), [0.0; 3]);
        }
    }
}

#[test]
fn gradients_that_are_not_finite_are_not_hidden() {
    let params = Tensor::from([1.0f32, 1.0]);
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        for (name, tx) in [("adam", optim::adam(0.1).boxed()), ("sgd", optim::sgd(0.1).momentum(0.9).boxed())]
        {
            for bad in [f32::NAN, f32::INFINITY] {
                let (g, params) = (Tensor::from([bad, 1.0]).cast(dtype), params.cast(dtype));
                let (update, _) = tx.update(&g, &tx.init(&params), &params).unwrap();
                let finite = update.is_finite().to_vec::<bool>().unwrap();
                assert_eq!(finite, [false, true], "{dtype} {name} of {bad}");
            }
        }
    }
}

/// optax 0.2.8 gives NaN here: its hyperparameters have the dtype of the parameters, in which `b2` is 1.
#[test]
fn injected_hyperparameters_are_f32_beside_parameters_of_bf16() {
    let params = Tensor::from([1.0f32, -1.0]).cast(DType::BF16);
    let tx = injected();
    let (mut update, mut state) = (params.clone(), tx.init(&params));
    for _ in 0..3 {
        (update, state) = tx.update(&params, &state, &params).unwrap();
    }
    assert_eq!(state.hyperparams.tensor("b2").unwrap().item::<f32>().unwrap(), 0.999);
    let update = update.cast(DType::F32);
    assert!(update.all_close(Tensor::from([-0.1f32, 0.1]), 0.02, 0.0).unwrap(), "{update}");
}
