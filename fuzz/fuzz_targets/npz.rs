//! Archives of NumPy: whole files, and damaged arrays in sound archives.

#![no_main]

use std::io::{Cursor, Write as _};

use flaxen::io::npz;
use libfuzzer_sys::fuzz_target;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let Some((&length, rest)) = bytes.split_first() else { return };
    // A name, then an array with or without its first bytes, stored or compressed.
    let (name, array) = rest.split_at(usize::from(length & 31).min(rest.len()));
    let Ok(name) = std::str::from_utf8(name) else { return };
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(method);
        if archive.start_file(format!("{name}.npy"), options).is_err() {
            return;
        }
        if length & 32 == 0 {
            archive.write_all(b"\x93NUMPY\x01\0").expect("memory");
        }
        archive.write_all(array).expect("memory");
        let Ok(bytes) = archive.finish() else { return };
        read(&bytes.into_inner());
    }
});

fn read(bytes: &[u8]) {
    let Ok(file) = npz::File::from_bytes(bytes) else { return };
    for name in file.names() {
        let tensor = file.tensor(name);
        assert!(file.aval(name).is_ok() || tensor.is_err());
    }
    let dict = file.dict();
    assert_eq!(npz::from_bytes(bytes).ok(), dict.as_ref().ok().cloned());
    let Ok(dict) = dict else { return };
    let _ = (format!("{dict:?}"), dict.to_string());
    let saved = npz::to_bytes(&dict).expect("what was read can be written");
    let restored = npz::File::from_bytes(saved).and_then(|file| file.restore(&dict)).expect("and read again");
    assert!(restored == dict, "{dict} was read as {restored}");
}
