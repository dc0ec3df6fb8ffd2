//! Files of Flax, in and out, byte for byte. `msgpack/make.py` made them with Flax itself.

use std::path::PathBuf;

use flaxen::io::msgpack::{self, State};
use flaxen::optim::{self, DynTransformation, GradientTransformation};
use flaxen::prelude::*;
use flaxen::variables::{Boxed, Partitioned};
use half::{bf16, f16};
use proptest::prelude::*;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("msgpack").join(name)
}

fn flaxs(name: &str) -> Vec<u8> {
    std::fs::read(path(&format!("{name}.msgpack"))).unwrap()
}

fn message<T>(result: Result<T>) -> String {
    result.err().unwrap().to_string()
}

const FILES: [&str; 13] = [
    "variables_init",
    "variables_jit",
    "optimizers",
    "train_state_int",
    "train_state_array",
    "dtypes",
    "foreign",
    "big_endian",
    "native",
    "tree",
    "boxed",
    "kept",
    "checkpoints/checkpoint_10",
];

fn file(name: &str) -> Vec<u8> {
    if name.contains('/') { std::fs::read(path(name)).unwrap() } else { flaxs(name) }
}

#[test]
fn what_flax_wrote_is_written_back_byte_for_byte() {
    for name in FILES {
        let bytes = file(name);
        assert!(State::from_bytes(&bytes).unwrap().to_bytes().unwrap() == bytes, "{name}");
    }
}

#[test]
fn variables_are_those_of_a_compiled_init_byte_for_byte() {
    let bytes = flaxs("variables_jit");
    let variables = msgpack::load_variables(path("variables_jit.msgpack")).unwrap();
    assert_eq!(variables.collections().collect::<Vec<_>>(), ["batch_stats", "params"]);
    assert_eq!(variables.tensor("params/Dense_0/kernel").unwrap().shape(), [4, 3]);
    assert_eq!(msgpack::to_bytes(&variables).unwrap(), bytes);
    assert_eq!(msgpack::from_bytes(&variables, &bytes).unwrap(), variables);
    // Those of an init that is not compiled are the same in another order, which a state keeps.
    let created = State::from_bytes(&flaxs("variables_init")).unwrap();
    assert_ne!(created.to_bytes().unwrap(), bytes);
    assert_eq!(created.clone().sorted().to_bytes().unwrap(), bytes);
    assert_eq!(Variables::try_from(created.dict().unwrap()).unwrap(), variables);
}

/// The optimizers of `make.py`.
fn optimizers() -> Vec<(&'static str, DynTransformation)> {
    let half = || optim::exponential_decay(0.1, 10, 0.5);
    let momentum = || optim::sgd(0.1).momentum(0.9);
    vec![
        ("sgd", optim::sgd(0.1).boxed()),
        ("sgd(momentum)", momentum().boxed()),
        ("sgd(schedule)", optim::sgd(half()).boxed()),
        ("adam", optim::adam(1e-3).boxed()),
        ("adam(schedule)", optim::adam(half()).boxed()),
        ("adamw", optim::adamw(1e-3).boxed()),
        ("nadam", optim::nadam(1e-3).boxed()),
        ("amsgrad", optim::amsgrad(1e-3).boxed()),
        ("adagrad", optim::adagrad(0.1).boxed()),
        ("adadelta", optim::adadelta(0.1).boxed()),
        ("adamax", optim::adamax(0.1).boxed()),
        ("adamaxw", optim::adamaxw(0.1).boxed()),
        ("adabelief", optim::adabelief(0.1).boxed()),
        ("radam", optim::radam(0.1).boxed()),
        ("yogi", optim::yogi(0.1).boxed()),
        ("rmsprop", optim::rmsprop(0.1).boxed()),
        ("rmsprop(centered,momentum)", optim::rmsprop(0.1).centered(true).momentum(0.9).boxed()),
        ("rmsprop(bias_correction)", optim::rmsprop(0.1).bias_correction(true).boxed()),
        ("lamb", optim::lamb(0.1).boxed()),
        ("lars", optim::lars(0.1).boxed()),
        ("lion", optim::lion(0.1).boxed()),
        ("novograd", optim::novograd(0.1).boxed()),
        ("sm3", optim::masked(optim::sm3(0.1), |path, _| path != "scale").boxed()),
        ("adafactor", optim::adafactor(0.1).min_dim_size_to_factor(2usize).boxed()),
        (
            "adafactor(momentum,decay)",
            optim::adafactor(0.1).min_dim_size_to_factor(2usize).momentum(0.9).weight_decay_rate(0.1).boxed(),
        ),
        (
            "adafactor(without)",
            optim::adafactor(1.0)
                .without_learning_rate()
                .multiply_by_parameter_scale(false)
                .clipping_threshold(None)
                .boxed(),
        ),
        ("adamw(mask)", optim::adamw(half()).mask(|path, _| path == "dense/kernel").boxed()),
        ("chain(clip,adam)", (optim::clip_by_global_norm(1.0), optim::adam(1e-3)).boxed()),
        ("ema", optim::ema(0.9).boxed()),
        ("apply_if_finite", optim::apply_if_finite(optim::adam(1e-3), 3).boxed()),
        ("multi_steps", optim::multi_steps(optim::adam(1e-3), 2).boxed()),
        ("masked", optim::masked(momentum(), |path, _| path != "dense/bias").boxed()),
        (
            "multi_transform",
            optim::multi_transform(
                [("train", optim::adam(1e-3).boxed()), ("freeze", optim::set_to_zero().boxed())],
                |path, _| if path == "dense/bias" { "freeze" } else { "train" },
            )
            .boxed(),
        ),
    ]
}

/// The names in a state.
fn shown(state: &State) -> String {
    match state {
        State::Map(entries) => {
            let entries = entries.iter().map(|(name, state)| format!("{name}: {}", shown(state)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        State::Array(tensor) => tensor.aval().to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn states_of_optimizers_are_those_of_optax_byte_for_byte() {
    let all = State::from_bytes(&flaxs("optimizers")).unwrap();
    let params = all.at("params").unwrap().dict().unwrap();
    let State::Map(states) = all.at("states").unwrap() else { panic!("a dict") };
    assert_eq!(states.len(), optimizers().len());
    let mut differ = Vec::new();
    for (name, tx) in optimizers() {
        let Some(State::Bytes(bytes)) = all.get(["states", name]) else { panic!("{name}") };
        let state = tx.init(&params);
        if msgpack::to_bytes(&state).unwrap() != *bytes {
            let own = State::of(&state).unwrap();
            differ.push(format!(
                "{name}: {}, optax has {}",
                shown(&own),
                shown(&State::from_bytes(bytes).unwrap())
            ));
        }
        // By Flax's rules and by the stricter ones of `restore`.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        std::fs::write(&path, bytes).unwrap();
        for restored in [msgpack::from_bytes(&state, bytes), msgpack::restore(&path, &state)] {
            match restored {
                Ok(restored) => assert_eq!(restored, state, "{name}"),
                Err(error) => differ.push(format!("{name}: {error}")),
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn a_training_goes_on_with_what_flax_wrote_whether_its_steps_are_an_int_or_an_array() {
    let params = State::from_bytes(&flaxs("optimizers")).unwrap().at("params").unwrap().dict().unwrap();
    let start = TrainState::create(params, optim::sgd(0.5).momentum(0.5));
    let ones = start.params.map(|x| Ok(x.ones_like())).unwrap();
    let own = start.apply_gradients(&ones).unwrap().apply_gradients(&ones).unwrap();
    for name in ["train_state_int", "train_state_array"] {
        let state = msgpack::from_bytes(&start, &flaxs(name)).unwrap();
        let exact = msgpack::restore(path(&format!("{name}.msgpack")), &start).unwrap();
        assert_eq!(msgpack::to_bytes(&exact).unwrap(), msgpack::to_bytes(&state).unwrap());
        assert_eq!(state.step.item::<i32>().unwrap(), 2);
        assert_eq!((state.step.dtype(), state.step.aval().weak), (DType::I32, start.step.aval().weak));
        assert_eq!(state.params, own.params);
        assert_eq!(Value::of(&state.opt_state), Value::of(&own.opt_state));
        assert_eq!(msgpack::to_bytes(&state).unwrap(), flaxs("train_state_array"));
    }
    assert_eq!(msgpack::to_bytes(&own).unwrap(), flaxs("train_state_array"));
}

#[derive(Tree, Clone, Debug, PartialEq)]
struct Fields {
    batch_stats: Dict,
    ema: Dict,
}

#[test]
fn fields_of_the_users_stand_in_a_file_as_flax_has_those_of_a_derived_class() {
    let dict = |name: &str, x: Tensor| Dict::new().with(name, x);
    let fields = Fields { batch_stats: dict("mean", Tensor::zeros([])), ema: dict("w", Tensor::zeros([2])) };
    let template = TrainState::create(dict("w", Tensor::from([1.0f32, 2.0])), optim::sgd(0.5).momentum(0.5))
        .with(fields);
    let bytes = flaxs("train_state_fields");
    for state in [
        msgpack::from_bytes(&template, &bytes).unwrap(),
        msgpack::restore(path("train_state_fields.msgpack"), &template).unwrap(),
    ] {
        assert_eq!(state.step.item::<i32>().unwrap(), 2);
        assert_eq!(state.batch_stats, dict("mean", Tensor::from(3.0f32)));
        assert_eq!(state.ema, dict("w", Tensor::from([4.0f32, 5.0])));
        assert_eq!(msgpack::to_bytes(&state).unwrap(), bytes);
    }
}

#[test]
fn arrays_of_every_dtype_are_read() {
    let x = [0u8, 1, 2, 3, 4, 5];
    let found = msgpack::load(path("dtypes.msgpack")).unwrap();
    let check = |name: &str, expected: Tensor| assert_eq!(found[name], Value::from(expected), "{name}");
    let matrix = |tensor: Tensor| tensor.reshape([2, 3]);
    check("bool", matrix(Tensor::from(x.map(|x| x % 2 == 0))));
    check("u8", matrix(Tensor::from(x)));
    check("u32", matrix(Tensor::from(x.map(u32::from))));
    check("i32", matrix(Tensor::from(x.map(|x| i32::from(x) - 3))));
    check("i64", matrix(Tensor::of(x.map(|x| i64::from(x) - 3), DType::I64)));
    check("f16", matrix(Tensor::from(x.map(|x| f16::from_f64(f64::from(x) / 4.0)))));
    check("bf16", matrix(Tensor::from(x.map(|x| bf16::from_f64(f64::from(x) / 4.0)))));
    let thirds = matrix(Tensor::from(x.map(|x| (f64::from(x) / 3.0) as f32)));
    check("f32", thirds.clone());
    check("f64", matrix(Tensor::of(x.map(|x| f64::from(x) / 3.0), DType::F64)));
    check("transposed", thirds.t());
    check("jax", Tensor::from_vec([2.5f32], []));
    check("empty", Tensor::zeros([0, 3]));
    check("wide", Tensor::zeros([1, 300]).cast(DType::U8));
    check("np_f32", Tensor::from_vec([1.5f32], []));
    check("np_i64", Tensor::of(-7i64, DType::I64));
    check("np_bool", Tensor::from_vec([true], []));
    check("np_bf16", Tensor::from_vec([bf16::from_f64(0.5)], []));
    // Flax's own name for each is written, too.
    assert_eq!(msgpack::from_bytes(&found, &msgpack::to_bytes(&found).unwrap()).unwrap(), found);
}

#[test]
fn dtypes_that_tensors_do_not_have_are_named_where_they_are_asked_for() {
    let state = State::from_bytes(&flaxs("foreign")).unwrap();
    let one = |name: &str| Dict::new().with(name, Tensor::zeros([2, 3]));
    for (name, dtype) in
        [("u64", "uint64"), ("f8", "float8_e4m3fn"), ("np_c128", "complex128"), ("text", "str")]
    {
        let message = message(state.restore(&one(name)));
        assert!(message.contains(&format!("`{name}`")) && message.contains(dtype), "{message}");
    }
    let message = message(state.restore(&one("complex")));
    assert!(message.contains("`complex`") && message.contains("1 + 2i"), "{message}");
    assert!(matches!(state.get("complex"), Some(State::Complex(re, im)) if (*re, *im) == (1.0, 2.0)));
    // What nobody asks for does no harm; without a template everything is asked for.
    let fine = state.restore(&Dict::new().with("fine", Tensor::zeros([]))).unwrap();
    assert_eq!(fine.tensor("fine").unwrap().item::<f32>().unwrap(), 1.0);
    assert!(self::message(msgpack::load(path("foreign.msgpack"))).contains("`u64`"));
}

#[test]
fn the_order_of_bytes_is_lost_as_it_is_in_flax() {
    let x = msgpack::load(path("big_endian.msgpack")).unwrap();
    let turned = [1f32, 2.0].map(|x| f32::from_le_bytes(x.to_be_bytes()));
    assert_eq!(x["x"], Value::from(Tensor::from(turned)));
}

#[test]
fn boxes_are_their_values_and_a_target_has_the_names() {
    let bytes = flaxs("boxed");
    let plain =
        Dict::new().with("params/bias", Tensor::zeros([3])).with("params/kernel", Tensor::ones([4, 3]));
    let names = |dict: &Dict| {
        let boxed = |path: &str, names: &[&str]| {
            Boxed::new(dict.tensor(path).unwrap(), Partitioned::new(names.iter().copied()))
        };
        Dict::new()
            .with("params/bias", boxed("params/bias", &["out"]))
            .with("params/kernel", boxed("params/kernel", &["in", "out"]))
    };
    let boxed = names(&plain);
    assert_eq!(msgpack::to_bytes(&boxed).unwrap(), bytes);
    let zeros = |dict: &Dict| flaxen::tree::map(dict, |x| Ok(x.zeros_like())).unwrap();
    // With boxes or without, in the file or in the target.
    for bytes in [bytes, msgpack::to_bytes(&plain).unwrap()] {
        assert_eq!(msgpack::from_bytes(&zeros(&boxed), &bytes).unwrap(), boxed);
        assert_eq!(msgpack::from_bytes(&zeros(&plain), &bytes).unwrap(), plain);
    }
    // Other dicts are no boxes.
    let other = msgpack::to_bytes(&Dict::new().with("a/value", 1i32).with("a/more", 1i32)).unwrap();
    let message = message(msgpack::from_bytes(&Dict::new().with("a", 1i32), &other));
    assert!(message.contains("`a`: expected a tensor") && message.contains("`more`, `value`"), "{message}");
}

#[test]
fn pythons_own_values_are_data_without_tensors() {
    let state = State::from_bytes(&flaxs("native")).unwrap();
    let text = |at: &str| match state.at(at).unwrap() {
        State::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(state.at("ints/13").unwrap(), State::UInt(9_223_372_036_854_775_808)));
    assert!(matches!(state.at("ints/24").unwrap(), State::Int(i64::MIN)));
    assert_eq!((text("texts/5").as_str(), text("texts/6").len()), ("ü", 65536));
    assert!(matches!(state.at("floats/4").unwrap(), State::Float(x) if x.is_nan()));
    assert!(matches!(state.at("values/5/1/a").unwrap(), State::Int(2)));
    assert!(state.get("values/9").is_none() && state.get("none/0").is_none());

    // A dict of them, in order of names.
    let dict = Dict::new()
        .with("list", (Value::of(&Static(1i64)), Value::of(&dict_of_a()), Value::of(&(Static(3u8),))))
        .with("none", Value::of(&None::<Tensor>))
        .with("flag", Value::of(&Static(true)))
        .with("name", Value::of(&Static("run")))
        .with("rate", Value::of(&Static(0.5)))
        .with("empty", Value::of(&()));
    let flaxs = State::from_bytes(&flaxs("tree")).unwrap();
    assert_eq!(msgpack::to_bytes(&dict).unwrap(), flaxs.clone().sorted().to_bytes().unwrap());
    assert_eq!(flaxs.restore(&dict).unwrap(), dict);
    // Their types are the target's, their values the file's.
    let target =
        Dict::new().with("name", Value::of(&Static(String::new()))).with("rate", Value::of(&Static(1f32)));
    let restored = flaxs.restore(&target).unwrap();
    assert_eq!(restored["name"].to::<Static<String>>().unwrap().0, "run");
    assert_eq!(restored["rate"].to::<Static<f32>>().unwrap().0, 0.5);
    for wrong in [Value::of(&Static(7i32)), Value::of(&Static("walk")), Value::from(1f32)] {
        let message = message(flaxs.restore(&Dict::new().with("name", wrong)));
        assert!(message.contains("`name`") && message.contains("\"run\""), "{message}");
    }
    let unknown = Dict::new().with("a/b", Value::of(&Static(std::time::Duration::ZERO)));
    assert!(message(msgpack::to_bytes(&unknown)).contains("`a/b`: 0ns is data without tensors"));
}

fn dict_of_a() -> Dict {
    Dict::new().with("a", Value::of(&Static(2i64)))
}

#[test]
fn numbers_of_python_become_tensors_where_they_fit() {
    let state = |value: State| State::Map(vec![("x".to_owned(), value)]);
    let restore = |value: State, dtype: DType| {
        state(value).restore(&Dict::new().with("x", Tensor::zeros([]).cast(dtype)))?.tensor("x").cloned()
    };
    assert_eq!(restore(State::Int(255), DType::U8).unwrap().item::<u8>().unwrap(), 255);
    assert_eq!(restore(State::Int(i64::MIN), DType::I64).unwrap().item::<i64>().unwrap(), i64::MIN);
    assert_eq!(restore(State::Int(3), DType::F32).unwrap().item::<f32>().unwrap(), 3.0);
    assert_eq!(restore(State::Float(0.1), DType::F64).unwrap().item::<f64>().unwrap(), 0.1);
    assert_eq!(restore(State::Float(0.1), DType::BF16).unwrap().dtype(), DType::BF16);
    assert!(restore(State::Bool(true), DType::Bool).unwrap().item::<bool>().unwrap());
    for (value, dtype) in [
        (State::Int(256), DType::U8),
        (State::Int(-1), DType::U32),
        (State::Int(1 << 31), DType::I32),
        (State::UInt(u64::MAX), DType::I64),
        (State::Float(1.0), DType::I32),
        (State::Bool(true), DType::I32),
        (State::Int(1), DType::Bool),
        (State::None, DType::F32),
        (State::from("1"), DType::F32),
    ] {
        let message = message(restore(value, dtype));
        assert!(message.contains("`x`: expected a tensor"), "{message}");
    }
}

#[derive(Tree)]
struct Line {
    slope: Tensor,
    offset: Option<Tensor>,
    #[tree(static)]
    degree: usize,
}

#[test]
fn a_target_says_what_is_missing_and_what_is_something_else() {
    let bytes = |dict: &Dict| msgpack::to_bytes(dict).unwrap();
    let x = || Tensor::ones([2]);
    let file = bytes(&Dict::new().with("a/b", x()).with("c", x()).with("d", x()));
    let says = |target: Dict, parts: &[&str]| {
        let message = message(msgpack::from_bytes(&target, &file));
        parts.iter().for_each(|part| assert!(message.contains(part), "{part}: {message}"));
    };
    says(
        Dict::new().with("a/b", x()).with("e/f", x()).with("a/g", x()),
        &["`a/g`", "`e`", "the file has not"],
    );
    says(Dict::new().with("a", x()), &["`a`: expected a tensor", "a dict of `b`"]);
    says(Dict::new().with("c/b", x()), &["`c`: expected a dict", "an array f32[2]"]);
    says(Dict::new().with("a", vec![x()]), &["`a/0`", "the file has not"]);
    says(Dict::new().with("a", vec![x(), x()]), &["`a`: it has 1 values, but the template has 2"]);
    // Flax compares neither shapes nor dtypes, and leaves out what it is not asked for.
    let other = msgpack::from_bytes(&Dict::new().with("c", 7i32), &file).unwrap();
    assert_eq!(other, Dict::new().with("c", x()));

    // Fields of structs are all there, or none.
    let line = Line { slope: x(), offset: None, degree: 1 };
    let dict = Dict::new().with("slope", x());
    assert_eq!(msgpack::from_bytes(&line, &bytes(&dict)).unwrap().degree, 1);
    let message = |dict: &Dict| self::message(msgpack::from_bytes(&line, &bytes(dict)));
    assert!(message(&dict.with("more", x())).contains("the file has `more`"));
    assert!(message(&dict.with("offset", x())).contains("`offset`: the template has nothing here"));
    assert!(message(&Dict::new()).contains("the template has `slope`"));
    let both = Line { offset: Some(x()), ..line };
    let written = msgpack::to_bytes(&both).unwrap();
    assert!(msgpack::from_bytes(&both, &written).unwrap().offset.is_some());
    assert!(
        self::message(msgpack::from_bytes(&Line { offset: None, ..both }, &written)).contains("`offset`")
    );
}

#[test]
fn restoring_from_a_file_compares_names_shapes_and_dtypes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("params.msgpack");
    let params = Dict::new().with("a/kernel", Tensor::ones([2, 3])).with("a/bias", Tensor::zeros([3]));
    msgpack::save(&path, &params).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), msgpack::to_bytes(&params).unwrap());
    assert_eq!(msgpack::load(&path).unwrap(), params);
    assert_eq!(msgpack::restore(&path, &params).unwrap(), params);
    for (template, part) in [
        (Dict::new().with("a/kernel", Tensor::ones([2, 3])), "the file has `a/bias`"),
        (params.with("b", 1i32), "the template has `b`"),
        (params.with("a/bias", Tensor::zeros([4])), "`a/bias`: it is f32[3], but the template has f32[4]"),
        (params.with("a/bias", Tensor::zeros([3]).cast(DType::BF16)), "but the template has bf16[3]"),
    ] {
        let message = message(msgpack::restore(&path, &template));
        assert!(message.contains(part) && message.contains("params.msgpack"), "{message}");
    }
    std::fs::write(&path, b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94").unwrap();
    assert!(message(msgpack::load(&path)).contains("a Python pickle"));
    std::fs::write(&path, b"\x93\x01").unwrap();
    assert!(message(msgpack::load(&path)).contains("ends too early"));
    assert!(message(msgpack::load(folder.path().join("none"))).contains("cannot be read"));
}

#[test]
fn arrays_in_pieces_are_put_together() {
    let state = State::from_bytes(&flaxs("pieces")).unwrap();
    let check = |name: &str, expected: Tensor| match state.at(name).unwrap() {
        State::Array(tensor) => assert_eq!(Value::from(tensor), Value::from(expected), "{name}"),
        other => panic!("{name}: {other:?}"),
    };
    check("exactly", Tensor::from([0f32, 1.0, 2.0]));
    check("over", Tensor::from([0f32, 1.0, 2.0, 3.0]));
    check("matrix", Tensor::from([[0i32, 1, 2], [3, 4, 5]]));
    check("wide", Tensor::of([0f64, 1.0, 2.0], DType::F64));
    check("dict/in", Tensor::from([0f32, 1.0, 2.0, 3.0]));
    check("listed/0", Tensor::from([0f32, 1.0, 2.0, 3.0]));
    let single = State::from_bytes(&flaxs("piece")).unwrap();
    assert!(matches!(single, State::Array(x) if x.shape().is_empty() && x.item::<f64>().unwrap() == 1.5));

    // Pieces that do not fit are refused, before anything is made of them.
    let piece = |n: usize| State::from(Tensor::ones([n]));
    let map = |entries: Vec<(&str, State)>| {
        State::Map(entries.into_iter().map(|(name, state)| (name.to_owned(), state)).collect())
    };
    // The mark is the library's own, so that it is written under another name first.
    let array = |shape: Vec<(&str, State)>, chunks: Vec<(&str, State)>| {
        let mark = "__msgpack_chunked_arraz__";
        let state =
            map(vec![("x", map(vec![(mark, true.into()), ("shape", map(shape)), ("chunks", map(chunks))]))]);
        let mut bytes = state.to_bytes().unwrap();
        let at = bytes.windows(mark.len()).position(|part| part == mark.as_bytes()).unwrap();
        bytes[at..at + mark.len()].copy_from_slice(b"__msgpack_chunked_array__");
        State::from_bytes(&bytes)
    };
    let whole = array(vec![("0", 5.into())], vec![("1", piece(2)), ("0", piece(3))]).unwrap();
    assert!(matches!(whole.at("x").unwrap(), State::Array(x) if x.shape() == [5]));
    for wrong in [
        array(vec![("0", State::Int(1 << 60))], vec![("0", piece(2))]),
        array(vec![("0", State::Int(1 << 62)), ("1", State::Int(1 << 62))], vec![("0", piece(2))]),
        array(vec![("0", 3.into())], vec![("0", piece(2))]),
        array(vec![("0", State::Int(-2))], vec![("0", piece(2))]),
        array(vec![("1", 2.into())], vec![("0", piece(2))]),
        array(vec![("0", 2.into())], vec![("1", piece(2))]),
        array(vec![("0", 0.into())], vec![]),
        array(vec![("0", 2.into())], vec![("0", Tensor::ones([1, 2]).into())]),
        array(vec![("0", 2.into())], vec![("0", piece(1)), ("1", Tensor::from([1i32]).into())]),
        array(vec![("0", 2.into())], vec![("0", 2.into())]),
    ] {
        let message = message(wrong);
        assert!(message.contains("at `x`: "), "{message}");
    }
    let reserved = map(vec![("__msgpack_chunked_array__", true.into())]);
    assert!(message(reserved.to_bytes()).contains("rename it"));
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let twice = State::Map(vec![("a".to_owned(), State::None), ("a".to_owned(), State::None)]);
    assert!(message(twice.to_bytes()).contains("`a`: the name is given twice"));
    assert!(message(State::Scalar(Tensor::ones([1])).to_bytes()).contains("scalar"));
    let nested = |levels| (0..levels).fold(State::None, |inner, _| State::List(vec![inner]));
    let deepest = nested(Dict::MAX_DEPTH).to_bytes().unwrap();
    assert_eq!(State::from_bytes(&deepest).unwrap().to_bytes().unwrap(), deepest);
    assert!(message(nested(Dict::MAX_DEPTH + 1).to_bytes()).contains("inside each other"));
    assert!(message(nested(Dict::MAX_DEPTH + 1).value()).contains("inside each other"));
    let traced = jit(|x: Tensor| {
        let message = message(msgpack::to_bytes(&Dict::new().with("a/b", &x)));
        assert!(message.contains("`a/b`"), "{message}");
        Ok(x)
    });
    traced.call(Tensor::ones([2])).unwrap();
}

/// Reads what may be anything; what can be read is written, and read as the same.
fn read(bytes: &[u8]) {
    let Ok(state) = State::from_bytes(bytes) else { return };
    let _ = format!("{state:?}");
    let written = state.to_bytes().expect("what was read can be written");
    let again = State::from_bytes(&written).expect("and read again");
    assert_eq!(again.to_bytes().unwrap(), written);
    if let Ok(value) = state.value() {
        // As bytes: a number that is none is not itself.
        let restored = state.restore(&value).expect("its own template");
        assert_eq!(msgpack::to_bytes(&restored).unwrap(), msgpack::to_bytes(&value).unwrap());
    }
}

#[test]
fn what_is_cut_short_is_an_error_wherever_it_is_cut() {
    for name in FILES.into_iter().filter(|name| *name != "native").chain(["pieces", "piece"]) {
        let bytes = file(name);
        for len in 0..bytes.len() {
            assert!(State::from_bytes(&bytes[..len]).is_err(), "{name}, {len}");
        }
        assert!(message(State::from_bytes(&[bytes.as_slice(), b"\0"].concat())).contains("bytes are left"));
    }
}

#[test]
fn damaged_bytes_are_errors_or_other_values() {
    for name in ["variables_jit", "pieces", "boxed", "tree", "foreign"] {
        let bytes = file(name);
        for (at, flipped) in (0..bytes.len()).flat_map(|at| [(at, 0xff), (at, 0x80), (at, 1)]) {
            let mut bytes = bytes.clone();
            bytes[at] ^= flipped;
            read(&bytes);
        }
    }
}

#[test]
fn lengths_are_not_believed_and_depth_is_limited() {
    // A text, bytes, a list, a dict and an extension of 4 GiB; an array of 2⁶⁰ elements, and of no elements in too many rows.
    let mut huge: Vec<Vec<u8>> =
        [0xdb, 0xc6, 0xdd, 0xdf].map(|marker| vec![marker, 0xff, 0xff, 0xff, 0xff]).into();
    huge.push(vec![0xc9, 0xff, 0xff, 0xff, 0xff, 1]);
    let array = |shape: &[u8], values: &[u8]| {
        let data = [b"\x93", shape, b"\xa7float32", values].concat();
        [&[0xc7, data.len() as u8, 1], data.as_slice()].concat()
    };
    huge.push(array(b"\x91\xcf\x10\0\0\0\0\0\0\0", b"\xc4\x04\0\0\0\0"));
    huge.push(array(b"\x92\0\xcf\xff\xff\xff\xff\xff\xff\xff\xff", b"\xc4\0"));
    huge.push(array(b"\xdd\xff\xff\xff\xff", b"\xc4\0"));
    huge.push(array(b"\x91\xff", b"\xc4\x04\0\0\0\0"));
    for bytes in huge {
        assert!(State::from_bytes(&bytes).is_err(), "{bytes:?}");
    }
    for (open, levels) in [(&b"\x91"[..], 100_000), (b"\x81\xa1a", 100_000), (b"\x91", Dict::MAX_DEPTH + 1)] {
        let bytes = [open.repeat(levels), vec![0xc0]].concat();
        assert!(message(State::from_bytes(&bytes)).contains("inside each other"));
    }
    assert!(
        message(State::from_bytes(b"\x82\xa1a\x01\xa1a\x02")).contains("at `a`: the name is given twice")
    );
    assert!(message(State::from_bytes(b"\x81\xa1a\xc1")).contains("at `a`"));
    assert!(message(State::from_bytes(b"\x81\xc0\x01")).contains("neither a text nor an integer"));
    // A number is a name as text, as in the state dicts of Flax.
    assert!(State::from_bytes(b"\x81\x07\x01").unwrap().get("7").is_some());
    assert!(message(State::from_bytes(b"")).contains("empty"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_an_error_or_a_state_that_is_written_and_read_again(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        read(&bytes);
    }
}
