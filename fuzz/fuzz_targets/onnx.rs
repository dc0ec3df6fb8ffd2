//! Models of ONNX: any bytes as a model, as a graph in one, and as a tensor in its graph.

#![no_main]

use flaxen::io::onnx::File;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes.to_vec());
    let graph = [b"\x08\x0a".as_slice(), &message(7, bytes)].concat();
    read(graph);
    let tensor = message(5, &[message(8, b"x"), bytes.to_vec()].concat());
    read([b"\x08\x0a".as_slice(), &message(7, &tensor)].concat());
});

/// A field of bytes, with its length as a number of groups of seven bits.
fn message(field: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![field << 3 | 2];
    let mut len = bytes.len();
    while len >= 0x80 {
        message.push(len as u8 | 0x80);
        len >>= 7;
    }
    message.push(len as u8);
    message.extend_from_slice(bytes);
    message
}

fn read(bytes: Vec<u8>) {
    let Ok(file) = File::from_bytes(bytes) else { return };
    for name in file.names() {
        if let Ok(tensor) = file.tensor(name) {
            assert_eq!(tensor.aval(), &file.aval(name).expect("it was read"));
        }
    }
    let _ = format!("{file:?}");
}
