//! Files of NumPy, in and out. `npz/make.py` made those of its own.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use flaxen::io::npz;
use flaxen::prelude::*;
use half::{bf16, f16};
use proptest::prelude::*;

fn numpys(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("npz").join(name)
}

/// What `make.py` calls `arrays`.
fn arrays() -> Dict {
    let x = [0u8, 1, 2, 3, 4, 5];
    let with = |dict: Dict, name: &str, tensor: Tensor| dict.with(name, tensor.reshape([2, 3]));
    let dict = with(Dict::new(), "a/bool", Tensor::from(x.map(|x| x % 2 == 0)));
    let dict = with(dict, "a/u8", Tensor::from(x));
    let dict = with(dict, "a/u32", Tensor::from(x.map(u32::from)));
    let dict = with(dict, "a/i32", Tensor::from(x.map(i32::from)));
    let dict = with(dict, "b/i64", Tensor::of(x.map(|x| i64::from(x) - 3), DType::I64));
    let dict = with(dict, "b/f16", Tensor::from(x.map(|x| f16::from_f64(f64::from(x) / 4.0))));
    let dict = with(dict, "b/f32", Tensor::from(x.map(|x| (f64::from(x) / 3.0) as f32)));
    let dict = with(dict, "b/f64", Tensor::of(x.map(|x| f64::from(x) / 3.0), DType::F64));
    dict.with("scalar", Tensor::from_vec([2.5f32], []))
        .with("row", Tensor::from([7i32]))
        .with("empty", Tensor::zeros([0, 3]))
}

#[test]
fn files_of_numpy_are_read() {
    assert_eq!(npz::load(numpys("plain.npz")).unwrap(), arrays());
    assert_eq!(npz::load(numpys("compressed.npz")).unwrap(), arrays());
}

#[test]
fn other_orders_of_bytes_and_axes_are_read() {
    let foreign = npz::load(numpys("foreign.npz")).unwrap();
    let x = Tensor::of([[0f64, 1.0, 2.0], [3.0, 4.0, 5.0]], DType::F64);
    assert_eq!(Value::from(foreign.tensor("big").unwrap()), Value::from(&x / 3.0));
    let counted = Tensor::from_vec((0..24).collect::<Vec<i32>>(), [2, 3, 4]);
    assert_eq!(Value::from(foreign.tensor("fortran").unwrap()), Value::from(counted));
    assert_eq!(Value::from(foreign.tensor("big_fortran").unwrap()), Value::from(x.cast(DType::I32)));
    assert_eq!(Value::from(foreign.tensor("bfloat16").unwrap()), Value::from((&x / 4.0).cast(DType::BF16)));
}

#[test]
fn dtypes_that_tensors_do_not_have_are_named() {
    for (name, part) in [
        ("complex.npz", "\"<c16\""),
        ("strings.npz", "\"<U1\""),
        ("objects.npz", "\"|O\""),
        ("records.npz", "named fields"),
    ] {
        let message = npz::load(numpys(name)).unwrap_err().to_string();
        assert!(message.contains(part) && message.contains("`z`") && message.contains(name), "{message}");
    }
}

/// The files in an archive by name.
fn members(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    let contents = names.into_iter().map(|name| {
        let mut bytes = Vec::new();
        archive.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
        (name, bytes)
    });
    contents.collect()
}

#[test]
fn arrays_are_written_byte_for_byte_as_numpy_writes_them() {
    let theirs = members(&std::fs::read(numpys("plain.npz")).unwrap());
    assert_eq!(members(&npz::to_bytes(&arrays()).unwrap()), theirs);
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.npz");
    npz::save(&path, &arrays()).unwrap();
    assert_eq!(npz::load(&path).unwrap(), arrays());
    let zeros = Dict::from([("zeros", Tensor::zeros([1000, 100]))]);
    npz::save_compressed(&path, &zeros).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 4000);
    assert_eq!(npz::load(&path).unwrap(), zeros);
    assert_eq!(npz::to_bytes(&zeros).unwrap(), npz::to_bytes(&zeros).unwrap());
    assert_eq!(npz::from_bytes(&npz::to_bytes(&Dict::new()).unwrap()).unwrap(), Dict::new());
}

#[test]
fn a_template_gives_types_back_also_bfloat16() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.npz");
    let tree = (Tensor::from([bf16::from_f32(1.5), bf16::MIN_POSITIVE]), vec![Tensor::from([1i32])]);
    npz::save(&path, &tree).unwrap();
    assert_eq!(npz::load(&path).unwrap().tensor("0").unwrap().dtype(), DType::F32);
    assert_eq!(Value::of(&npz::restore(&path, &tree).unwrap()), Value::of(&tree));
    let other = (Tensor::from([1i32, 2]), vec![Tensor::from([1i32])]);
    let message = npz::restore(&path, &other).unwrap_err().to_string();
    assert!(message.contains("`0` is f32[2]") && message.contains("state.npz"), "{message}");
}

#[test]
fn names_that_contain_a_slash_are_refused() {
    let dict = Dict::new().with(["a/b"], Tensor::ones([1]));
    assert!(npz::to_bytes(&dict).unwrap_err().to_string().contains("use safetensors"));
}

fn refused(bytes: &[u8]) -> String {
    match npz::from_bytes(bytes) {
        Ok(dict) => panic!("read as {dict:?}"),
        Err(error @ Error::File { .. }) => error.to_string(),
        Err(error) => panic!("another kind of error: {error}"),
    }
}

/// Every position of a text of the same length replaced.
fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut bytes = bytes.to_vec();
    let mut found = 0;
    for i in 0..=bytes.len() - old.len() {
        if bytes[i..].starts_with(old) {
            bytes[i..i + old.len()].copy_from_slice(new);
            found += 1;
        }
    }
    assert!(found > 0);
    bytes
}

#[test]
fn damaged_archives_are_refused() {
    let bytes =
        npz::to_bytes(&Dict::new().with("aa/bb", Tensor::from([1.0f32, 2.0, 3.0])).with("ab", 1i32)).unwrap();
    for len in 0..bytes.len() {
        refused(&bytes[..len]);
    }
    assert!(refused(&replaced(&bytes, b"aa/bb", b"aa/..")).contains("means a folder"));
    assert!(refused(&replaced(&bytes, b"aa/bb", b"/a/bb")).contains("empty part"));
    assert!(refused(&replaced(&bytes, b"aa/bb", b"ab/bb")).contains("cannot be a `ab/bb` inside"));
    assert!(refused(&replaced(&bytes, b"aa/bb", b"aa/\xffb")).contains("not UTF-8"));
    assert!(refused(&replaced(&bytes, b"bb.npy", b"bb.txt")).contains("does not end in `.npy`"));
    assert!(refused(&replaced(&bytes, b"(3,)", b"(9,)")).contains("needs 36 bytes"));
    let huge = replaced(&bytes, b"(3,), }           ", b"(999999999999,), }");
    assert!(refused(&huge).contains("needs 3999999999996 bytes"));
    // Only the check sum knows.
    assert!(refused(&replaced(&bytes, &2f32.to_le_bytes(), &3f32.to_le_bytes())).contains("`aa/bb`"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = npz::from_bytes(&bytes);
    }

    #[test]
    fn random_edits_do_no_harm(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        compressed in any::<bool>(),
    ) {
        let mut bytes = std::fs::read(numpys(if compressed { "compressed.npz" } else { "plain.npz" })).unwrap();
        for (position, byte) in edits {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        let _ = npz::from_bytes(&bytes).map(|dict| format!("{dict:?}"));
    }
}

#[test]
fn an_array_that_cannot_be_read_spoils_only_itself() {
    // `z` is an array of Python objects, and `a` is none.
    let file = npz::File::open(numpys("objects.npz")).unwrap();
    let (mut readable, mut flawed) = (Vec::new(), Vec::new());
    for name in file.names() {
        match file.tensor(name) {
            Ok(_) => readable.push(name),
            Err(error) => flawed.push(error.to_string()),
        }
    }
    assert!(
        flawed.len() == 1 && flawed[0].contains("`z`: it is of NumPy's dtype \"|O\", pickled Python objects"),
        "{flawed:?}"
    );
    let message = file.dict().unwrap_err().to_string();
    assert!(message.contains("`z`") && message.contains("npz::File::open(path)?.tensor(name)"), "{message}");
    assert!(file.tensor("q").unwrap_err().to_string().contains("there is no `q`; there is"));

    let bytes = npz::to_bytes(&Dict::new().with("good", 123_456_789i32).with("text", 2i32)).unwrap();
    let file = npz::File::from_bytes(replaced(&bytes, b"text.npy", b"text.txt")).unwrap();
    assert_eq!(file.tensor("good").unwrap().item::<i32>().unwrap(), 123_456_789);
    assert!(file.tensor("text.txt").unwrap_err().to_string().contains("does not end in `.npy`"));
    let file =
        npz::File::from_bytes(replaced(&bytes, &123_456_789i32.to_le_bytes(), &123_456_788i32.to_le_bytes()))
            .unwrap();
    assert!(file.tensor("good").is_err() && file.tensor("text").is_ok());
    assert_eq!(file.aval("text").unwrap().to_string(), "i32[]");
}

#[test]
fn names_of_many_parts_are_refused() {
    let deep = |parts: usize| Dict::new().with(vec!["a"; parts], 1i32);
    assert_eq!(npz::from_bytes(&npz::to_bytes(&deep(256)).unwrap()).unwrap(), deep(256));
    let long = npz::to_bytes(&Dict::from([("a".repeat(300), 1i32)])).unwrap();
    let parts = replaced(
        &replaced(&long, "a".repeat(300).as_bytes(), "a/".repeat(150).as_bytes()),
        b"/.npy",
        b"b.npy",
    );
    assert!(npz::from_bytes(&parts).is_ok());
}
