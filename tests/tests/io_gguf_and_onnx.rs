//! Weights in the files of llama.cpp and of ONNX are those that the `gguf` and `onnx` packages read. `gguf/files.py` and `onnx/files.py`
//! made the files.

use std::path::{Path, PathBuf};

use flaxen::io::gguf::Metadata;
use flaxen::io::torch::StateDict;
use flaxen::io::{gguf, onnx, safetensors};
use flaxen::prelude::*;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The values that Python reads from a file, by name, as floats of at least 32 bits.
fn expected(file: &str, prefix: &str) -> Vec<(String, Tensor)> {
    let file = safetensors::File::open(path(file)).unwrap();
    let named =
        file.names().filter_map(|name| Some((name.strip_prefix(prefix)?, file.tensor(name).unwrap())));
    named.map(|(name, tensor)| (name.to_owned(), tensor)).collect()
}

/// The same shape and bits; floats of 16 bits are among those of 32.
fn same(name: &str, found: &Tensor, expected: &Tensor) {
    let found = if found.dtype() == expected.dtype() { found.clone() } else { found.cast(DType::F32) };
    assert_eq!(found.aval().to_string(), expected.aval().to_string(), "{name}");
    assert_eq!(found.array().unwrap().bytes(), expected.array().unwrap().bytes(), "{name}");
}

fn gguf_files() -> [gguf::File; 3] {
    let path = path("gguf/weights.gguf");
    let bytes = std::fs::read(&path).unwrap();
    [
        gguf::File::open(&path).unwrap(),
        gguf::File::map(&path).unwrap(),
        gguf::File::from_bytes(bytes).unwrap(),
    ]
}

#[test]
fn quantised_weights_are_those_that_ggufs_own_package_dequantises() {
    let expected = expected("gguf/weights.safetensors", "");
    for file in gguf_files() {
        assert_eq!(file.names().len(), expected.len() + 1, "{file:?}");
        for (name, expected) in &expected {
            let tensor = file.tensor(name).unwrap();
            assert_eq!(&file.aval(name).unwrap(), tensor.aval());
            same(name, &tensor, expected);
        }
    }
    let [file, ..] = gguf_files();
    let stored: Vec<&str> = expected.iter().map(|(name, _)| file.kind(name).unwrap()).collect();
    for kind in
        ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "I8", "F64"]
    {
        assert!(stored.contains(&kind), "{kind}: {stored:?}");
    }
    assert_eq!(file.aval("blk.0.f16.weight").unwrap().to_string(), "f16[3,2,64]");
    assert_eq!(file.aval("blk.1.q6_k.weight").unwrap().to_string(), "f32[3,512]");
}

#[test]
fn weights_are_dequantised_to_half_the_width_where_that_is_asked_for() {
    let [file, mapped, _] = gguf_files();
    for (name, expected) in expected("gguf/weights.safetensors", "blk.") {
        let name = format!("blk.{name}");
        let narrow = mapped.tensor_as(&name, DType::BF16).unwrap();
        assert_eq!(narrow.dtype(), DType::BF16);
        same(&name, &narrow, &expected.cast(DType::BF16).cast(DType::F32));
        same(&name, &file.tensor_as(&name, DType::F32).unwrap(), &expected);
    }
    assert_eq!(file.tensor_as("int8", DType::I8).unwrap().dtype(), DType::I8);
    for (name, dtype) in [("int8", DType::F32), ("blk.0.q4_0.weight", DType::I32), ("float64", DType::BF16)] {
        let error = file.tensor_as(name, dtype).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("cast it afterwards"), "{error}");
    }
}

#[test]
fn metadata_are_those_that_were_written() {
    use Metadata::{Bool, Bools, Float, Floats, Int, Ints, Text, Texts};
    let third = 1.0 / 3.0;
    let written = [
        ("general.architecture", Text("llama".to_owned())),
        ("general.name", Text("a small model".to_owned())),
        ("general.alignment", Int(64)),
        ("llama.block_count", Int(2)),
        ("llama.attention.layer_norm_rms_epsilon", Float(f64::from(1e-5f32))),
        ("values.uint8", Int(200)),
        ("values.int8", Int(-100)),
        ("values.uint16", Int(60000)),
        ("values.int16", Int(-30000)),
        ("values.int32", Int(-(1 << 31))),
        ("values.uint64", Int(1 << 40)),
        ("values.int64", Int(-(1 << 40))),
        ("values.float64", Float(third)),
        ("values.bool", Bool(true)),
        ("values.floats", Floats(vec![0.5, -2.0])),
        ("values.bools", Bools(vec![true, false])),
        ("tokenizer.ggml.tokens", Texts(["<s>", "▁a", "ü", ""].map(str::to_owned).to_vec())),
        ("tokenizer.ggml.token_type", Ints(vec![3, 1, 1, 6])),
    ];
    for file in gguf_files() {
        assert_eq!(file.metadata_names().len(), written.len() + 1);
        for (name, value) in &written {
            assert_eq!(file.metadata(name).unwrap().as_ref(), Some(value), "{name}");
        }
        assert_eq!(file.metadata("llama.context_length").unwrap(), None);
        let error = file.metadata("values.huge").unwrap_err().to_string();
        assert!(error.contains("18446744073709551615 is too large"), "{error}");
    }
    assert_eq!((Int(3).as_int(), Int(3).as_float(), Float(0.5).as_float()), (Some(3), Some(3.0), Some(0.5)));
    assert_eq!((Text("a".to_owned()).as_text(), Bool(true).as_int()), (Some("a"), None));
}

#[test]
fn a_kind_that_is_not_read_spoils_only_itself() {
    let [file, ..] = gguf_files();
    assert_eq!(file.kind("ternary").unwrap(), "TQ2_0");
    for error in [file.aval("ternary").unwrap_err(), file.tensor("ternary").unwrap_err()] {
        assert!(error.to_string().contains("`ternary` is of GGUF's kind TQ2_0"), "{error}");
    }
    let error = file.tensor("nothing").unwrap_err().to_string();
    assert!(
        error.contains("there is no tensor `nothing`") && error.contains("`blk.0.bf16.weight`"),
        "{error}"
    );
    let state = StateDict::open(path("gguf/weights.gguf")).unwrap().keep("*").keep("blk.*.*");
    assert!(state.variables().unwrap_err().to_string().contains("TQ2_0"));
    let variables = state.ignore("ternary").variables().unwrap();
    let kernel = variables.tensor("params/blk/0/q8_0/weight").unwrap();
    same("q8_0", kernel, &file.tensor("blk.0.q8_0.weight").unwrap());
}

#[test]
fn damaged_files_of_llama_cpp_are_errors() {
    let whole = std::fs::read(path("gguf/weights.gguf")).unwrap();
    // The last tensor is of a kind that is not read, whose length is not known.
    for len in (0..whole.len() - 128).step_by(37) {
        let read = gguf::File::from_bytes(&whole[..len]).and_then(|file| {
            let names: Vec<&str> = file.names().filter(|&name| name != "ternary").collect();
            names.into_iter().try_for_each(|name| file.tensor(name).map(drop))
        });
        assert!(read.is_err(), "cut to {len}");
    }
    let changed = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        gguf::File::from_bytes(file).unwrap_err().to_string()
    };
    assert!(changed(0, b"GGML").contains("not a GGUF file"));
    assert!(changed(4, &[1, 0, 0, 0]).contains("version 1"));
    assert!(changed(4, &[0, 0, 0, 3]).contains("big-endian"));
    for at in [8, 16] {
        // So many tensors, and so many values.
        assert!(!changed(at, &u64::MAX.to_le_bytes()).is_empty());
    }
    let at = |text: &[u8]| whole.windows(text.len()).position(|window| window == text).unwrap();
    assert!(changed(at(b"general.name"), b"values.uint8").contains("given twice"));
    // Rank, two sizes and a kind are between a name and its offset.
    let zeros = at(b"zeros") + 5 + 4 + 16 + 4;
    assert!(changed(zeros, &[0; 8]).contains("overlap"), "{}", changed(zeros, &[0; 8]));
    assert!(changed(zeros, &[0xff; 8]).contains("truncated"));
    let rows = at(b"zeros") + 5 + 4;
    assert!(changed(rows, &33u64.to_le_bytes()).contains("whole blocks of 32"));
}

#[test]
fn weights_of_onnx_models_are_those_that_its_own_package_reads() {
    for (model, external) in [("dtypes", false), ("network", false), ("external", true)] {
        let expected = expected("onnx/weights.safetensors", &format!("{model}:"));
        assert!(!expected.is_empty());
        let path = path(&format!("onnx/{model}.onnx"));
        let mut files = vec![onnx::File::open(&path).unwrap(), onnx::File::map(&path).unwrap()];
        if !external {
            files.push(onnx::File::from_bytes(std::fs::read(&path).unwrap()).unwrap());
        }
        for file in files {
            for (name, expected) in &expected {
                let tensor = file.tensor(name).unwrap();
                assert_eq!(&file.aval(name).unwrap(), tensor.aval());
                same(&format!("{model}: {name}"), &tensor, expected);
            }
            let readable = file.names().filter(|name| file.aval(name).is_ok()).count();
            assert_eq!(readable, expected.len(), "{file:?}");
        }
    }
}

#[test]
fn what_no_tensor_here_can_hold_says_so() {
    let file = onnx::File::open(path("onnx/dtypes.onnx")).unwrap();
    for (name, part) in [("words", "STRING"), ("wide", "UINT64"), ("narrow", "INT4"), ("sparse", "sparse")] {
        let error = file.tensor(name).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(name), "{error}");
    }
    let state = StateDict::open(path("onnx/dtypes.onnx")).unwrap().keep("*").keep("*.*");
    let error = state.variables().unwrap_err().to_string();
    assert!(error.contains("`words`") && error.contains("STRING"), "{error}");
    let names = ["words", "wide", "narrow", "sparse"];
    let variables = names.into_iter().fold(state, StateDict::ignore).variables().unwrap();
    assert_eq!(variables.tensor("params/raw/FLOAT").unwrap().shape(), [2, 3]);
}

#[test]
fn values_in_other_files_are_read_from_the_folder_of_the_model_only() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.onnx");
    let whole = std::fs::read(path("onnx/external.onnx")).unwrap();
    let location = b"external.onnx.data";
    let with = |name: &[u8; 18]| {
        let mut bytes = whole.clone();
        for at in 0..bytes.len() - location.len() {
            if bytes[at..].starts_with(location) {
                bytes[at..at + location.len()].copy_from_slice(name);
            }
        }
        std::fs::write(&model, bytes).unwrap();
        onnx::File::open(&model).unwrap().tensor("large").unwrap_err().to_string()
    };
    for outside in [b"../xxxxxxxxxxx.bin", b"/etc/xxxxxxxxx.bin", b"a/../../xxxxxx.bin"] {
        assert!(with(outside).contains("no path within the folder"), "{}", with(outside));
    }
    assert!(with(location).contains("cannot be read"), "it is not there");
    std::fs::write(folder.path().join("external.onnx.data"), [0; 100]).unwrap();
    assert!(with(location).contains("truncated"));
    std::fs::copy(path("onnx/external.onnx.data"), folder.path().join("external.onnx.data")).unwrap();
    let file = onnx::File::open(&model).unwrap();
    assert_eq!(file.tensor("large").unwrap().shape(), [40, 8]);
    assert_eq!(
        StateDict::open(&model)
            .unwrap()
            .keep("*")
            .variables()
            .unwrap()
            .tensor("params/half")
            .unwrap()
            .shape(),
        [3, 700]
    );
    let error = onnx::File::from_bytes(whole).unwrap().tensor("half").unwrap_err().to_string();
    assert!(error.contains("open it by its path"), "{error}");
}

#[test]
fn damaged_models_are_errors() {
    let whole = std::fs::read(path("onnx/network.onnx")).unwrap();
    for len in 0..whole.len() {
        // The versions of operators are last, and nothing of the weights.
        let cut = onnx::File::from_bytes(&whole[..len]);
        assert!(cut.is_err() || len > whole.len() - 8, "cut to {len}: {cut:?}");
    }
    let error = onnx::File::from_bytes(b"\x08\x0a".as_slice()).unwrap_err().to_string();
    assert!(error.contains("no graph"), "{error}");
    let gguf = std::fs::read(path("gguf/weights.gguf")).unwrap();
    assert!(onnx::File::from_bytes(gguf).unwrap_err().to_string().contains("`flaxen::io::gguf`"));
    assert!(gguf::File::from_bytes(whole).unwrap_err().to_string().contains("`flaxen::io::onnx`"));
}
