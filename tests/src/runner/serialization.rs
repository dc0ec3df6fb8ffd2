//! Cases of the kind `serialization`: bytes of `flax.serialization`, and trees from state dicts.

use std::collections::BTreeMap;

use flaxen::io::msgpack::{self, State};
use flaxen::prelude::*;
use serde_json::{Value as Json, json};

use super::compare::{near, same};
use super::containers::{arrays_of, variables_at};
use super::optimizer::optimizer;
use super::{Stop, Verdict};
use crate::golden::Case;
use crate::scenarios::difference;

/// The optimizer of a training, unless `settings` have another one.
const OPTIMIZER: &str = "adam(0.1)";

/// Runs a case of the kind `serialization`.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let expect = case.expect().as_object().ok_or_else(|| Stop::Failed("there is no `expect`".to_owned()))?;
    for (what, expected) in expect {
        match what.as_str() {
            "bytes" => variables(case, &base64(expected)?)?,
            "scalar_bytes" => {
                written_back("scalar_bytes", &base64(expected)?)?;
            }
            "state_dict_keys" => train_state(case, expected)?,
            "list_state_dict" => {
                let found = shown(&State::of(&listed(expected)?)?);
                same_json("list_state_dict", &found, expected)?;
            }
            "scenarios" => {
                for scenario in expected.as_array().into_iter().flatten() {
                    if let Some(text) = difference(scenario, restored(&scenario["program"])?) {
                        return Err(Stop::Failed(format!("{}: {text}", scenario["id"])));
                    }
                }
            }
            // The first two are part of others, the last is prose.
            "bytes_len" | "step" | "msgpack_ext" => {}
            other => return Err(Stop::Unsupported(format!("`expect.{other}`"))),
        }
    }
    Ok(String::new())
}

/// Whether bytes are read and written as they were, also in the order of names.
fn written_back(what: &str, bytes: &[u8]) -> Result<State, Stop> {
    let state = State::from_bytes(bytes)?;
    if state.to_bytes()? != bytes {
        return Err(Stop::Failed(format!("{what} are other bytes when they are written back")));
    }
    Ok(state)
}

/// Bytes of variables, which are those of the case.
fn variables(case: &Case, bytes: &[u8]) -> Result<(), Stop> {
    let variables = variables_at(case, "variables")?;
    let expected = arrays_of(&variables);
    let flaxs = written_back("bytes", bytes)?;
    let length = case.expect()["bytes_len"].as_u64().unwrap_or(bytes.len() as u64);
    // Directly after `init` Flax has names in the order of their creation, ours are sorted.
    let ours = msgpack::to_bytes(&variables)?;
    if ours != flaxs.sorted().to_bytes()? || ours.len() as u64 != length {
        return Err(Stop::Failed("the variables have other bytes".to_owned()));
    }
    let zeros = flaxen::tree::map(&variables, |x| Ok(x.zeros_like()))?;
    same("from_bytes", &arrays_of(&msgpack::from_bytes(&zeros, bytes)?), &expected)?;
    same("dict", &arrays_of(&State::from_bytes(bytes)?.dict()?), &expected)?;
    if case.has("in/x") {
        // The input that the variables were made for: whatever came first has a row for each of its features.
        let x = case.array("in/x");
        let kernel =
            variables.dict("params")?.flatten("/").into_iter().find(|(name, _)| name.ends_with("kernel"));
        let rows =
            kernel.map(|(_, kernel)| Ok::<_, flaxen::Error>(kernel.tensor()?.shape()[0])).transpose()?;
        if rows != x.shape().last().copied() {
            return Err(Stop::Failed(format!(
                "a kernel of {rows:?} rows for an input of shape {:?}",
                x.shape()
            )));
        }
    }
    Ok(())
}

/// A training state after its steps: its names in a state dict, its values, and its way through bytes.
fn train_state(case: &Case, keys: &Json) -> Result<(), Stop> {
    let (params, _) = variables_at(case, "variables")?.pop("params")?;
    let grads: Dict = variables_at(case, "grads").map(Dict::from)?;
    let tx = optimizer(case.settings()["optimizer"].as_str().unwrap_or(OPTIMIZER))?;
    let start = TrainState::create(params, tx);
    let mut state = start.clone();
    let steps = case.expect()["step"].as_i64().unwrap_or(1);
    for _ in 0..steps {
        state = state.apply_gradients(&grads)?;
    }
    let mut names = Vec::new();
    leaves(&State::of(&state)?, "", &mut names);
    names.sort_unstable();
    same_json("state_dict_keys", &json!(names), keys)?;
    let expected = case.group("train_state_after");
    let check = |what: &str, state: &TrainState<_>| {
        same_json("step", &json!(state.step.item::<i32>()?), &json!(steps))?;
        let mut found: BTreeMap<String, Tensor> = arrays_of(state);
        if !expected.contains_key("step") {
            found.remove("step");
        }
        near(what, &found, &expected, case.tolerance())
    };
    check("train_state_after", &state)?;
    let restored = msgpack::from_bytes(&start, &msgpack::to_bytes(&state)?)?;
    check("restored", &restored)?;
    same("restored", &arrays_of(&restored), &arrays_of(&state))
}

/// The names of what is no dict.
fn leaves(state: &State, path: &str, names: &mut Vec<String>) {
    match state {
        State::Map(entries) => {
            for (name, state) in entries {
                let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                leaves(state, &path, names);
            }
        }
        _ => names.push(path.to_owned()),
    }
}

/// A tree whose state dict this should be: dicts of `"0"`, `"1"`, … are lists.
fn listed(json: &Json) -> Result<Value, Stop> {
    let Some(entries) = json.as_object() else { return value(json) };
    let is_list = entries.keys().enumerate().all(|(index, name)| *name == index.to_string());
    if is_list {
        return Ok(entries.values().map(listed).collect::<Result<Vec<_>, _>>()?.into());
    }
    let entry = |(name, json): (&String, &Json)| Ok((name.clone(), listed(json)?));
    Ok(entries.iter().map(entry).collect::<Result<BTreeMap<_, _>, Stop>>().map(Dict::from)?.into())
}

/// What a program says: `from_state_dict(target, state)`, or `to_state_dict(target)`.
fn restored(program: &Json) -> Result<Result<Json>, Stop> {
    let unknown = || Stop::Unsupported(format!("the program {program}"));
    let (name, arguments) =
        program.as_str().and_then(|text| text.strip_suffix(')')?.split_once('(')).ok_or_else(unknown)?;
    // Literals of Python as those of JSON; tuples are lists there.
    let mut text = format!("[{arguments}]").replace('\'', "\"").replace('(', "[").replace(')', "]");
    for (python, json) in [("True", "true"), ("False", "false"), ("None", "null"), (",]", "]"), (",}", "}")] {
        text = text.replace(python, json);
    }
    let arguments: Vec<Json> = serde_json::from_str(&text).map_err(|_| unknown())?;
    match (name.trim(), &arguments[..]) {
        ("from_state_dict", [target, state]) => {
            let (target, state) = (value(target)?, State::of(&value(state)?)?);
            Ok(state.restore(&target).map(|value| plain(&value)))
        }
        ("to_state_dict", [target]) => Ok(State::of(&value(target)?).map(|state| shown(&state))),
        _ => Err(unknown()),
    }
}

/// A literal as a value: numbers and texts are data without tensors.
fn value(json: &Json) -> Result<Value, Stop> {
    Ok(match json {
        Json::Null => Value::of(&None::<Tensor>),
        Json::Bool(value) => Value::of(&Static(*value)),
        Json::String(text) => Value::of(&Static(text.clone())),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => Value::of(&Static(int)),
            (_, Some(float)) => Value::of(&Static(float)),
            _ => return Err(Stop::Unsupported(format!("the number {number}"))),
        },
        Json::Array(items) => items.iter().map(value).collect::<Result<Vec<_>, _>>()?.into(),
        Json::Object(entries) => {
            let entry = |(name, json): (&String, &Json)| Ok((name.clone(), value(json)?));
            entries.iter().map(entry).collect::<Result<BTreeMap<_, _>, Stop>>().map(Dict::from)?.into()
        }
    })
}

/// A value of literals as JSON.
fn plain(value: &Value) -> Json {
    match value {
        Value::Dict(dict) => dict.iter().map(|(name, value)| (name.to_owned(), plain(value))).collect(),
        Value::Tuple(values) => values.iter().map(plain).collect(),
        other => State::of(other).map_or(Json::Null, |state| shown(&state)),
    }
}

/// A state as JSON.
fn shown(state: &State) -> Json {
    match state {
        State::Bool(value) => json!(value),
        State::Int(value) => json!(value),
        State::UInt(value) => json!(value),
        State::Float(value) => json!(value),
        State::Text(text) => json!(text),
        State::List(states) => states.iter().map(shown).collect(),
        State::Map(entries) => entries.iter().map(|(name, state)| (name.clone(), shown(state))).collect(),
        _ => Json::Null,
    }
}

fn same_json(what: &str, found: &Json, expected: &Json) -> Result<(), Stop> {
    if found == expected {
        return Ok(());
    }
    Err(Stop::Failed(format!("`{what}` is {found}, expected {expected}")))
}

/// Bytes from a text in base 64 (RFC 4648).
fn base64(text: &Json) -> Result<Vec<u8>, Stop> {
    let malformed = || Stop::Failed("bytes are not in base 64".to_owned());
    let text = text.as_str().ok_or_else(malformed)?.trim_end_matches('=');
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for letter in text.bytes() {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(malformed()),
        };
        (bits, count) = (bits << 6 | u32::from(digit), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Ok(bytes)
}
