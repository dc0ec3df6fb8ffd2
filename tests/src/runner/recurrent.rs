//! Recurrent layers: cells on their own, over sequences, and in both directions.

use std::sync::Arc;

use flaxen::Value;
use flaxen::module::Slot;
use flaxen::nn::{
    ActivationFn, Bidirectional, ConvLstmCell, ConvPadding, GruCell, LstmCell, MergeFn, MguCell,
    OptimizedLstmCell, Rnn, Sequence, SimpleCell, Sizes, SplitRngs, Steps, VariableAxes,
};
use flaxen::prelude::*;
use flaxen::random::Key;

use super::Stop;
use super::arguments::{Argument, Spec, set};
use super::models::{AnyModule, Arguments, Erased, as_layer, module};
use super::python::classes::Interpreted;
use super::python::evaluate::Evaluator;
use super::python::value::{Named, Passing, Py};

/// Classes whose parameters begin with decompositions.
pub const CLASSES: [&str; 8] = [
    "Bidirectional",
    "ConvLSTMCell",
    "GRUCell",
    "LSTMCell",
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
                match self { $(AnyCell::$name(cell) => cell.type_name()),* }
            }
        }

        impl Cell for AnyCell {
            type Carry = Value;

            fn call(&self, carry: Value, x: &Tensor) -> Result<(Value, Tensor)> {
                match self {
                    $(AnyCell::$name(cell) => {
                        let (carry, y) = Cell::call(cell, carry.to()?, x)?;
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

/// A cell of a source.
impl Cell for Interpreted {
    type Carry = Value;

    fn call(&self, carry: Value, x: &Tensor) -> Result<(Value, Tensor)> {
        let positional = vec![Py::of_tree(&carry)?, Py::Tensor(x.clone())];
        let out = Interpreted::call(self, "__call__", Passing { positional, named: Vec::new() })?;
        match &out.items()?[..] {
            [carry, y] => Ok((carry.tree()?, y.tensor()?)),
            other => Err(Error::msg(format!("a cell returns {} values", other.len()))),
        }
    }

    fn initial_carry(&self, key: &Key, input: &[usize]) -> Result<Value> {
        let positional = vec![Py::Key(key.clone()), Py::sizes(input)];
        self.run_unbound("initialize_carry", Passing { positional, named: Vec::new() })?.tree()
    }
}

cells!(
    ConvLstm(ConvLstmCell),
    Interpreted(Interpreted),
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

/// The cell that an argument is.
fn cell_of(value: &Py) -> Option<AnyCell> {
    match value {
        Py::Module(Named { module, .. }) => {
            let cell = module.as_any().downcast_ref::<Erased<AnyCell>>();
            cell.map(|cell| cell.module().clone())
        }
        Py::Interpreted(Named { module, .. }) => Some(AnyCell::Interpreted(module.clone())),
        _ => None,
    }
}

type AnyRnn = Rnn<AnyCell>;

fn rnn(spec: &Spec<'_>) -> Result<AnyRnn, Stop> {
    let cell = spec.value("cell").and_then(cell_of);
    let mut rnn = Rnn::new(cell.ok_or_else(|| Stop::Unsupported("RNN without a `cell`".to_owned()))?);
    rnn.time_major = spec.get("time_major")?.unwrap_or(false);
    rnn.reverse = spec.get("reverse")?.unwrap_or(false);
    rnn.keep_order = spec.get("keep_order")?.unwrap_or(false);
    if spec.given("variable_broadcast").is_some() {
        rnn.variable_broadcast = spec.get("variable_broadcast")?.unwrap_or(Filter::none());
    }
    Ok(
        set!(rnn, spec; unroll: usize, variable_axes: VariableAxes, variable_carry: Filter, split_rngs: SplitRngs),
    )
}

fn bidirectional(spec: &Spec<'_>) -> Result<Bidirectional<AnyRnn, AnyRnn>, Stop> {
    let direction = |name| {
        let rnn = match spec.value(name) {
            Some(Py::Module(Named { module, .. })) => module.as_any().downcast_ref::<Erased<AnyRnn>>(),
            _ => None,
        };
        let missing = || Stop::Unsupported(format!("Bidirectional without an RNN `{name}`"));
        rnn.map(|rnn| rnn.module().clone()).ok_or_else(missing)
    };
    let mut both = Bidirectional::new(direction("forward_rnn")?, direction("backward_rnn")?);
    both.time_major = spec.get("time_major")?.unwrap_or(false);
    Ok(set!(both, spec; merge_fn: MergeFn))
}

/// A call as Flax's, which returns the carry, too, if the layer or the call says so.
macro_rules! sequences {
    ($layer:expr, $type:ty, $spec:expr) => {{
        let returns = $spec.get("return_carry")?.unwrap_or(false);
        let call = move |layer: &$type, arguments: &Arguments| {
            let (x, sequence) = (arguments.x()?, sequence(arguments)?);
            if arguments.flag("return_carry").unwrap_or(returns) {
                Ok(Value::of(&layer.with_carry(x, sequence)?))
            } else {
                layer.call_with(x, sequence).map(Value::from)
            }
        };
        Erased::of_layer($layer, 1, &KEYWORDS, call).shared()
    }};
}

/// The module of a class, if it is one of these.
pub fn build(spec: &Spec<'_>) -> Result<Option<Arc<dyn AnyModule>>, Stop> {
    Ok(match spec.class {
        "RNN" => Some(sequences!(rnn(spec)?, AnyRnn, spec)),
        "Bidirectional" => Some(sequences!(bidirectional(spec)?, Bidirectional<AnyRnn, AnyRnn>, spec)),
        _ => cell(spec)?.map(|cell| {
            module(cell, 2, &[], |cell, arguments| match &arguments.positional[..] {
                [carry, x] => Ok(Value::of(&cell.call(carry.tree()?, &x.tensor()?)?)),
                other => Err(Error::msg(format!("a cell with {} arguments", other.len()))),
            })
            .method("initialize_carry", 2, &[], initialize_carry)
            .shared()
        }),
    })
}

fn initialize_carry(cell: &AnyCell, arguments: &Arguments) -> Result<Value> {
    let shape = arguments.positional.get(1).and_then(Vec::<usize>::read);
    match (arguments.positional.first(), shape) {
        (Some(Py::Key(key)), Some(shape)) => cell.initial_carry(key, &shape),
        _ => Err(Error::msg("a first carry without a key and a shape")),
    }
}

/// A cell on its own: one step of it, called `cell`, and the cell.
pub fn one_step(module: &Arc<dyn AnyModule>) -> Option<(Arc<dyn AnyModule>, AnyCell)> {
    let cell = module.as_any().downcast_ref::<Erased<AnyCell>>()?.module().clone();
    let step = super::models::module(OneStep::new(cell.clone()), 3, &[], OneStep::of_arguments);
    Some((step.shared(), cell))
}

/// What a call says beside its input, where a carry is any tree.
fn sequence<C: Tree>(arguments: &Arguments) -> Result<Sequence<C>> {
    let mut sequence = Sequence::new();
    sequence.lengths = arguments.array("seq_lengths").cloned();
    let carry = arguments.named.get("initial_carry");
    sequence.initial_carry = carry.map(|carry| carry.tree()?.to()).transpose()?;
    sequence.init_key = match arguments.named.get("init_key") {
        Some(Py::Key(key)) => Some(key.clone()),
        Some(Py::Whole(seed)) => Some(key(*seed as u64)),
        _ => None,
    };
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
        let (x, carry) =
            arguments.positional.split_last().ok_or_else(|| Error::msg("a cell without arguments"))?;
        let carry = match carry {
            [h] => h.tree()?,
            several => Py::tuple(several.to_vec()).tree()?,
        };
        Ok(Value::of(&self.call(carry, &x.tensor()?)?))
    }
}

/// A function of arrays that a source or a manifest names.
fn function(value: &Py, positional: Vec<Py>) -> Result<Tensor> {
    Evaluator::bare().call(value, Passing { positional, named: Vec::new() })?.tensor()
}

impl Argument for ActivationFn {
    fn read(value: &Py) -> Option<ActivationFn> {
        as_layer(value)?;
        let value = value.clone();
        Some(ActivationFn::new(move |x: &Tensor| function(&value, vec![Py::Tensor(x.clone())])))
    }
}

impl Argument for MergeFn {
    fn read(value: &Py) -> Option<MergeFn> {
        as_layer(value)?;
        let value = value.clone();
        Some(MergeFn::new(move |forward: &Tensor, backward: &Tensor| {
            function(&value, vec![Py::Tensor(forward.clone()), Py::Tensor(backward.clone())])
        }))
    }
}

/// A truth, a name, or a list of names.
impl Argument for Filter {
    fn read(value: &Py) -> Option<Filter> {
        let one = bool::read(value).map(Filter::from).or_else(|| String::read(value).map(Filter::from));
        one.or_else(|| Vec::<String>::read(value).map(Filter::from))
    }
}

/// The names and values of a dict.
fn entries<T: Argument>(value: &Py) -> Option<Vec<(Filter, Option<T>)>> {
    let entry = |(name, value): &(Py, Py)| {
        Some((Filter::read(name)?, if let Py::Nothing = value { None } else { Some(T::read(value)?) }))
    };
    if let Py::Dict(entries) = value { entries.lock().ok()?.iter().map(entry).collect() } else { None }
}

impl Argument for VariableAxes {
    fn read(value: &Py) -> Option<VariableAxes> {
        entries(value).map(VariableAxes)
    }
}

impl Argument for SplitRngs {
    fn read(value: &Py) -> Option<SplitRngs> {
        let splits = entries::<bool>(value)?;
        Some(SplitRngs(splits.into_iter().map(|(filter, splits)| (filter, splits == Some(true))).collect()))
    }
}
