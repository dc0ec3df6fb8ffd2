//! Clients of plugins and their devices, which are there for as long as the process lives.

use std::path::{Path, PathBuf};
use std::ptr::{NonNull, null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::PjrtOption;
use super::c_api::{
    ClientCreate, ClientDevices, ClientText, DescriptionId, DescriptionText, DeviceDescriptionOf,
    DeviceMemoryStats, Known, NAMED_BOOL, NAMED_FLOAT, NAMED_INT, NAMED_TEXT, NamedValue, NamedValueContent,
    RawClient, RawDevice,
};
use super::plugin::{Plugin, text};
use crate::backend::device::MemoryStats;
use crate::error::{Error, Result};

/// A device of a plugin's client.
pub struct PjrtDevice {
    pub(super) plugin: &'static Plugin,
    pub(super) client: NonNull<RawClient>,
    pub(super) raw: NonNull<RawDevice>,
    /// What the plugin counts it by.
    pub(super) id: i64,
    /// As in `pjrt:cpu:0`.
    pub(super) name: Box<str>,
    platform: Box<str>,
    version: Box<str>,
    kind: Box<str>,
    /// Itself, as it is never freed.
    this: OnceLock<&'static PjrtDevice>,
    /// Buffers that are there now.
    pub(super) live: AtomicUsize,
}

// SAFETY: the interface says that clients, and what belongs to them, may be used by several threads at once; they are never freed.
unsafe impl Send for PjrtDevice {}
// SAFETY: as above.
unsafe impl Sync for PjrtDevice {}

type Options = Vec<(String, PjrtOption)>;

/// A client that is there: what it was asked for by, and its devices.
struct Opened {
    path: PathBuf,
    options: Options,
    devices: &'static [PjrtDevice],
}

static OPENED: Mutex<Vec<Opened>> = Mutex::new(Vec::new());

// Clients are added whole.
fn opened() -> MutexGuard<'static, Vec<Opened>> {
    OPENED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The devices of the plugin at a path: those that are there, if it was opened with these options before.
///
/// # Errors
/// If it cannot be opened, or makes no client.
pub fn devices(path: &Path, options: &[(&str, PjrtOption)]) -> Result<&'static [PjrtDevice]> {
    let options: Options =
        options.iter().map(|(name, option)| ((*name).to_owned(), option.clone())).collect();
    // Held until the client is there: of threads that ask at once, the first opens it for all.
    let mut opened = opened();
    if let Some(found) = opened.iter().find(|found| found.path == path && found.options == options) {
        return Ok(found.devices);
    }
    let plugin: &'static Plugin = Box::leak(Box::new(Plugin::open(path)?));
    let devices: &[PjrtDevice] = Vec::leak(make_client(plugin, &options)?);
    devices.iter().for_each(|device| _ = device.this.set(device));
    opened.push(Opened { path: path.to_owned(), options, devices });
    Ok(devices)
}

/// All devices of all plugins that were opened.
pub fn all_devices() -> Vec<&'static PjrtDevice> {
    opened().iter().flat_map(|opened| opened.devices).collect()
}

fn make_client(plugin: &'static Plugin, options: &Options) -> Result<Vec<PjrtDevice>> {
    let path = plugin.path();
    let options: Vec<NamedValue> = options.iter().map(|(name, option)| option.named(name)).collect();
    let none = [null_mut(); 4];
    let create = ClientCreate {
        options: options.as_ptr(),
        num_options: options.len(),
        key_value_store: none,
        client: null_mut(),
        key_value_try_get: [null_mut(); 2],
    };
    // SAFETY: the options, and the texts that they point to, are there during the call.
    let client = unsafe { plugin.call("make a client", path, |api| api.client_create, create) }?.client;
    let client = NonNull::new(client).ok_or_else(|| nothing(path, "a client"))?;

    let raw = client.as_ptr();
    let asked = |text| ClientText { client: raw, text, text_size: 0 };
    // SAFETY: the client is there.
    let platform =
        unsafe { plugin.call("name its platform", path, |api| api.client_platform_name, asked(null())) }?;
    // SAFETY: as above.
    let version =
        unsafe { plugin.call("tell its version", path, |api| api.client_platform_version, asked(null())) }?;
    // SAFETY: both texts live as long as the client.
    let (platform, version) =
        unsafe { (text(platform.text, platform.text_size), text(version.text, version.text_size)) };
    let list = ClientDevices { client: raw, devices: null(), num_devices: 0 };
    // SAFETY: the client is there.
    let list = unsafe { plugin.call("list its devices", path, |api| api.client_addressable_devices, list) }?;
    if list.num_devices == 0 || list.devices.is_null() {
        return Err(nothing(path, "a device"));
    }
    // SAFETY: the list lives as long as the client.
    let list = unsafe { std::slice::from_raw_parts(list.devices, list.num_devices) };
    let device = |&raw: &*mut RawDevice| {
        let raw = NonNull::new(raw).ok_or_else(|| nothing(path, "a device"))?;
        let (id, kind) = describe(plugin, raw)?;
        let name = format!("pjrt:{platform}:{id}").into();
        let (platform, version) = (platform.as_str().into(), version.as_str().into());
        let (this, live) = (OnceLock::new(), AtomicUsize::new(0));
        Ok(PjrtDevice { plugin, client, raw, id, name, platform, version, kind: kind.into(), this, live })
    };
    list.iter().map(device).collect()
}

/// The number of a device and what it is.
fn describe(plugin: &Plugin, raw: NonNull<RawDevice>) -> Result<(i64, String)> {
    let path = plugin.path();
    let of = DeviceDescriptionOf { device: raw.as_ptr(), description: null_mut() };
    // SAFETY: the device lives as long as its client.
    let description =
        unsafe { plugin.call("describe a device", path, |api| api.device_description, of) }?.description;
    let id = DescriptionId { description, id: 0, padding: 0 };
    // SAFETY: so does its description.
    let id = unsafe { plugin.call("number a device", path, |api| api.description_id, id) }?.id;
    let kind = DescriptionText { description, text: null(), text_size: 0 };
    // SAFETY: as above.
    let kind = unsafe { plugin.call("describe a device", path, |api| api.description_kind, kind) }?;
    // SAFETY: the text lives as long as the device.
    Ok((i64::from(id), unsafe { text(kind.text, kind.text_size) }))
}

fn nothing(path: &str, what: &str) -> Error {
    Error::File {
        path: path.into(),
        message: format!("the plugin made no error and not {what} either: it is broken"),
    }
}

impl PjrtOption {
    /// The option under a name, both of which it points to.
    fn named(&self, name: &str) -> NamedValue {
        let (kind, value, value_size) = match self {
            PjrtOption::Text(text) => {
                (NAMED_TEXT, NamedValueContent { text: text.as_ptr().cast() }, text.len())
            }
            PjrtOption::Int(int) => (NAMED_INT, NamedValueContent { int: *int }, 1),
            PjrtOption::Float(float) => (NAMED_FLOAT, NamedValueContent { float: *float }, 1),
            PjrtOption::Bool(bool) => (NAMED_BOOL, NamedValueContent { bool: *bool }, 1),
        };
        NamedValue {
            size: size_of::<NamedValue>(),
            extension: null_mut(),
            name: name.as_ptr().cast(),
            name_size: name.len(),
            kind,
            padding: 0,
            value,
            value_size,
        }
    }
}

impl PjrtDevice {
    /// This device, which is never freed.
    pub(super) fn leaked(&self) -> &'static PjrtDevice {
        match self.this.get() {
            Some(this) => this,
            None => unreachable!("`devices` sets it before anybody else sees the device"),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its plugin drives: `cpu`, `cuda`.
    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// The versions of what drives it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What it is: the model of a GPU, for example.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// How many buffers it has made and not freed.
    pub fn live_buffers(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// What is known of its memory; none where the plugin keeps no account.
    ///
    /// # Errors
    /// What the plugin says.
    pub fn memory_stats(&self) -> Result<Option<MemoryStats>> {
        let none = Known::default();
        let asked = DeviceMemoryStats {
            device: self.raw.as_ptr(),
            bytes_in_use: 0,
            peak_bytes_in_use: none,
            num_allocs: none,
            largest_alloc_size: none,
            bytes_limit: none,
            bytes_reserved: none,
            peak_bytes_reserved: none,
            bytes_reservable_limit: none,
            largest_free_block_bytes: none,
            pool_bytes: none,
            peak_pool_bytes: none,
            peak_allocated_bytes: none,
        };
        // SAFETY: the device is there.
        let found = match unsafe {
            self.plugin.call("tell its memory", &self.name, |api| api.device_memory_stats, asked)
        } {
            Err(Error::Device { code: "UNIMPLEMENTED", .. }) => return Ok(None),
            found => found?,
        };
        let known = |known: Known| known.is_set.then_some(known.value as u64);
        Ok(Some(MemoryStats {
            bytes_in_use: found.bytes_in_use as u64,
            peak_bytes_in_use: known(found.peak_bytes_in_use),
            bytes_limit: known(found.bytes_limit),
            largest_allocation: known(found.largest_alloc_size),
            allocations: known(found.num_allocs),
        }))
    }
}
