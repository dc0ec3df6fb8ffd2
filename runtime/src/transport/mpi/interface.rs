//! MPI's C interface, as much of it as collectives are made of: messages that are sent and received in the background.
//!
//! The safe functions of the crate `mpi` wait without a limit, and end the program where messages fail; these return errors. What a
//! message is read from or written to belongs to its [`Transfer`]; of one that is given up before it is complete nobody knows when MPI
//! is done with the memory, so that it is never freed.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use mpi::ffi::{self, MPI_Comm, MPI_Request, MPI_Status};
use mpi::topology::SimpleCommunicator;
use mpi::traits::AsRaw;

use super::memory::Part;
use crate::array::Array;
use crate::error::{Error, Result};

/// Ranks that can send messages to each other, apart from those of other communicators.
///
/// MPI may be called by one thread at a time: whoever has several of them keeps all behind one lock.
pub(super) struct Communicator {
    handle: MPI_Comm,
    /// The number of this rank, and how many there are.
    pub rank: usize,
    pub size: usize,
    /// The largest tag.
    pub last_tag: c_int,
}

// SAFETY: a handle, which any thread may use if MPI was initialised for threads that take turns (`Threading::Serialized`), as
// `MpiTransport` does.
unsafe impl Send for Communicator {}

/// What a message is read from.
pub(super) enum Source {
    Array(Array, Range<usize>),
    Part(Arc<Part>, Range<usize>),
    Bytes(Box<[u8]>),
}

/// What a message is read from or written to.
enum Memory {
    Source(#[allow(dead_code, reason = "kept until the message is sent")] Source),
    Target(Part),
}

/// A message under way.
pub(super) struct Transfer {
    request: MPI_Request,
    /// The rank that it goes to or comes from.
    pub peer: usize,
    memory: ManuallyDrop<Memory>,
    is_complete: bool,
}

// SAFETY: a handle as that of `Communicator`, and memory that can be sent.
unsafe impl Send for Transfer {}

/// A message that has come in.
pub(super) struct Message {
    pub from: usize,
    pub bytes: Vec<u8>,
}

impl Communicator {
    /// The ranks of another communicator, as a new one; all of them make it together.
    pub fn of(others: &SimpleCommunicator) -> Result<Communicator> {
        let mut new = MaybeUninit::uninit();
        // SAFETY: `others` is a communicator, and `new` is written if there is no error.
        let new = unsafe {
            check(ffi::MPI_Comm_dup(others.as_raw(), new.as_mut_ptr()))?;
            new.assume_init()
        };
        let (mut rank, mut size, mut tag, mut has_tag) = (0, 0, ptr::null_mut::<c_int>(), 0);
        // SAFETY: a communicator, a handler and a key that MPI itself defines, and numbers and a pointer to write to.
        unsafe {
            check(ffi::MPI_Comm_set_errhandler(new, ffi::RSMPI_ERRORS_RETURN))?;
            check(ffi::MPI_Comm_rank(new, &raw mut rank))?;
            check(ffi::MPI_Comm_size(new, &raw mut size))?;
            let (key, to) = (ffi::MPI_TAG_UB as c_int, (&raw mut tag).cast());
            check(ffi::MPI_Comm_get_attr(new, key, to, &raw mut has_tag))?;
        }
        // SAFETY: of this key, the pointer is to a number that MPI keeps; without it there are as many tags as every MPI has.
        let last_tag = if has_tag == 0 { 32767 } else { unsafe { *tag } };
        Ok(Communicator { handle: new, rank: rank as usize, size: size as usize, last_tag })
    }

    /// Begins to send a message of at most [`LONGEST`] bytes.
    pub fn send(&self, peer: usize, tag: c_int, source: Source) -> Result<Transfer> {
        let bytes: &[u8] = match &source {
            Source::Array(array, range) => &array.bytes()[range.clone()],
            Source::Part(part, range) => &part.bytes()[range.clone()],
            Source::Bytes(bytes) => bytes,
        };
        let (address, length) = (bytes.as_ptr().cast::<c_void>(), count(bytes.len()));
        let mut request = MaybeUninit::uninit();
        // SAFETY: `length` bytes at `address`, which the transfer keeps as they are until the request is complete; `source` is shared
        // or a box, so that moving it moves none of them. An array of a few numbers has them behind its pointer, too.
        let request = unsafe {
            let byte = ffi::RSMPI_UINT8_T;
            let to = request.as_mut_ptr();
            check(ffi::MPI_Isend(address, length, byte, peer as c_int, tag, self.handle, to))?;
            request.assume_init()
        };
        Ok(Transfer::new(request, peer, Memory::Source(source)))
    }

    /// Begins to receive a message that fills a part of at most [`LONGEST`] bytes.
    pub fn receive(&self, peer: usize, tag: c_int, part: Part) -> Result<Transfer> {
        let mut request = MaybeUninit::uninit();
        // SAFETY: as many bytes as the part has, which the transfer owns until the request is complete.
        let request = unsafe {
            let byte = ffi::RSMPI_UINT8_T;
            let (length, to) = (count(part.len()), request.as_mut_ptr());
            check(ffi::MPI_Irecv(part.address(), length, byte, peer as c_int, tag, self.handle, to))?;
            request.assume_init()
        };
        Ok(Transfer::new(request, peer, Memory::Target(part)))
    }

    /// A message of whatever rank and tag that nobody has begun to receive, if there is one.
    pub fn incoming(&self) -> Result<Option<Message>> {
        let mut found = 0;
        let mut status = MaybeUninit::<MPI_Status>::uninit();
        // SAFETY: a number and a status to write to.
        check(unsafe {
            let (source, tag) = (ffi::RSMPI_ANY_SOURCE, ffi::RSMPI_ANY_TAG);
            ffi::MPI_Iprobe(source, tag, self.handle, &raw mut found, status.as_mut_ptr())
        })?;
        if found == 0 {
            return Ok(None);
        }
        // SAFETY: MPI has written it, as `found` says.
        let status = unsafe { status.assume_init() };
        let mut bytes = vec![0; bytes_of(&status)?];
        // SAFETY: as many bytes as the message has; it is there, so that this does not wait.
        check(unsafe {
            let (to, length, byte) = (bytes.as_mut_ptr().cast(), count(bytes.len()), ffi::RSMPI_UINT8_T);
            let (peer, tag, ignored) = (status.MPI_SOURCE, status.MPI_TAG, ffi::RSMPI_STATUS_IGNORE);
            ffi::MPI_Recv(to, length, byte, peer, tag, self.handle, ignored)
        })?;
        Ok(Some(Message { from: status.MPI_SOURCE as usize, bytes }))
    }
}

/// The bytes of the longest message: MPI counts with a C `int`.
pub(super) const LONGEST: usize = 1 << 30;

fn count(bytes: usize) -> c_int {
    assert!(bytes <= LONGEST, "a message of {bytes} bytes");
    bytes as c_int
}

impl Transfer {
    fn new(request: MPI_Request, peer: usize, memory: Memory) -> Transfer {
        Transfer { request, peer, memory: ManuallyDrop::new(memory), is_complete: false }
    }

    /// Whether the message is there, or read.
    ///
    /// # Errors
    /// If it cannot be sent or received, or has not the length that was expected.
    pub fn is_complete(&mut self) -> Result<bool> {
        if self.is_complete {
            return Ok(true);
        }
        let mut is_complete = 0;
        let mut status = MaybeUninit::<MPI_Status>::uninit();
        // SAFETY: a request that is not complete yet, a number and a status to write to.
        check(unsafe { ffi::MPI_Test(&raw mut self.request, &raw mut is_complete, status.as_mut_ptr()) })?;
        if is_complete == 0 {
            return Ok(false);
        }
        self.is_complete = true;
        if let Memory::Target(part) = &*self.memory {
            // SAFETY: MPI has written it, since the request is complete.
            let (found, expected) = (bytes_of(unsafe { status.assume_init_ref() })?, part.len());
            if found != expected {
                let text =
                    format!("a message of {found} bytes came from rank {}, not of {expected}", self.peer);
                return Err(Error::msg(text));
            }
        }
        Ok(true)
    }

    /// Whether [`is_complete`](Transfer::is_complete) said so.
    pub fn was_complete(&self) -> bool {
        self.is_complete
    }

    /// What a complete message has brought.
    pub fn received(&self) -> Option<&[u8]> {
        match &*self.memory {
            Memory::Target(part) if self.is_complete => Some(part.bytes()),
            _ => None,
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if self.is_complete {
            // SAFETY: dropped once, here; MPI has done with it.
            unsafe { ManuallyDrop::drop(&mut self.memory) };
        }
    }
}

fn bytes_of(status: &MPI_Status) -> Result<usize> {
    let mut bytes = 0;
    // SAFETY: a status that MPI has written, and a number to write to.
    check(unsafe { ffi::MPI_Get_count(ptr::from_ref(status), ffi::RSMPI_UINT8_T, &raw mut bytes) })?;
    Ok(bytes as usize)
}

/// What MPI returned, as an error in its words.
fn check(code: c_int) -> Result<()> {
    if code == ffi::MPI_SUCCESS as c_int {
        return Ok(());
    }
    let mut text = [0 as c_char; ffi::MPI_MAX_ERROR_STRING as usize + 1];
    let mut length = 0;
    // SAFETY: as many characters as MPI asks for, and a number to write to.
    let known = unsafe { ffi::MPI_Error_string(code, text.as_mut_ptr(), &raw mut length) };
    let length = if known == ffi::MPI_SUCCESS as c_int { length as usize } else { 0 };
    let bytes: Vec<u8> = text[..length.min(text.len())].iter().map(|&character| character as u8).collect();
    Err(Error::msg(format!("MPI: {} (error {code})", String::from_utf8_lossy(&bytes))))
}
