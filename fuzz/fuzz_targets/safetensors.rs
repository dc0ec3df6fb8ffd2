//! Safetensors files: whole ones, and a header and values with the right length in front.

#![no_main]

use flaxen::io::safetensors::{File, Save};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes.to_vec());
    // JSON has no byte 255, so that is where the values begin.
    let header = bytes.iter().position(|&byte| byte == 0xff).unwrap_or(bytes.len());
    let numbers = bytes.get(header + 1..).unwrap_or_default();
    read([&(header as u64).to_le_bytes(), &bytes[..header], numbers].concat());
});

fn read(bytes: Vec<u8>) {
    let Ok(file) = File::from_bytes(bytes) else { return };
    for name in file.names() {
        let tensor = file.tensor(name);
        assert!(file.aval(name).is_ok() || tensor.is_err());
        if let (Ok(view), Ok(tensor)) = (file.view::<f32>(name), tensor) {
            assert_eq!(view.shape(), tensor.shape());
        }
    }
    let Ok(dict) = file.dict() else { return };
    let _ = (format!("{dict:?}"), dict.to_string());
    let saved = Save::new().to_bytes(&dict).expect("what was read can be written");
    let again = File::from_bytes(saved).and_then(|file| file.dict()).expect("and read again");
    assert!(again == dict, "{dict} was read as {again}");
    let restored = file.restore(&dict).expect("the dict is a template of its own file");
    assert!(restored == dict);
}
