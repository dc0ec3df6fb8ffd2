//! Cases of the kind `training`: a model, an optimizer, and the losses of some steps.

use std::collections::{BTreeMap, BTreeSet};

use flaxen::optim::{self, DynTransformation, GradientTransformation};
use flaxen::prelude::*;
use flaxen::random::Key;
use serde_json::Value as Json;

use super::arguments::Spec;
use super::compare::near;
use super::containers::{arrays_of, variables_at};
use super::layer::{check_initial, mutable, rngs, whole};
use super::models::{Arguments, Model, Run};
use super::modules::{boxed, method, tensor};
use super::{Stop, Verdict, attributes, optimizer};
use crate::golden::{Case, numbers_of};
use crate::seeds::lstm_classifier::LstmClassifier;
use crate::seeds::resnet::TinyResNet;
use crate::seeds::transformer_lm::TinyLm;
use crate::seeds::vae::Vae;

/// What is left of a gradient that is 0, as a part of the largest one.
const ROUNDING: f64 = 1e-6;

/// The loss of an output.
type Loss = fn(&Value, &Batch) -> Result<Tensor>;

/// What every step trains on.
struct Batch {
    arguments: Arguments,
    labels: Option<Tensor>,
}

/// All that a step does not change.
struct Training {
    class: String,
    model: Box<dyn Model>,
    loss: Loss,
    tx: DynTransformation,
    batch: Batch,
    mutable: Option<Filter>,
    streams: Vec<(String, Key)>,
}

/// What a step changes: the parameters, all other variables, and the state of the optimizer.
type State = (Dict, Variables, Value);

/// What else comes out of a step: the loss, the output, the gradients, and all variables that were written.
type Seen = (Tensor, Value, Dict, Variables);

/// One step, with a key for each stream.
type Step<'a> = &'a dyn Fn(&State, &[Key]) -> Result<(State, Seen)>;

/// Runs a case of the kind `training`, as it is and under `jit`.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let settings = case.settings();
    let training = training(case)?;
    let (_, initial) = training.model.init(rngs(&settings["init_rngs"])?, &training.batch.arguments)?;
    check_initial(&training.class, &arrays_of(&initial), &case.group("init"))?;
    let steps = settings["steps"].as_u64().map(|steps| steps as usize);
    let steps = steps.ok_or_else(|| Stop::Unsupported("training without `steps`".to_owned()))?;

    let undetermined = undetermined(case);
    let mut left_out = BTreeSet::new();
    let staged = jit(|(state, keys): (State, Vec<Key>)| training.step(&state, &keys));
    let eager = |state: &State, keys: &[Key]| training.step(state, keys);
    let staged = |state: &State, keys: &[Key]| staged.call((state.clone(), keys.to_vec()));
    let ways: [(&str, Step<'_>); 2] = [("", &eager), ("under jit, ", &staged)];
    for (way, step) in ways {
        let check = |key: &str, found: BTreeMap<String, Tensor>| {
            near(&format!("{way}{key}"), &found, &whole(case, key), case.tolerance())
        };
        let (params, rest) = variables_at(case, "init")?.pop("params")?;
        let mut state = (params.clone(), rest, training.tx.init(&params));
        let mut losses = Vec::new();
        for t in 0..steps {
            let keys: Vec<Key> = training.streams.iter().map(|(_, key)| key.fold_in(t as u32)).collect();
            let (next, (loss, out, grads, mutated)) = step(&state, &keys)?;
            state = next;
            losses.push(loss);
            if t == 0 {
                check("step0/out", arrays_of(&out))?;
                check("step0/grads", arrays_of(&grads))?;
                check("step0/mutated", arrays_of(&mutated))?;
            }
        }
        check("losses", arrays_of(&Tensor::try_stack(&losses, 0)?))?;
        let mut params = arrays_of(&state.0);
        let expected = case.group("final/params");
        for key in &undetermined {
            let one = |of: &BTreeMap<String, Tensor>| -> BTreeMap<String, Tensor> {
                of.get(key).map(|array| (key.clone(), array.clone())).into_iter().collect()
            };
            if near(key, &one(&params), &one(&expected), case.tolerance()).is_err() {
                params.extend(one(&expected));
                left_out.insert(key.clone());
            }
        }
        check("final/params", params)?;
        check("final/state", arrays_of(&state.1))?;
    }
    Ok(if left_out.is_empty() {
        String::new()
    } else {
        format!("the gradients of {left_out:?} are rounding, so what became of these is not compared")
    })
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
    fn step(&self, (params, rest, opt_state): &State, keys: &[Key]) -> Result<(State, Seen)> {
        let streams = self.streams.iter().zip(keys);
        let rngs = streams.fold(Rngs::none(), |rngs, ((name, _), key)| rngs.with(name, key.clone()));
        let run = Run { rngs, mutable: self.mutable.clone(), capture: false };
        let loss = |params: &Dict| {
            let variables = rest.with("params", params);
            let (out, mutated) = self.model.apply(&variables, &run, &self.batch.arguments)?;
            Ok(((self.loss)(&out, &self.batch)?, (out, mutated)))
        };
        let ((loss, (out, mutated)), grads) = value_and_grad(loss)(params)?;
        let (updates, opt_state) = self.tx.update(&grads, opt_state, params)?;
        let params = optim::try_apply_updates(params, &updates)?;
        // What is stored in passing, such as intermediates, is not handed to the next step.
        let kept = rest.collections().filter_map(|name| Some((name, mutated.collection(name)?.clone())));
        let rest = rest.merge(&kept.collect());
        Ok(((params, rest, opt_state), (loss, out, grads, mutated)))
    }
}

fn training(case: &Case) -> Result<Training, Stop> {
    let settings = case.settings();
    let text = |name: &str| settings[name].as_str().unwrap_or_default();
    let unreadable = || Stop::Unsupported(format!("the module `{}`", text("module")));
    let module = attributes(text("module")).ok_or_else(unreadable)?;
    let spec = Spec::read(&module)?;
    let (model, loss) = model(&spec)?;
    if let Some(unknown) = spec.finish()?.first() {
        return Err(Stop::Unsupported(unknown.clone()));
    }
    let arguments = Arguments {
        positional: case.group("in/args").into_values().collect(),
        arrays: BTreeMap::new(),
        options: settings["call_kwargs"].as_object().cloned().unwrap_or_default(),
    };
    model.check(&arguments)?;
    let labels = case.has("in/labels").then(|| case.array("in/labels"));
    let streams = settings["apply_rngs"].as_object().into_iter().flatten();
    let stream = |(name, seed): (&String, &Json)| {
        let seed = seed.as_u64().ok_or_else(|| Stop::Unsupported(format!("the seed {seed}")))?;
        Ok((name.clone(), key(seed)))
    };
    Ok(Training {
        class: spec.class.to_owned(),
        model,
        loss,
        tx: optimizer(text("optimizer"))?,
        batch: Batch { arguments, labels },
        mutable: mutable(&settings["mutable"])?,
        streams: streams.map(stream).collect::<Result<_, Stop>>()?,
    })
}

/// The model of a class, and the loss it is trained by.
fn model(spec: &Spec<'_>) -> Result<(Box<dyn Model>, Loss), Stop> {
    let trains = |arguments: &Arguments| !arguments.flag("deterministic").unwrap_or(false);
    Ok(match spec.class {
        "TinyResNet" => {
            let model = TinyResNet::new(
                spec.required("num_classes")?,
                spec.required("stages")?,
                spec.required("width")?,
            );
            let call = |model: &TinyResNet, arguments: &Arguments| {
                tensor(model.call(arguments.x()?, arguments.flag("train").unwrap_or(true)))
            };
            (boxed(model, &["train"], call), cross_entropy)
        }
        "TinyLM" => {
            let model = TinyLm::new(
                spec.required("vocab")?,
                spec.required("dim")?,
                spec.required("layers")?,
                spec.required("heads")?,
                spec.required("max_len")?,
                spec.get("dropout")?.unwrap_or(0.0),
            );
            let call = |model: &TinyLm, arguments: &Arguments| {
                let train = !arguments.flag("deterministic").unwrap_or(true);
                tensor(model.call(arguments.x()?, train))
            };
            (boxed(model, &["deterministic"], call), cross_entropy)
        }
        "LSTMClassifier" => {
            let model = LstmClassifier::new(
                spec.required("vocab")?,
                spec.required("dim")?,
                spec.required("hidden")?,
                spec.required("classes")?,
            );
            let call = |model: &LstmClassifier, arguments: &Arguments| match &arguments.positional[..] {
                [ids, lengths] => Ok(Value::of(&model.call(ids, lengths)?)),
                other => Err(Error::msg(format!("{} arguments in place of ids and lengths", other.len()))),
            };
            (method(model, 2, &[], call), classification_of_sequences)
        }
        "VAE" => {
            let model = Vae::new(spec.required("hidden")?, spec.required("latents")?, spec.required("out")?);
            let call = move |model: &Vae, arguments: &Arguments| {
                model.call(arguments.x()?, trains(arguments)).map(Value::from)
            };
            (boxed(model, &["deterministic"], call), evidence)
        }
        class => return Err(Stop::Unsupported(format!("training of {class}"))),
    })
}

/// The mean cross entropy of logits and the indices of their classes.
fn cross_entropy(out: &Value, batch: &Batch) -> Result<Tensor> {
    let labels = batch.labels.as_ref().ok_or_else(|| Error::msg("the case has no `in/labels`"))?;
    losses::try_softmax_cross_entropy_with_integer_labels(out.tensor()?, labels)?.try_mean()
}

/// The mean cross entropy of the classes, and a hundredth of the squares of all outputs.
fn classification_of_sequences(out: &Value, batch: &Batch) -> Result<Tensor> {
    let (logits, y): (Tensor, Tensor) = out.to()?;
    cross_entropy(&logits.into(), batch)?.try_add(y.try_square()?.try_sum()? * 0.01)
}

/// The negative evidence lower bound: the cross entropy of decoded logits and examples, and the divergence of what was drawn
/// from the standard normal distribution.
fn evidence(out: &Value, batch: &Batch) -> Result<Tensor> {
    let (logits, mean, logvar): (Tensor, Tensor, Tensor) = out.to()?;
    let entropy = losses::try_sigmoid_binary_cross_entropy(&logits, batch.arguments.x()?)?;
    let divergence = (1.0 + &logvar - mean.square() - logvar.exp()).sum_axes([-1]) * -0.5;
    entropy.try_sum_axes([-1])?.try_mean()?.try_add(divergence.mean())
}
