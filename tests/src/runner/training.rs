//! Cases of the kind `training`: a model, an optimizer, and the losses of some steps.

use std::collections::{BTreeMap, BTreeSet};

use flaxen::Array;
use flaxen::export::Exported;
use flaxen::optim::{self, DynTransformation, GradientTransformation};
use flaxen::prelude::*;
use flaxen::random::Key;
use flaxen::tree::{self, Structure};
use serde_json::Value as Json;

use super::compare::near;
use super::containers::{arrays_of, tree_at, variables_at};
use super::layer::{check_initial, mutable, rngs, whole};
use super::models::{Arguments, Run};
use super::python::value::{Names, Py};
use super::subject::{Subject, definitions, subject, value_of};
use super::training_losses::{self, Batch, Loss};
use super::{Stop, Verdict, attributes, by_hand, optimizer};
use crate::backends;
use crate::golden::{Case, Tolerance, numbers_of};
use crate::jaxlib::jaxlib;

/// What is left of a gradient that is 0, as a part of the largest one.
const ROUNDING: f64 = 1e-6;

/// All that a step does not change.
struct Training {
    model: Subject,
    loss: Loss,
    tx: DynTransformation,
    batch: Batch,
    mutable: Option<Filter>,
    streams: Vec<(String, Key)>,
    /// The parameters that are not trained.
    kept: Vec<String>,
}

/// What a step changes: the parameters, all other variables, and the state of the optimizer.
type State = (Dict, Variables, Value);

/// What else comes out of a step: the loss, the output, the gradients, and all variables that were written.
type Seen = (Tensor, Value, Dict, Variables);

/// One step, with a key for each stream.
type Step<'a> = Box<dyn Fn(State, &[Key]) -> Result<(State, Seen)> + 'a>;

/// Runs a case of the kind `training`, as it is and under `jit`: by the source of its model, and by the same model written
/// for the library if there is one.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let settings = case.settings();
    let text = settings["module"].as_str().map(attributes);
    let described = text.unwrap_or_else(|| Some(settings["module"].clone()));
    let unreadable = || Stop::Unsupported(format!("the module `{}`", settings["module"]));
    let described = described.ok_or_else(unreadable)?;
    let names = definitions(case)?;
    let (of_source, unknown) = subject(&described, &names)?;
    if let Some(unknown) = unknown.first() {
        return Err(Stop::Unsupported(unknown.clone()));
    }
    let mut notes = run_model(case, of_source, &names)?;
    if let Some(model) = by_hand::model(&described)? {
        notes.extend(run_model(case, Subject::Library(model), &names)?);
    }
    Ok(if notes.is_empty() {
        String::new()
    } else {
        format!("the gradients of {notes:?} are rounding, so what became of these is not compared")
    })
}

/// Trains a model, and returns the parameters that are not compared.
fn run_model(case: &Case, model: Subject, names: &Names) -> Result<BTreeSet<String>, Stop> {
    let settings = case.settings();
    let mut training = training(case, model, names)?;
    let made = training.model.init("__call__", rngs(&settings["init_rngs"])?, &training.batch.arguments)?.1;
    check_initial(case, &arrays_of(&made))?;
    let steps = settings["steps"].as_u64().map(|steps| steps as usize);
    let steps = steps.ok_or_else(|| Stop::Unsupported("training without `steps`".to_owned()))?;

    let undetermined = undetermined(case);
    let mut left_out = BTreeSet::new();
    let dependent = dependent(case, &mut training, &undetermined, steps)?;
    let compiled = || jit(|(state, keys): (State, Vec<Key>)| training.step(&state, &keys));
    let eager: Step<'_> = Box::new(|state, keys| training.step(&state, keys));
    let staged = compiled();
    let staged: Step<'_> = Box::new(move |state, keys| staged.call((state, keys.to_vec())));
    let mut ways = vec![(String::new(), eager), ("under jit, ".to_owned(), staged)];
    for backend in backends::all() {
        let staged = compiled().on(backend);
        let staged: Step<'_> = Box::new(move |state, keys| staged.call((state, keys.to_vec())));
        ways.push((backends::named(Some(backend)), staged));
    }
    if let Some(jaxlib) = jaxlib() {
        let program = compiled();
        let exported = move |state: State, keys: &[Key]| {
            let args = (state, keys.to_vec());
            let exported = Exported::donating(&program, &args, |path| path.starts_with("0/"))?;
            let leaves: Vec<Array> =
                tree::leaves(&args).into_iter().map(|leaf| leaf.array().cloned()).collect::<Result<_>>()?;
            let results = jaxlib.run(exported.text(), &leaves)?;
            Structure::of(&program.call(args)?).try_build(results.into_iter().map(Tensor::from))
        };
        ways.push(("exported, ".to_owned(), Box::new(exported)));
    }
    for (way, step) in ways {
        let check = |key: &str, found: BTreeMap<String, Tensor>| {
            near(&format!("{way}{key}"), &found, &whole(case, key), case.tolerance())
        };
        let mut state = training.first(case)?;
        let mut losses = Vec::new();
        for t in 0..steps {
            let (next, (loss, out, grads, mutated)) = step(state, &training.keys(t))?;
            state = next;
            losses.push(loss.to_host()?);
            if t == 0 {
                check("step0/out", arrays_of(&out))?;
                check("step0/grads", arrays_of(&grads))?;
                check("step0/mutated", arrays_of(&mutated))?;
            }
        }
        check("losses", arrays_of(&Tensor::try_stack(&losses, 0)?))?;
        for (key, found, unclear) in [
            ("final/params", arrays_of(&state.0), &undetermined),
            ("final/state", arrays_of(&state.1), &dependent),
        ] {
            let mut found = found;
            for name in different(&found, &case.group(key), case.tolerance()) {
                if unclear.contains(&name) {
                    found.insert(name.clone(), case.array(&format!("{key}/{name}")));
                    left_out.insert(name);
                }
            }
            check(key, found)?;
        }
    }
    Ok(left_out)
}

/// The names whose arrays are not near each other.
fn different(
    found: &BTreeMap<String, Tensor>,
    expected: &BTreeMap<String, Tensor>,
    tolerance: Tolerance,
) -> Vec<String> {
    let one = |name: &String, array: &Tensor| BTreeMap::from([(name.clone(), array.clone())]);
    let is_near =
        |name: &String, a: &Tensor, b: &Tensor| near(name, &one(name, a), &one(name, b), tolerance).is_ok();
    let pairs = found.iter().filter_map(|(name, a)| Some((name, a, expected.get(name)?)));
    pairs.filter(|(name, a, b)| !is_near(name, a, b)).map(|(name, ..)| name.clone()).collect()
}

/// The variables that depend on parameters of which nothing is known, such as the mean of what a bias is added to: they
/// become others where these parameters are not trained.
fn dependent(
    case: &Case,
    training: &mut Training,
    undetermined: &[String],
    steps: usize,
) -> Result<Vec<String>, Stop> {
    let (first, keys) = (training.first(case)?, |training: &Training, t| training.keys(t));
    if undetermined.is_empty() || arrays_of(&first.1).is_empty() {
        return Ok(Vec::new());
    }
    let mut run = |kept: &[String]| -> Result<BTreeMap<String, Tensor>, Stop> {
        training.kept = kept.to_vec();
        let mut state = first.clone();
        for t in 0..steps {
            state = training.step(&state, &keys(training, t))?.0;
        }
        Ok(arrays_of(&state.1))
    };
    let (without, with) = (run(undetermined)?, run(&[])?);
    Ok(different(&without, &with, case.tolerance()))
}

/// The parameters whose gradients are the rounding of a zero, such as those of biases of keys in attention; optimizers that
/// divide by the size of a gradient make anything of them.
fn undetermined(case: &Case) -> Vec<String> {
    let largest = |array: &Tensor| numbers_of(array).into_iter().fold(0.0, |top: f64, x| top.max(x.abs()));
    let sizes: Vec<(String, f64)> =
        case.group("step0/grads").into_iter().map(|(key, grads)| (key, largest(&grads))).collect();
    let top = sizes.iter().fold(0.0, |top: f64, (_, size)| top.max(*size));
    let is_rounding = |size: f64| size > 0.0 && size <= ROUNDING * top;
    sizes.into_iter().filter(|(_, size)| is_rounding(*size)).map(|(key, _)| key).collect()
}

impl Training {
    /// What the first step begins with.
    fn first(&self, case: &Case) -> Result<State, Stop> {
        let (params, rest) = variables_at(case, "init")?.pop("params")?;
        Ok((params.clone(), rest, self.tx.init(&params)))
    }

    /// The keys of a step.
    fn keys(&self, step: usize) -> Vec<Key> {
        self.streams.iter().map(|(_, key)| key.fold_in(step as u32)).collect()
    }

    fn step(&self, (params, rest, opt_state): &State, keys: &[Key]) -> Result<(State, Seen)> {
        let streams = self.streams.iter().zip(keys);
        let rngs = streams.fold(Rngs::none(), |rngs, ((name, _), key)| rngs.with(name, key.clone()));
        let run = Run { rngs, mutable: self.mutable.clone(), capture: false };
        let loss = |params: &Dict| {
            let variables = rest.with("params", params);
            let (out, mutated) = self.model.apply("__call__", &variables, &run, &self.batch.arguments)?;
            Ok(((self.loss)(&out, &self.batch)?, (out, mutated)))
        };
        let ((loss, (out, mutated)), grads) = value_and_grad(loss)(params)?;
        let grads = tree::map_with_path(&grads, |path, leaf| {
            let is_kept = !self.kept.is_empty() && self.kept.contains(&path.join("/"));
            Ok(if is_kept { leaf.zeros_like() } else { leaf.clone() })
        })?;
        let (updates, opt_state) = self.tx.update(&grads, opt_state, params)?;
        let params = optim::apply_updates(params, &updates)?;
        // What is stored in passing, such as intermediates, is not handed to the next step.
        let kept = rest.collections().filter_map(|name| Some((name, mutated.collection(name)?.clone())));
        let rest = rest.merge(&kept.collect());
        Ok(((params, rest, opt_state), (loss, out, grads, mutated)))
    }
}

fn training(case: &Case, model: Subject, names: &Names) -> Result<Training, Stop> {
    let settings = case.settings();
    let positional = (0..).map_while(|i| tree_at(case, &format!("in/args/{i}")).transpose());
    let positional = positional.map(|tree| Ok(Py::of_tree(&tree?)?)).collect::<Result<_, Stop>>()?;
    let named =
        settings["call_kwargs"].as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let named = named.map(|(name, value)| Ok((name.clone(), value_of(value, names)?)));
    let arguments = Arguments { positional, named: named.collect::<Result<_, Stop>>()? };
    model.check("__call__", &arguments)?;
    let labels = case.has("in/labels").then(|| case.array("in/labels"));
    let streams = settings["apply_rngs"].as_object().into_iter().flatten();
    let stream = |(name, seed): (&String, &Json)| {
        let seed = seed.as_u64().ok_or_else(|| Stop::Unsupported(format!("the seed {seed}")))?;
        Ok((name.clone(), key(seed)))
    };
    let streams: Vec<(String, Key)> = streams.map(stream).collect::<Result<_, Stop>>()?;
    let batch = Batch { arguments, labels };
    let mutable = mutable(&settings["mutable"])?;
    let rngs = streams.iter().fold(Rngs::none(), |rngs, (name, key)| rngs.with(name, key.fold_in(0)));
    let run = Run { rngs, mutable: mutable.clone(), capture: false };
    let (out, _) = model.apply("__call__", &variables_at(case, "init")?, &run, &batch.arguments)?;
    Ok(Training {
        loss: training_losses::of_case(case, &out, &batch)?,
        tx: optimizer(settings["optimizer"].as_str().unwrap_or_default())?,
        model,
        batch,
        mutable,
        streams,
        kept: Vec::new(),
    })
}
