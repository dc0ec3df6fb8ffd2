//! Recurrent layers: cells on their own, over sequences, and in both directions.

use flaxen::module::{BoxedLayer, IntoLayer, Slot};
use flaxen::nn::{
    ActivationFn, Bidirectional, ConvLstmCell, ConvPadding, GruCell, LstmCell, MergeFn, MguCell,
    OptimizedLstmCell, Rnn, Sequence, SimpleCell, Sizes, Steps,
};
use flaxen::prelude::*;
use flaxen::random::Key;
use serde_json::Value as Json;

use super::Stop;
use super::arguments::{Argument, Spec, set};
use super::models::{Arguments, Method, Model, Run};
use super::modules::{boxed, function};

/// Classes whose parameters begin with decompositions.
pub const CLASSES: [&str; 9] = [
    "Bidirectional",
    "ConvLSTMCell",
    "GRUCell",
    "LSTMCell",
    "LSTMClassifier",
    "MGUCell",
    "OptimizedLSTMCell",
    "RNN",
    "SimpleCell",
];

/// What a call of a sequence may be given beside its input.
const KEYWORDS: [&str; 7] =
    ["initial_carry", "init_key", "keep_order", "return_carry", "reverse", "seq_lengths", "time_major"];

macro_rules! cells {
    ($($name:ident($cell:ty)),*) => {
        /// A cell of any kind, under that kind's name.
        #[derive(Clone, Debug, PartialEq)]
        pub enum AnyCell {
            $(
                #[allow(missing_docs)]
                $name($cell),
            )*
        }

        impl Module for AnyCell {
            const NAME: &'static str = "AnyCell";

            fn __slot(&self) -> &Slot {
                match self { $(AnyCell::$name(cell) => cell.__slot()),* }
            }

            fn __attach(&mut self, slot: Slot) {
                match self { $(AnyCell::$name(cell) => cell.__attach(slot)),* }
            }

            fn type_name(&self) -> &'static str {
                match self { $(AnyCell::$name(_) => <$cell>::NAME),* }
            }
        }

        impl Cell for AnyCell {
            type Carry = Value;

            fn call(&self, carry: Value, x: &Tensor) -> Result<(Value, Tensor)> {
                match self {
                    $(AnyCell::$name(cell) => {
                        let (carry, y) = cell.call(carry.to()?, x)?;
                        Ok((Value::of(&carry), y))
                    })*
                }
            }

            fn initial_carry(&self, key: &Key, input: &[usize]) -> Result<Value> {
                match self { $(AnyCell::$name(cell) => Ok(Value::of(&cell.initial_carry(key, input)?))),* }
            }

            fn num_feature_axes(&self) -> usize {
                match self { $(AnyCell::$name(cell) => cell.num_feature_axes()),* }
            }
        }
    };
}

cells!(
    ConvLstm(ConvLstmCell),
    Gru(GruCell),
    Lstm(LstmCell),
    Mgu(MguCell),
    OptimizedLstm(OptimizedLstmCell),
    Simple(SimpleCell)
);

/// The cell of a class, if it is one.
fn cell(spec: &Spec<'_>) -> Result<Option<AnyCell>, Stop> {
    let features = || spec.required("features");
    Ok(Some(match spec.class {
        "ConvLSTMCell" => {
            let size = spec.required::<Sizes>("kernel_size")?;
            AnyCell::ConvLstm(set!(ConvLstmCell::new(features()?, size), spec;
                strides: Steps, padding: ConvPadding, use_bias: bool, dtype: DType, param_dtype: DType,
                carry_init: Initializer))
        }
        "GRUCell" => AnyCell::Gru(set!(GruCell::new(features()?), spec;
            gate_fn: ActivationFn, activation_fn: ActivationFn, kernel_init: Initializer,
            recurrent_kernel_init: Initializer, bias_init: Initializer, dtype: DType, param_dtype: DType,
            carry_init: Initializer)),
        "LSTMCell" => AnyCell::Lstm(set!(LstmCell::new(features()?), spec;
            gate_fn: ActivationFn, activation_fn: ActivationFn, kernel_init: Initializer,
            recurrent_kernel_init: Initializer, bias_init: Initializer, dtype: DType, param_dtype: DType,
            carry_init: Initializer)),
        "MGUCell" => AnyCell::Mgu(set!(MguCell::new(features()?), spec;
            gate_fn: ActivationFn, activation_fn: ActivationFn, kernel_init: Initializer,
            recurrent_kernel_init: Initializer, forget_bias_init: Initializer, activation_bias_init: Initializer,
            dtype: DType, param_dtype: DType, carry_init: Initializer, reset_gate: bool)),
        "OptimizedLSTMCell" => AnyCell::OptimizedLstm(set!(OptimizedLstmCell::new(features()?), spec;
            gate_fn: ActivationFn, activation_fn: ActivationFn, kernel_init: Initializer,
            recurrent_kernel_init: Initializer, bias_init: Initializer, dtype: DType, param_dtype: DType,
            carry_init: Initializer)),
        "SimpleCell" => AnyCell::Simple(set!(SimpleCell::new(features()?), spec;
            activation_fn: ActivationFn, kernel_init: Initializer, recurrent_kernel_init: Initializer,
            bias_init: Initializer, dtype: DType, param_dtype: DType, carry_init: Initializer, residual: bool)),
        _ => return Ok(None),
    }))
}

fn rnn(spec: &Spec<'_>) -> Result<Rnn<AnyCell>, Stop> {
    let json = spec.json("cell").ok_or_else(|| Stop::Unsupported("RNN without `cell`".to_owned()))?;
    let inner = Spec::read(json)?;
    let class = || Stop::Unsupported(format!("the cell {}", inner.class));
    let mut rnn = Rnn::new(cell(&inner)?.ok_or_else(class)?);
    if let Some(unknown) = inner.finish()?.first() {
        return Err(Stop::Unsupported(format!("a cell of which {unknown}")));
    }
    rnn.time_major = spec.get("time_major")?.unwrap_or(false);
    rnn.reverse = spec.get("reverse")?.unwrap_or(false);
    rnn.keep_order = spec.get("keep_order")?.unwrap_or(false);
    Ok(set!(rnn, spec; unroll: usize))
}

fn bidirectional(spec: &Spec<'_>) -> Result<Bidirectional<Rnn<AnyCell>, Rnn<AnyCell>>, Stop> {
    let direction = |name| {
        let json =
            spec.json(name).ok_or_else(|| Stop::Unsupported(format!("Bidirectional without `{name}`")))?;
        let inner = Spec::read(json)?;
        // What a direction returns is not for it to say.
        inner.given("return_carry");
        match (inner.class, rnn(&inner)?, inner.finish()?.first()) {
            ("RNN", rnn, None) => Ok(rnn),
            (class, _, unknown) => {
                Err(Stop::Unsupported(format!("a direction {class} of which {unknown:?}")))
            }
        }
    };
    let mut both = Bidirectional::new(direction("forward_rnn")?, direction("backward_rnn")?);
    both.time_major = spec.get("time_major")?.unwrap_or(false);
    Ok(set!(both, spec; merge_fn: MergeFn))
}

/// The layer of a class, if it is one of these.
pub fn layer(spec: &Spec<'_>) -> Result<Option<BoxedLayer>, Stop> {
    Ok(match spec.class {
        "RNN" => Some(rnn(spec)?.into_layer()),
        "Bidirectional" => Some(bidirectional(spec)?.into_layer()),
        _ => None,
    })
}

/// A call as Flax's, which returns the carry, too, if the layer or the call says so.
macro_rules! sequences {
    ($layer:expr, $returns:expr) => {{
        let returns = $returns;
        Some(boxed($layer, &KEYWORDS, move |layer, arguments: &Arguments| {
            let (x, sequence) = (arguments.x()?, sequence(arguments)?);
            if arguments.flag("return_carry").unwrap_or(returns) {
                Ok(Value::of(&layer.with_carry(x, sequence)?))
            } else {
                layer.call_with(x, sequence).map(Value::from)
            }
        }))
    }};
}

/// The module of a case, if it is one of these.
pub fn model(spec: &Spec<'_>) -> Result<Option<Box<dyn Model>>, Stop> {
    if let Some(cell) = cell(spec)? {
        return Ok(Some(Box::new(CellModel(Method {
            module: OneStep::new(cell),
            positional: 3,
            keywords: &[],
            call: OneStep::of_arguments,
        }))));
    }
    Ok(match spec.class {
        "RNN" => sequences!(rnn(spec)?, spec.get("return_carry")?.unwrap_or(false)),
        "Bidirectional" => sequences!(bidirectional(spec)?, spec.get("return_carry")?.unwrap_or(false)),
        _ => None,
    })
}

/// What a call says beside its input, where a carry is any tree.
fn sequence<C: Tree>(arguments: &Arguments) -> Result<Sequence<C>> {
    let mut sequence = Sequence::new();
    sequence.lengths = arguments.array("seq_lengths").cloned();
    let carry = arguments.tree("initial_carry");
    sequence.initial_carry = carry.map(|carry| carry.to()).transpose()?;
    sequence.init_key = arguments.options.get("init_key").and_then(Json::as_u64).map(key);
    sequence.time_major = arguments.flag("time_major");
    sequence.reverse = arguments.flag("reverse");
    sequence.keep_order = arguments.flag("keep_order");
    Ok(sequence)
}

/// One step of a cell, called `cell`.
#[module]
struct OneStep {
    #[submodule]
    cell: AnyCell,
}

impl OneStep {
    #[compact]
    fn call(&self, carry: Value, x: &Tensor) -> Result<(Value, Tensor)> {
        self.cell.call(carry, x)
    }

    /// The leaves of the carry, and the input.
    fn of_arguments(&self, arguments: &Arguments) -> Result<Value> {
        let (carry, x) = match &arguments.positional[..] {
            [h, x] => (h.clone().into(), x),
            [c, h, x] => ((c, h).into(), x),
            other => return Err(Error::msg(format!("a cell with {} arguments", other.len()))),
        };
        Ok(Value::of(&self.call(carry, x)?))
    }
}

struct CellModel(Method<OneStep, CallOneStep>);

type CallOneStep = fn(&OneStep, &Arguments) -> Result<Value>;

impl Model for CellModel {
    fn check(&self, arguments: &Arguments) -> Result<(), Stop> {
        self.0.check(arguments)
    }

    fn init(&self, rngs: Rngs, arguments: &Arguments) -> Result<(Value, Variables)> {
        self.0.init(rngs, arguments)
    }

    fn apply(&self, variables: &Variables, run: &Run, arguments: &Arguments) -> Result<(Value, Variables)> {
        self.0.apply(variables, run, arguments)
    }

    fn initial_carry(&self, key: &Key, input: &[usize]) -> Option<(Result<Value>, usize)> {
        let cell = &self.0.module.cell;
        Some((cell.initial_carry(key, input), cell.num_feature_axes()))
    }
}

impl Argument for ActivationFn {
    fn read(json: &Json) -> Option<ActivationFn> {
        let layer = function(json.as_str()?.strip_prefix("<fn ")?.strip_suffix('>')?)?;
        Some(ActivationFn::new(move |x: &Tensor| layer.call(x)))
    }
}

impl Argument for MergeFn {
    fn read(json: &Json) -> Option<MergeFn> {
        match json.as_str()? {
            "<fn add>" => Some(MergeFn::from(|forward: &Tensor, backward: &Tensor| forward + backward)),
            "<fn multiply>" => Some(MergeFn::from(|forward: &Tensor, backward: &Tensor| forward * backward)),
            _ => None,
        }
    }
}
