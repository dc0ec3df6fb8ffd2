//! Where the bytes of a file are.

use std::fs;
use std::io::{Read, Result, Seek, SeekFrom};
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

    /// All from an offset on, to be read in order.
    pub(super) fn reader(&self, at: u64) -> Reader<'_> {
        Reader { source: self, at }
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

/// A source that is read from front to end.
pub(super) struct Reader<'a> {
    source: &'a Source,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let left = self.source.len()?.saturating_sub(self.at);
        let len = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.source.read(self.at, &mut bytes[..len])?;
        self.at += len as u64;
        Ok(len)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(offset) => self.source.len()?.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = at.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Whoever panicked while holding the file left no state behind: every reader seeks first.
fn lock(file: &Mutex<fs::File>) -> std::sync::MutexGuard<'_, fs::File> {
    file.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
