//! Numbers in the memory of a device, on their way there and back.

use std::ffi::c_void;
use std::ptr::{NonNull, null, null_mut};
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::c_api::{
    Args, BufferFromHost, BufferOnly, BufferReadyEvent, BufferToHost, EventOnReady, EventOnly,
    IMMUTABLE_ZERO_COPY, ONLY_DURING_CALL, RawBuffer, RawError, RawEvent, TiledLayout, element_type,
};
use super::client::PjrtDevice;
use super::plugin::Plugin;
use crate::array::{Array, DType, DeviceBuffer};
use crate::error::{Error, Result};

/// A buffer of a device, freed when it is dropped.
pub struct PjrtBuffer {
    device: &'static PjrtDevice,
    raw: NonNull<RawBuffer>,
    rank: usize,
}

// SAFETY: the interface says that buffers may be used by several threads at once.
unsafe impl Send for PjrtBuffer {}
// SAFETY: as above.
unsafe impl Sync for PjrtBuffer {}

/// Arrays of so many bytes are handed over rather than copied: fewer are copied in less time than it takes to keep them.
const HANDED_OVER: usize = 32 << 10;

fn element_type(dtype: DType) -> i32 {
    match dtype {
        DType::Bool => element_type::PRED,
        DType::I8 => element_type::S8,
        DType::I16 => element_type::S16,
        DType::I32 => element_type::S32,
        DType::I64 => element_type::S64,
        DType::U8 => element_type::U8,
        DType::U16 => element_type::U16,
        DType::U32 => element_type::U32,
        DType::F16 => element_type::F16,
        DType::BF16 => element_type::BF16,
        DType::F32 => element_type::F32,
        DType::F64 => element_type::F64,
        DType::C64 => element_type::C64,
    }
}

impl PjrtBuffer {
    /// Takes over a buffer of a device, which has so many axes.
    ///
    /// # Safety
    /// It is one that the plugin has made for the caller to free.
    pub unsafe fn own(device: &'static PjrtDevice, raw: NonNull<RawBuffer>, rank: usize) -> PjrtBuffer {
        device.live.fetch_add(1, Ordering::Relaxed);
        PjrtBuffer { device, raw, rank }
    }

    /// What the plugin calls it.
    pub fn raw(&self) -> *mut RawBuffer {
        self.raw.as_ptr()
    }

    /// Where it is.
    pub fn location(&self) -> &'static PjrtDevice {
        self.device
    }
}

impl Drop for PjrtBuffer {
    fn drop(&mut self) {
        let buffer = BufferOnly { buffer: self.raw.as_ptr() };
        // SAFETY: it is ours, and what still computes with it holds it by itself.
        unsafe { self.device.plugin.free(|api| api.buffer_destroy, buffer) };
        self.device.live.fetch_sub(1, Ordering::Relaxed);
    }
}

impl DeviceBuffer for PjrtBuffer {
    fn device(&self) -> &str {
        &self.device.name
    }

    fn read(&self, out: &mut [u8]) -> Result<()> {
        let (plugin, name) = (self.device.plugin, &*self.device.name);
        let minor_to_major: SmallVec<[i64; 8]> = (0..self.rank as i64).rev().collect();
        let mut layout = Args::new(TiledLayout {
            size: size_of::<[usize; 7]>(),
            extension: null_mut(),
            minor_to_major: minor_to_major.as_ptr(),
            num_dims: self.rank,
            tile_dims: null(),
            tile_dim_sizes: null(),
            num_tiles: 0,
            kind: 0,
            padding: 0,
        });
        let asked = BufferToHost {
            buffer: self.raw.as_ptr(),
            layout: &raw mut layout,
            out: out.as_mut_ptr().cast(),
            out_size: out.len(),
            event: null_mut(),
        };
        // SAFETY: the layout is there during the call, and the memory until the event, which is waited for.
        let event = unsafe { plugin.call("copy to the host", name, |api| api.buffer_to_host, asked) }?.event;
        wait(plugin, name, "copy to the host", event)
    }

    fn wait(&self) -> Result<()> {
        const ACTION: &str = "compute a tensor";
        let (plugin, name) = (self.device.plugin, &*self.device.name);
        let asked = BufferReadyEvent { buffer: self.raw.as_ptr(), event: null_mut() };
        // SAFETY: the buffer is ours.
        let event = unsafe { plugin.call(ACTION, name, |api| api.buffer_ready_event, asked) }?.event;
        wait(plugin, name, ACTION, event)
    }
}

/// Waits for an event, which is freed.
///
/// # Errors
/// What the plugin says of what it waited for.
fn wait(plugin: &Plugin, device: &str, action: &str, event: *mut RawEvent) -> Result<()> {
    if event.is_null() {
        return Ok(());
    }
    // SAFETY: the event is ours.
    let waited = unsafe { plugin.call(action, device, |api| api.event_await, EventOnly { event }) };
    // SAFETY: as above; it is not used any more.
    unsafe { plugin.free(|api| api.event_destroy, EventOnly { event }) };
    waited.map(|_| ())
}

/// An array that the plugin reads, or uses as its own memory, until an event.
struct Lent {
    plugin: &'static Plugin,
    event: *mut RawEvent,
    _array: Array,
}

/// Gives back what was lent.
unsafe extern "C" fn give_back(error: *mut RawError, lent: *mut c_void) {
    // SAFETY: it is the box that the callback was registered with, once.
    let lent = unsafe { Box::from_raw(lent.cast::<Lent>()) };
    // SAFETY: the event is ours, and has come to pass.
    unsafe { lent.plugin.free(|api| api.event_destroy, EventOnly { event: lent.event }) };
    if !error.is_null() {
        // Whoever uses the buffer is told.
        lent.plugin.text_of(error);
    }
}

impl PjrtDevice {
    /// An array in the memory of this device: itself if it is there, else a copy, from the host or by way of it.
    ///
    /// The copy goes on behind the caller's back; what uses it waits for it.
    ///
    /// # Errors
    /// What the device says, or the one that the array is on.
    pub fn upload(&'static self, array: &Array) -> Result<Array> {
        if self.has(array) {
            return Ok(array.clone());
        }
        Ok(Array::on_device(array.aval().clone(), self.copy(array)?))
    }

    /// The buffer of an array that is on this device.
    pub(super) fn buffer(&self, array: &Array) -> Option<*mut RawBuffer> {
        let buffer: &dyn std::any::Any = array.device_buffer()?;
        let buffer = buffer.downcast_ref::<PjrtBuffer>()?;
        std::ptr::eq(buffer.device, self).then(|| buffer.raw())
    }

    pub(super) fn has(&self, array: &Array) -> bool {
        self.buffer(array).is_some()
    }

    /// A new buffer with the numbers of an array.
    fn copy(&'static self, array: &Array) -> Result<PjrtBuffer> {
        let array = array.on_host()?;
        let aval = array.aval();
        let dims: SmallVec<[i64; 8]> = aval.shape.iter().map(|&n| n as i64).collect();
        let is_lent = aval.bytes() >= HANDED_OVER;
        let asked = BufferFromHost {
            client: self.client.as_ptr(),
            data: array.bytes().as_ptr().cast(),
            element_type: element_type(aval.dtype),
            padding: 0,
            dims: dims.as_ptr(),
            num_dims: dims.len(),
            byte_strides: null(),
            num_byte_strides: 0,
            semantics: if is_lent { IMMUTABLE_ZERO_COPY } else { ONLY_DURING_CALL },
            padding_semantics: 0,
            device: self.raw.as_ptr(),
            memory: null_mut(),
            layout: null_mut(),
            done_with_host_buffer: null_mut(),
            buffer: null_mut(),
        };
        let plugin = self.plugin;
        // SAFETY: the dimensions are there during the call. So are the numbers, or, where the plugin may use them longer, until the
        // event: an array that is held elsewhere is never written into, and this call holds it until then.
        let made = unsafe {
            plugin.call("copy from the host", &self.name, |api| api.client_buffer_from_host, asked)
        }?;
        let event = made.done_with_host_buffer;
        if is_lent && !event.is_null() {
            self.lend(array, event)?;
        } else if !event.is_null() {
            // SAFETY: the event is ours; nothing waits for it, as the numbers were read already.
            unsafe { plugin.free(|api| api.event_destroy, EventOnly { event }) };
        }
        let Some(raw) = NonNull::new(made.buffer) else {
            return Err(Error::Device {
                device: self.name.clone(),
                action: "copy from the host".into(),
                code: "INTERNAL",
                message: "the plugin made no error and no buffer either".into(),
            });
        };
        // SAFETY: the plugin has made it for us.
        Ok(unsafe { PjrtBuffer::own(self, raw, aval.rank()) })
    }

    /// Holds an array until an event.
    fn lend(&'static self, array: &Array, event: *mut RawEvent) -> Result<()> {
        let plugin = self.plugin;
        let lent = Box::into_raw(Box::new(Lent { plugin, event, _array: array.clone() }));
        let registered = EventOnReady { event, callback: Some(give_back), user_arg: lent.cast() };
        // SAFETY: the callback takes the box, once, on whatever thread: what it holds may be dropped on any. If it cannot be
        // registered the box stays, as nobody knows how long the numbers are needed.
        unsafe { plugin.call("copy from the host", &self.name, |api| api.event_on_ready, registered) }
            .map(|_| ())
    }
}
