//! Recurrent layers: PyTorch keeps the weights of all gates below each other, and two biases where ours has one.

use super::layout::{Converted, Kind, text};
use crate::core::Tensor;

/// Where our tensors of one of PyTorch's are, behind the module's own path.
pub(super) struct Recurrent {
    /// The layer, where there are several.
    pub(super) layer: Option<String>,
    /// The tensors, by the collection and the names in the layer.
    pub(super) converted: Vec<Converted>,
}

/// What one of PyTorch's tensors is: `weight_ih_l0_reverse`.
struct Name<'a> {
    /// `weight_ih`, `weight_hh`, `bias_ih` or `bias_hh`.
    what: &'a str,
    /// `_l0_reverse`; empty for a cell alone.
    suffix: &'a str,
}

impl<'a> Name<'a> {
    fn parse(own: &'a str) -> Option<Name<'a>> {
        let known = ["weight_ih", "weight_hh", "weight_hr", "bias_ih", "bias_hh"];
        let what = known.into_iter().find(|what| own.starts_with(what))?;
        let suffix = &own[what.len()..];
        (suffix.is_empty() || number(suffix).is_some()).then_some(Name { what, suffix })
    }
}

/// The number of a layer in `_l0_reverse`.
fn number(suffix: &str) -> Option<usize> {
    let number = suffix.strip_prefix("_l")?;
    number.strip_suffix("_reverse").unwrap_or(number).parse().ok()
}

/// What a module that has recurrent weights is: it shows in the number of gates.
pub(super) fn guess<'a>(beside: &dyn Fn(&str) -> Option<&'a Tensor>) -> Option<Kind> {
    let weight = beside("weight_hh_l0").or_else(|| beside("weight_hh"))?;
    let &[rows, features] = weight.shape() else { return None };
    [Kind::Lstm, Kind::Gru, Kind::Rnn].into_iter().find(|kind| rows == features * gates(*kind).len())
}

/// The gates in PyTorch's order, as they end our names.
fn gates(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Lstm => &["i", "f", "g", "o"],
        Kind::Gru => &["r", "z", "n"],
        _ => &[""],
    }
}

/// Our tensors of one of PyTorch's; none if a recurrent layer has no such tensor.
///
/// `h′ = act(x·Wᵢ + bᵢ + h·Wₕ + bₕ)` for each gate: the sum of both biases is ours, except for the `n` of a GRU,
/// `tanh(x·Wᵢ + bᵢ + r·(h·Wₕ + bₕ))`, which has both.
pub(super) fn convert<'a>(
    kind: Kind,
    own: &str,
    tensor: &Tensor,
    beside: &dyn Fn(&str) -> Option<&'a Tensor>,
) -> Result<Option<Recurrent>, String> {
    let Some(name) = Name::parse(own) else { return Ok(None) };
    let of = |what: &str| beside(&format!("{what}{}", name.suffix));
    if name.what == "weight_hr" || of("weight_hr").is_some() {
        return Err("it is of an LSTM with projections (`proj_size`), which ours has not".to_owned());
    }
    let wrong = |expected: &str| {
        let found = tensor.shape();
        Err(format!("it has shape {found:?}, expected {expected} of a `{kind:?}` layer"))
    };
    let count = gates(kind).len();
    let features = match of("weight_hh").map(Tensor::shape) {
        Some(&[rows, features]) if rows == features * count => features,
        Some(_) if name.what == "weight_hh" => return wrong(&format!("[{count}·features, features]")),
        Some(shape) => {
            return Err(format!(
                "the weight `weight_hh{}` beside it has shape {shape:?}, which is none of a `{kind:?}` layer",
                name.suffix
            ));
        }
        None => return Err(format!("there is no weight `weight_hh{}` beside it", name.suffix)),
    };
    let rows = features * count;
    let is_weight = name.what.starts_with("weight");
    match tensor.shape() {
        [found, _] if is_weight && *found == rows => {}
        [found] if !is_weight && *found == rows => {}
        _ if is_weight => return wrong(&format!("[{rows}, inputs]")),
        _ => return wrong(&format!("[{rows}]")),
    }
    let mut to = Tensors { kind, features, begin: begin(name.suffix, beside), converted: vec![] };
    match name.what {
        "weight_ih" => {
            to.kernels("i", tensor)?;
            // Ours always has biases.
            if of("bias_ih").is_none() {
                let zeros = Tensor::zeros_of([rows], tensor.dtype());
                to.biases(&zeros, &zeros)?;
            }
        }
        "weight_hh" => to.kernels("h", tensor)?,
        "bias_ih" => match of("bias_hh") {
            Some(other) if other.shape() == tensor.shape() => to.biases(tensor, other)?,
            Some(other) => return wrong(&format!("{:?}, that of the other bias,", other.shape())),
            None => return Err(format!("there is no bias `bias_hh{}` beside it", name.suffix)),
        },
        _ if of("bias_ih").is_none() => {
            return Err(format!("there is no bias `bias_ih{}` beside it", name.suffix));
        }
        // Added to the other one.
        _ => {}
    }
    let is_stack = beside("weight_ih_l1").is_some();
    let layer = number(name.suffix).filter(|_| is_stack).map(|number| format!("layers_{number}"));
    Ok(Some(Recurrent { layer, converted: to.converted }))
}

/// The names around a cell, which has none if it is alone.
fn begin<'a>(suffix: &str, beside: &dyn Fn(&str) -> Option<&'a Tensor>) -> Vec<&'static str> {
    let Some(number) = number(suffix) else { return vec![] };
    let is_bidirectional = beside(&format!("weight_ih_l{number}_reverse")).is_some();
    match (is_bidirectional, suffix.ends_with("_reverse")) {
        (true, false) => vec!["forward_rnn", "cell"],
        (_, true) => vec!["backward_rnn", "cell"],
        (false, false) => vec!["cell"],
    }
}

struct Tensors {
    kind: Kind,
    features: usize,
    begin: Vec<&'static str>,
    converted: Vec<Converted>,
}

impl Tensors {
    fn add(&mut self, layer: &str, name: &str, tensor: Tensor) {
        let path = std::iter::once("params").chain(self.begin.iter().copied()).chain([layer, name]);
        self.converted.push(Converted { path: path.map(str::to_owned).collect(), tensor });
    }

    /// `[gates · features, in]` there, `[in, features]` for each gate here.
    fn kernels(&mut self, source: &str, weight: &Tensor) -> Result<(), String> {
        let gates = gates(self.kind);
        for (gate, part) in gates.iter().zip(text(weight.try_split(gates.len(), 0))?) {
            self.add(&format!("{source}{gate}"), "kernel", part.t());
        }
        Ok(())
    }

    fn biases(&mut self, input: &Tensor, hidden: &Tensor) -> Result<(), String> {
        let gates = gates(self.kind);
        let part = |bias: &Tensor, index: usize| {
            let begin = (index * self.features) as isize;
            text(bias.try_slice_axis(0, begin, begin + self.features as isize))
        };
        let mut biases = Vec::new();
        for (index, gate) in gates.iter().enumerate() {
            let (input, hidden) = (part(input, index)?, part(hidden, index)?);
            match (self.kind, *gate) {
                (Kind::Gru, "n") => biases.extend([("in".to_owned(), input), ("hn".to_owned(), hidden)]),
                // The biases of an LSTM are those of the hidden state.
                (Kind::Lstm, gate) => biases.push((format!("h{gate}"), text(input.try_add(&hidden))?)),
                (_, gate) => biases.push((format!("i{gate}"), text(input.try_add(&hidden))?)),
            }
        }
        biases.into_iter().for_each(|(layer, bias)| self.add(&layer, "bias", bias));
        Ok(())
    }
}
