//! Tables of functions that no plugin has.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::path::Path;

use super::c_api::{Api, Args, ErrorDestroy, ErrorMessage, NoFields, RawError, Version};
use super::plugin::Plugin;
use crate::Error;

/// A table without functions that says that it is of a version.
fn table(major: c_int, minor: c_int, size: usize) -> Api {
    // SAFETY: all entries are pointers, or functions that may be missing, or numbers: zero is one of each.
    let mut api: Api = unsafe { MaybeUninit::zeroed().assume_init() };
    api.size = size;
    api.version = Version { size: size_of::<Version>(), extension: std::ptr::null(), major, minor };
    api
}

fn error_of(api: Api) -> String {
    match Plugin::of_table("plugin.so", Box::leak(Box::new(api))) {
        Ok(_) => panic!("it is taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_plugin_of_another_major_version_is_refused() {
    let error = error_of(table(1, 2, size_of::<Api>()));
    assert!(error.contains("version 1.2") && error.contains("use a plugin of major version 0"), "{error}");
}

#[test]
fn a_plugin_with_too_few_functions_is_refused() {
    let error = error_of(table(0, 1, size_of::<Api>() - 8));
    assert!(error.contains("version 0.1, is too old"), "{error}");
}

#[test]
fn a_function_that_is_not_there_is_an_error() {
    let error = error_of(table(0, 115, size_of::<Api>()));
    assert!(
        error.contains("plugin.so cannot start: its plugin lacks the function (UNIMPLEMENTED)"),
        "{error}"
    );
}

static NO_MEMORY: [u8; 9] = *b"no memory";

unsafe extern "C" fn fail(_: *mut Args<NoFields>) -> *mut RawError {
    // Any pointer will do: only the functions below look at it.
    NO_MEMORY.as_ptr().cast_mut().cast()
}

unsafe extern "C" fn message(args: *mut Args<ErrorMessage>) {
    // SAFETY: they are the caller's, for the time of the call.
    let args = unsafe { &mut *args };
    args.fields.message = NO_MEMORY.as_ptr().cast();
    args.fields.message_size = NO_MEMORY.len();
}

unsafe extern "C" fn code(args: *mut Args<super::c_api::ErrorCode>) -> *mut RawError {
    // SAFETY: as above.
    unsafe { &mut *args }.fields.code = 8;
    std::ptr::null_mut()
}

unsafe extern "C" fn destroy(args: *mut Args<ErrorDestroy>) {
    // SAFETY: as above.
    assert_eq!(unsafe { &*args }.fields.error.cast_const().cast(), NO_MEMORY.as_ptr());
}

#[test]
fn what_a_plugin_says_is_in_the_error() {
    let mut api = table(0, 115, size_of::<Api>());
    api.plugin_initialize = Some(fail);
    api.error_message = Some(message);
    api.error_code = Some(code);
    api.error_destroy = Some(destroy);
    let error = error_of(api);
    let expected = "plugin.so cannot start: no memory (RESOURCE_EXHAUSTED): use smaller shapes";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn what_is_no_plugin_is_refused() {
    let error_of = |path: &str| {
        Plugin::open(Path::new(path)).err().map(|error: Error| error.to_string()).unwrap_or_default()
    };
    let missing = error_of("/no/such/plugin.so");
    assert!(missing.starts_with("`/no/such/plugin.so`: cannot be opened as a plugin"), "{missing}");
    // The C library is there, and exports something else.
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        let other = error_of("libc.so.6");
        assert!(other.contains("exports no function `GetPjrtApi`"), "{other}");
    }
}
