//! Temporary files, and those that killed saves left.
//!
//! A save holds a lock on its temporary file for as long as it runs, and the system takes that away from a process that ends,
//! however it ends. So a temporary file without a lock is nobody's.

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io::{Error, Result};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use super::regular;

const PREFIX: &str = ".flaxen-";
const SUFFIX: &str = ".tmp";
/// How often a temporary file may be taken for a leftover before it is locked.
const ATTEMPTS: usize = 100;

/// A temporary file in a folder, for its owner alone, or for whom the user's mask allows any new file.
pub(super) fn create(folder: &Path, private: bool) -> Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(if private { 0o600 } else { 0o666 }));
    }
    #[cfg(not(unix))]
    let _ = private;
    for _ in 0..ATTEMPTS {
        let file = builder.tempfile_in(folder)?;
        // Where files cannot be locked, none is ever taken for a leftover.
        if file.as_file().lock().is_err() || is_there(&file) {
            return Ok(file);
        }
    }
    Err(Error::other("its temporary files are removed by somebody else"))
}

/// Whether nobody removed a file since it was made.
fn is_there(file: &NamedTempFile) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        file.as_file().metadata().is_ok_and(|metadata| metadata.nlink() > 0)
    }
    #[cfg(not(unix))]
    {
        file.path().exists()
    }
}

/// Removes what killed saves left in a folder, as far as this user may.
pub(super) fn remove(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| is_ours(&entry.file_name())).for_each(|entry| drop(remove_one(&entry)));
}

fn is_ours(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
}

fn remove_one(entry: &DirEntry) -> Result<()> {
    // Of the entry itself, so that no link is followed.
    regular::check(entry.file_type()?)?;
    let file = regular::options().read(true).write(true).open(entry.path())?;
    file.try_lock()?;
    fs::remove_file(entry.path())
}
