//! Numbers that are in the memory of a device.

use std::any::Any;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::aval::Aval;
use super::storage::Array;
use crate::error::Result;

/// Memory of a device, which frees it when it is dropped. A backend's own type is found again through [`Any`].
pub trait DeviceBuffer: Any + Send + Sync {
    /// The name of the device, for messages.
    fn device(&self) -> &str;

    /// Copies the elements to `out`, which is as long as they are, row-major; waits for the computation that makes them.
    ///
    /// # Errors
    /// What the device says of the computation, or of the copy.
    fn read(&self, out: &mut [u8]) -> Result<()>;

    /// Waits for the computation that makes the elements, if it goes on behind the caller's back.
    ///
    /// # Errors
    /// What the device says of it.
    fn wait(&self) -> Result<()> {
        Ok(())
    }
}

/// Memory of a device, and what was copied from it.
pub(super) struct Remote {
    buffer: Box<dyn DeviceBuffer>,
    host: OnceLock<Array>,
    /// Held by the thread that copies, as the first error must not be that of all others.
    copying: Mutex<()>,
}

impl Remote {
    pub fn new(buffer: impl DeviceBuffer) -> Remote {
        Remote { buffer: Box::new(buffer), host: OnceLock::new(), copying: Mutex::new(()) }
    }

    pub fn buffer(&self) -> &dyn DeviceBuffer {
        &*self.buffer
    }

    /// The copy on the host, made when it is first asked for.
    pub fn on_host(&self, aval: &Aval) -> Result<&Array> {
        if let Some(host) = self.host.get() {
            return Ok(host);
        }
        let _copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = self.host.get() {
            return Ok(host);
        }
        let mut read = Ok(());
        let host = Array::build_bytes(aval.clone(), |out| read = self.buffer.read(out));
        read?;
        Ok(self.host.get_or_init(|| host))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::array::DType;
    use crate::error::Error;

    /// Counts how often it is read; fails the first time.
    struct Counted(Arc<AtomicUsize>);

    impl DeviceBuffer for Counted {
        fn device(&self) -> &'static str {
            "elsewhere"
        }

        fn read(&self, out: &mut [u8]) -> Result<()> {
            if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
                return Err(Error::msg("not yet"));
            }
            out.fill(1);
            Ok(())
        }
    }

    #[test]
    fn numbers_of_a_device_are_copied_once_when_they_are_asked_for() {
        let reads = Arc::new(AtomicUsize::new(0));
        let array = Array::on_device(Aval::new([8], DType::U32), Counted(reads.clone()));
        assert!(
            !array.is_on_host() && array.device_buffer().is_some_and(|buffer| buffer.device() == "elsewhere")
        );
        assert_eq!(reads.load(Ordering::Relaxed), 0);
        assert!(array.to_host().is_err(), "an error is not kept");
        assert_eq!(array.bytes(), [1; 32]);
        assert_eq!(array.to_host().unwrap().data::<u32>(), [0x0101_0101; 8]);
        assert_eq!(reads.load(Ordering::Relaxed), 2);
        let reshaped = array.clone().with_aval(Aval::new([2, 4], DType::U32));
        assert!(reshaped.is_on_host() && reshaped.bytes() == [1; 32]);
        assert!(array.part(4, Aval::new([7], DType::U32)).is_on_host());
    }

    #[test]
    fn memory_of_a_device_is_never_written_into() {
        let mut array = Array::on_device(Aval::new([8], DType::U32), Counted(Arc::new(AtomicUsize::new(1))));
        assert!(array.unique::<u32>().is_none() && !array.may_be_overwritten(&Aval::new([8], DType::U32)));
    }
}
