//! Tensors, values, dicts and variables in the formats of `serde`: JSON, MessagePack, postcard.

#![no_main]

use std::fmt::Display;

use flaxen::{Dict, Tensor, Value, Variables};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    match which % 4 {
        0 => read::<Dict>(which / 4, bytes),
        1 => read::<Variables>(which / 4, bytes),
        2 => read::<Value>(which / 4, bytes),
        _ => read::<Tensor>(which / 4, bytes),
    }
});

fn read<T: Serialize + DeserializeOwned + Display>(format: u8, bytes: &[u8]) {
    match format % 3 {
        0 => again(bytes, |bytes| serde_json::from_slice::<T>(bytes).ok(), |it| serde_json::to_vec(it).ok()),
        1 => again(bytes, |bytes| rmp_serde::from_slice::<T>(bytes).ok(), |it| rmp_serde::to_vec(it).ok()),
        _ => again(bytes, |bytes| postcard::from_bytes::<T>(bytes).ok(), |it| postcard::to_allocvec(it).ok()),
    }
}

fn again<T: Display>(bytes: &[u8], read: impl Fn(&[u8]) -> Option<T>, write: impl Fn(&T) -> Option<Vec<u8>>) {
    let Some(it) = read(bytes) else { return };
    let _ = it.to_string();
    let written = write(&it).expect("what was read can be written");
    let copy = read(&written).expect("and read again");
    assert_eq!(write(&copy), Some(written));
}
