//! Laws of optimizers.

use flaxen::optim::{self, DynTransformation};
use flaxen::prelude::*;
use flaxen::tree::{leaves, map};
use flaxen_tests::golden::difference;

fn params() -> Dict {
    Dict::new()
        .with("encoder/kernel", Tensor::from([[1.0f32, -2.0, 0.5], [0.25, 3.0, -1.0]]))
        .with("encoder/bias", Tensor::from([0.5f32, -0.5, 1.5]))
        .with("scale", Tensor::full([], 2.0f32))
}

fn quadratic(params: &Dict) -> Result<Tensor> {
    let squares = leaves(params).into_iter().map(|leaf| leaf.try_square()?.try_sum());
    squares.reduce(|a, b| a?.try_add(b?)).unwrap()
}

fn optimizers() -> Vec<(&'static str, DynTransformation)> {
    vec![
        ("sgd", optim::sgd(0.1).boxed()),
        ("momentum", optim::sgd(0.05).momentum(0.5).nesterov(true).boxed()),
        ("adam", optim::adam(0.1).boxed()),
        ("adamw", optim::adamw(0.1).mask(|path, _| path.ends_with("kernel")).boxed()),
        ("nadam", optim::nadam(0.1).boxed()),
        ("nadamw", optim::nadamw(0.1).boxed()),
        ("radam", optim::radam(0.1).boxed()),
        ("adabelief", optim::adabelief(0.1).boxed()),
        ("adamax", optim::adamax(0.1).boxed()),
        ("adamaxw", optim::adamaxw(0.1).boxed()),
        ("amsgrad", optim::amsgrad(0.1).boxed()),
        ("adagrad", optim::adagrad(0.5).boxed()),
        ("adadelta", optim::adadelta(10.0).boxed()),
        ("rmsprop", optim::rmsprop(0.05).boxed()),
        ("rmsprop centered", optim::rmsprop(0.05).centered(true).momentum(0.5).boxed()),
        ("lamb", optim::lamb(0.05).boxed()),
        ("lars", optim::lars(1.0).trust_coefficient(0.05).momentum(0.5).boxed()),
        ("lion", optim::lion(0.05).boxed()),
        ("adafactor", optim::adafactor(0.2).min_dim_size_to_factor(2usize).boxed()),
        ("yogi", optim::yogi(0.1).boxed()),
        ("sm3", optim::sm3(0.5).boxed()),
        ("novograd", optim::novograd(0.05).boxed()),
        ("sign_sgd", optim::sign_sgd(0.05).boxed()),
        ("clipped", (optim::clip_by_global_norm(1.0), optim::centralize(), optim::sgd(0.2)).boxed()),
        ("accumulated", optim::multi_steps(optim::sgd(0.4), 2).boxed()),
        ("scheduled", optim::adam(optim::cosine_decay_schedule(0.2, 60)).boxed()),
        ("if finite", optim::apply_if_finite(optim::adam(0.1), 3).boxed()),
    ]
}

fn step(tx: &DynTransformation, params: &Dict, state: &Value) -> Result<(Dict, Value)> {
    let (updates, state) = tx.update(&grad(quadratic)(params)?, state, params)?;
    Ok((optim::apply_updates(params, &updates)?, state))
}

#[test]
fn every_optimizer_reduces_a_quadratic_also_when_staged_and_staging_changes_nothing() {
    for (name, tx) in optimizers() {
        let (mut params, mut state) = (params(), tx.init(&params()));
        let staged = jit(|(params, state): (Dict, Value)| step(&tx, &params, &state));
        let before = quadratic(&params).unwrap().item::<f32>().unwrap();
        for i in 0..40 {
            let (next, next_state) = step(&tx, &params, &state).unwrap();
            let (same, same_state) = staged.call((params, state)).unwrap();
            for (a, b) in leaves(&next).iter().zip(leaves(&same)) {
                assert!(a.all_close(b, 1e-6, 1e-7).unwrap(), "{name}, step {i}");
            }
            let pairs = leaves(&next_state).into_iter().zip(leaves(&same_state));
            for (a, b) in pairs.filter(|(a, _)| a.dtype().is_float()) {
                assert!(a.all_close(b, 1e-6, 1e-7).unwrap(), "{name}, state after step {i}");
            }
            (params, state) = (next, next_state);
        }
        assert_eq!(staged.traces(), 1, "{name} has states of one structure");
        let after = quadratic(&params).unwrap().item::<f32>().unwrap();
        assert!(after < 0.7 * before, "{name}: {before} became {after}");
    }
}

#[test]
fn parameters_without_elements_and_no_parameters_change_nothing() {
    let of_leaves = [
        ("clip", optim::clip(0.1).boxed()),
        ("clip_by_block_rms", optim::clip_by_block_rms(0.1).boxed()),
        ("adaptive_grad_clip", optim::adaptive_grad_clip(0.1).boxed()),
        ("ema", optim::ema(0.9).boxed()),
    ];
    for (name, tx) in optimizers().into_iter().chain(of_leaves) {
        let some = params();
        let more = params().with("none", Tensor::zeros([0, 3])).with("hollow", Tensor::zeros([3, 0, 4]));
        let (mut state, mut state_of_more) = (tx.init(&some), tx.init(&more));
        for _ in 0..2 {
            let (updates, updates_of_more);
            (updates, state) = tx.update(&some, &state, &some).unwrap();
            (updates_of_more, state_of_more) = tx.update(&more, &state_of_more, &more).unwrap();
            assert_eq!(updates_of_more.tensor("none").unwrap().shape(), [0, 3], "{name}");
            assert_eq!(updates_of_more.tensor("hollow").unwrap().shape(), [3, 0, 4], "{name}");
            for path in ["encoder/kernel", "encoder/bias", "scale"] {
                let (a, b) = (updates.tensor(path).unwrap(), updates_of_more.tensor(path).unwrap());
                assert!(a.all_close(b, 1e-6, 1e-7).unwrap(), "{name} {path}: {a} and {b}");
            }
        }
        let nothing = Dict::new();
        let updated = tx.update(&nothing, &tx.init(&nothing), &nothing);
        assert_eq!(updated.map(|(updates, _)| updates), Ok(nothing), "{name}");
    }
}

#[test]
fn states_are_trees_that_can_be_mapped_and_taken_apart() {
    for (name, tx) in optimizers() {
        let state = tx.init(&params());
        let mapped = map(&state, |leaf| Ok(leaf.clone())).unwrap();
        assert_eq!(mapped, state, "{name}");
    }
    let mut state: AdamState = optim::adam(0.1).init(&params());
    state.0.mu = state.0.mu.with("scale", 7.0f32);
    state.0.count = Tensor::from(3i32);
    let state = map(&state, |leaf| Ok(leaf * 2)).unwrap();
    assert_eq!(state.0.mu.tensor("scale").unwrap().item::<f32>().unwrap(), 14.0);
    assert_eq!(state.0.count.item::<i32>().unwrap(), 6);
}

#[test]
fn parameters_may_be_a_tensor_or_any_struct() {
    #[derive(Clone, Tree)]
    struct Line {
        slope: Tensor,
        offset: Tensor,
    }
    let tx = optim::adam(0.1);
    let line = Line { slope: Tensor::from(1.0f32), offset: Tensor::from([2.0f32]) };
    let state: AdamState<Line> = tx.init(&line);
    let (updates, state) = tx.update(&line, &state, &line).unwrap();
    assert_eq!(updates.slope.shape(), &[] as &[usize]);
    assert_eq!(state.0.mu.offset.shape(), [1]);
    let weights = Tensor::from([1.0f32, 2.0]);
    assert!(tx.update(&weights, &tx.init(&weights), &weights).is_ok());
}

#[test]
fn a_mask_leaves_other_updates_as_they_are_bit_by_bit() {
    let params = params();
    let grads = grad(quadratic)(&params).unwrap();
    let tx = optim::masked(optim::adam(0.1), |path, leaf| path.starts_with("encoder/") && leaf.rank() == 2);
    let state = tx.init(&params);
    assert_eq!(leaves(&state).len(), 3, "the count and two moments of one leaf");
    assert!(state.inner_state.0.mu.get("encoder/kernel").is_some());
    let (updates, _) = tx.update(&grads, &state, &params).unwrap();
    for path in ["encoder/bias", "scale"] {
        let (found, expected) = (updates.tensor(path).unwrap(), grads.tensor(path).unwrap());
        assert_eq!(difference(found, expected), None, "{path}");
    }
    assert!(
        difference(updates.tensor("encoder/kernel").unwrap(), grads.tensor("encoder/kernel").unwrap())
            .is_some()
    );
}

#[test]
fn frozen_parameters_stay_bit_by_bit_in_either_way_of_freezing() {
    let chained = optim::chain((optim::adamw(0.1), optim::freeze(|path, _| path.starts_with("encoder/"))));
    let labelled = optim::multi_transform(
        [("train", optim::adamw(0.1).boxed()), ("frozen", optim::set_to_zero().boxed())],
        |path, _| if path.starts_with("encoder/") { "frozen" } else { "train" },
    );
    for tx in [chained.boxed(), labelled.boxed()] {
        let (mut new, mut state) = (params(), tx.init(&params()));
        for _ in 0..3 {
            (new, state) = step(&tx, &new, &state).unwrap();
        }
        for path in ["encoder/kernel", "encoder/bias"] {
            assert_eq!(difference(new.tensor(path).unwrap(), params().tensor(path).unwrap()), None);
        }
        assert!(new.tensor("scale").unwrap().item::<f32>().unwrap() < 2.0);
    }
}

#[test]
fn labels_give_each_leaf_what_its_transformation_alone_would() {
    let label = |path: &str, _: &Tensor| if path.ends_with("bias") { "fast" } else { "slow" };
    let tx = optim::multi_transform([("fast", optim::adam(0.5)), ("slow", optim::adam(0.01))], label);
    let grads = grad(quadratic)(&params()).unwrap();
    let (updates, _) = tx.update(&grads, &tx.init(&params()), &params()).unwrap();
    for (rate, path) in [(0.5, "encoder/bias"), (0.01, "encoder/kernel"), (0.01, "scale")] {
        let alone = optim::adam(rate);
        let (expected, _) = alone.update(&grads, &alone.init(&params()), &params()).unwrap();
        assert_eq!(difference(updates.tensor(path).unwrap(), expected.tensor(path).unwrap()), None);
    }
    let unknown = optim::multi_transform([("fast", optim::adam(0.5))], label);
    let error = unknown.update(&grads, &unknown.init(&params()), &params()).unwrap_err().to_string();
    assert!(error.contains("`slow`") && error.contains("`fast`"), "{error}");
}

#[test]
fn chains_apply_the_first_transformation_first() {
    let (x, p) = (Tensor::from([10.0f32]), Tensor::from([0.0f32]));
    let run =
        |tx: DynTransformation<Tensor>| tx.update(&x, &tx.init(&p), &p).unwrap().0.to_vec::<f32>().unwrap();
    assert_eq!(run((optim::clip(1.0), optim::scale(5.0)).boxed()), [5.0]);
    assert_eq!(run((optim::scale(5.0), optim::clip(1.0)).boxed()), [1.0]);
    assert_eq!(run(vec![optim::scale(5.0).boxed(), optim::clip(1.0).boxed()].boxed()), [1.0]);
}

#[test]
fn steps_that_are_not_finite_change_neither_parameters_nor_state() {
    let tx = optim::apply_if_finite(optim::adam(0.1), 2);
    let good = grad(quadratic)(&params()).unwrap();
    let bad = good.with("scale", f32::NAN);
    let (_, state) = tx.update(&good, &tx.init(&params()), &params()).unwrap();
    let (updates, next) = tx.update(&bad, &state, &params()).unwrap();
    assert!(leaves(&updates).iter().all(|u| !u.ne(0.0).any().item::<bool>().unwrap()));
    assert_eq!(next.inner_state.0.mu, state.inner_state.0.mu);
    assert_eq!(next.notfinite_count.item::<i32>().unwrap(), 1);
    let (_, next) = tx.update(&good, &next, &params()).unwrap();
    assert_eq!(next.notfinite_count.item::<i32>().unwrap(), 0);
    assert_eq!(next.total_notfinite.item::<i32>().unwrap(), 1);
}

#[test]
fn accumulation_leaves_out_what_is_not_finite() {
    let tx = optim::multi_steps(optim::sgd(1.0), 2).skip_not_finite();
    let params = Tensor::from(0.0f32);
    let mut state = tx.init(&params);
    let mut steps = vec![];
    let mut left_out = vec![];
    for gradient in [1.0f32, f32::NAN, 3.0] {
        let update;
        (update, state) = tx.update(&Tensor::from(gradient), &state, &params).unwrap();
        steps.push(update.item::<f32>().unwrap());
        let found = state.skip_state.as_ref().unwrap();
        left_out.push(found.tensor("num_not_finite").unwrap().item::<i32>().unwrap());
    }
    assert_eq!(steps, [0.0, 0.0, -2.0]);
    assert_eq!(left_out, [0, 1, 0]);
    assert!(state.has_updated().unwrap().item::<bool>().unwrap());
}

#[test]
fn a_condition_of_ones_own_need_not_be_remembered() {
    let negative =
        |updates: &[&Tensor], _step: &Tensor| Ok((updates[0].try_lt(0.0)?.try_any()?, Dict::new()));
    let tx = optim::multi_steps(optim::sgd(1.0), 1).should_skip_update_fn(negative);
    let params = Tensor::from(0.0f32);
    let step = jit(|(gradient, state)| tx.update(&gradient, &state, &params));
    let (mut state, mut steps) = (tx.init(&params), vec![]);
    for gradient in [1.0f32, -1.0, 2.0] {
        let update: Tensor;
        (update, state) = step.call((Tensor::from(gradient), state)).unwrap();
        steps.push(update.item::<f32>().unwrap());
    }
    assert_eq!(steps, [-1.0, 0.0, -2.0]);
    assert!(state.skip_state.is_none());
    assert_eq!(state.gradient_step.item::<i32>().unwrap(), 2);
}

#[test]
fn injected_hyperparameters_change_without_tracing_again() {
    let tx =
        optim::inject_hyperparams([("learning_rate", 0.1)], |values| optim::sgd(&values["learning_rate"]));
    let one = Tensor::from([1.0f32]);
    let step = jit(|(g, state, p)| tx.update(&g, &state, &p));
    let (update, mut state) = step.call((one.clone(), tx.init(&one), one.clone())).unwrap();
    assert_eq!(update.to_vec::<f32>().unwrap(), [-0.1]);
    state.hyperparams = state.hyperparams.with("learning_rate", Tensor::full([], 0.5f32));
    let (update, _) = step.call((one.clone(), state, one.clone())).unwrap();
    assert_eq!(update.to_vec::<f32>().unwrap(), [-0.5]);
    assert_eq!(step.traces(), 1);

    let scheduled = optim::inject_hyperparams([("rate", optim::linear_schedule(1.0, 0.0, 4))], |values| {
        optim::sgd(&values["rate"])
    });
    let (_, state) = scheduled.update(&one, &scheduled.init(&one), &one).unwrap();
    let (update, state) = scheduled.update(&one, &state, &one).unwrap();
    assert_eq!(update.to_vec::<f32>().unwrap(), [-0.75]);
    assert_eq!(state.hyperparams.tensor("rate").unwrap().item::<f32>().unwrap(), 0.75);
}

#[test]
fn half_precision_parameters_keep_their_dtype_and_so_does_their_state() {
    for (name, tx) in optimizers().into_iter().filter(|(name, _)| *name != "adafactor") {
        let half = |tree: &Dict| tree.map(|leaf| leaf.try_cast(DType::BF16)).unwrap();
        let (params, state) = (half(&params()), tx.init(&half(&params())));
        let (updates, next) = tx.update(&params, &state, &params).unwrap();
        assert!(leaves(&updates).iter().all(|u| u.dtype() == DType::BF16), "{name}");
        for (a, b) in leaves(&state).iter().zip(leaves(&next)) {
            assert_eq!(a.dtype(), b.dtype(), "{name}");
        }
    }
    let params = Tensor::zeros([2]);
    let state = optim::adam(0.1).mu_dtype(DType::BF16).init(&params);
    assert_eq!((state.0.mu.dtype(), state.0.nu.dtype()), (DType::BF16, DType::F32));
}

#[test]
fn what_does_not_fit_is_an_error_that_names_the_path() {
    let tx = optim::adam(0.1);
    let state = tx.init(&params());
    let wrong = params().with("encoder/bias", Tensor::zeros([7]));
    let error = tx.update(&wrong, &state, &params()).unwrap_err().to_string();
    assert!(error.contains("encoder/bias") && error.contains("[7]") && error.contains("[3]"), "{error}");
    let error = tx.update(&params().with("more", 1.0f32), &state, &params()).unwrap_err().to_string();
    assert!(error.contains("optimizer"), "{error}");
    let never = optim::multi_steps(optim::adam(0.1), 0);
    let error = never.update(&params(), &never.init(&params()), &params()).unwrap_err().to_string();
    assert!(error.contains("multi_steps") && error.contains("every_k"), "{error}");
    let other = optim::adam(optim::linear_schedule(1.0, 0.0, 3));
    assert!(other.update(&params(), &state, &params()).is_err());
}

/// What an optimizer, and the addition of what it returns, say of gradients that do not fit.
#[test]
fn mistakes_in_gradients_are_told_by_parameter_and_shapes() {
    let tensor = |shape: &[usize]| Tensor::ones(shape);
    let params = Dict::new().with("Dense_0/kernel", tensor(&[2, 3])).with("Dense_0/bias", tensor(&[3]));
    let wider = Dict::new().with("Dense_0/kernel", tensor(&[2, 4])).with("Dense_0/bias", tensor(&[3]));
    let fewer = Dict::new().with("Dense_0/kernel", tensor(&[2, 3]));
    let more = params.with("Dense_1/bias", tensor(&[3]));
    let tx = optim::adam(0.1);
    let state = tx.init(&params);
    let update = |gradients: &Dict| tx.update(gradients, &state, &params).unwrap_err().to_string();
    let apply = |updates: &Dict| optim::apply_updates(&params, updates).unwrap_err().to_string();

    let expected = "expects [2, 3], the parameter's shape, found";
    let of = "of shape [2, 4] for the parameter `Dense_0/kernel`";
    assert_eq!(update(&wider), format!("`update` {expected} a gradient {of}"));
    assert_eq!(apply(&wider), format!("`apply_updates` {expected} an update {of}"));
    assert!(update(&fewer).ends_with(": `Dense_0/bias` is missing"), "{}", update(&fewer));
    assert_eq!(apply(&fewer), "the updates differ from the parameters: `Dense_0/bias` is missing");
    assert!(update(&more).ends_with(": there is no parameter `Dense_1/bias`"), "{}", update(&more));
    assert_eq!(apply(&more), "the updates differ from the parameters: there is no parameter `Dense_1/bias`");
    let alone = optim::apply_updates(&tensor(&[2]), &tensor(&[1])).unwrap_err().to_string();
    assert_eq!(alone, "`apply_updates` expects [2], the parameter's shape, found an update of shape [1]");
}

#[test]
fn adam_is_as_exact_as_its_parameters() -> Result<()> {
    // What optax computes under `jax_enable_x64`.
    let (w, g) = (Tensor::of([2.0], DType::F64), Tensor::of([3.0], DType::F64));
    let tx = optim::adam(0.1);
    let (update, _) = tx.update(&g, &tx.init(&w), &w)?;
    let update = update.to_vec::<f64>()?[0];
    assert!((update + 0.099_999_999_666_666_67).abs() < 1e-15, "{update}");
    Ok(())
}
