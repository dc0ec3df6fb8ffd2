//! One run forwards, one backwards, one compiled.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::picture::{self, Picture};
use super::stats::{Stats, zero_units};
use super::{Exploration, ExploredModule, ExploredParameter};
use crate::core::{Profile, Tensor};
use crate::error::{Error, Result};
use crate::module::{Module, Observed, SummaryRow, intercept_methods};
use crate::scope::Rngs;
use crate::transform::{grad, jit};
use crate::tree::{self, Tree};
use crate::variables::{Dict, Value, Variables};

/// A call of a method.
struct Seen {
    path: String,
    method: &'static str,
    /// Whether another method of the same module called it.
    is_inner: bool,
    /// What it returned, if that is one tensor of floats with known values.
    output: Option<Tensor>,
}

/// What the backward run found: of parameters by path, and of what calls returned.
struct Gradients {
    params: Dict,
    outputs: Vec<Tensor>,
}

pub(super) fn gather<M: Module, T: Tree>(
    module: &M,
    rngs: &Rngs,
    variables: Option<Variables>,
    f: &impl Fn(&M) -> Result<T>,
    loss: &impl Fn(T) -> Result<Tensor>,
) -> Result<Exploration> {
    let variables = match variables {
        Some(variables) => variables,
        None => module.init(rngs.clone()).run(f)?,
    };
    let summary = module.tabulate(rngs.clone()).compute_flops().show_repeated().run(f)?;
    let seen = forward(module, rngs, &variables, f)?;
    let mut notes = Vec::new();
    let mut noted = |what: &str, error: &Error| notes.push(format!("{what}: {error}"));

    let gradients = backward(module, rngs, &variables, &seen, f, loss);
    let gradients = gradients.inspect_err(|error| noted("There are no gradients", error)).ok();
    let profile = profile(module, rngs, &variables, f);
    let profile = profile.inspect_err(|error| noted("There are no times", error)).ok();

    let mut outputs = Outputs { seen: &seen, gradients: gradients.as_ref(), taken: vec![false; seen.len()] };
    let explored = |row: &SummaryRow| -> Result<ExploredModule> {
        let path = row.path().join("/");
        let found = outputs.next(&path, row.method())?;
        Ok(ExploredModule {
            module: row.module().to_owned(),
            method: row.method().to_owned(),
            inputs: row
                .inputs()
                .iter()
                .map(|(name, input)| argument(name, input))
                .collect::<Vec<_>>()
                .join(", "),
            outputs: observed(row.output()),
            parameters: parameters(&path, row, &variables, gradients.as_ref())?,
            is_inner: found.is_inner,
            flops: row.flops(),
            time: profile.as_ref().map(|profile| time_in(profile, &path)),
            output: found.output,
            gradient: found.gradient,
            dead_units: found.dead_units,
            pictures: found.pictures,
            path,
        })
    };
    Ok(Exploration {
        model: module.type_name().to_owned(),
        modules: summary.rows().iter().map(explored).collect::<Result<_>>()?,
        total_time: profile.as_ref().map(|profile| profile.total),
        notes,
    })
}

fn forward<M: Module, T>(
    module: &M,
    rngs: &Rngs,
    variables: &Variables,
    f: &impl Fn(&M) -> Result<T>,
) -> Result<Vec<Seen>> {
    let seen: Rc<RefCell<Vec<Seen>>> = Rc::default();
    let (kept, open) = (Rc::clone(&seen), RefCell::new(Vec::<String>::new()));
    intercept_methods(
        move |call, next| {
            let path = call.module().path().join("/");
            let is_inner = open.borrow().contains(&path);
            // Its place is that of its beginning, as in the table.
            let place = kept.borrow().len();
            kept.borrow_mut().push(Seen {
                path: path.clone(),
                method: call.method(),
                is_inner,
                output: None,
            });
            open.borrow_mut().push(path);
            let out = next();
            open.borrow_mut().pop();
            let out = out?;
            // Inside of loops and other transforms there are no values yet.
            kept.borrow_mut()[place].output = float(&out).filter(|tensor| tensor.array().is_ok()).cloned();
            Ok(out)
        },
        || module.apply(variables).rngs(rngs.clone()).mutable(true).run(f),
    )?;
    Ok(seen.take())
}

/// The gradients of the loss with respect to zeros that are added to what calls return: those with respect to the values themselves.
fn backward<M: Module, T>(
    module: &M,
    rngs: &Rngs,
    variables: &Variables,
    seen: &[Seen],
    f: &impl Fn(&M) -> Result<T>,
    loss: &impl Fn(T) -> Result<Tensor>,
) -> Result<Gradients> {
    let params = variables.collection("params").cloned().unwrap_or_default();
    let zeros =
        seen.iter().map(|call| call.output.as_ref().map_or_else(|| Tensor::zeros([]), Tensor::zeros_like));
    let has_values: Vec<bool> = seen.iter().map(|call| call.output.is_some()).collect();
    let gradient = grad(|(params, deltas): &(Dict, Vec<Tensor>)| {
        let (deltas, has_values, next_place) = (deltas.clone(), has_values.clone(), Cell::new(0));
        let variables = variables.with("params", params);
        let (out, _) = intercept_methods(
            move |_, next| {
                let place = next_place.replace(next_place.get() + 1);
                let out = next()?;
                match (float(&out), deltas.get(place)) {
                    (Some(tensor), Some(delta)) if has_values[place] && tensor.shape() == delta.shape() => {
                        Ok(Observed::Tree(Value::Tensor(tensor.try_add(delta)?)))
                    }
                    _ => Ok(out),
                }
            },
            || module.apply(variables).rngs(rngs.clone()).mutable(true).run(f),
        )?;
        loss(out)
    });
    let (params, outputs) = gradient(&(params, zeros.collect()))?;
    Ok(Gradients { params, outputs })
}

fn profile<M: Module, T: Tree>(
    module: &M,
    rngs: &Rngs,
    variables: &Variables,
    f: &impl Fn(&M) -> Result<T>,
) -> Result<Profile> {
    let step = jit(|(variables, rngs): (Variables, Rngs)| {
        let (out, _) = module.apply(variables).rngs(rngs).mutable(true).run(f)?;
        Ok(out)
    });
    step.profile(&(variables.clone(), rngs.clone()))
}

fn time_in(profile: &Profile, path: &str) -> Duration {
    if path.is_empty() { profile.total } else { profile.time_in(path) }
}

/// A tensor of floats, if a call returned that and nothing else.
fn float(out: &Observed) -> Option<&Tensor> {
    match out {
        Observed::Tree(Value::Tensor(tensor)) if tensor.dtype().is_float() => Some(tensor),
        _ => None,
    }
}

/// What is to be said of what calls returned, each of which is in one row.
struct Outputs<'a> {
    seen: &'a [Seen],
    gradients: Option<&'a Gradients>,
    taken: Vec<bool>,
}

#[derive(Default)]
struct Found {
    is_inner: bool,
    output: Option<Stats>,
    gradient: Option<Stats>,
    dead_units: Option<(usize, usize)>,
    pictures: Vec<Picture>,
}

impl Outputs<'_> {
    fn next(&mut self, path: &str, method: &str) -> Result<Found> {
        let is_it = |(place, seen): &(usize, &Seen)| {
            !self.taken[*place] && seen.path == path && seen.method == method
        };
        let Some((place, seen)) = self.seen.iter().enumerate().find(is_it) else {
            return Ok(Found::default());
        };
        self.taken[place] = true;
        let is_inner = seen.is_inner;
        let Some(output) = &seen.output else { return Ok(Found { is_inner, ..Found::default() }) };
        let gradient = self.gradients.map(|gradients| &gradients.outputs[place]);
        Ok(Found {
            is_inner,
            output: Stats::of(output)?,
            gradient: gradient.map(Stats::of).transpose()?.flatten(),
            dead_units: gradient.map(zero_units).transpose()?.flatten(),
            pictures: picture::of_output(output)?,
        })
    }
}

fn parameters(
    path: &str,
    row: &SummaryRow,
    variables: &Variables,
    gradients: Option<&Gradients>,
) -> Result<Vec<ExploredParameter>> {
    let mut found = Vec::new();
    // A module that is called again has its variables in the row of its first call.
    for (collection, own) in row.variables() {
        for (name, leaf) in tree::leaves_with_path(own) {
            let name = name.join("/");
            let full = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            let value = variables.collection(collection).and_then(|dict| dict.tensor(&full).ok());
            let gradient =
                gradients.filter(|_| collection == "params").and_then(|g| g.params.tensor(&full).ok());
            found.push(ExploredParameter {
                collection: collection.to_owned(),
                name,
                shape: leaf.shape().to_vec(),
                dtype: leaf.dtype().to_string(),
                bytes: leaf.size() * leaf.dtype().size(),
                values: value.map(Stats::of).transpose()?.flatten(),
                gradient: gradient.map(Stats::of).transpose()?.flatten(),
            });
        }
    }
    Ok(found)
}

fn argument(name: &str, input: &Observed) -> String {
    match input {
        Observed::Text(text) => format!("{name}: {text}"),
        _ => observed(input),
    }
}

fn observed(observed: &Observed) -> String {
    match observed {
        Observed::Tree(value) => {
            let text = |leaf: &Tensor| {
                let shape: Vec<String> = leaf.shape().iter().map(ToString::to_string).collect();
                format!("{}[{}]", leaf.dtype(), shape.join(", "))
            };
            tree::leaves(value).into_iter().map(text).collect::<Vec<_>>().join(", ")
        }
        Observed::Text(text) => text.clone(),
        Observed::Opaque(name) => name.rsplit("::").next().unwrap_or(name).to_owned(),
    }
}
