//! The schedules that manifests name, and the case of their values.

use std::collections::BTreeMap;

use flaxen::optim::{self, Interpolation, Schedule, WarmupCosineDecay};
use serde_json::Value as Json;

use super::call::{Call, Term, parse};
use super::compare::near;
use super::{Stop, Verdict};
use crate::golden::Case;

/// A number, or a schedule.
pub fn schedule(term: &Term) -> Result<Schedule, Stop> {
    match term {
        Term::Number(number) => Ok((*number).into()),
        Term::Call(call) => {
            let schedule = of_call(&call.name, call)?;
            call.finish()?;
            Ok(schedule)
        }
        other => Err(Stop::Unsupported(format!("{other:?} as a schedule"))),
    }
}

fn number(call: &Call, name: &str, position: usize, short: &[&str]) -> Result<f64, Stop> {
    optional(call, name, position, short)?
        .ok_or_else(|| Stop::Unsupported(format!("`{}` without `{name}`", call.name)))
}

fn optional(call: &Call, name: &str, position: usize, short: &[&str]) -> Result<Option<f64>, Stop> {
    match call.get(name, position, short) {
        None => Ok(None),
        Some(Term::Number(number)) => Ok(Some(*number)),
        Some(other) => Err(Stop::Unsupported(format!("`{name}` is {other:?}"))),
    }
}

fn steps(call: &Call, name: &str, position: usize, short: &[&str]) -> Result<i32, Stop> {
    Ok(number(call, name, position, short)? as i32)
}

/// Applies the arguments that are given.
macro_rules! with {
    ($schedule:expr, $call:expr; $($setter:ident: $type:ty = $name:literal $position:literal $short:expr;)*) => {{
        let mut schedule = $schedule;
        $(if let Some(value) = optional($call, $name, $position, &$short)? {
            schedule = schedule.$setter(value as $type);
        })*
        schedule
    }};
}

fn warmup_cosine(call: &Call) -> Result<WarmupCosineDecay, Stop> {
    let schedule = optim::warmup_cosine_decay_schedule(
        number(call, "init_value", 0, &["init"])?,
        number(call, "peak_value", 1, &["peak"])?,
        steps(call, "warmup_steps", 2, &["warmup"])?,
        steps(call, "decay_steps", 3, &["decay"])?,
    );
    Ok(with!(schedule, call; end_value: f64 = "end_value" 4 ["end"]; exponent: f64 = "exponent" 5 [];))
}

fn of_call(name: &str, call: &Call) -> Result<Schedule, Stop> {
    let first = |call: &Call| number(call, "init_value", 0, &["init", "value"]);
    Ok(match name.strip_suffix("_schedule").unwrap_or(name) {
        "constant" | "const" => optim::constant_schedule(first(call)?),
        "linear" => {
            let schedule = optim::linear_schedule(
                first(call)?,
                number(call, "end_value", 1, &["end"])?,
                steps(call, "transition_steps", 2, &["steps"])?,
            );
            with!(schedule, call; transition_begin: i32 = "transition_begin" 3 ["begin"];).into()
        }
        "polynomial" => {
            let schedule = optim::polynomial_schedule(
                first(call)?,
                number(call, "end_value", 1, &["end"])?,
                number(call, "power", 2, &[])?,
                steps(call, "transition_steps", 3, &["steps"])?,
            );
            with!(schedule, call; transition_begin: i32 = "transition_begin" 4 ["begin"];).into()
        }
        "exponential_decay" | "exponential" => {
            let schedule = optim::exponential_decay(
                first(call)?,
                steps(call, "transition_steps", 1, &["steps", "transition"])?,
                number(call, "decay_rate", 2, &["rate"])?,
            );
            let schedule = schedule.staircase(call.flag("staircase").unwrap_or(false));
            with!(schedule, call;
                transition_begin: i32 = "transition_begin" 3 ["begin"];
                end_value: f64 = "end_value" 5 ["end"];
            )
            .into()
        }
        "cosine_decay" | "cosine" => {
            let schedule =
                optim::cosine_decay_schedule(first(call)?, steps(call, "decay_steps", 1, &["steps"])?);
            with!(schedule, call; alpha: f64 = "alpha" 2 []; exponent: f64 = "exponent" 3 [];).into()
        }
        "warmup_constant" => optim::warmup_constant_schedule(
            first(call)?,
            number(call, "peak_value", 1, &["peak"])?,
            steps(call, "warmup_steps", 2, &["warmup"])?,
        )
        .into(),
        "warmup_cosine_decay" | "warmup_cosine" => warmup_cosine(call)?.into(),
        "warmup_exponential_decay" | "warmup_exponential" => {
            let schedule = optim::warmup_exponential_decay_schedule(
                first(call)?,
                number(call, "peak_value", 1, &["peak"])?,
                steps(call, "warmup_steps", 2, &["warmup"])?,
                steps(call, "transition_steps", 3, &["transition"])?,
                number(call, "decay_rate", 4, &["rate"])?,
            );
            let schedule = schedule.staircase(call.flag("staircase").unwrap_or(false));
            with!(schedule, call;
                transition_begin: i32 = "transition_begin" 5 ["begin"];
                end_value: f64 = "end_value" 7 ["end"];
            )
            .into()
        }
        "piecewise_constant" => optim::piecewise_constant_schedule(first(call)?, &pieces(call, 1)?),
        "piecewise_interpolate" => {
            let kind = match call.get("interpolate_type", 0, &[]) {
                Some(Term::Call(kind)) if kind.name == "linear" => Interpolation::Linear,
                Some(Term::Call(kind)) if kind.name == "cosine" => Interpolation::Cosine,
                other => return Err(Stop::Unsupported(format!("an interpolation {other:?}"))),
            };
            let first = number(call, "init_value", 1, &["init"])?;
            optim::piecewise_interpolate_schedule(kind, first, &pieces(call, 2)?)
        }
        "linear_onecycle" => {
            let (count, peak) = cycle(call)?;
            let schedule = optim::linear_onecycle_schedule(count, peak);
            with!(schedule, call;
                pct_start: f64 = "pct_start" 2 [];
                pct_final: f64 = "pct_final" 3 [];
                div_factor: f64 = "div_factor" 4 [];
                final_div_factor: f64 = "final_div_factor" 5 [];
            )
            .into()
        }
        "cosine_onecycle" | "onecycle" => {
            let (count, peak) = cycle(call)?;
            let schedule = optim::cosine_onecycle_schedule(count, peak);
            with!(schedule, call;
                pct_start: f64 = "pct_start" 2 [];
                div_factor: f64 = "div_factor" 3 [];
                final_div_factor: f64 = "final_div_factor" 4 [];
            )
            .into()
        }
        "join" | "join_schedules" => {
            let schedules =
                list(call, "schedules", 0)?.iter().map(schedule).collect::<Result<Vec<_>, Stop>>()?;
            let boundary = |term: &Term| match term {
                Term::Number(number) => Ok(*number as i32),
                other => Err(Stop::Unsupported(format!("a boundary {other:?}"))),
            };
            let boundaries =
                list(call, "boundaries", 1)?.iter().map(boundary).collect::<Result<Vec<_>, Stop>>()?;
            optim::join_schedules(schedules, &boundaries)
        }
        "sgdr" => {
            let cycle = |term: &Term| match term {
                Term::Call(call) => warmup_cosine(call),
                other => Err(Stop::Unsupported(format!("a cycle {other:?}"))),
            };
            let cycles = list(call, "cosine_kwargs", 0)?.iter().map(cycle);
            optim::sgdr_schedule(cycles.collect::<Result<Vec<_>, Stop>>()?)
        }
        _ => return Err(Stop::Unsupported(format!("the schedule `{name}`"))),
    })
}

fn cycle(call: &Call) -> Result<(i32, f64), Stop> {
    Ok((steps(call, "transition_steps", 0, &["steps"])?, number(call, "peak_value", 1, &["peak"])?))
}

fn list<'a>(call: &'a Call, name: &str, position: usize) -> Result<&'a [Term], Stop> {
    match call.get(name, position, &[]) {
        Some(Term::List(items)) => Ok(items),
        other => Err(Stop::Unsupported(format!("`{name}` is {other:?}"))),
    }
}

fn pieces(call: &Call, position: usize) -> Result<Vec<(i32, f64)>, Stop> {
    let piece = |pair: &(Term, Term)| match pair {
        (Term::Number(boundary), Term::Number(scale)) => Ok((*boundary as i32, *scale)),
        other => Err(Stop::Unsupported(format!("a piece {other:?}"))),
    };
    match call.get("boundaries_and_scales", position, &[]) {
        Some(Term::Map(pieces)) => pieces.iter().map(piece).collect(),
        other => Err(Stop::Unsupported(format!("pieces are {other:?}"))),
    }
}

/// The function that a case is called after: `cosine|alpha` and `cosine_alpha` are cases of `cosine`.
fn function(name: &str) -> &str {
    let mut function = name.split(['|', ' ', '/', ':']).next().unwrap_or(name);
    while !is_known(function) {
        match function.rsplit_once('_') {
            Some((shorter, _)) => function = shorter,
            None => return name,
        }
    }
    function
}

fn is_known(name: &str) -> bool {
    KNOWN.contains(&name.strip_suffix("_schedule").unwrap_or(name))
}

/// The functions, by all their names.
const KNOWN: [&str; 21] = [
    "constant",
    "const",
    "linear",
    "polynomial",
    "exponential_decay",
    "exponential",
    "cosine_decay",
    "cosine",
    "warmup_constant",
    "warmup_cosine_decay",
    "warmup_cosine",
    "warmup_exponential_decay",
    "warmup_exponential",
    "piecewise_constant",
    "piecewise_interpolate",
    "linear_onecycle",
    "cosine_onecycle",
    "onecycle",
    "join",
    "join_schedules",
    "sgdr",
];

/// Runs the case of schedules: `out/<name>` holds the values after 0, 1, 2 … updates.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    for (name, expected) in case.group("out") {
        let text = case.settings()[&name].as_str().map(str::to_owned);
        let text = text.ok_or_else(|| Stop::Unsupported(format!("`{name}` has no settings")))?;
        let schedule = match parse(&text)? {
            // Arguments alone are those of the function that the case is called after.
            Term::Call(call) if call.name.is_empty() => {
                let schedule = of_call(function(&name), &call)?;
                call.finish()?;
                schedule
            }
            term => schedule(&term)?,
        };
        let counts = 0..expected.size() as i32;
        let staged = flaxen::jit(|count: flaxen::Tensor| Ok(schedule.at(count)?.cast(flaxen::DType::F32)));
        let values = |at: &dyn Fn(i32) -> flaxen::Result<flaxen::Tensor>| -> Result<_, Stop> {
            let values = counts.clone().map(|i| Ok(at(i)?.cast(flaxen::DType::F32)));
            let values = values.collect::<flaxen::Result<Vec<_>>>()?;
            Ok(BTreeMap::from([(String::new(), flaxen::Tensor::stack(&values, 0))]))
        };
        let expected = BTreeMap::from([(String::new(), expected)]);
        near(&name, &values(&|i| schedule.at(i))?, &expected, case.tolerance())?;
        near(&name, &values(&|i| staged.call(i.into()))?, &expected, case.tolerance())?;
    }
    let written = case.settings().as_object().into_iter().flatten();
    let absent: Vec<&String> = written
        .filter(|(name, value): &(&String, &Json)| value.is_string() && !case.has(&format!("out/{name}")))
        .map(|(name, _)| name)
        .collect();
    Ok(if absent.is_empty() { String::new() } else { format!("the case has no values of {absent:?}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_case_begins_with_its_function() {
        for (name, expected) in [
            ("cosine|alpha=.1", "cosine"),
            ("cosine_alpha", "cosine"),
            ("exponential_staircase|begin 1", "exponential"),
            ("warmup_cosine_decay_schedule", "warmup_cosine_decay_schedule"),
            ("novel|more", "novel|more"),
        ] {
            assert_eq!(function(name), expected);
        }
    }
}
