//! Where the bytes of a file are.

use std::fs;
use std::io::{Read as _, Result, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Mutex;

use super::map::MemoryMap;
use super::regular;
use crate::error::Error;

/// Bytes that are read piece by piece.
pub(super) enum Source {
    Memory(Vec<u8>),
    Map(MemoryMap),
    File(Mutex<fs::File>),
}

impl Source {
    /// A regular file, of which parts are read into memory.
    pub(super) fn open(path: &Path) -> crate::error::Result<Source> {
        Source::of(path, |file| Ok(Source::File(Mutex::new(file))))
    }

    /// A regular file as memory. Nobody may write to it or truncate it meanwhile: see [`MemoryMap::of`].
    pub(super) fn map(path: &Path) -> crate::error::Result<Source> {
        Source::of(path, |file| MemoryMap::of(&file).map(Source::Map))
    }

    fn of(path: &Path, source: impl FnOnce(fs::File) -> Result<Source>) -> crate::error::Result<Source> {
        let opened = regular::open(path).and_then(|(file, _)| source(file));
        opened.map_err(|error| {
            Error::file(&path.display().to_string(), format_args!("cannot be read: {error}"))
        })
    }

    pub(super) fn len(&self) -> Result<u64> {
        match self {
            Source::Memory(bytes) => Ok(bytes.len() as u64),
            Source::Map(map) => Ok(map.len() as u64),
            Source::File(file) => Ok(lock(file).metadata()?.len()),
        }
    }

    /// Fills `bytes` from an offset on.
    pub(super) fn read(&self, start: u64, bytes: &mut [u8]) -> Result<()> {
        match self {
            Source::File(file) => {
                let mut file = lock(file);
                file.seek(SeekFrom::Start(start))?;
                file.read_exact(bytes)
            }
            Source::Memory(_) | Source::Map(_) => {
                let found = self.slice(start, bytes.len());
                bytes.copy_from_slice(found.ok_or(std::io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    /// The bytes themselves, where they are in memory.
    pub(super) fn slice(&self, start: u64, len: usize) -> Option<&[u8]> {
        let all: &[u8] = match self {
            Source::Memory(bytes) => bytes,
            Source::Map(map) => map,
            Source::File(_) => return None,
        };
        let start = usize::try_from(start).ok()?;
        all.get(start..start.checked_add(len)?)
    }
}

/// Whoever panicked while holding the file left no state behind: every reader seeks first.
fn lock(file: &Mutex<fs::File>) -> std::sync::MutexGuard<'_, fs::File> {
    file.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
