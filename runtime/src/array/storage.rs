//! `Array`: concrete numbers, dense and row-major.

use std::sync::Arc;

use bytemuck::Pod;

use super::aval::Aval;
use super::device::{DeviceBuffer, Remote};
use super::dtype::{DType, Element};
use super::pool::Buffer;
use crate::error::{Result, unwrap};

/// Dense, row-major numbers, shared by reference count.
///
/// One pointer wide, because an op moves its arguments about ten times. Reshaping shares the buffer. This is what kernels
/// take and return; users see it as [`Tensor`](crate::Tensor).
#[derive(Clone)]
pub struct Array(Arc<Numbers>);

struct Numbers {
    aval: Aval,
    storage: Storage,
}

enum Storage {
    /// Up to 16 bytes: scalars need no buffer.
    Inline([u64; 2]),
    Owned(Buffer),
    /// The memory of an array that has some of its own, from a byte on, under another description.
    Of(Array, usize),
    /// Memory of a device, and a copy of it once somebody has asked for the numbers.
    Device(Box<Remote>),
}

const INLINE: usize = 16;

impl Array {
    /// An array whose numbers are unspecified, to be written by a kernel.
    ///
    /// # Panics
    /// If the size overflows the address space, or there is no memory for it.
    #[track_caller]
    pub fn scratch(aval: Aval) -> Array {
        Array::with_buffer(aval, Buffer::scratch)
    }

    /// As [`scratch`](Array::scratch), in memory that is not rounded up unless some waits to be used again.
    ///
    /// # Panics
    /// If the size overflows the address space, or there is no memory for it.
    #[track_caller]
    #[cfg_attr(not(feature = "io"), allow(dead_code))]
    pub(crate) fn exact(aval: Aval) -> Array {
        Array::with_buffer(aval, Buffer::exact)
    }

    /// An array of zeros.
    ///
    /// # Panics
    /// If the size overflows the address space, or there is no memory for it.
    #[track_caller]
    pub fn zeros(aval: Aval) -> Array {
        Array::with_buffer(aval, Buffer::zeroed)
    }

    #[track_caller]
    fn with_buffer(aval: Aval, buffer: impl FnOnce(usize) -> Buffer) -> Array {
        let Some(size) = aval.checked_size() else { panic!("{aval} is too large to address") };
        let bytes = size * aval.dtype.size();
        let storage = if bytes <= INLINE { Storage::Inline([0; 2]) } else { Storage::Owned(buffer(bytes)) };
        Array(Arc::new(Numbers { aval, storage }))
    }

    /// An array whose numbers `fill` writes, all of them.
    ///
    /// # Panics
    /// If `T` is not as wide as the dtype, the size overflows the address space, or there is no memory for it.
    #[track_caller]
    pub fn build<T: Pod>(aval: Aval, fill: impl FnOnce(&mut [T])) -> Array {
        let mut array = Array::scratch(aval);
        if let Some(data) = array.unique() {
            fill(data);
        }
        array
    }

    /// As [`build`](Array::build), for whom the type of elements does not matter.
    pub(crate) fn build_bytes(aval: Aval, fill: impl FnOnce(&mut [u8])) -> Array {
        let mut array = Array::scratch(aval);
        if let Some(data) = array.unique_bytes() {
            fill(data);
        }
        array
    }

    /// An array whose numbers are in a buffer.
    pub(crate) fn of_buffer(aval: Aval, buffer: Buffer) -> Array {
        let bytes = aval.bytes();
        if bytes <= INLINE {
            return Array::build_bytes(aval, |out| out.copy_from_slice(&buffer.slice::<u8>()[..bytes]));
        }
        Array(Arc::new(Numbers { aval, storage: Storage::Owned(buffer) }))
    }

    /// An array whose numbers are in the memory of a device.
    pub fn on_device(aval: Aval, buffer: impl DeviceBuffer) -> Array {
        Array(Arc::new(Numbers { aval, storage: Storage::Device(Box::new(Remote::new(buffer))) }))
    }

    /// Whether the numbers are in the memory of this process, where kernels read them.
    pub fn is_on_host(&self) -> bool {
        !matches!(self.0.storage, Storage::Device(_))
    }

    /// The memory of the device that the numbers are in, if they are in one's.
    pub fn device_buffer(&self) -> Option<&dyn DeviceBuffer> {
        match &self.0.storage {
            Storage::Device(remote) => Some(remote.buffer()),
            _ => None,
        }
    }

    /// The same numbers in the memory of this process: this array if they are there, else a copy, which is made once and kept.
    ///
    /// # Errors
    /// What the device says: of the copy, or of the computation that was to make the numbers.
    pub fn to_host(&self) -> Result<Array> {
        self.on_host().cloned()
    }

    /// As [`to_host`](Array::to_host).
    pub(crate) fn on_host(&self) -> Result<&Array> {
        match &self.0.storage {
            Storage::Device(remote) => remote.on_host(&self.0.aval),
            _ => Ok(self),
        }
    }

    /// One number.
    pub fn scalar<T: Element>(value: T, weak: bool) -> Array {
        let aval = Aval { shape: super::Shape::new(), dtype: T::DTYPE, weak };
        Array::build(aval, |data: &mut [T::Storage]| data[0] = value.store())
    }

    /// A copy of `data`, which must fill the shape.
    ///
    /// # Panics
    /// If `T` is not the dtype's type, `data` does not fill the shape, or there is no memory for it.
    #[track_caller]
    pub fn from_slice<T: Element>(aval: Aval, data: &[T]) -> Array {
        assert!(
            aval.dtype == T::DTYPE && aval.checked_size() == Some(data.len()),
            "{} numbers of {} for an array {aval}: give as many as it has elements, of its dtype",
            data.len(),
            T::DTYPE
        );
        Array::build(aval, |out: &mut [T::Storage]| {
            for (out, value) in out.iter_mut().zip(data) {
                *out = value.store();
            }
        })
    }

    /// Shape and dtype.
    pub fn aval(&self) -> &Aval {
        &self.0.aval
    }

    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.0.aval.shape
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.0.aval.dtype
    }

    /// The number of elements.
    pub fn size(&self) -> usize {
        self.0.aval.size()
    }

    /// True for one element without axes.
    pub fn is_scalar(&self) -> bool {
        self.0.aval.shape.is_empty()
    }

    /// The numbers as their storage type: `u8` for `Bool`.
    ///
    /// # Panics
    /// If `T` is not as wide as the dtype.
    pub fn data<T: Pod>(&self) -> &[T] {
        assert_eq!(size_of::<T>(), self.dtype().size(), "data of {} read as another type", self.dtype());
        bytemuck::cast_slice(self.bytes())
    }

    /// The numbers for writing, if nobody else holds them.
    ///
    /// # Panics
    /// If `T` is not as wide as the dtype.
    pub fn unique<T: Pod>(&mut self) -> Option<&mut [T]> {
        assert_eq!(size_of::<T>(), self.dtype().size(), "data of {} written as another type", self.dtype());
        self.unique_bytes().map(bytemuck::cast_slice_mut)
    }

    /// The raw bytes for writing, if nobody else holds them.
    pub(crate) fn unique_bytes(&mut self) -> Option<&mut [u8]> {
        let numbers = Arc::get_mut(&mut self.0)?;
        let bytes = numbers.aval.size() * numbers.aval.dtype.size();
        numbers.storage.unique_bytes().map(|all| &mut all[..bytes])
    }

    /// The raw bytes, little-endian on the machines we run on.
    ///
    /// # Panics
    /// If the numbers are in the memory of a device, which then fails to hand them out; [`to_host`](Array::to_host) returns its error.
    pub fn bytes(&self) -> &[u8] {
        let bytes = self.size() * self.dtype().size();
        match &self.0.storage {
            Storage::Device(remote) => unwrap(remote.on_host(&self.0.aval)).bytes(),
            storage => &storage.bytes()[..bytes],
        }
    }

    /// The same numbers under another shape, or another dtype of the same width: nothing is copied.
    ///
    /// # Panics
    /// If the sizes in bytes differ.
    #[track_caller]
    pub fn with_aval(mut self, aval: Aval) -> Array {
        let bytes = aval.checked_size().map(|size| size * aval.dtype.size());
        assert_eq!(bytes, Some(self.size() * self.dtype().size()), "another size in bytes");
        if !self.is_on_host() {
            return unwrap(self.to_host()).with_aval(aval);
        }
        if let Some(numbers) = Arc::get_mut(&mut self.0) {
            numbers.aval = aval;
            return self;
        }
        let storage = match &self.0.storage {
            Storage::Inline(words) => Storage::Inline(*words),
            Storage::Owned(_) => Storage::Of(self.clone(), 0),
            Storage::Of(owner, offset) => Storage::Of(owner.clone(), *offset),
            Storage::Device(_) => unreachable!("it is on the host"),
        };
        Array(Arc::new(Numbers { aval, storage }))
    }

    /// Numbers that lie behind one another in this array, from a byte on: nothing is copied.
    ///
    /// # Panics
    /// If there are not so many.
    pub(crate) fn part(&self, offset: usize, aval: Aval) -> Array {
        let bytes = aval.bytes();
        assert!(offset + bytes <= self.bytes().len(), "a part that is not within the array");
        let storage = match &self.0.storage {
            Storage::Inline(words) => {
                let mut part = [0; 2];
                let all: &[u8] = bytemuck::cast_slice(words);
                bytemuck::cast_slice_mut(&mut part)[..bytes].copy_from_slice(&all[offset..][..bytes]);
                Storage::Inline(part)
            }
            Storage::Owned(_) => Storage::Of(self.clone(), offset),
            Storage::Of(owner, before) => Storage::Of(owner.clone(), before + offset),
            Storage::Device(_) => Storage::Of(unwrap(self.to_host()), offset),
        };
        Array(Arc::new(Numbers { aval, storage }))
    }

    /// This array under a new description, to be overwritten in place, if its size fits and nobody else holds it.
    ///
    /// # Errors
    /// Otherwise this array as it was, and a new one to write into.
    pub fn reuse(self, aval: Aval) -> Result<Array, (Array, Array)> {
        if self.may_be_overwritten(&aval) {
            Ok(self.redescribed(&aval))
        } else {
            Err((self, Array::scratch(aval)))
        }
    }

    /// Whether it can be overwritten under this description.
    pub(crate) fn may_be_overwritten(&self, aval: &Aval) -> bool {
        self.is_on_host()
            && self.dtype().size() == aval.dtype.size()
            && self.size() == aval.size()
            && !self.is_shared()
    }

    /// This array under another description of the same size.
    pub(crate) fn redescribed(self, aval: &Aval) -> Array {
        if self.aval().is(aval) { self } else { self.with_aval(aval.clone()) }
    }

    /// Whether somebody else holds the numbers.
    ///
    /// If not, nobody else can come to hold them, as there is nobody to get them from; this only reads counts, which
    /// takes a fraction of the time of [`unique_bytes`](Array::unique_bytes).
    pub(crate) fn is_shared(&self) -> bool {
        let is_shared = |numbers: &Arc<Numbers>| Arc::strong_count(numbers) > 1;
        is_shared(&self.0) || matches!(&self.0.storage, Storage::Of(owner, _) if is_shared(&owner.0))
    }

    /// Where the numbers are, to see reuse and donation; of those on a device, where this process keeps what it knows of them.
    pub fn address(&self) -> usize {
        match &self.0.storage {
            Storage::Device(remote) => std::ptr::from_ref(&**remote).addr(),
            _ => self.bytes().as_ptr().addr(),
        }
    }
}

impl Storage {
    fn bytes(&self) -> &[u8] {
        match self {
            Storage::Inline(words) => bytemuck::cast_slice(words),
            Storage::Owned(buffer) => buffer.slice(),
            Storage::Of(owner, offset) => &owner.0.storage.bytes()[*offset..],
            Storage::Device(_) => unreachable!("`Array::bytes` reads the copy on the host"),
        }
    }

    fn unique_bytes(&mut self) -> Option<&mut [u8]> {
        match self {
            Storage::Inline(words) => Some(bytemuck::cast_slice_mut(words)),
            Storage::Owned(buffer) => Some(buffer.slice_mut()),
            Storage::Of(owner, offset) => {
                let all = Arc::get_mut(&mut owner.0)?.storage.unique_bytes();
                all.map(|all| &mut all[*offset..])
            }
            Storage::Device(_) => None,
        }
    }
}
