//! Files of llama.cpp: any bytes as a file, and behind a version and small numbers of values and tensors.

#![no_main]

use flaxen::DType;
use flaxen::io::gguf::File;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes.to_vec());
    let [values, tensors, rest @ ..] = bytes else { return };
    let count = |count: &u8| u64::from(count % 4).to_le_bytes();
    read([b"GGUF\x03\0\0\0", &count(tensors)[..], &count(values)[..], rest].concat());
});

fn read(bytes: Vec<u8>) {
    let Ok(file) = File::from_bytes(bytes) else { return };
    for name in file.metadata_names() {
        if let Ok(value) = file.metadata(name) {
            let _ = format!("{:?}", value.expect("it has a name"));
        }
    }
    for name in file.names() {
        let kind = file.kind(name).expect("it is there");
        let Ok(tensor) = file.tensor(name) else { continue };
        assert_eq!(tensor.aval(), &file.aval(name).expect("it was read"));
        if let Ok(narrow) = file.tensor_as(name, DType::BF16) {
            assert_eq!((narrow.shape(), narrow.dtype()), (tensor.shape(), DType::BF16), "{kind}");
        }
    }
    let _ = format!("{file:?}");
}
