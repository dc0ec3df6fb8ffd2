//! A plugin: a library that is opened at run time, and its table of functions.

use std::ffi::{c_char, c_int};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::ptr::null;

use libloading::Library;

use super::c_api::{
    Api, Args, ErrorCode, ErrorDestroy, ErrorMessage, Function, MAJOR, MINOR, NoFields, RawError, code_name,
};
use crate::error::{Error, Result};

/// A plugin that stays open for as long as the process lives: libraries such as XLA do not come off again.
pub struct Plugin {
    /// The file, for messages.
    path: Box<str>,
    api: &'static Api,
}

// SAFETY: the table is never written to, and the interface says of its functions that threads may call them at once.
unsafe impl Send for Plugin {}
// SAFETY: as above.
unsafe impl Sync for Plugin {}

/// The function that a plugin exports.
type GetApi = unsafe extern "C" fn() -> *const Api;

impl Plugin {
    /// Opens the library at a path.
    ///
    /// # Errors
    /// If it is no library, no plugin, or a plugin of another version of the interface.
    pub fn open(path: &Path) -> Result<Plugin> {
        let text: Box<str> = path.to_string_lossy().into();
        let wrong = |message: String| Error::File { path: text.clone(), message };
        // SAFETY: what the library does when it is opened is what the user asks for by naming it; it stays open.
        let library = unsafe { Library::new(path) }.map_err(|error| {
            wrong(format!(
                "cannot be opened as a plugin: {}: give the path of a library with a PJRT interface",
                causes(&error)
            ))
        })?;
        let library = ManuallyDrop::new(library);
        // SAFETY: the type is that of the function in the interface's header.
        let get_api = unsafe { library.get::<GetApi>(b"GetPjrtApi\0") }.map_err(|_| {
            wrong("is no PJRT plugin: it exports no function `GetPjrtApi`; give the path of one, as those in JAX's packages".into())
        })?;
        // SAFETY: it takes nothing, and may be called at any time.
        let api = unsafe { get_api() };
        // SAFETY: the table is null, or there until the library is closed, which it never is; fields behind what an older one has
        // are looked at only after its size was.
        let api = unsafe { api.as_ref() }
            .ok_or_else(|| wrong("its function `GetPjrtApi` returns no table".into()))?;
        Plugin::of_table(&text, api)
    }

    /// The plugin that has a table.
    ///
    /// # Errors
    /// If it is of another version of the interface, or does not start.
    pub fn of_table(path: &str, api: &'static Api) -> Result<Plugin> {
        let (major, minor) = (api.version.major, api.version.minor);
        let wrong = |message: String| Error::File { path: path.into(), message };
        if major != MAJOR {
            return Err(wrong(format!(
                "its PJRT interface has version {major}.{minor}, and this program knows {MAJOR}.{MINOR}: use a plugin of major version {MAJOR}"
            )));
        }
        if api.size < size_of::<Api>() {
            return Err(wrong(format!(
                "its PJRT interface, version {major}.{minor}, is too old: it has {} bytes of functions, and {} are called; use a newer \
                 plugin",
                api.size,
                size_of::<Api>()
            )));
        }
        let plugin = Plugin { path: path.into(), api };
        // SAFETY: there are no fields.
        unsafe { plugin.call("start", path, |api| api.plugin_initialize, NoFields) }?;
        Ok(plugin)
    }

    /// The file it was opened from.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Calls a function, and returns its arguments, some of which it has written. What it was to do, and for which device, is for messages.
    ///
    /// # Errors
    /// What the plugin says; if it lacks the function.
    ///
    /// # Safety
    /// The fields are what the function expects: pointers to what is there during the call, or until the event that it speaks of.
    pub unsafe fn call<T>(
        &self,
        action: &str,
        device: &str,
        function: impl FnOnce(&Api) -> Function<T>,
        fields: T,
    ) -> Result<T> {
        let Some(function) = function(self.api) else {
            return Err(Error::Device {
                device: device.into(),
                action: action.into(),
                code: "UNIMPLEMENTED",
                message: "its plugin lacks the function".into(),
            });
        };
        let mut args = Args::new(fields);
        // SAFETY: the struct is laid out as the interface says and has its own size; the caller answers for its fields.
        let error = unsafe { function(&raw mut args) };
        if error.is_null() {
            return Ok(args.fields);
        }
        let (code, message) = self.text_of(error);
        Err(Error::Device { device: device.into(), action: action.into(), code, message: message.into() })
    }

    /// Calls a function that frees something, whose failure there is nobody to tell of.
    ///
    /// # Safety
    /// As [`call`](Plugin::call).
    pub unsafe fn free<T>(&self, function: impl FnOnce(&Api) -> Function<T>, fields: T) {
        // SAFETY: the caller answers for the fields.
        let _ = unsafe { self.call("free", "", function, fields) };
    }

    /// What an error says, which is freed.
    pub fn text_of(&self, error: *mut RawError) -> (&'static str, String) {
        let mut code = Args::new(ErrorCode { error, code: 0, padding: 0 });
        if let Some(function) = self.api.error_code {
            // SAFETY: the error is there until it is destroyed below. An error of reading the code is not looked at, nor freed.
            unsafe { function(&raw mut code) };
        }
        let mut message = Args::new(ErrorMessage { error, message: null(), message_size: 0 });
        if let Some(function) = self.api.error_message {
            // SAFETY: as above.
            unsafe { function(&raw mut message) };
        }
        // SAFETY: the text lives as long as the error.
        let text = unsafe { text(message.fields.message, message.fields.message_size) };
        if let Some(function) = self.api.error_destroy {
            let mut destroyed = Args::new(ErrorDestroy { error });
            // SAFETY: it is the caller's to free, and not used any more.
            unsafe { function(&raw mut destroyed) };
        }
        (code_name(code.fields.code as c_int), text)
    }
}

/// A text of the interface as a string.
///
/// # Safety
/// It is null, or there are so many bytes.
pub unsafe fn text(bytes: *const c_char, size: usize) -> String {
    if bytes.is_null() || size == 0 {
        return String::new();
    }
    // SAFETY: the caller says that they are there.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), size) };
    String::from_utf8_lossy(bytes).into_owned()
}

/// An error and what has caused it, which libraries keep from each other's texts.
fn causes(error: &libloading::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
