//! Dicts, variables and tensors in other libraries' formats.

use flaxen::prelude::*;
use flaxen::variables::{Boxed, Metadata, Partitioned};
use flaxen_tests::data::Data;
use flaxen_tests::golden::{assert_same, difference};
use flaxen_tests::values::random_dict;
use half::{bf16, f16};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn sample() -> Variables {
    let params = Dict::new()
        .with("Dense_0/kernel", [[1f32, 2.5], [-3., 0.1]])
        .with("Dense_0/bias", [f16::from_f32(0.5)])
        .with("empty", Dict::new())
        .with("head", Boxed::new([1i32, 2], Partitioned::new(["", "vocab"])));
    let sown =
        Dict::from([("h", vec![Value::from([true, false]), Value::from(vec![Dict::from([("x", 7u8)])])])]);
    Variables::from([("params", params), ("intermediates", sown)])
}

/// What comes back from each format.
fn copies<T: Serialize + DeserializeOwned>(it: &T) -> Vec<(&'static str, T)> {
    vec![
        ("JSON", serde_json::from_str(&serde_json::to_string(it).unwrap()).unwrap()),
        ("a JSON tree", serde_json::from_value(serde_json::to_value(it).unwrap()).unwrap()),
        ("MessagePack", rmp_serde::from_slice(&rmp_serde::to_vec(it).unwrap()).unwrap()),
        ("MessagePack with names", rmp_serde::from_slice(&rmp_serde::to_vec_named(it).unwrap()).unwrap()),
        ("postcard", postcard::from_bytes(&postcard::to_allocvec(it).unwrap()).unwrap()),
    ]
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[track_caller]
fn is_refused(text: &str, expected: &str) {
    let error = read::<Dict>(text).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn variables_come_back_from_every_format() {
    for (format, copy) in copies(&sample()) {
        assert_eq!(copy, sample(), "{format}");
    }
    for (format, copy) in copies(&Variables::new()) {
        assert_eq!(copy, Variables::new(), "{format}");
    }
}

#[test]
fn random_dicts_come_back_from_every_format() {
    for seed in 0..150 {
        let dict = random_dict(&mut Data::new(seed), 3, false);
        for (format, copy) in copies(&dict) {
            assert_eq!(copy, dict, "{seed} from {format}");
        }
    }
}

#[test]
fn tensors_of_every_dtype_come_back() {
    let extremes = [f64::MIN_POSITIVE, -1.0 / 3.0, 0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let mut tensors = vec![
        Tensor::of([i64::MIN, i64::MAX, 0], DType::I64),
        Tensor::from([i32::MIN, i32::MAX]),
        Tensor::from([u32::MAX, 0]),
        Tensor::from([u8::MAX, 0]),
        Tensor::from([true, false]),
        Tensor::from([f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1), 0.1]),
        Tensor::of([f64::MAX, f64::from_bits(1), 0.1], DType::F64),
        Tensor::from([f16::MAX, f16::from_bits(1), f16::from_f32(0.1)]),
        Tensor::from([bf16::MAX, bf16::from_bits(1), bf16::from_f32(0.1)]),
    ];
    for dtype in DType::ALL {
        tensors.push(Tensor::zeros([2, 0, 3]).cast(dtype));
        tensors.push(Tensor::ones([2, 1, 3]).cast(dtype));
        tensors.push(Tensor::of(1f64, dtype));
        if dtype.is_float() {
            tensors.push(Tensor::of(extremes, dtype));
        }
        for (format, copy) in copies(&dtype) {
            assert_eq!(copy, dtype, "{format}");
        }
    }
    for tensor in &tensors {
        for (format, copy) in copies(tensor) {
            assert_same(format, &copy, tensor);
        }
    }
}

#[test]
fn text_is_what_people_would_write() {
    let dict = Dict::new()
        .with("a/k", [[1f32, 2.5]])
        .with("b", (true, Boxed::new([f32::NAN], Partitioned::new(["x"]))));
    let expected = serde_json::json!({
        "a": {"dict": {"k": {"tensor": {"dtype": "float32", "shape": [1, 2], "data": [1.0, 2.5]}}}},
        "b": {"tuple": [
            {"tensor": {"dtype": "bool", "shape": [], "data": [true]}},
            {"partitioned": [["x"], {"tensor": {"dtype": "float32", "shape": [1], "data": ["NaN"]}}]},
        ]},
    });
    assert_eq!(serde_json::to_value(&dict).unwrap(), expected);
    let third = serde_json::to_string(&Tensor::from(1f32 / 3.)).unwrap();
    assert_eq!(third, r#"{"dtype":"float32","shape":[],"data":[0.33333334]}"#);
}

#[test]
fn binary_formats_hold_the_bytes() {
    let tensor = Tensor::from([1f32, 2.]);
    let bytes = postcard::to_allocvec(&tensor).unwrap();
    let expected = [&[7][..], b"float32", &[1, 2, 8], &1f32.to_le_bytes(), &2f32.to_le_bytes()].concat();
    assert_eq!(bytes, expected);
}

#[test]
fn a_dict_with_the_names_of_a_tensors_fields_stays_a_dict() {
    let dict = Dict::from([("dtype", 1i32), ("shape", 2), ("data", 3), ("tensor", 4)]);
    for (format, copy) in copies(&dict) {
        assert_eq!(copy, dict, "{format}");
    }
}

#[test]
fn the_fields_of_a_tensor_may_be_in_any_order() {
    let tensor: Tensor = read(r#"{"data": [1, 2.5, "-inf"], "dtype": "bfloat16", "shape": [3]}"#).unwrap();
    let expected = Tensor::from([1f32, 2.5, f32::NEG_INFINITY]).cast(DType::BF16);
    assert_eq!(difference(&tensor, &expected), None);
}

#[test]
fn variables_are_fields_of_the_users_own_types() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Checkpoint {
        step: u64,
        variables: Variables,
        best: Option<Dict>,
    }
    let checkpoint = Checkpoint { step: 3, variables: sample(), best: Some(Dict::from([("x", 1i32)])) };
    for (format, copy) in copies(&checkpoint) {
        assert_eq!(copy, checkpoint, "{format}");
    }
}

#[test]
fn a_tensor_that_does_not_fit_its_shape_is_an_error_with_its_path() {
    let with = |tensor: &str| {
        format!(r#"{{"Dense_0": {{"dict": {{"h": {{"tuple": [{{"tensor": {tensor}}}]}}}}}}}}"#)
    };
    let wrong = [
        (r#"{"dtype": "float32", "shape": [2, 2], "data": [1, 2, 3]}"#, "3 elements for a tensor f32[2,2]"),
        (r#"{"dtype": "int32", "shape": [1], "data": [1.5]}"#, "element 0 is 1.5, which is no int32"),
        (r#"{"dtype": "uint8", "shape": [2], "data": [1, 256]}"#, "element 1 is 256, which is no uint8"),
        (r#"{"dtype": "uint32", "shape": [1], "data": [-1]}"#, "element 0 is -1, which is no uint32"),
        (r#"{"dtype": "int64", "shape": [1], "data": [9223372036854775808]}"#, "which is no int64"),
        (r#"{"dtype": "bool", "shape": [1], "data": [1]}"#, "element 0 is 1, which is no bool"),
        (r#"{"dtype": "float32", "shape": [1], "data": [true]}"#, "element 0 is true, which is no float32"),
        (r#"{"dtype": "float32", "shape": [1], "data": [1e39]}"#, "which is no float32"),
        (r#"{"dtype": "float16", "shape": [1], "data": [1e6]}"#, "which is no float16"),
        (r#"{"dtype": "float32", "shape": [4294967296, 4294967296, 2], "data": []}"#, "is too large"),
        (r#"{"dtype": "float32", "data": []}"#, "the field `shape` is missing"),
    ];
    for (tensor, expected) in wrong {
        is_refused(&with(tensor), "at `Dense_0/h/0`: ");
        is_refused(&with(tensor), expected);
    }
    let alone = read::<Tensor>(wrong[0].0).unwrap_err();
    assert!(alone.starts_with("3 elements for a tensor f32[2,2]"), "{alone}");
}

#[test]
fn malformed_input_is_an_error() {
    is_refused(
        r#"{"a": {"tensor": {"dtype": "float33", "shape": [], "data": [1]}}}"#,
        "there is no dtype `float33`, expected one of bool,",
    );
    is_refused(r#"{"a": {"tensor": {"dtype": "float32", "size": 1}}}"#, "there is no field `size`");
    is_refused(r#"{"a": {"tensor": {"dtype": "float32", "dtype": "float32"}}}"#, "duplicate field `dtype`");
    is_refused(
        r#"{"a": {"tensor": {"dtype": "float32", "shape": [1], "data": ["infinite"]}}}"#,
        "\"infinite\"",
    );
    is_refused(r#"{"a": {"array": []}}"#, "there is no variant `array`");
    is_refused(r#"{"a": {"dict": {}}, "a": {"dict": {}}}"#, "at `a`: the name is given twice");
    is_refused(r#"{"a": {"dict": {"b": {"dict": []}}}}"#, "a dict of named values");
    is_refused(r#"{"a": 1}"#, "expected value");
    is_refused("[]", "a dict of named values");
    is_refused(r#"{"a": {"partitioned": [["x"]]}}"#, "invalid length 1");
    assert!(
        read::<Variables>(r#"{"x": {"tensor": {"dtype": "int32", "shape": [], "data": [1]}}}"#)
            .unwrap_err()
            .contains("the collection `x`")
    );
}

#[test]
fn malformed_bytes_are_an_error() {
    let bytes = postcard::to_allocvec(&sample()).unwrap();
    for end in 0..bytes.len() {
        assert!(postcard::from_bytes::<Variables>(&bytes[..end]).is_err(), "cut at {end}");
    }
    let tensor = |name: &str, shape: &[u64], data: &[u8]| {
        let fields = (name, shape.to_vec(), as_bytes(data));
        rmp_serde::from_slice::<Tensor>(&rmp_serde::to_vec(&fields).unwrap())
            .map_err(|error| error.to_string())
    };
    assert!(tensor("int32", &[1], &[1, 0, 0, 0]).is_ok());
    assert_eq!(tensor("int32", &[1], &[1, 0, 0]).unwrap_err(), "3 bytes for a tensor i32[1]");
    assert!(tensor("bool", &[1], &[2]).unwrap_err().contains("neither 0 nor 1"));
    assert!(tensor("float64", &[u64::MAX, 2], &[]).unwrap_err().contains("too large"));
}

/// Bytes as a format's own bytes.
fn as_bytes(data: &[u8]) -> impl Serialize {
    struct Bytes(Vec<u8>);
    impl Serialize for Bytes {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&self.0)
        }
    }
    Bytes(data.to_vec())
}

#[test]
fn what_could_not_be_read_back_is_refused_with_its_path() {
    #[derive(Clone, Debug, PartialEq)]
    struct Mine;
    impl Metadata for Mine {}
    let refused = |value: Value, expected: &str| {
        let dict = Dict::new().with("a/b", vec![value]);
        let error = serde_json::to_string(&dict).unwrap_err().to_string();
        assert!(error.contains("at `a/b/0`: ") && error.contains(expected), "{error}");
    };
    refused(Value::of(&Static(3)), "3 cannot be serialised");
    refused(Value::of(&Some(Tensor::from(1f32))), "an option of 1 cannot be serialised");
    refused(
        Boxed::new(1f32, Mine).into(),
        "f32[] in Mine cannot be serialised, as its metadata is of a type of its own",
    );
}

#[test]
fn a_traced_value_has_no_elements_to_write() {
    let write = |dict: &Dict| serde_json::to_string(dict).map_err(|error| error.to_string());
    let staged = jit(|dict: Dict| {
        let error = write(&dict).unwrap_err();
        assert!(error.contains("at `a/b`: ") && error.contains("`jit`"), "{error}");
        Ok(dict)
    });
    staged.call(Dict::new().with("a/b", [1f32])).unwrap();
    let mapped = vmap(|dict: Dict| {
        assert!(write(&dict).unwrap_err().contains("`vmap`"));
        Ok(dict)
    });
    mapped.call(Dict::new().with("a/b", [1f32])).unwrap();
    grad(|dict: &Dict| {
        assert!(
            write(dict).unwrap().contains("[1.0]"),
            "under `grad` the values of the forward pass are known"
        );
        Ok(dict.tensor("a/b")?.sum())
    })(&Dict::new().with("a/b", [1f32]))
    .unwrap();
}

#[test]
fn values_that_are_nested_too_deep_are_an_error() {
    let dicts = |levels: usize| Dict::new().with(vec!["a"; levels], 1i32);
    for levels in [1, 60, Dict::MAX_DEPTH] {
        let dict = dicts(levels);
        assert_eq!(postcard::from_bytes::<Dict>(&postcard::to_allocvec(&dict).unwrap()).unwrap(), dict);
        assert_eq!(rmp_serde::from_slice::<Dict>(&rmp_serde::to_vec(&dict).unwrap()).unwrap(), dict);
    }
    // A dict of one entry called `a` that is a dict, a tuple of one, a box without names: each around the next.
    let inside: [&[u8]; 3] = [&[1, 1, 1, b'a'], &[2, 1], &[3, 0]];
    let leaf = &postcard::to_allocvec(&Value::from(1i32)).unwrap();
    for layer in inside {
        let nested = |levels: usize| [layer.repeat(levels), leaf.clone()].concat();
        assert!(postcard::from_bytes::<Value>(&nested(255)).is_ok(), "{layer:?}");
        for levels in [Dict::MAX_DEPTH + 1, 100_000] {
            assert!(postcard::from_bytes::<Value>(&nested(levels)).is_err(), "{layer:?}");
        }
    }
    let text = r#"{"a":{"dict":"#.repeat(10_000);
    assert!(read::<Dict>(&text).is_err());
    assert!(rmp_serde::from_slice::<Dict>(&b"\x81\xa1a\x81\xa4dict".repeat(10_000)).is_err());
}

#[test]
fn tensors_of_too_many_axes_are_an_error() {
    let tensor = |rank: usize| format!(r#"{{"dtype": "int32", "shape": {:?}, "data": [7]}}"#, vec![1; rank]);
    assert_eq!(read::<Tensor>(&tensor(256)).unwrap().rank(), 256);
    assert!(read::<Tensor>(&tensor(257)).unwrap_err().contains("at most 256"));
}
