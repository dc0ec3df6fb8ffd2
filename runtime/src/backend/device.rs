//! Where tensors are and programs run: this process, or a device that a plugin drives.

use std::fmt;
use std::str::FromStr;
#[cfg(feature = "pjrt")]
use std::sync::Arc;

#[cfg(feature = "pjrt")]
use super::pjrt::{self, PjrtBuffer, PjrtDevice, PjrtOption};
#[cfg(feature = "pjrt")]
use crate::array::Aval;
use crate::array::{Array, DeviceBuffer};
#[cfg(feature = "pjrt")]
use crate::core::Executable;
use crate::core::tensor::Repr;
use crate::core::{Backend, IntoBackend, Tensor};
use crate::error::{Error, Result};
use crate::tree::{self, Tree};

/// A place for tensors, and where a compiled function may run: `jit(step).on(&device)`.
///
/// Devices are there for as long as the process lives. A function that is compiled for one takes tensors that are there, or in the memory
/// of this process, the *host*, which are copied to it; its results stay there until their numbers are asked for, as by
/// [`item`](Tensor::item) and [`to_vec`](Tensor::to_vec). Operations outside of [`jit`](crate::jit()) run on the host, and refuse
/// tensors that are elsewhere: [`Tensor::to_host`] brings them back.
#[derive(Clone, Copy)]
pub struct Device(Place);

#[derive(Clone, Copy)]
enum Place {
    Host,
    #[cfg(feature = "pjrt")]
    Pjrt(&'static PjrtDevice),
}

/// What a device knows of its memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStats {
    /// Bytes that are taken now.
    pub bytes_in_use: u64,
    /// The most that were taken at once.
    pub peak_bytes_in_use: Option<u64>,
    /// How many there are to take.
    pub bytes_limit: Option<u64>,
    /// The largest that was taken by one allocation.
    pub largest_allocation: Option<u64>,
    /// How often memory was taken.
    pub allocations: Option<u64>,
}

impl Device {
    /// The host: this process and its memory, whose programs the crate compiles itself.
    pub fn cpu() -> Device {
        Device(Place::Host)
    }

    /// The first device of a plugin with a PJRT interface, such as those in JAX's packages for GPUs.
    ///
    /// `path` is that of its library, or `$NAME`, which stands for what the environment variable of that name says. A plugin is opened
    /// once, and stays open.
    ///
    /// ```no_run
    /// use flaxen::prelude::*;
    /// use flaxen::Device;
    ///
    /// let gpu = Device::pjrt("$FLAXEN_PJRT_PLUGIN")?;
    /// let step = jit(|(w, x): (Tensor, Tensor)| Ok(w - x.mean() * 0.1)).on(&gpu);
    /// let mut w = Tensor::zeros([1000]);
    /// for _ in 0..10 {
    ///     // It is copied to the device once, and stays there.
    ///     w = step.call((w, Tensor::ones([64])))?;
    /// }
    /// println!("{}", w.to_host()?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such variable; if the library cannot be opened, is no plugin, or has another major version of the interface; what
    /// the plugin says.
    #[cfg(feature = "pjrt")]
    pub fn pjrt(path: &str) -> Result<Device> {
        let devices = Device::pjrt_with(path, &[])?;
        devices.first().copied().ok_or_else(|| Error::argument("Device::pjrt", "the plugin has no device"))
    }

    /// All devices of a plugin, which is given options by names that it knows.
    ///
    /// ```no_run
    /// use flaxen::Device;
    ///
    /// let devices = Device::pjrt_with("libpjrt_cpu.so", &[("cpu_device_count", 2.into())])?;
    /// assert_eq!(devices.len(), 2);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`pjrt`](Device::pjrt); if the plugin does not know an option.
    #[cfg(feature = "pjrt")]
    pub fn pjrt_with(path: &str, options: &[(&str, PjrtOption)]) -> Result<Vec<Device>> {
        let path = match path.strip_prefix('$') {
            None => path.into(),
            Some(name) => std::env::var_os(name).ok_or_else(|| {
                let message =
                    format!("there is no environment variable `{name}`: set it to the path of a PJRT plugin");
                Error::argument("Device::pjrt", message)
            })?,
        };
        let devices = pjrt::devices(std::path::Path::new(&path), options)?;
        Ok(devices.iter().map(|device| Device(Place::Pjrt(device))).collect())
    }

    /// The host, and the devices of all plugins that were opened.
    pub fn list() -> Vec<Device> {
        let devices = vec![Device::cpu()];
        #[cfg(feature = "pjrt")]
        let devices = devices
            .into_iter()
            .chain(pjrt::all_devices().into_iter().map(|x| Device(Place::Pjrt(x))))
            .collect();
        devices
    }

    /// What it is called in messages: `cpu` for the host, `pjrt:cuda:0` for the first device of a plugin for CUDA.
    pub fn name(&self) -> &str {
        match self.0 {
            Place::Host => "cpu",
            #[cfg(feature = "pjrt")]
            Place::Pjrt(device) => device.name(),
        }
    }

    /// What kind of device its plugin drives: `cpu`, `cuda`.
    pub fn platform(&self) -> &str {
        match self.0 {
            Place::Host => "cpu",
            #[cfg(feature = "pjrt")]
            Place::Pjrt(device) => device.platform(),
        }
    }

    /// The versions of what drives it, in the words of its plugin; this crate's, of the host.
    pub fn platform_version(&self) -> &str {
        match self.0 {
            Place::Host => env!("CARGO_PKG_VERSION"),
            #[cfg(feature = "pjrt")]
            Place::Pjrt(device) => device.version(),
        }
    }

    /// Which device it is, in the words of its plugin: the model of a GPU, for example.
    pub fn kind(&self) -> &str {
        match self.0 {
            Place::Host => "cpu",
            #[cfg(feature = "pjrt")]
            Place::Pjrt(device) => device.kind(),
        }
    }

    /// What is known of its memory; `None` where nobody keeps an account, as on processors.
    ///
    /// # Errors
    /// What its plugin says.
    pub fn memory_stats(&self) -> Result<Option<MemoryStats>> {
        match self.0 {
            Place::Host => Ok(None),
            #[cfg(feature = "pjrt")]
            Place::Pjrt(device) => device.memory_stats(),
        }
    }

    /// How many tensors are in its memory; 0 of the host, which counts none.
    pub fn live_buffers(&self) -> usize {
        match self.0 {
            Place::Host => 0,
            #[cfg(feature = "pjrt")]
            Place::Pjrt(device) => device.live_buffers(),
        }
    }

    /// A tree with all its tensors on this device.
    ///
    /// # Errors
    /// As [`Tensor::to_device`].
    pub fn put<T: Tree>(&self, tree: &T) -> Result<T> {
        tree::map(tree, |tensor| tensor.to_device(self))
    }

    /// Compiles a module of StableHLO; `donated` says of each argument whether the text gives its memory away.
    #[cfg(feature = "pjrt")]
    pub(crate) fn compile_text(
        self,
        text: &str,
        donated: Vec<bool>,
        outs: Vec<Aval>,
    ) -> Result<Arc<dyn Executable>> {
        match self.0 {
            Place::Host => Err(Error::argument(
                "Exported::on",
                "`cpu` compiles functions, and no text: call the function itself, or give a device of a plugin",
            )),
            Place::Pjrt(device) => {
                device.compile_text(text, pjrt::Signature { donated, constants: Vec::new(), outs })
            }
        }
    }

    fn take(self, array: &Array) -> Result<Array> {
        match self.0 {
            Place::Host => array.to_host(),
            #[cfg(feature = "pjrt")]
            Place::Pjrt(device) => device.upload(array),
        }
    }
}

impl IntoBackend for &Device {
    fn into_backend(self) -> &'static dyn Backend {
        match self.0 {
            Place::Host => super::CPU.backend,
            #[cfg(feature = "pjrt")]
            Place::Pjrt(device) => device,
        }
    }
}

/// `cpu`, or `pjrt:` and what `Device::pjrt` takes: for command lines.
impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Device> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Device::cpu()),
            #[cfg(feature = "pjrt")]
            Some(("pjrt", path)) => Device::pjrt(path),
            _ => {
                let known = if cfg!(feature = "pjrt") {
                    "`cpu` and `pjrt:PATH`"
                } else {
                    "`cpu`, and `pjrt:PATH` with the feature `pjrt`"
                };
                Err(Error::argument("Device", format!("`{text}` is no device: there are {known}")))
            }
        }
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Device) -> bool {
        match (self.0, other.0) {
            (Place::Host, Place::Host) => true,
            #[cfg(feature = "pjrt")]
            (Place::Pjrt(a), Place::Pjrt(b)) => std::ptr::eq(a, b),
            #[cfg(feature = "pjrt")]
            _ => false,
        }
    }
}

impl Eq for Device {}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Tensors and devices.
impl Tensor {
    /// The same numbers in the memory of this process: the tensor itself if they are there, else a copy, which is made once and kept.
    ///
    /// # Errors
    /// What the device says of the copy, or of the computation that was to make the numbers; as [`Tensor::array`].
    pub fn to_host(&self) -> Result<Tensor> {
        Ok(self.array()?.clone().into())
    }

    /// The same numbers in the memory of a device: the tensor itself if they are there, else a copy.
    ///
    /// # Errors
    /// What the device says, or that which the numbers come from; a value of a transform is nowhere.
    pub fn to_device(&self, device: &Device) -> Result<Tensor> {
        Ok(device.take(self.placed()?)?.into())
    }

    /// The device whose memory the numbers are in.
    ///
    /// # Errors
    /// A value of a transform is nowhere; memory of another backend than those of this crate is on no device of theirs.
    pub fn device(&self) -> Result<Device> {
        let Some(buffer) = self.placed()?.device_buffer() else { return Ok(Device::cpu()) };
        #[cfg(feature = "pjrt")]
        if let Some(buffer) = (buffer as &dyn std::any::Any).downcast_ref::<PjrtBuffer>() {
            return Ok(Device(Place::Pjrt(buffer.location())));
        }
        Err(Error::argument(
            "device",
            format!("the tensor is on {}, which is none of `Device::list`", buffer.device()),
        ))
    }

    /// Waits until the numbers are there, wherever that is, as JAX's method of this name: devices compute behind the caller's back.
    ///
    /// # Errors
    /// What the device says of the computation; as [`Tensor::array`].
    pub fn block_until_ready(&self) -> Result<()> {
        self.placed()?.device_buffer().map_or(Ok(()), DeviceBuffer::wait)
    }

    /// The array, wherever it is.
    fn placed(&self) -> Result<&Array> {
        match &self.repr {
            Repr::Array(array) => Ok(array),
            Repr::Traced(_) => self.array(),
        }
    }
}
