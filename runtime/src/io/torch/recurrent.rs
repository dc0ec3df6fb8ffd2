//! Recurrent layers: PyTorch keeps the weights of all gates below each other, and two biases where ours has one.

use super::layout::{Kind, Made, Target};
use super::way::Way;

/// Where our tensors of one of PyTorch's are, behind the module's own path.
pub(super) struct Recurrent {
    /// The layer, where there are several.
    pub(super) layer: Option<String>,
    /// The tensors, by the collection and the names in the layer.
    pub(super) targets: Vec<Target>,
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
pub(super) fn guess<'a>(beside: &dyn Fn(&str) -> Option<&'a [usize]>) -> Option<Kind> {
    let weight = beside("weight_hh_l0").or_else(|| beside("weight_hh"))?;
    let &[rows, features] = weight else { return None };
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
pub(super) fn targets<'a>(
    kind: Kind,
    own: &str,
    shape: &[usize],
    beside: &dyn Fn(&str) -> Option<&'a [usize]>,
) -> Result<Option<Recurrent>, String> {
    let Some(name) = Name::parse(own) else { return Ok(None) };
    let of = |what: &str| beside(&format!("{what}{}", name.suffix));
    if name.what == "weight_hr" || of("weight_hr").is_some() {
        return Err("it is of an LSTM with projections (`proj_size`), which ours has not".to_owned());
    }
    let wrong =
        |expected: &str| Err(format!("it has shape {shape:?}, expected {expected} of a `{kind:?}` layer"));
    let count = gates(kind).len();
    let features = match of("weight_hh") {
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
    match shape {
        [found, _] if is_weight && *found == rows => {}
        [found] if !is_weight && *found == rows => {}
        _ if is_weight => return wrong(&format!("[{rows}, inputs]")),
        _ => return wrong(&format!("[{rows}]")),
    }
    let mut to = Targets { kind, begin: begin(name.suffix, beside), made: vec![] };
    match name.what {
        "weight_ih" => {
            to.kernels("i", shape);
            // Ours always has biases.
            if of("bias_ih").is_none() {
                to.no_biases(features);
            }
        }
        "weight_hh" => to.kernels("h", shape),
        "bias_ih" => match of("bias_hh") {
            Some(other) if other == shape => to.biases("i", shape),
            Some(other) => return wrong(&format!("{other:?}, that of the other bias,")),
            None => return Err(format!("there is no bias `bias_hh{}` beside it", name.suffix)),
        },
        _ if of("bias_ih").is_none() => {
            return Err(format!("there is no bias `bias_ih{}` beside it", name.suffix));
        }
        _ => to.biases("h", shape),
    }
    let is_stack = beside("weight_ih_l1").is_some();
    let layer = number(name.suffix).filter(|_| is_stack).map(|number| format!("layers_{number}"));
    Ok(Some(Recurrent { layer, targets: to.made }))
}

/// The names around a cell, which has none if it is alone.
fn begin<'a>(suffix: &str, beside: &dyn Fn(&str) -> Option<&'a [usize]>) -> Vec<&'static str> {
    let Some(number) = number(suffix) else { return vec![] };
    let is_bidirectional = beside(&format!("weight_ih_l{number}_reverse")).is_some();
    match (is_bidirectional, suffix.ends_with("_reverse")) {
        (true, false) => vec!["forward_rnn", "cell"],
        (_, true) => vec!["backward_rnn", "cell"],
        (false, false) => vec!["cell"],
    }
}

struct Targets {
    kind: Kind,
    begin: Vec<&'static str>,
    made: Vec<Target>,
}

impl Targets {
    fn add(&mut self, layer: &str, name: &str, made: Made) {
        let path = std::iter::once("params").chain(self.begin.iter().copied()).chain([layer, name]);
        self.made.push(Target { path: path.map(str::to_owned).collect(), made });
    }

    /// `[gates · features, in]` there, `[in, features]` for each gate here.
    fn kernels(&mut self, source: &str, shape: &[usize]) {
        let gates = gates(self.kind);
        for (gate, way) in gates.iter().zip(Way::parts(shape, gates.len())) {
            self.add(&format!("{source}{gate}"), "kernel", Made::Of(way.t()));
        }
    }

    /// The biases of the input or of the hidden state, whichever letter of ours says so.
    fn biases(&mut self, source: &str, shape: &[usize]) {
        let gates = gates(self.kind);
        for (gate, way) in gates.iter().zip(Way::parts(shape, gates.len())) {
            match self.biased(gate) {
                [own] => self.add(&format!("{own}{gate}"), "bias", Made::Summand(way)),
                _ => self.add(&format!("{source}{gate}"), "bias", Made::Of(way)),
            }
        }
    }

    fn no_biases(&mut self, features: usize) {
        for gate in gates(self.kind) {
            for source in self.biased(gate) {
                self.add(&format!("{source}{gate}"), "bias", Made::Zeros([features].as_slice().into()));
            }
        }
    }

    /// Which sides of a gate have a bias here.
    fn biased(&self, gate: &str) -> &'static [&'static str] {
        match (self.kind, gate) {
            (Kind::Gru, "n") => &["i", "h"],
            (Kind::Lstm, _) => &["h"],
            _ => &["i"],
        }
    }
}
