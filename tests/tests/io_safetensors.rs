//! Variables and training states in safetensors files.

use std::path::PathBuf;

use flaxen::io::safetensors::{self, File, Save};
use flaxen::optim::Adam;
use flaxen::prelude::*;
use half::{bf16, f16};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.safetensors");
    (folder, path)
}

/// A tensor of each dtype, with the values that are easily lost.
fn all_dtypes() -> Dict {
    let nan = f32::from_bits(0x7fc0_1234);
    Dict::new()
        .with("floats/f32", Tensor::from([1.5f32, -0.0, f32::INFINITY, nan]))
        .with("floats/f64", Tensor::of([[f64::MIN_POSITIVE / 4.0], [f64::MAX]], DType::F64))
        .with("floats/bf16", Tensor::from([bf16::from_f32(3.0), bf16::NAN, bf16::MIN_POSITIVE]))
        .with("floats/f16", Tensor::from([f16::MAX, f16::from_bits(1)]))
        .with("integers/i32", Tensor::from([i32::MIN, i32::MAX]))
        .with("integers/i64", Tensor::of([i64::MIN, i64::MAX], DType::I64))
        .with("integers/u32", Tensor::from([u32::MAX, 1]))
        .with("integers/u8", Tensor::from([255u8, 0, 7]))
        .with("bool", Tensor::from([[true, false, true]]))
        .with("empty", Tensor::zeros([0, 3]))
        .with("scalar", Tensor::from_vec([4.0f32], []))
}

#[test]
fn every_dtype_comes_back_bit_for_bit() {
    let (_folder, path) = folder();
    let dict = all_dtypes();
    safetensors::save(&path, &dict).unwrap();
    assert_eq!(safetensors::load(&path).unwrap(), dict);
    assert_eq!(File::map(&path).unwrap().dict().unwrap(), dict);
    let bytes = Save::new().to_bytes(&dict).unwrap();
    assert_eq!(bytes, std::fs::read(&path).unwrap());
    assert_eq!(File::from_bytes(bytes).unwrap().dict().unwrap(), dict);
}

#[test]
fn the_reference_implementation_reads_what_we_write() {
    let dict = all_dtypes();
    let bytes = Save::new().metadata("a", "b").to_bytes(&dict).unwrap();
    let theirs = ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(theirs.len(), dict.flatten("/").len());
    for (name, value) in dict.flatten("/") {
        let (tensor, view) = (value.tensor().unwrap(), theirs.tensor(&name).unwrap());
        assert_eq!(view.shape(), tensor.shape());
        assert_eq!(view.data(), tensor.array().unwrap().bytes());
        assert_eq!(view.data().as_ptr().addr() % tensor.dtype().size(), bytes.as_ptr().addr() % 8, "{name}");
    }
    let (_, header) = ::safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["a"], "b");
}

#[test]
fn we_read_what_the_reference_implementation_wrote() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut read = 0;
    for entry in std::fs::read_dir(golden).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "safetensors") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let theirs = ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let ours = File::open(&path).unwrap();
        assert_eq!(ours.names().len(), theirs.len());
        for name in ours.names() {
            let view = theirs.tensor(name).unwrap();
            let tensor = ours.tensor(name).unwrap();
            assert_eq!((tensor.shape(), tensor.array().unwrap().bytes()), (view.shape(), view.data()));
            read += 1;
        }
    }
    assert!(read > 1000);
}

#[test]
fn variables_come_back_with_names_that_contain_a_slash() {
    let (_folder, path) = folder();
    let model = nn::WeightNorm::new(Dense::new(4));
    let variables = model.init(key(0)).call(&Tensor::ones([2, 3])).unwrap();
    let slashes =
        |dict: &Dict| dict.flatten_keys().keys().any(|keys| keys.iter().any(|key| key.contains('/')));
    assert!(slashes(variables.as_dict()));
    safetensors::save(&path, &variables).unwrap();
    assert_eq!(safetensors::load_variables(&path).unwrap(), variables);
    assert!(File::open(&path).unwrap().metadata().is_empty());
}

type Step = (TrainState<Adam>, Tensor, Tensor);

#[test]
fn a_run_that_is_interrupted_and_resumed_ends_as_one_that_is_not() {
    let (_folder, path) = folder();
    let model = sequential![Dense::new(8), Tensor::tanh, Dense::new(1)];
    let x = random::normal(&key(1), [16, 3]);
    let y = x.sum_keep(1);
    let begin = || {
        let (params, _) = model.init(key(0)).call(&x).unwrap().pop("params").unwrap();
        TrainState::create(params, optim::adam(0.05))
    };
    let step = jit(|(state, x, y): Step| {
        let grads = grad(|params: &Dict| {
            let predicted = model.apply(Variables::new().with("params", params)).call(&x)?;
            Ok((predicted - &y).square().mean())
        })(&state.params)?;
        state.apply_gradients(&grads)
    });
    let run = |mut state: TrainState<Adam>, steps: usize| {
        for _ in 0..steps {
            state = step.call((state, x.clone(), y.clone())).unwrap();
        }
        state
    };
    let whole = run(begin(), 9);
    let fresh = begin();
    safetensors::save(&path, &run(fresh.clone(), 4)).unwrap();
    let resumed = run(safetensors::restore(&path, &fresh).unwrap(), 5);
    assert_eq!(resumed.params, whole.params);
    assert_eq!(resumed.step.item::<i32>().unwrap(), 9);
    assert_eq!(Value::of(&resumed.opt_state), Value::of(&whole.opt_state));
    let names = File::open(&path).unwrap().names().map(str::to_owned).collect::<Vec<_>>();
    assert!(names.contains(&"opt_state/0/mu/layers_0/kernel".to_owned()), "{names:?}");
    // `begin` makes an optimizer, which is part of the structure, anew each time.
    assert_eq!(step.traces(), 2);
}

#[test]
fn a_template_needs_no_numbers() {
    let (_folder, path) = folder();
    let model = Dense::new(4);
    let x = Tensor::ones([2, 3]);
    let variables = model.init(key(0)).call(&x).unwrap();
    safetensors::save(&path, &variables).unwrap();
    let template = flaxen::eval_shape(|x: Tensor| model.init(key(0)).call(&x), &x).unwrap();
    assert_eq!(safetensors::restore(&path, &template).unwrap(), variables);
}

#[test]
fn tuples_options_and_lists_come_back_through_a_template() {
    let (_folder, path) = folder();
    let tree = (vec![Tensor::from([1i32]), Tensor::from([2i32])], Some(Tensor::from([3i32])), None::<Tensor>);
    safetensors::save(&path, &tree).unwrap();
    let file = File::open(&path).unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["0/0", "0/1", "1"]);
    let back = file.restore(&tree).unwrap();
    assert_eq!(Value::of(&back), Value::of(&tree));
    assert_eq!(file.restore_part("1", &Tensor::from([0i32])).unwrap().item::<i32>().unwrap(), 3);
}

#[test]
fn what_does_not_fit_a_template_is_listed() {
    let (_folder, path) = folder();
    let saved = Dict::new()
        .with("a", Tensor::zeros([2]))
        .with("b", Tensor::zeros([3]))
        .with("old", Tensor::zeros([1]));
    safetensors::save(&path, &saved).unwrap();
    let template = Dict::new()
        .with("a", Tensor::zeros([2]))
        .with("b", Tensor::from([1i32]))
        .with("new", Tensor::zeros([1]));
    let message = safetensors::restore(&path, &template).unwrap_err().to_string();
    for part in ["file.safetensors", "template has `new`", "file has `old`", "`b` is f32[3]", "i32[1]"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn parts_of_a_file_are_read_alone() {
    let (_folder, path) = folder();
    let dict = all_dtypes();
    safetensors::save(&path, &dict).unwrap();
    let file = File::open(&path).unwrap();
    assert_eq!(&file.subtree("floats").unwrap(), dict.dict("floats").unwrap());
    assert_eq!(file.aval("empty").unwrap().to_string(), "f32[0,3]");
    assert_eq!(
        file.restore_part("integers", dict.dict("integers").unwrap()).unwrap(),
        *dict.dict("integers").unwrap()
    );
    for missing in ["float", "floats/f", "", "bool/x"] {
        let message = file.subtree(missing).unwrap_err().to_string();
        assert!(message.contains("floats/f32"), "{message}");
    }
    assert!(file.view::<f32>("floats/f32").unwrap_err().to_string().contains("open the file with `map`"));
}

#[test]
fn a_mapped_file_is_seen_without_a_copy() {
    let (_folder, path) = folder();
    safetensors::save(&path, &all_dtypes()).unwrap();
    let file = File::map(&path).unwrap();
    let view = file.view::<f64>("floats/f64").unwrap();
    assert_eq!((view.shape(), view[[1, 0]]), (&[2, 1][..], f64::MAX));
    assert!(matches!(file.view::<f32>("floats/f64"), Err(Error::ElementType { .. })));
    // Replaced, not changed.
    safetensors::save(&path, &Dict::from([("x", Tensor::ones([1]))])).unwrap();
    assert_eq!(view[[1, 0]], f64::MAX);
}

#[test]
fn texts_are_kept_and_the_same_tree_gives_the_same_bytes() {
    let save = Save::new().metadata("epoch", "3").metadata("model", "{\"hidden\": 16}").metadata("é\n", "");
    let bytes = save.to_bytes(&all_dtypes()).unwrap();
    assert_eq!(bytes, save.to_bytes(&all_dtypes()).unwrap());
    let file = File::from_bytes(bytes).unwrap();
    let texts: Vec<_> = file.metadata().iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
    assert_eq!(texts, [("epoch", "3"), ("model", "{\"hidden\": 16}"), ("é\n", "")]);
    let reserved = Save::new().metadata("flaxen.keys", "").to_bytes(&all_dtypes());
    assert!(reserved.unwrap_err().to_string().contains("rename it"));
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let (folder, path) = folder();
    let one = || Tensor::ones([1]);
    let bad = [
        (Dict::from([("", one())]), "is empty"),
        (Dict::from([("..", one())]), "means a folder"),
        (Dict::from([("a/", one())]), "empty part"),
        (Dict::from([("a\0", one())]), "control characters"),
        (Dict::from([("a/b", one())]).with("a/b", one()), "two tensors"),
        (Dict::from([("a", Tensor::abstract_value(Aval::new([1], DType::F32)))]), "`a`"),
    ];
    for (dict, part) in bad {
        let message = safetensors::save(&path, &dict).unwrap_err().to_string();
        assert!(message.contains(part) && message.contains("file.safetensors"), "{message}");
    }
    assert!(safetensors::save(&path, &one()).unwrap_err().to_string().contains("put it into a `Dict`"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let nowhere = safetensors::save(folder.path().join("no/such/folder"), &all_dtypes());
    assert!(nowhere.unwrap_err().to_string().contains("cannot be written"));
    assert!(safetensors::load(folder.path()).unwrap_err().to_string().contains("not a regular file"));
    assert!(safetensors::load(&path).unwrap_err().to_string().contains("cannot be read"));
    let loose = Dict::from([("kernel", one())]);
    safetensors::save(&path, &loose).unwrap();
    assert!(safetensors::load_variables(&path).unwrap_err().to_string().contains("collection `kernel`"));
}

/// Names that some format, program or system takes for something else.
const ODD: [&str; 24] = [
    "__metadata__",
    "a.npy",
    ".npy",
    "a b",
    " ",
    "~",
    "C:",
    "con",
    "a\\b",
    "..a",
    "...",
    "%2e%2e",
    "\"",
    "'",
    "{}",
    "é",
    "e\u{301}",
    "数",
    "\u{202e}",
    "\u{feff}",
    "*",
    "0",
    "data_offsets",
    "a/b",
];

#[test]
fn every_name_is_read_back_or_refused_when_it_is_written() {
    let long = "n".repeat(70_000);
    let refused: [&str; 8] = ["", "/", "a/", "/a", "a//b", ".", "..", "\0"];
    let names: Vec<&str> = ODD.iter().copied().chain([long.as_str()]).chain(refused).collect();
    let dicts = names.iter().flat_map(|&name| {
        let inner = Dict::from([(name, 1i32)]);
        let pair = Dict::from([(name, 1i32), ("~other", 2)]);
        [
            Dict::from([(name, 1i32)]),
            Dict::from([("params", inner.clone())]),
            Dict::from([(name, inner)]),
            pair,
        ]
    });
    let (mut kept, mut lost) = (0, 0);
    for dict in dicts {
        let safetensors =
            Save::new().to_bytes(&dict).map(|bytes| File::from_bytes(bytes).unwrap().dict().unwrap());
        let npz = flaxen::io::npz::to_bytes(&dict).map(|bytes| flaxen::io::npz::from_bytes(&bytes).unwrap());
        for copy in [safetensors, npz] {
            match copy {
                Ok(copy) => {
                    assert_eq!(copy, dict);
                    kept += 1;
                }
                Err(error) => {
                    assert!(error.to_string().contains("name"), "{error}");
                    lost += 1;
                }
            }
        }
    }
    // Refused are the eight, `__metadata__` alone where it is that of the texts, and for npz what contains a `/` or is too long.
    assert!(kept > 150 && lost >= 8 * 8 + 2, "{kept} kept, {lost} refused");
    let message = Save::new().to_bytes(&Dict::from([("__metadata__", 1i32)])).unwrap_err().to_string();
    assert!(message.contains("`__metadata__`") && message.contains("rename"), "{message}");
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_neither_read_nor_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let dict = Dict::from([("a", 1f32)]);
    for path in [pipe.as_path(), &socket, folder.path()] {
        let results = [
            safetensors::save(path, &dict),
            safetensors::load(path).map(drop),
            File::map(path).map(drop),
            flaxen::io::npz::save(path, &dict),
            flaxen::io::npz::load(path).map(drop),
            flaxen::io::torch::StateDict::open(path).map(drop),
            flaxen::io::write(path, b"text"),
        ];
        for result in results {
            let message = result.unwrap_err().to_string();
            assert!(message.contains("not a regular file"), "{message}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[cfg(unix)]
#[test]
fn a_save_keeps_the_mode_of_the_file_and_removes_what_killed_saves_left() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, path) = folder();
    safetensors::save(&path, &all_dtypes()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(folder.path().join(".flaxen-a1b2c3.tmp"), b"half of a checkpoint").unwrap();
    safetensors::save(&path, &all_dtypes()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_box_of_flax_is_opened_where_a_tensor_is_expected() {
    // `flatten_dict(to_state_dict(params), sep="/")` of parameters of `nn.with_partitioning`.
    let boxed =
        Dict::new().with("d/kernel/value", Tensor::ones([2, 3])).with("d/bias/value", Tensor::ones([3]));
    let template = Dict::new().with("d/kernel", Tensor::zeros([2, 3])).with("d/bias", Tensor::zeros([3]));
    let file = |dict: &Dict| File::from_bytes(Save::new().to_bytes(dict).unwrap()).unwrap();
    let restored = file(&boxed).restore(&template).unwrap();
    let plain = Dict::new().with("d/kernel", Tensor::ones([2, 3])).with("d/bias", Tensor::ones([3]));
    assert_eq!(restored, plain);
    let one = file(&boxed).restore_part("d/bias", &Tensor::zeros([3])).unwrap();
    assert_eq!(one.to_vec::<f32>().unwrap(), [1.0; 3]);
    // A dict that is no box is refused, and so is a box where a dict is expected.
    for more in ["d/kernel/scale", "d/kernel/value2"] {
        let message =
            file(&boxed.clone().with(more, Tensor::ones([1]))).restore(&template).unwrap_err().to_string();
        assert!(message.contains("`d/kernel`") && message.contains(more), "{message}");
    }
    let deeper =
        Dict::new().with("d/kernel/value/x", Tensor::zeros([2, 3])).with("d/bias", Tensor::zeros([3]));
    assert!(file(&boxed).restore(&deeper).is_err());
    let npz = flaxen::io::npz::to_bytes(&boxed).unwrap();
    assert_eq!(flaxen::io::npz::File::from_bytes(npz).unwrap().restore(&template).unwrap(), restored);
}

/// `torch/eights.py` made the file, with all 256 of each kind.
#[test]
fn floats_of_eight_bits_have_the_values_that_torch_gives_them() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/torch/eights.safetensors");
    for file in [File::open(path).unwrap(), File::map(path).unwrap()] {
        for name in ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"] {
            assert_eq!(file.aval(name).unwrap().dtype, DType::BF16);
            let found = file.tensor(name).unwrap().cast(DType::F32).to_vec::<f32>().unwrap();
            let expected = file.tensor(&format!("{name}.values")).unwrap().to_vec::<f32>().unwrap();
            for (code, (found, expected)) in found.into_iter().zip(expected).enumerate() {
                let is_same = found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
                assert!(is_same, "{name} {code:#x}: {found}, expected {expected}");
            }
        }
        let error = file.view::<half::bf16>("float8_e5m2").unwrap_err().to_string();
        assert!(
            error.contains("read it with `tensor`") || error.contains("open the file with `map`"),
            "{error}"
        );
    }
}
