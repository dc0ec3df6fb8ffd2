//! Files of `torch.save`: any bytes as a file, and any pickle within the format before PyTorch 1.6, which needs no archive around it.

#![no_main]

use flaxen::io::torch::File;
use libfuzzer_sys::fuzz_target;

/// The magic number, the version, and no facts about the machine.
const BEGIN: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";

fuzz_target!(|bytes: &[u8]| {
    let (kind, bytes) = bytes.split_first().unwrap_or((&0, bytes));
    let file = if kind % 2 == 0 { bytes.to_vec() } else { [BEGIN, bytes].concat() };
    if let Ok(file) = File::from_bytes(file) {
        for name in file.names() {
            if let Ok(tensor) = file.tensor(name) {
                assert_eq!(tensor.aval(), &file.aval(name).expect("it was read"));
            }
        }
        assert!(file.refused().all(|(_, class)| !class.is_empty()));
    }
});
