//! Regular files, and nothing else: opening a pipe waits for somebody at its other end, opening a device may set it in motion, and
//! neither has a length.

use std::fs::{self, FileType, OpenOptions};
use std::io::{Error, Result};
use std::path::Path;

/// Opens a regular file for reading, and says how long it is.
pub(super) fn open(path: &Path) -> Result<(fs::File, u64)> {
    check(fs::metadata(path)?.file_type())?;
    let file = options().read(true).open(path)?;
    // The name may have been given to something else meanwhile.
    let metadata = file.metadata()?;
    check(metadata.file_type())?;
    Ok((file, metadata.len()))
}

/// Options that never wait: should a name become that of a pipe after it was asked for what it is.
pub(super) fn options() -> OpenOptions {
    #[allow(unused_mut, reason = "other systems have no such flags")]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32);
    }
    options
}

/// Whether it is a regular file.
pub(super) fn check(kind: FileType) -> Result<()> {
    if kind.is_file() {
        Ok(())
    } else {
        Err(Error::other(format!("it is {}, not a regular file", name(kind))))
    }
}

fn name(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if kind.is_dir() { "a folder" } else { "something else" }
}
