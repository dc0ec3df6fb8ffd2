//! Files of Flax: whole ones, and arrays whose parts are damaged.

#![no_main]

use flaxen::io::msgpack::{self, State};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // The same as the contents of an array in a dict, which would seldom be met with by chance.
    let Ok(length) = u32::try_from(bytes.len()) else { return };
    for code in [1, 2, 3] {
        let extension = [b"\x81\xa1x\xc9", &length.to_be_bytes()[..], &[code], bytes].concat();
        read(&extension);
    }
});

fn read(bytes: &[u8]) {
    let Ok(state) = State::from_bytes(bytes) else { return };
    let _ = format!("{state:?}");
    let written = state.to_bytes().expect("what was read can be written");
    let again = State::from_bytes(&written).expect("and read again");
    assert!(again.to_bytes().expect("as before") == written);
    let Ok(value) = state.value() else { return };
    let _ = format!("{value:?}");
    // As its own template; compared as bytes, as a number that is none is not itself.
    let bytes = |value: &flaxen::Value| msgpack::to_bytes(value).expect("a value that was read can be written");
    // In a list the name of arrays in pieces is any name; the list is a dict then, where it is not.
    if format!("{state:?}").contains("__msgpack_chunked_array__") {
        return;
    }
    let written = bytes(&value);
    assert!(bytes(&state.restore(&value).expect("it fits itself")) == written);
    assert!(bytes(&msgpack::from_bytes(&value, &written).expect("and read again")) == written);
}
