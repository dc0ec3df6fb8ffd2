//! Safetensors files that are not what they say.

use flaxen::io::safetensors::{File, Save};
use flaxen::prelude::*;
use proptest::prelude::*;

/// A file of a header and as many bytes of numbers.
fn file(header: &str, numbers: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + numbers, 1);
    bytes
}

fn entry(name: &str, dtype: &str, shape: &str, from: usize, to: usize) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
}

fn refused(bytes: Vec<u8>) -> String {
    match File::from_bytes(bytes).and_then(|file| file.dict()) {
        Ok(dict) => panic!("read as {dict:?}"),
        Err(error @ Error::File { .. }) => error.to_string(),
        Err(error) => panic!("another kind of error: {error}"),
    }
}

#[test]
fn every_truncation_is_an_error() {
    let dict =
        Dict::new().with("a/kernel", Tensor::ones([3, 2])).with("a/bias", Tensor::of([1i64], DType::I64));
    let bytes = Save::new().metadata("k", "v").to_bytes(&dict).unwrap();
    assert_eq!(File::from_bytes(bytes.clone()).unwrap().dict().unwrap(), dict);
    for len in 0..bytes.len() {
        refused(bytes[..len].to_vec());
    }
    let longer = [bytes, vec![0]].concat();
    assert!(refused(longer).contains("longer than its header says"));
}

#[test]
fn a_file_that_shrinks_after_it_was_opened_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shrinks");
    flaxen::io::safetensors::save(&path, &Dict::from([("x", Tensor::ones([1000]))])).unwrap();
    let file = File::open(&path).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap();
    let message = file.tensor("x").unwrap_err().to_string();
    assert!(message.contains("shrinks") && message.contains("`x` cannot be read"), "{message}");
}

#[test]
fn headers_that_claim_too_much_take_no_memory() {
    for len in [u64::MAX, 1 << 60, 100_000_001] {
        let mut bytes = len.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"{}");
        assert!(refused(bytes).contains("its header would have"));
    }
    let mut bytes = 90_000_000u64.to_le_bytes().to_vec();
    bytes.extend_from_slice(b"{}");
    assert!(refused(bytes).contains("only 2 follow"));
    let huge = format!("[{0},{0},{0}]", u32::MAX);
    let header = format!("{{{}}}", entry("x", "F32", &huge, 0, 4));
    assert!(refused(file(&header, 4)).contains("cannot have 4 bytes"));
    let hollow = format!("[0,{0},{0},{0}]", u32::MAX);
    let header = format!("{{{}}}", entry("x", "F32", &hollow, 0, 0));
    assert!(refused(file(&header, 0)).contains("cannot have 0 bytes"));
    let header = format!("{{{}}}", entry("x", "F32", "[18446744073709551616]", 0, 4));
    assert!(refused(file(&header, 4)).contains("`x`"));
}

#[test]
fn contradictions_are_named() {
    let a = |from, to| entry("a", "F32", "[2]", from, to);
    let b = |from, to| entry("b", "F32", "[2]", from, to);
    let cases = [
        (format!("{{{},{}}}", a(0, 8), b(4, 12)), 12, "the values of `b` overlap"),
        (format!("{{{},{}}}", a(0, 8), b(12, 20)), 20, "said to be at 12..20"),
        (format!("{{{}}}", a(8, 0)), 8, "said to be at 8..0"),
        (format!("{{{}}}", a(0, 8)), 16, "longer than its header says"),
        (format!("{{{}}}", a(0, 8)), 4, "truncated"),
        (format!("{{{}}}", entry("a", "F64", "[2]", 0, 8)), 8, "F64 of shape [2]"),
        (format!("{{{}}}", entry("a", "F4", "[1]", 0, 0)), 0, "cannot have 0 bytes"),
        (format!("{{{},{}}}", a(0, 8), a(0, 8)), 8, "`a` is given twice"),
        (
            format!("{{{},{}}}", a(0, 8), entry("a/b", "F32", "[2]", 8, 16)),
            16,
            "there cannot be a `a/b` inside",
        ),
        (r#"{"__metadata__":{"x":"1","x":"2"}}"#.to_owned(), 0, "`x` twice"),
        (r#"{"__metadata__":{},"__metadata__":{}}"#.to_owned(), 0, "given twice"),
        (r#"{"__metadata__":{"x":1}}"#.to_owned(), 0, "not valid"),
        ("[]".to_owned(), 0, "expected a map"),
        ("{".to_owned(), 0, "not valid"),
        ("{} {}".to_owned(), 0, "trailing characters"),
        ("[".repeat(100_000), 0, "not valid"),
        (format!("{{{}}}", entry("a", "F31", "[2]", 0, 8)), 8, "F31"),
        (format!("{{{}}}", entry("a", "F32", "[-2]", 0, 8)), 8, "`a`"),
        (format!("{{{}}}", entry("a", "BOOL", "[2]", 0, 2)).replace("[0,2]", "[0,-2]"), 2, "`a`"),
    ];
    for (header, numbers, part) in cases {
        let message = refused(file(&header, numbers));
        assert!(message.contains(part), "{message}\nexpected: {part}");
    }
    let foreign = refused(file(&format!("{{{}}}", entry("a", "F4", "[8]", 0, 4)), 4));
    assert!(foreign.contains("`a` is of dtype F4") && foreign.contains("int32"), "{foreign}");
    let mut booleans = file(&format!("{{{}}}", entry("a", "BOOL", "[2]", 0, 2)), 2);
    *booleans.last_mut().unwrap() = 2;
    assert!(refused(booleans).contains("neither 0 nor 1"));
}

#[test]
fn names_that_are_no_names_are_refused() {
    for name in ["", "/", "a/", "/a", "a//b", "..", "a/../b", "./a", "a\\u0000", "a\\n"] {
        let message = refused(file(&format!("{{{}}}", entry(name, "F32", "[1]", 0, 4)), 4));
        assert!(message.contains("the name \""), "{message}");
    }
    let mut bytes = file(&format!("{{{}}}", entry("abc", "F32", "[1]", 0, 4)), 4);
    let position = bytes.windows(3).position(|window| window == b"abc").unwrap();
    bytes[position] = 0xff;
    assert!(refused(bytes).contains("not UTF-8"));
    let lone = file(&format!("{{{}}}", entry("\\ud800", "F32", "[1]", 0, 4)), 4);
    assert!(refused(lone).contains("not valid"));
    for keys in [r#"{\"a/b\":[\"a\",\"c\"]}"#, r#"{\"a/b\":[]}"#, r#"{\"a/b\":3}"#, "x"] {
        let header =
            format!(r#"{{"__metadata__":{{"flaxen.keys":"{keys}"}},{}}}"#, entry("a/b", "F32", "[1]", 0, 4));
        assert!(refused(file(&header, 4)).contains("flaxen.keys"));
    }
}

fn valid() -> Vec<u8> {
    let dict = Dict::new()
        .with("params/Dense_0/kernel", Tensor::ones([3, 2]))
        .with("params/Dense_0/bias", Tensor::zeros([2]))
        .with("mask", Tensor::from([true, false]))
        .with("step", Tensor::from_vec([3i32], []));
    Save::new().metadata("epoch", "1").to_bytes(&dict).unwrap()
}

/// Reads all there is, in every way.
fn read(bytes: Vec<u8>) {
    if let Ok(file) = File::from_bytes(bytes) {
        for name in file.names() {
            let _ = (file.tensor(name), file.view::<f32>(name).map(|view| view.sum()));
        }
        if let Ok(dict) = file.dict() {
            let _ = (format!("{dict:?}"), file.subtree("params"), file.restore(&dict));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(bytes);
    }

    #[test]
    fn random_headers_do_no_harm(header in r#"[{}\[\]":,a-c0-9/_ ]{0,80}"#, numbers in 0usize..16) {
        read(file(&header, numbers));
    }

    #[test]
    fn damaged_files_do_no_harm(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = valid();
        for (position, byte) in edits {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read(bytes);
    }

    #[test]
    fn swapped_pieces_do_no_harm(a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(), len in 1usize..12) {
        let bytes = valid();
        let (a, b) = (a.index(bytes.len() - len), b.index(bytes.len() - len));
        let mut swapped = bytes.clone();
        swapped[a..a + len].copy_from_slice(&bytes[b..b + len]);
        read(swapped);
    }
}

#[test]
fn names_of_many_parts_and_shapes_of_many_axes_are_refused() {
    let named =
        |parts: usize| file(&format!("{{{}}}", entry(&vec!["a"; parts].join("/"), "F32", "[1]", 0, 4)), 4);
    let shaped =
        |axes: usize| file(&format!("{{{}}}", entry("a", "F32", &format!("{:?}", vec![1; axes]), 0, 4)), 4);
    // As much as there may be is read, printed and dropped on the stack of a thread.
    for bytes in [named(256), shaped(256)] {
        let dict = File::from_bytes(bytes).unwrap().dict().unwrap();
        assert!(!dict.to_string().is_empty());
        assert_eq!(tree::map(&dict, |x| Ok(x + 0.0)).unwrap(), dict);
    }
    for parts in [257, 12_000] {
        assert!(refused(named(parts)).contains(&format!("a name has {parts} parts, at most 256")));
    }
    assert!(refused(shaped(257)).contains("`a` has 257 axes, at most 256"));
}

#[test]
fn a_tensor_of_an_unknown_dtype_spoils_only_itself() {
    let header = [
        entry("fc/weight", "F32", "[2]", 0, 8),
        entry("fc/scale", "F4", "[8]", 8, 12),
        entry("i", "F4", "[4]", 12, 14),
    ];
    let opened = File::from_bytes(file(&format!("{{{}}}", header.join(",")), 14)).unwrap();
    assert_eq!(opened.names().collect::<Vec<_>>(), ["fc/scale", "fc/weight", "i"]);
    assert_eq!(opened.tensor("fc/weight").unwrap().shape(), [2]);
    let message = opened.tensor("fc/scale").unwrap_err().to_string();
    assert!(message.contains("`fc/scale` is of dtype F4") && message.contains("convert it"), "{message}");
    let message = opened.dict().unwrap_err().to_string();
    for part in ["`fc/scale` is of dtype F4", "`i` is of dtype F4", "`File::open(path)?.tensor(name)`"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!opened.subtree("fc").unwrap_err().to_string().contains("`i`"));
    let part = opened.restore_part("fc/weight", &Tensor::zeros([2])).unwrap();
    assert_eq!(part.shape(), [2]);
}

#[test]
fn files_of_other_formats_are_called_by_their_names() {
    // An archive of `torch.save` and its first file, a pickle of it before version 1.6, and `flax.serialization.to_bytes`.
    let archive =
        [b"PK\x03\x04\0\0\x08\x08".as_slice(), &[0; 18], b"\x13\0\x0f\0linear_zip/data.pkl", &[b'Z'; 40]]
            .concat();
    let pickle = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}q\0(".to_vec();
    let message_pack = b"\x81\xa6params\x82\xa6kernel\xc7&\x01\x93\x92\x03\x02\xa7float32".to_vec();
    let index =
        br#"{"metadata": {"total_size": 56}, "weight_map": {"w": "model-00001-of-00002.safetensors"}}"#
            .to_vec();
    let cases = [
        (archive, "torch.save", "flaxen::io::torch"),
        (pickle, "torch.save", "flaxen::io::torch"),
        (message_pack, "MessagePack", "flaxen::io::msgpack"),
        (index, "index of a model", "StateDict::open"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    for (bytes, what, advice) in cases {
        std::fs::write(&path, &bytes).unwrap();
        let messages = [
            refused(bytes.clone()),
            flaxen::io::safetensors::load(&path).unwrap_err().to_string(),
            flaxen::io::npz::load(&path).unwrap_err().to_string(),
            flaxen::io::npz::from_bytes(&bytes).unwrap_err().to_string(),
        ];
        for message in messages {
            assert!(message.contains(what) && message.contains(advice), "{message}");
        }
        // It reads three of them, but not what is cut off, nor what an index names and nobody wrote.
        assert!(flaxen::io::torch::StateDict::open(&path).is_err());
    }
    let dict = Dict::from([("x", 1f32)]);
    let npz = flaxen::io::npz::to_bytes(&dict).unwrap();
    assert!(refused(npz).contains("`flaxen::io::npz`"));
    let safetensors = Save::new().to_bytes(&dict).unwrap();
    assert!(
        flaxen::io::npz::from_bytes(&safetensors)
            .unwrap_err()
            .to_string()
            .contains("`flaxen::io::safetensors`")
    );
    assert!(refused(Vec::new()).contains("empty"));
}
