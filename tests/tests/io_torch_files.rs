//! PyTorch's own files give the values that PyTorch reads from them. `torch/files.py` made them.

use std::path::PathBuf;

use flaxen::io::torch::{File, StateDict};
use flaxen::io::{safetensors, torch};
use flaxen::prelude::*;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("torch")
}

fn path(name: &str) -> PathBuf {
    folder().join("files").join(name)
}

/// The tensors that PyTorch reads from a file, by their names in it.
fn expected(name: &str) -> Vec<(String, Tensor)> {
    let file = safetensors::File::open(folder().join("files.safetensors")).unwrap();
    let of_file = file.names().filter_map(|full| {
        let rest = full.strip_prefix(name)?.strip_prefix('/')?;
        Some((rest.to_owned(), file.tensor(full).unwrap()))
    });
    of_file.collect()
}

fn same(name: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.aval().to_string(), expected.aval().to_string(), "{name}");
    assert_eq!(found.array().unwrap().bytes(), expected.array().unwrap().bytes(), "{name}");
}

#[test]
fn every_tensor_of_every_file_is_that_of_pytorch() {
    let names = [
        "state",
        "legacy",
        "checkpoint",
        "views",
        "views_legacy",
        "dtypes",
        "complex",
        "alone",
        "protocol4",
        "module",
        "script",
    ];
    for name in names {
        let expected = expected(name);
        assert!(!expected.is_empty(), "{name}");
        let bytes = std::fs::read(path(&format!("{name}.pt"))).unwrap();
        for file in [
            File::open(path(&format!("{name}.pt"))).unwrap(),
            File::map(path(&format!("{name}.pt"))).unwrap(),
            File::from_bytes(bytes).unwrap(),
        ] {
            for (key, tensor) in &expected {
                assert_eq!(file.aval(key).unwrap().to_string(), tensor.aval().to_string(), "{name}: {key}");
                same(&format!("{name}: {key}"), &file.tensor(key).unwrap(), tensor);
            }
            let readable = file.names().filter(|key| file.aval(key).is_ok());
            assert_eq!(readable.count(), expected.len(), "{name}: {file:?}");
        }
    }
}

#[test]
fn what_no_tensor_here_can_hold_says_so_and_spoils_nothing_else() {
    let file = File::open(path("dtypes.pt")).unwrap();
    for (name, part) in [("complex128", "ComplexDoubleStorage"), ("sparse", "sparse_tensor")] {
        let error = file.tensor(name).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("dtypes.pt"), "{error}");
    }
    let error = file.tensor("nothing").unwrap_err().to_string();
    assert!(error.contains("there is no tensor `nothing`"), "{error}");
}

#[test]
fn state_dicts_are_read_from_every_kind_of_file() {
    let named =
        |state: StateDict| state.rename("first", "Dense_0").rename("second", "Dense_1").variables().unwrap();
    let expected = named(StateDict::new(expected("sharded")));
    assert_eq!(named(StateDict::open(path("pytorch_model.bin.index.json")).unwrap()), expected);
    assert_eq!(named(StateDict::open(path("checkpoint.pt")).unwrap().part("model")), expected);
    assert_eq!(named(StateDict::open(path("module.pt")).unwrap()), expected);
    assert_eq!(expected.tensor("params/Dense_0/kernel").unwrap().shape(), [3, 4]);
}

#[test]
fn an_index_reads_nothing_but_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("model.safetensors.index.json");
    let open = |shard: &str| {
        let text = format!("{{\"weight_map\": {{\"weight\": {shard}}}}}");
        std::fs::write(&index, text).unwrap();
        StateDict::open(&index).unwrap_err().to_string()
    };
    for outside in ["\"../secret\"", "\"/etc/hostname\"", "\"a/b\"", "\"..\"", "\"\""] {
        assert!(open(outside).contains("no name of a file beside it"), "{outside}: {}", open(outside));
    }
    assert!(open("7").contains("has no name"));
    assert!(open("\"missing.safetensors\"").contains("missing.safetensors"));
}

#[test]
fn a_pickle_that_would_run_code_is_refused_by_name() {
    // `torch.save` of an object whose `__reduce__` is `(os.getpid, ())`, between two tensors: written by hand, for it is harmless.
    let begin = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    let evil = [begin.as_slice(), b"\x80\x02}X\x05\0\0\0thingcos\ngetpid\n)Rs.", b"\x80\x02]."].concat();
    let file = File::from_bytes(evil).unwrap();
    assert_eq!(file.refused().collect::<Vec<_>>(), [("thing", "os.getpid")]);
    assert!(file.tensor("thing").unwrap_err().to_string().contains("`os.getpid`"));
    let alone = [begin.as_slice(), b"\x80\x02cos\ngetpid\n)R.", b"\x80\x02]."].concat();
    assert!(File::from_bytes(alone).unwrap_err().to_string().contains("only Python makes"));
}

#[test]
fn damaged_files_are_errors() {
    for name in ["state.pt", "legacy.pt", "views.pt"] {
        let whole = std::fs::read(path(name)).unwrap();
        for len in (0..whole.len()).step_by(whole.len() / 97 + 1) {
            let cut = whole[..len].to_vec();
            let read = File::from_bytes(cut).and_then(|file| {
                let names: Vec<String> = file.names().map(str::to_owned).collect();
                names.iter().try_for_each(|name| file.tensor(name).map(drop))
            });
            assert!(read.is_err(), "{name} cut to {len}");
        }
    }
    let error = torch::File::from_bytes(b"nothing known".to_vec()).unwrap_err().to_string();
    assert!(error.contains("not a file of `torch.save`"), "{error}");
}

#[test]
fn a_small_file_cannot_ask_for_much_memory() {
    // A tensor of a million rows, all of them the one that is there.
    let begin = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    let object = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ\
                   K\0J\0\0\0\x7f\x85K\0\x85\x89}tR.";
    let keys = b"\x80\x02]X\x01\0\0\x000a.\x01\0\0\0\0\0\0\0\0\0\x80?";
    let file = File::from_bytes([begin.as_slice(), object, keys].concat()).unwrap();
    assert!(file.tensor("tensor").unwrap_err().to_string().contains("expanded"), "{file:?}");
}

#[test]
fn files_with_wrong_bytes_are_read_or_refused() {
    let mut state = 1u64;
    let mut random = |below: usize| {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for name in ["checkpoint.pt", "views.pt", "views_legacy.pt", "script.pt", "module.pt"] {
        let whole = std::fs::read(path(name)).unwrap();
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            if let Ok(file) = File::from_bytes(bytes) {
                let names: Vec<String> = file.names().map(str::to_owned).collect();
                for name in names {
                    drop(file.tensor(&name));
                }
            }
        }
    }
}
