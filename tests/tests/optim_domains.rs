//! Every setting of an optimizer or a schedule has a domain, and is refused outside of it.

use flaxen::optim::{self, DynTransformation};
use flaxen::prelude::*;

type Boxed = DynTransformation<Tensor>;

type Setting = (&'static str, fn(f64) -> Boxed, Accepts);

/// What a setting accepts, of the values that are tried.
#[derive(Clone, Copy, PartialEq)]
enum Accepts {
    Finite,
    NotNegative,
    Positive,
    /// Also infinity: then there is no limit.
    Limit,
    /// From 0 to 1.
    Probability,
    /// As a probability, but not 1.
    Decay,
}

impl Accepts {
    fn accepts(self, x: f64) -> bool {
        let finite = x.abs() < 1e300;
        match self {
            Accepts::Finite => finite,
            Accepts::NotNegative => finite && x >= 0.0,
            Accepts::Positive => finite && x > 0.0,
            Accepts::Limit => x >= 0.0,
            Accepts::Probability => (0.0..=1.0).contains(&x),
            Accepts::Decay => (0.0..1.0).contains(&x),
        }
    }
}

const TRIED: [f64; 9] = [f64::NAN, f64::NEG_INFINITY, f64::MIN, -1.0, 0.0, 0.5, 1.0, f64::MAX, f64::INFINITY];

#[test]
fn every_setting_of_an_optimizer_has_a_domain_and_is_refused_outside_of_it() {
    use Accepts::{Decay, Finite, Limit, NotNegative, Positive, Probability};
    let settings: Vec<Setting> = vec![
        ("learning_rate", |x| optim::sgd(x).boxed(), Finite),
        ("decay", |x| optim::sgd(0.1).momentum(x).boxed(), Finite),
        ("decay", |x| optim::trace(x).boxed(), Finite),
        ("decay", |x| optim::ema(x).boxed(), Decay),
        ("decay", |x| optim::ema(x).debias(false).boxed(), Probability),
        ("step_size", |x| optim::scale(x).boxed(), Finite),
        ("value", |x| optim::scale_by_schedule(x).boxed(), Finite),
        ("learning_rate", |x| optim::adam(x).boxed(), Finite),
        ("b1", |x| optim::adam(0.1).b1(x).boxed(), Decay),
        ("b2", |x| optim::adam(0.1).b2(x).boxed(), Decay),
        ("eps", |x| optim::adam(0.1).eps(x).boxed(), NotNegative),
        ("eps_root", |x| optim::adam(0.1).eps_root(x).boxed(), NotNegative),
        ("b1", |x| optim::adamw(0.1).b1(x).boxed(), Decay),
        ("weight_decay", |x| optim::adamw(0.1).weight_decay(x).boxed(), Finite),
        ("b1", |x| optim::nadam(0.1).b1(x).boxed(), Decay),
        ("b1", |x| optim::amsgrad(0.1).b1(x).boxed(), Decay),
        ("eps", |x| optim::amsgrad(0.1).eps(x).boxed(), NotNegative),
        ("b2", |x| optim::adabelief(0.1).b2(x).boxed(), Decay),
        ("eps_root", |x| optim::adabelief(0.1).eps_root(x).boxed(), NotNegative),
        ("b2", |x| optim::adamax(0.1).b2(x).boxed(), Decay),
        ("eps", |x| optim::adamax(0.1).eps(x).boxed(), NotNegative),
        ("weight_decay", |x| optim::adamaxw(0.1).weight_decay(x).boxed(), Finite),
        ("b1", |x| optim::radam(0.1).b1(x).boxed(), Decay),
        ("threshold", |x| optim::radam(0.1).threshold(x).boxed(), Finite),
        ("b1", |x| optim::yogi(0.1).b1(x).boxed(), Decay),
        (
            "initial_accumulator_value",
            |x| optim::scale_by_yogi().initial_accumulator_value(x).boxed(),
            NotNegative,
        ),
        (
            "initial_accumulator_value",
            |x| optim::adagrad(0.1).initial_accumulator_value(x).boxed(),
            NotNegative,
        ),
        ("eps", |x| optim::adagrad(0.1).eps(x).boxed(), NotNegative),
        ("rho", |x| optim::adadelta(0.1).rho(x).boxed(), Probability),
        ("eps", |x| optim::adadelta(0.1).eps(x).boxed(), NotNegative),
        ("weight_decay", |x| optim::adadelta(0.1).weight_decay(x).boxed(), Finite),
        ("decay", |x| optim::rmsprop(0.1).decay(x).boxed(), Decay),
        ("eps", |x| optim::rmsprop(0.1).eps(x).boxed(), NotNegative),
        ("initial_scale", |x| optim::rmsprop(0.1).initial_scale(x).boxed(), NotNegative),
        ("decay", |x| optim::rmsprop(0.1).momentum(x).boxed(), Finite),
        ("decay_rate", |x| optim::adafactor(0.1).decay_rate(x).boxed(), Positive),
        ("epsilon", |x| optim::adafactor(0.1).eps(x).boxed(), NotNegative),
        ("threshold", |x| optim::adafactor(0.1).clipping_threshold(Tensor::from(x)).boxed(), Limit),
        ("decay", |x| optim::adafactor(0.1).momentum(x).boxed(), Probability),
        ("weight_decay", |x| optim::adafactor(0.1).weight_decay_rate(x).boxed(), Finite),
        ("step_size", |x| optim::sm3(x).boxed(), Finite),
        ("b1", |x| optim::sm3(0.1).momentum(x).boxed(), Probability),
        ("b2", |x| optim::scale_by_sm3().b2(x).boxed(), Probability),
        ("eps", |x| optim::scale_by_sm3().eps(x).boxed(), NotNegative),
        ("b1", |x| optim::novograd(0.1).b1(x).boxed(), Probability),
        ("b2", |x| optim::novograd(0.1).b2(x).boxed(), Probability),
        ("eps", |x| optim::novograd(0.1).eps(x).boxed(), NotNegative),
        ("eps_root", |x| optim::novograd(0.1).eps_root(x).boxed(), NotNegative),
        ("weight_decay", |x| optim::novograd(0.1).weight_decay(x).boxed(), Finite),
        ("b1", |x| optim::lamb(0.1).b1(x).boxed(), Decay),
        ("trust_coefficient", |x| optim::lars(0.1).trust_coefficient(x).boxed(), Finite),
        ("eps", |x| optim::lars(0.1).eps(x).boxed(), NotNegative),
        ("decay", |x| optim::lars(0.1).momentum(x).boxed(), Finite),
        ("min_norm", |x| optim::scale_by_trust_ratio().min_norm(x).boxed(), NotNegative),
        ("b1", |x| optim::lion(0.1).b1(x).boxed(), Probability),
        ("b2", |x| optim::lion(0.1).b2(x).boxed(), Probability),
        ("learning_rate", |x| optim::sign_sgd(x).boxed(), Finite),
        ("max_delta", |x| optim::clip(x).boxed(), Limit),
        ("threshold", |x| optim::clip_by_block_rms(x).boxed(), Limit),
        ("max_norm", |x| optim::clip_by_global_norm(x).boxed(), Limit),
        ("clipping", |x| optim::adaptive_grad_clip(x).boxed(), Limit),
        ("eps", |x| optim::adaptive_grad_clip(0.1).eps(x).boxed(), NotNegative),
        ("min_scale", |x| optim::scale_by_param_block_norm(x).boxed(), NotNegative),
        ("min_scale", |x| optim::scale_by_param_block_rms(x).boxed(), NotNegative),
        ("weight_decay", |x| optim::add_decayed_weights(x).boxed(), Finite),
        (
            "step_size",
            |x| optim::inject_hyperparams([("s", x)], |values| optim::scale(&values["s"])).boxed(),
            Finite,
        ),
    ];
    let params = Tensor::from([[1.0f32, -2.0], [0.0, 0.5]]);
    for (name, make, domain) in settings {
        for x in TRIED {
            let tx = make(x);
            let result = tx.update(&params, &tx.init(&params), &params);
            if domain.accepts(x) {
                let (update, _) = result.unwrap_or_else(|error| panic!("{name} {x}: {error}"));
                assert!(!update.is_nan().any().item::<bool>().unwrap(), "{name} {x}: {update}");
            } else {
                let error = result.expect_err(&format!("{name} accepts {x}")).to_string();
                assert!(error.contains(&format!("`{name}`")), "{error}");
            }
        }
    }
}

#[test]
fn counts_that_make_no_sense_are_refused() {
    let params = Tensor::from([1.0f32]);
    for k in [0, -1, i32::MIN] {
        let tx = optim::multi_steps(optim::sgd(1.0), k);
        let error = tx.update(&params, &tx.init(&params), &params).unwrap_err().to_string();
        assert!(error.contains("`every_k`"), "{error}");
        assert!(optim::periodic_update(&params, &params, 3, k).is_err());
    }
    let tx = optim::apply_if_finite(optim::sgd(1.0), -1);
    assert!(tx.update(&params, &tx.init(&params), &params).is_err());
    for x in TRIED {
        let averaged = optim::incremental_update(&params, &params, x);
        assert_eq!(averaged.is_ok(), Accepts::Probability.accepts(x), "{x}");
    }
}

#[test]
fn every_setting_of_a_schedule_has_a_domain_and_is_refused_outside_of_it() {
    use Accepts::{Finite, NotNegative, Positive, Probability};
    use flaxen::optim::{Interpolation, Schedule};
    type Make = fn(f64) -> Schedule;
    let settings: Vec<(&str, Make, Accepts)> = vec![
        ("value", |x| optim::constant_schedule(x), Finite),
        ("init_value", |x| optim::polynomial_schedule(x, 0.0, 2.0, 4).into(), Finite),
        ("end_value", |x| optim::polynomial_schedule(1.0, x, 2.0, 4).into(), Finite),
        ("power", |x| optim::polynomial_schedule(1.0, 0.0, x, 4).into(), NotNegative),
        ("init_value", |x| optim::linear_schedule(x, 0.0, 4).into(), Finite),
        ("init_value", |x| optim::exponential_decay(x, 4, 0.5).into(), Finite),
        ("decay_rate", |x| optim::exponential_decay(1.0, 4, x).into(), NotNegative),
        ("end_value", |x| optim::exponential_decay(1.0, 4, 0.5).end_value(x).into(), Finite),
        ("init_value", |x| optim::cosine_decay_schedule(x, 4).into(), Finite),
        ("alpha", |x| optim::cosine_decay_schedule(1.0, 4).alpha(x).into(), Finite),
        ("exponent", |x| optim::cosine_decay_schedule(1.0, 4).exponent(x).into(), NotNegative),
        ("init_value", |x| optim::piecewise_constant_schedule(x, &[(2, 0.5)]), Finite),
        ("a scale", |x| optim::piecewise_constant_schedule(1.0, &[(2, x)]), NotNegative),
        (
            "a scale",
            |x| optim::piecewise_interpolate_schedule(Interpolation::Cosine, 1.0, &[(2, x)]),
            NotNegative,
        ),
        ("peak_value", |x| optim::cosine_onecycle_schedule(9, x).into(), Finite),
        ("pct_start", |x| optim::linear_onecycle_schedule(9, 1.0).pct_start(x).into(), Probability),
        ("pct_final", |x| optim::linear_onecycle_schedule(9, 1.0).pct_final(x).into(), Probability),
        ("div_factor", |x| optim::linear_onecycle_schedule(9, 1.0).div_factor(x).into(), Positive),
        (
            "final_div_factor",
            |x| optim::cosine_onecycle_schedule(9, 1.0).final_div_factor(x).into(),
            Positive,
        ),
        ("init_value", |x| optim::warmup_constant_schedule(x, 1.0, 4).into(), Finite),
        ("init_value", |x| optim::warmup_cosine_decay_schedule(x, 1.0, 2, 9).into(), Finite),
        ("init_value", |x| optim::warmup_cosine_decay_schedule(0.0, x, 2, 9).into(), Finite),
        ("end_value", |x| optim::warmup_cosine_decay_schedule(0.0, 1.0, 2, 9).end_value(x).into(), Finite),
        ("exponent", |x| optim::warmup_cosine_decay_schedule(0.0, 1.0, 2, 9).exponent(x).into(), NotNegative),
        ("init_value", |x| optim::warmup_exponential_decay_schedule(x, 1.0, 2, 4, 0.5).into(), Finite),
        ("decay_rate", |x| optim::warmup_exponential_decay_schedule(0.0, 1.0, 2, 4, x).into(), NotNegative),
    ];
    for (name, make, domain) in settings {
        for x in TRIED {
            for count in [0, 3, 100] {
                let result = make(x).at(count);
                if domain.accepts(x) {
                    let value = result.unwrap_or_else(|error| panic!("{name} {x}: {error}"));
                    assert!(value.is_finite().item::<bool>().unwrap(), "{name} {x} at {count}: {value}");
                } else {
                    result.expect_err(&format!("{name} accepts {x}"));
                }
            }
        }
    }
    // Numbers of steps: any are a schedule or an error, none panics or overflows.
    let extremes = [i32::MIN, -1, 0, 1, i32::MAX];
    for (steps, begin) in extremes.iter().flat_map(|&steps| extremes.map(|begin| (steps, begin))) {
        let schedules: Vec<Schedule> = vec![
            optim::polynomial_schedule(1.0, 0.0, 2.0, steps).transition_begin(begin).into(),
            optim::exponential_decay(1.0, steps, 0.5).transition_begin(begin).into(),
            optim::cosine_decay_schedule(1.0, steps).into(),
            optim::piecewise_constant_schedule(1.0, &[(steps, 0.5), (begin, 0.5)]),
            optim::piecewise_interpolate_schedule(Interpolation::Linear, 1.0, &[(steps, 0.5), (begin, 0.5)]),
            optim::linear_onecycle_schedule(steps, 1.0).into(),
            optim::warmup_constant_schedule(0.0, 1.0, steps).into(),
            optim::warmup_cosine_decay_schedule(0.0, 1.0, begin, steps).into(),
            optim::warmup_exponential_decay_schedule(0.0, 1.0, begin, steps, 0.5).into(),
            optim::sgdr_schedule(vec![optim::warmup_cosine_decay_schedule(0.0, 1.0, begin, steps); 2]),
        ];
        for (i, schedule) in schedules.iter().enumerate() {
            for count in [0, 1, i32::MAX] {
                let finite = schedule.at(count).map(|value| value.is_finite().item::<bool>().unwrap());
                assert!(finite.is_err() || finite == Ok(true), "{i}: steps {steps}, begin {begin}");
            }
        }
    }
    assert!(optim::join_schedules([Schedule::from(1.0)], &[3]).at(0).is_err());
    assert!(optim::sgdr_schedule([]).at(0).is_err());
}
