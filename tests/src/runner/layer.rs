//! Cases of the kind `layer`: one module, its initial values, output, updates and gradients.

use std::collections::BTreeMap;

use flaxen::core::Backend;
use flaxen::prelude::*;
use flaxen::tree::leaves;
use flaxen::{Value, random};
use serde_json::Value as Json;

use super::compare::{alike, near, same};
use super::containers::{arrays_of, tree_at, variables_at};
use super::models::{Arguments, Run};
use super::python::value::Py;
use super::subject::{Subject, definitions, is_computed, subject, value_of};
use super::{Stop, Verdict, recurrent};
use crate::backends;
use crate::golden::{Case, Tolerance};
use crate::loss::golden_loss;

/// Compares initial values: bit for bit, but for parameters that are computed, and what a model of its own source computes.
pub fn check_initial(case: &Case, variables: &BTreeMap<String, Tensor>) -> Result<(), Stop> {
    let expected = case.group("init");
    let rounding = Tolerance { relative: 1e-6, absolute: 1e-6 };
    if is_computed(case) && same("init", variables, &expected).is_err() {
        return near("init", variables, &expected, rounding);
    }
    if !case.settings()["source"].is_string() {
        return same("init", variables, &expected);
    }
    alike("init", variables, &expected)?;
    let parts = |of: &BTreeMap<String, Tensor>| -> (BTreeMap<_, _>, BTreeMap<_, _>) {
        of.clone().into_iter().partition(|(key, _)| key.starts_with("params/"))
    };
    let ((params, others), (expected_params, expected_others)) = (parts(variables), parts(&expected));
    same("init", &params, &expected_params)?;
    // A model may store what it computes of its input.
    near("init", &others, &expected_others, rounding)
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
    let (mut module, unknown) = subject(&settings["module"], &definitions(case)?)?;
    let method = |of: &str| settings[of]["method"].as_str().unwrap_or("__call__").to_owned();
    if let Subject::Library(library) = &module
        && let Some((step, cell)) = recurrent::one_step(library)
    {
        module = Subject::Library(step);
        if let Some(text) = case.expect()["initial_carry"].as_str() {
            check_initial_carry(case, &cell, text)?;
        }
    }
    let arguments = arguments(case)?;
    for of in ["init", "call"] {
        module.check(&method(of), &arguments)?;
    }
    let made = module.init(&method("init"), rngs(&settings["init"]["rngs"])?, &arguments)?.1;
    if unknown.is_empty() {
        check_initial(case, &arrays_of(&made))?;
    } else {
        alike("init", &arrays_of(&made), &case.group("init"))?;
    }

    let used = variables_at(case, case.expect()["used_group"].as_str().unwrap_or("init"))?;
    let run = Run {
        rngs: rngs(&settings["call"]["rngs"])?,
        mutable: mutable(&settings["call"]["mutable"])?,
        capture: settings["call"]["capture_intermediates"].as_bool().unwrap_or(false),
    };
    let called = Called { module, method: method("call"), run };
    for backend in backends::ways() {
        let apply = |used: Variables| called.apply(&used, &arguments);
        let (out, updates) = backends::run(backend, apply, used.clone())?;
        let (by, tolerance) = (backends::named(backend), backends::tolerance(case, backend));
        near(&format!("{by}out"), &arrays_of(&out), &whole(case, "out"), tolerance)?;
        near(&format!("{by}mut"), &arrays_of(&updates), &case.group("mut"), tolerance)?;
        if case.has("loss") {
            check_gradients(case, &called, &used, &arguments, backend)?;
        }
    }
    Ok(if unknown.is_empty() {
        String::new()
    } else {
        format!("initial values compared by shape only, as {}", unknown.join(" and "))
    })
}

/// A module, and how it is called.
struct Called {
    module: Subject,
    method: String,
    run: Run,
}

impl Called {
    fn apply(&self, variables: &Variables, arguments: &Arguments) -> Result<(Value, Variables)> {
        self.module.apply(&self.method, variables, &self.run, arguments)
    }
}

/// A layer with a cache, called step by step: `steps/<i>/in`, `steps/<i>/out` and `final_cache`.
fn run_steps(case: &Case) -> Verdict {
    let settings = case.settings();
    let input = settings["init"]["input"].as_str().and_then(ones);
    let input =
        input.ok_or_else(|| Stop::Unsupported("a case without `settings.call` or `init.input`".into()))?;
    let (module, unknown) = subject(&settings["module"], &definitions(case)?)?;
    if let Some(unknown) = unknown.first() {
        return Err(Stop::Unsupported(unknown.clone()));
    }
    let with = |x: Tensor| Arguments { positional: vec![Py::Tensor(x)], ..Arguments::default() };
    let rngs = rngs(&settings["init"]["rngs"])?;
    let mut variables = module.init("__call__", rngs, &with(input))?.1;
    check_initial(case, &arrays_of(&variables))?;

    let run = Run { rngs: Rngs::none(), mutable: Some("cache".into()), capture: false };
    let used = variables_at(case, "used")?;
    variables = variables.merge(&used);
    let mut step = 0;
    while case.has(&format!("steps/{step}/in")) {
        let arguments = with(case.array(&format!("steps/{step}/in")));
        let (out, updates) = module.apply("__call__", &variables, &run, &arguments)?;
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
    let value = |key: String| match tree_at(case, &key)? {
        Some(tree) => Ok(Py::of_tree(&tree)?),
        None => Err(Stop::Unsupported(format!("`{key}` is no array"))),
    };
    let names =
        |of: &str| call[of].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned);
    let positional =
        names("positional").map(|name| value(format!("in/{name}"))).collect::<Result<_, Stop>>()?;
    let arrays = names("array_kwargs").map(|name| Ok((name.clone(), value(format!("kw/{name}"))?)));
    let options = call["kwargs"].as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let defined = definitions(case)?;
    let options = options.map(|(name, value)| Ok((name.clone(), value_of(value, &defined)?)));
    Ok(Arguments { positional, named: arrays.chain(options).collect::<Result<_, Stop>>()? })
}

/// The first carry of a cell by the call that made it: `cell.initialize_carry(key(1), (2, 4))`.
fn check_initial_carry(case: &Case, cell: &recurrent::AnyCell, text: &str) -> Result<(), Stop> {
    let unreadable = || Stop::Unsupported(format!("the first carry `{text}`"));
    let call = text.strip_prefix("cell.initialize_carry(key(").and_then(|rest| rest.strip_suffix("))"));
    let (seed, shape) = call.and_then(|call| call.split_once("), (")).ok_or_else(unreadable)?;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape: Option<Vec<usize>> = sizes.map(|size| size.parse().ok()).collect();
    let (seed, shape) = seed.parse().ok().zip(shape).ok_or_else(unreadable)?;
    let carry = cell.initial_carry(&key(seed), &shape)?;
    near("initial_carry", &arrays_of(&carry), &whole(case, "initial_carry"), case.tolerance())?;
    let axes = cell.num_feature_axes();
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

/// Parameters, and inputs that are floats.
type Differentiated = (Option<Dict>, Vec<Tensor>);

/// The loss of the case, and its gradients with respect to parameters and floating-point inputs.
fn check_gradients(
    case: &Case,
    called: &Called,
    used: &Variables,
    arguments: &Arguments,
    backend: Option<&'static dyn Backend>,
) -> Result<(), Stop> {
    let names = case.settings()["call"]["positional"].as_array().into_iter().flatten();
    let names: Vec<&str> = names.filter_map(Json::as_str).collect();
    let is_float = |value: &Py| matches!(value, Py::Tensor(tensor) if tensor.dtype().is_float());
    let floats: Vec<usize> = (0..names.len()).filter(|&i| is_float(&arguments.positional[i])).collect();
    let inputs = floats.iter().map(|&i| arguments.positional[i].tensor()).collect::<Result<Vec<_>>>()?;
    let params = used.collection("params").cloned();
    let loss_of = |(params, inputs): &Differentiated| {
        let variables = params.as_ref().map_or_else(|| used.clone(), |params| used.with("params", params));
        let mut arguments = arguments.clone();
        floats.iter().zip(inputs).for_each(|(&i, input)| arguments.positional[i] = Py::Tensor(input.clone()));
        total_loss(&called.apply(&variables, &arguments)?.0)
    };
    let both = |x: Differentiated| value_and_grad(loss_of)(&x);
    let (loss, (params, inputs)) = backends::run(backend, both, (params, inputs))?;

    let (by, tolerance) = (backends::named(backend), backends::tolerance(case, backend));
    near(&format!("{by}loss"), &arrays_of(&loss), &whole(case, "loss"), tolerance)?;
    let params = params.map_or_else(BTreeMap::new, |params| arrays_of(&params));
    near(&format!("{by}grad_params"), &params, &case.group("grad_params"), tolerance)?;
    let inputs = floats.iter().map(|&i| names[i].to_owned()).zip(inputs).collect();
    near(&format!("{by}grad_in"), &inputs, &case.group("grad_in"), tolerance)
}

/// The loss over all outputs that are floats, in `F32` for halves.
pub fn total_loss(out: &Value) -> Result<Tensor> {
    let floats = leaves(out).into_iter().filter(|leaf| leaf.dtype().is_float());
    floats
        .map(|leaf| golden_loss(&leaf.try_cast(DType::F32)?))
        .try_fold(Tensor::from(0.0f32), |sum, loss| sum.try_add(loss?))
}
