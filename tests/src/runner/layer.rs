//! Cases of the kind `layer`: one module, its initial values, output, updates and gradients.

use std::collections::BTreeMap;

use flaxen::prelude::*;
use flaxen::tree::leaves;
use flaxen::{Value, random};
use serde_json::Value as Json;

use super::arguments::Spec;
use super::compare::{alike, near, same};
use super::containers::{arrays_of, variables_at};
use super::models::{Arguments, Model, Run};
use super::modules::model;
use super::{Stop, Verdict, recurrent};
use crate::golden::{Case, Tolerance};
use crate::loss::golden_loss;

/// Classes whose initial values are results of products, and not only drawn.
const COMPUTED: [&str; 4] = ["SN", "SpectralNorm", "WN", "WeightNorm"];

/// Compares initial values: of most classes bit for bit.
pub fn check_initial(
    class: &str,
    variables: &BTreeMap<String, Tensor>,
    expected: &BTreeMap<String, Tensor>,
) -> Result<(), Stop> {
    if COMPUTED.contains(&class) || recurrent::CLASSES.contains(&class) {
        let rounding = Tolerance { relative: 1e-6, absolute: 1e-6 };
        near("init", variables, expected, rounding)
    } else {
        same("init", variables, expected)
    }
}

/// Runs a case of the kind `layer`.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let settings = case.settings();
    if !settings["call"].is_object() {
        return run_steps(case);
    }
    let spec = Spec::read(&settings["module"])?;
    let method = |of: &str| settings[of]["method"].as_str().unwrap_or("__call__").to_owned();
    let initial = model(case, &spec, &method("init"))?;
    let called = model(case, &spec, &method("call"))?;
    let unknown = spec.finish()?;
    let arguments = arguments(case)?;
    initial.check(&arguments)?;
    called.check(&arguments)?;

    let expected = case.group("init");
    let variables = arrays_of(&initial.init(rngs(&settings["init"]["rngs"])?, &arguments)?.1);
    if unknown.is_empty() {
        check_initial(spec.class, &variables, &expected)?;
    } else {
        alike("init", &variables, &expected)?;
    }
    if let Some(text) = case.expect()["initial_carry"].as_str() {
        check_initial_carry(case, &*called, text)?;
    }

    let used = variables_at(case, case.expect()["used_group"].as_str().unwrap_or("init"))?;
    let run = Run {
        rngs: rngs(&settings["call"]["rngs"])?,
        mutable: mutable(&settings["call"]["mutable"])?,
        capture: settings["call"]["capture_intermediates"].as_bool().unwrap_or(false),
    };
    let (out, updates) = called.apply(&used, &run, &arguments)?;
    near("out", &arrays_of(&out), &whole(case, "out"), case.tolerance())?;
    near("mut", &arrays_of(&updates), &case.group("mut"), case.tolerance())?;
    if case.has("loss") {
        check_gradients(case, &*called, &used, &run, &arguments)?;
    }
    Ok(if unknown.is_empty() {
        String::new()
    } else {
        format!("initial values compared by shape only, as {}", unknown.join(" and "))
    })
}

/// A layer with a cache, called step by step: `steps/<i>/in`, `steps/<i>/out` and `final_cache`.
fn run_steps(case: &Case) -> Verdict {
    let settings = case.settings();
    let input = settings["init"]["input"].as_str().and_then(ones);
    let input =
        input.ok_or_else(|| Stop::Unsupported("a case without `settings.call` or `init.input`".into()))?;
    let spec = Spec::read(&settings["module"])?;
    let model = model(case, &spec, "__call__")?;
    if let Some(unknown) = spec.finish()?.first() {
        return Err(Stop::Unsupported(unknown.clone()));
    }
    let with = |x: Tensor| Arguments { positional: vec![x], ..Arguments::default() };
    let (_, mut variables) = model.init(rngs(&settings["init"]["rngs"])?, &with(input))?;
    same("init", &arrays_of(&variables), &case.group("init"))?;

    let run = Run { rngs: Rngs::none(), mutable: Some("cache".into()), capture: false };
    let used = variables_at(case, "used")?;
    variables = variables.merge(&used);
    let mut step = 0;
    while case.has(&format!("steps/{step}/in")) {
        let arguments = with(case.array(&format!("steps/{step}/in")));
        let (out, updates) = model.apply(&variables, &run, &arguments)?;
        let what = format!("steps/{step}/out");
        near(&what, &arrays_of(&out), &whole(case, &what), case.tolerance())?;
        variables = variables.merge(&updates);
        step += 1;
    }
    let cache = variables.collection("cache").map_or_else(BTreeMap::new, arrays_of);
    near("final_cache", &cache, &case.group("final_cache"), case.tolerance())?;
    Ok(String::new())
}

/// `ones(2,5,4)`.
fn ones(text: &str) -> Option<Tensor> {
    let sizes = text.strip_prefix("ones(")?.strip_suffix(')')?.split(',');
    let shape: Option<Vec<usize>> = sizes.map(|size| size.trim().parse().ok()).collect();
    Some(Tensor::ones(shape?))
}

/// The array of a key, or those below it.
pub fn whole(case: &Case, key: &str) -> BTreeMap<String, Tensor> {
    if case.has(key) { BTreeMap::from([(String::new(), case.array(key))]) } else { case.group(key) }
}

fn arguments(case: &Case) -> Result<Arguments, Stop> {
    let call = &case.settings()["call"];
    let array = |key: String| {
        if case.has(&key) {
            Ok(case.array(&key))
        } else {
            Err(Stop::Unsupported(format!("`{key}` is no array")))
        }
    };
    let names =
        |of: &str| call[of].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned);
    let positional = names("positional").map(|name| array(format!("in/{name}"))).collect::<Result<_, _>>()?;
    let leaves = |name: String| {
        let below = case.group(&format!("kw/{name}")).into_keys().map(|key| format!("{name}/{key}"));
        let below: Vec<String> = below.collect();
        if below.is_empty() { vec![name] } else { below }
    };
    let arrays =
        names("array_kwargs").flat_map(leaves).map(|name| Ok((name.clone(), array(format!("kw/{name}"))?)));
    let options = call["kwargs"].as_object().cloned().unwrap_or_default();
    Ok(Arguments { positional, arrays: arrays.collect::<Result<_, Stop>>()?, options })
}

/// The first carry of a cell by the call that made it: `cell.initialize_carry(key(1), (2, 4))`.
fn check_initial_carry(case: &Case, model: &dyn Model, text: &str) -> Result<(), Stop> {
    let unreadable = || Stop::Unsupported(format!("the first carry `{text}`"));
    let call = text.strip_prefix("cell.initialize_carry(key(").and_then(|rest| rest.strip_suffix("))"));
    let (seed, shape) = call.and_then(|call| call.split_once("), (")).ok_or_else(unreadable)?;
    let shape: Option<Vec<usize>> = shape.split(',').map(|size| size.trim().parse().ok()).collect();
    let (seed, shape) = seed.parse().ok().zip(shape).ok_or_else(unreadable)?;
    let (carry, axes) = model.initial_carry(&key(seed), &shape).ok_or_else(unreadable)?;
    near("initial_carry", &arrays_of(&carry?), &whole(case, "initial_carry"), case.tolerance())?;
    match case.expect()["num_feature_axes"].as_u64() {
        Some(expected) if expected != axes as u64 => {
            Err(Stop::Failed(format!("num_feature_axes is {axes}, expected {expected}")))
        }
        _ => Ok(()),
    }
}

/// One seed for `params`, or a seed for each stream.
pub fn rngs(json: &Json) -> Result<Rngs, Stop> {
    let key = |seed: &Json| {
        let seed = seed.as_u64().ok_or_else(|| Stop::Unsupported(format!("the seed {seed}")))?;
        Ok::<_, Stop>(random::key(seed))
    };
    match json {
        Json::Null => Ok(Rngs::none()),
        Json::Object(streams) => {
            streams.iter().try_fold(Rngs::none(), |rngs, (name, seed)| Ok(rngs.with(name, key(seed)?)))
        }
        seed => Ok(Rngs::new(key(seed)?)),
    }
}

/// What may be written, as Flax takes it.
pub fn mutable(json: &Json) -> Result<Option<Filter>, Stop> {
    match json {
        Json::Null | Json::Bool(false) => Ok(None),
        Json::Bool(true) => Ok(Some(Filter::all())),
        Json::String(name) => Ok(Some(name.clone().into())),
        Json::Array(names) => Ok(Some(names.iter().filter_map(Json::as_str).collect::<Vec<_>>().into())),
        other => Err(Stop::Unsupported(format!("mutable={other}"))),
    }
}

/// The loss of the case, and its gradients with respect to parameters and floating-point inputs.
fn check_gradients(
    case: &Case,
    model: &dyn Model,
    used: &Variables,
    run: &Run,
    arguments: &Arguments,
) -> Result<(), Stop> {
    let names: Vec<&str> = case.settings()["call"]["positional"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let floats: Vec<usize> =
        (0..names.len()).filter(|&i| arguments.positional[i].dtype().is_float()).collect();
    let inputs: Vec<Tensor> = floats.iter().map(|&i| arguments.positional[i].clone()).collect();
    let params = used.collection("params").cloned();
    let loss_of = |(params, inputs): &(Option<Dict>, Vec<Tensor>)| {
        let variables = params.as_ref().map_or_else(|| used.clone(), |params| used.with("params", params));
        let mut arguments = arguments.clone();
        floats.iter().zip(inputs).for_each(|(&i, input)| arguments.positional[i] = input.clone());
        total_loss(&model.apply(&variables, run, &arguments)?.0)
    };
    let (loss, (params, inputs)) = value_and_grad(loss_of)(&(params, inputs))?;

    near("loss", &arrays_of(&loss), &whole(case, "loss"), case.tolerance())?;
    let params = params.map_or_else(BTreeMap::new, |params| arrays_of(&params));
    near("grad_params", &params, &case.group("grad_params"), case.tolerance())?;
    let inputs = floats.iter().map(|&i| names[i].to_owned()).zip(inputs).collect();
    near("grad_in", &inputs, &case.group("grad_in"), case.tolerance())
}

/// The loss over all outputs that are floats, in `F32` for halves.
pub fn total_loss(out: &Value) -> Result<Tensor> {
    let floats = leaves(out).into_iter().filter(|leaf| leaf.dtype().is_float());
    floats
        .map(|leaf| golden_loss(&leaf.try_cast(DType::F32)?))
        .try_fold(Tensor::from(0.0f32), |sum, loss| sum.try_add(loss?))
}
