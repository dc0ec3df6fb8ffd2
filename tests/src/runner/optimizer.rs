//! Cases of the kind `optimizer`: updates, parameters and states of several steps with given gradients.

use std::collections::BTreeMap;

use flaxen::optim::{self, DynTransformation, GradientTransformation, Schedule};
use flaxen::prelude::*;

use super::call::{Call, Term, parse};
use super::compare::near;
use super::containers::{arrays_of, tree_at};
use super::schedules::{self, schedule};
use super::{Stop, Verdict};
use crate::backends;
use crate::golden::Case;

/// One step: of the parameters, the state and the gradients, the updates and the new parameters and state.
type Step<'a> = dyn Fn(Dict, Value, Dict) -> Result<(Dict, Dict, Value)> + 'a;

/// Runs a case of the kind `optimizer`, as it is and under `jit`.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let Some(text) = case.settings()["optimizer"].as_str() else { return schedules::run(case) };
    let tx = optimizer(text)?;
    let at = |key: &str| -> Result<Dict, Stop> {
        let tree = tree_at(case, key)?.ok_or_else(|| Stop::Failed(format!("the case lacks `{key}`")))?;
        Ok(tree.to()?)
    };
    let compiled = || jit(|(params, state, grads): (Dict, Value, Dict)| step(&tx, &params, &state, &grads));
    let eager: Box<Step<'_>> = Box::new(|params, state, grads| step(&tx, &params, &state, &grads));
    let staged = compiled();
    let staged: Box<Step<'_>> = Box::new(move |params, state, grads| staged.call((params, state, grads)));
    let mut ways = vec![(None, String::new(), eager), (None, "under jit, ".to_owned(), staged)];
    for backend in backends::all() {
        let staged = compiled().on(backend);
        let staged: Box<Step<'_>> = Box::new(move |params, state, grads| staged.call((params, state, grads)));
        ways.push((Some(backend), backends::named(Some(backend)), staged));
    }
    for (backend, way, step) in ways {
        let tolerance = backends::tolerance(case, backend);
        let check = |key: &str, found: &dyn Fn() -> BTreeMap<String, Tensor>| {
            near(&format!("{way}{key}"), &found(), &case.group(key), tolerance)
        };
        let mut params = at("params0")?;
        let mut state = tx.init(&params);
        check("state0", &|| arrays_of(&state))?;
        let mut count = 0;
        while !case.group(&format!("steps/{count}")).is_empty() {
            let key = |of: &str| format!("steps/{count}/{of}");
            let updates;
            (updates, params, state) = step(params, state, at(&key("grads"))?)?;
            check(&key("updates"), &|| arrays_of(&updates))?;
            check(&key("params"), &|| arrays_of(&params))?;
            count += 1;
        }
        check("state_final", &|| arrays_of(&state))?;
    }
    Ok(String::new())
}

fn step(tx: &DynTransformation, params: &Dict, state: &Value, grads: &Dict) -> Result<(Dict, Dict, Value)> {
    let (updates, state) = tx.update(grads, state, params)?;
    let params = optim::apply_updates(params, &updates)?;
    Ok((updates, params, state))
}

/// The optimizer that a text describes.
///
/// # Errors
/// If it is none that is known.
pub fn optimizer(text: &str) -> Result<DynTransformation, Stop> {
    transformation(&parse(text)?)
}

fn transformation(term: &Term) -> Result<DynTransformation, Stop> {
    let Term::Call(call) = term else { return Err(Stop::Unsupported(format!("{term:?} as an optimizer"))) };
    let tx = of_call(call)?;
    call.finish()?;
    Ok(tx)
}

/// Other names of arguments.
fn short(name: &str) -> &'static [&'static str] {
    match name {
        "weight_decay" => &["wd"],
        "learning_rate" => &["lr"],
        "initial_accumulator_value" => &["init"],
        _ => &[],
    }
}

/// What an argument may be.
trait Argument: Sized {
    fn read(call: &Call, name: &str, position: usize) -> Result<Option<Self>, Stop>;
}

impl Argument for f64 {
    fn read(call: &Call, name: &str, position: usize) -> Result<Option<f64>, Stop> {
        match call.get(name, position, short(name)) {
            None => Ok(None),
            Some(Term::Number(number)) => Ok(Some(*number)),
            Some(other) => Err(Stop::Unsupported(format!("`{name}` is {other:?}"))),
        }
    }
}

impl Argument for Tensor {
    fn read(call: &Call, name: &str, position: usize) -> Result<Option<Tensor>, Stop> {
        Ok(f64::read(call, name, position)?.map(Tensor::from))
    }
}

impl Argument for usize {
    fn read(call: &Call, name: &str, position: usize) -> Result<Option<usize>, Stop> {
        Ok(f64::read(call, name, position)?.map(|n| n as usize))
    }
}

impl Argument for i32 {
    fn read(call: &Call, name: &str, position: usize) -> Result<Option<i32>, Stop> {
        Ok(f64::read(call, name, position)?.map(|n| n as i32))
    }
}

impl Argument for bool {
    fn read(call: &Call, name: &str, _place: usize) -> Result<Option<bool>, Stop> {
        Ok(call.flag(name))
    }
}

impl Argument for Schedule {
    fn read(call: &Call, name: &str, position: usize) -> Result<Option<Schedule>, Stop> {
        call.get(name, position, short(name)).map(schedule).transpose()
    }
}

/// A boolean by its position in the list is not written in texts.
const NAMED: usize = usize::MAX;

fn required<T: Argument>(call: &Call, name: &str) -> Result<T, Stop> {
    let missing = || Stop::Unsupported(format!("`{}` without `{name}`", call.name));
    T::read(call, name, 0)?.ok_or_else(missing)
}

/// A transformation with the arguments that are given; numbers are positions in the list of parameters.
macro_rules! with {
    ($tx:expr, $call:expr; $($setter:ident $position:literal: $type:ty),* $(,)?) => {{
        let mut tx = $tx;
        $(if let Some(value) = <$type>::read($call, stringify!($setter), $position)? {
            tx = tx.$setter(value);
        })*
        Ok(tx.boxed())
    }};
}

/// As [`with`], for arguments that are only ever given by name.
macro_rules! named {
    ($tx:expr, $call:expr; $($setter:ident: $type:ty),* $(,)?) => {{
        let mut tx = $tx;
        $(if let Some(value) = <$type>::read($call, stringify!($setter), NAMED)? {
            tx = tx.$setter(value);
        })*
        tx
    }};
}

fn of_call(call: &Call) -> Result<DynTransformation, Stop> {
    type T = f64;
    let rate = || required::<Schedule>(call, "learning_rate");
    let first = |name: &str| required::<f64>(call, name);
    match call.name.as_str() {
        "chain" => {
            Ok(call.positional().iter().map(transformation).collect::<Result<Vec<_>, Stop>>()?.boxed())
        }
        "identity" => Ok(optim::identity().boxed()),
        "sgd" => with!(optim::sgd(rate()?), call; momentum 1: T, nesterov 2: bool),
        "adam" => {
            with!(optim::adam(rate()?), call; b1 1: T, b2 2: T, eps 3: T, eps_root 4: T, nesterov 6: bool)
        }
        "nadam" => with!(optim::nadam(rate()?), call; b1 1: T, b2 2: T, eps 3: T, eps_root 4: T),
        "adamw" => with!(optim::adamw(rate()?), call;
            b1 1: T, b2 2: T, eps 3: T, eps_root 4: T, weight_decay 6: Schedule, nesterov 8: bool),
        "nadamw" => with!(optim::nadamw(rate()?), call;
            b1 1: T, b2 2: T, eps 3: T, eps_root 4: T, weight_decay 6: Schedule),
        "radam" => with!(optim::radam(rate()?), call;
            b1 1: T, b2 2: T, eps 3: T, eps_root 4: T, threshold 5: T, nesterov 6: bool),
        "adabelief" => with!(optim::adabelief(rate()?), call;
            b1 1: T, b2 2: T, eps 3: T, eps_root 4: T, nesterov 5: bool),
        "yogi" => with!(optim::yogi(rate()?), call; b1 1: T, b2 2: T, eps 3: T),
        "adamax" => with!(optim::adamax(rate()?), call; b1 1: T, b2 2: T, eps 3: T),
        "adamaxw" => {
            with!(optim::adamaxw(rate()?), call; b1 1: T, b2 2: T, eps 3: T, weight_decay 4: Schedule)
        }
        "amsgrad" => with!(optim::amsgrad(rate()?), call; b1 1: T, b2 2: T, eps 3: T, eps_root 4: T),
        "adagrad" => with!(optim::adagrad(rate()?), call; initial_accumulator_value 1: T, eps 2: T),
        "adadelta" => with!(optim::adadelta(rate()?), call; rho 1: T, eps 2: T, weight_decay 3: Schedule),
        "rmsprop" => {
            let tx = named!(optim::rmsprop(rate()?), call;
                eps_in_sqrt: bool, centered: bool, nesterov: bool, bias_correction: bool);
            with!(tx, call; decay 1: T, eps 2: T, initial_scale 3: T, momentum 6: T)
        }
        "lamb" => with!(optim::lamb(rate()?), call;
            b1 1: T, b2 2: T, eps 3: T, eps_root 4: T, weight_decay 5: Schedule),
        "lars" => with!(optim::lars(rate()?), call;
            weight_decay 1: Schedule, trust_coefficient 3: T, eps 4: T, momentum 6: T, nesterov 7: bool),
        "lion" => with!(optim::lion(rate()?), call; b1 1: T, b2 2: T, weight_decay 4: Schedule),
        "novograd" => with!(optim::novograd(rate()?), call;
            b1 1: T, b2 2: T, eps 3: T, eps_root 4: T, weight_decay 5: T),
        "sm3" => with!(optim::sm3(first("learning_rate")?), call; momentum 1: T),
        "sign_sgd" => Ok(optim::sign_sgd(rate()?).boxed()),
        "adafactor" => {
            let tx = match Schedule::read(call, "learning_rate", 0)? {
                Some(rate) => optim::adafactor(rate),
                None => optim::adafactor(1.0).without_learning_rate(),
            };
            let tx = named!(tx, call; multiply_by_parameter_scale: bool, factored: bool);
            with!(tx, call;
                min_dim_size_to_factor 1: usize, decay_rate 2: T, decay_offset 3: i32, clipping_threshold 5: Tensor,
                momentum 6: T, weight_decay_rate 8: Schedule, eps 9: T)
        }
        "trace" => with!(optim::trace(first("decay")?), call; nesterov 1: bool),
        "ema" => with!(optim::ema(first("decay")?), call; debias 1: bool),
        "clip" => Ok(optim::clip(first("max_delta")?).boxed()),
        "clip_by_global_norm" => Ok(optim::clip_by_global_norm(first("max_norm")?).boxed()),
        "clip_by_block_rms" => Ok(optim::clip_by_block_rms(first("threshold")?).boxed()),
        "adaptive_grad_clip" => with!(optim::adaptive_grad_clip(first("clipping")?), call; eps 1: T),
        "add_decayed_weights" => {
            Ok(optim::add_decayed_weights(required::<Schedule>(call, "weight_decay")?).boxed())
        }
        "centralize" => Ok(optim::centralize().boxed()),
        "scale" => Ok(optim::scale(first("step_size")?).boxed()),
        "scale_by_learning_rate" => Ok(optim::scale_by_learning_rate(rate()?).boxed()),
        "scale_by_schedule" => {
            Ok(optim::scale_by_schedule(required::<Schedule>(call, "step_size_fn")?).boxed())
        }
        "scale_by_sign" => Ok(optim::scale_by_sign().boxed()),
        "scale_by_adam" => with!(optim::scale_by_adam(), call;
            b1 0: T, b2 1: T, eps 2: T, eps_root 3: T, nesterov 5: bool),
        "scale_by_rms" => with!(optim::scale_by_rms(), call;
            decay 0: T, eps 1: T, initial_scale 2: T, eps_in_sqrt 3: bool, bias_correction 4: bool),
        "scale_by_stddev" => with!(optim::scale_by_stddev(), call;
            decay 0: T, eps 1: T, initial_scale 2: T, eps_in_sqrt 3: bool, bias_correction 4: bool),
        "scale_by_trust_ratio" => with!(optim::scale_by_trust_ratio(), call;
            min_norm 0: T, trust_coefficient 1: T, eps 2: T),
        "scale_by_param_block_norm" => Ok(optim::scale_by_param_block_norm(block_scale(call)?).boxed()),
        "scale_by_param_block_rms" => Ok(optim::scale_by_param_block_rms(block_scale(call)?).boxed()),
        "set_to_zero" => Ok(optim::set_to_zero().boxed()),
        "zero_nans" => Ok(optim::zero_nans().boxed()),
        "keep_params_nonnegative" => Ok(optim::keep_params_nonnegative().boxed()),
        "apply_if_finite" => {
            let errors = i32::read(call, "max_consecutive_errors", 1)?.unwrap_or(0);
            Ok(optim::apply_if_finite(inner(call, "inner")?, errors).boxed())
        }
        "MultiSteps" | "multi_steps" => {
            let every_k = i32::read(call, "every_k_schedule", 1)?.unwrap_or(1);
            let tx = optim::multi_steps(inner(call, "opt")?, every_k);
            Ok(tx.use_grad_mean(call.flag("use_grad_mean").unwrap_or(true)).boxed())
        }
        name => Err(Stop::Unsupported(format!("the optimizer `{name}`"))),
    }
}

fn block_scale(call: &Call) -> Result<f64, Stop> {
    Ok(f64::read(call, "min_scale", 0)?.unwrap_or(1e-3))
}

fn inner(call: &Call, name: &str) -> Result<DynTransformation, Stop> {
    let missing = || Stop::Unsupported(format!("`{}` without `{name}`", call.name));
    transformation(call.get(name, 0, &[]).ok_or_else(missing)?)
}
