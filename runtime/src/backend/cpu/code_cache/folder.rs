//! The folder of the cache: who may write to it, and what its files look like.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha1_smol::Sha1;

use super::encoding::{Reader, Writer};
use crate::core::CacheLookup;

/// What each file begins with.
const MAGIC: &[u8; 8] = b"FLAXENC1";
/// Bytes of the digest that it ends with.
const DIGEST: usize = 20;
/// Files with more bytes are not ours.
const LONGEST: u64 = 1 << 28;

/// A folder that only this user writes to.
pub(crate) struct Folder {
    path: PathBuf,
    /// The user that files must belong to.
    #[cfg(unix)]
    user: u32,
}

/// The contents of a file: one piece for each kernel.
#[derive(Debug)]
pub(crate) struct Stored {
    bytes: Vec<u8>,
    pieces: Vec<Range<usize>>,
}

impl Stored {
    pub fn pieces(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| &self.bytes[piece.clone()])
    }
}

impl Folder {
    /// A folder, which is made, for this user alone, if there is none.
    ///
    /// # Errors
    /// If it cannot be made or written to, belongs to somebody else, or others may write to it.
    pub fn open(path: &Path) -> io::Result<Folder> {
        create(path)?;
        let path = path.canonicalize()?;
        let (probe, file) = temporary(&path)?;
        let found = Folder::of(&path, &file);
        fs::remove_file(probe)?;
        found
    }

    /// Whoever has just made a file is this user.
    #[cfg(unix)]
    fn of(path: &Path, probe: &File) -> io::Result<Folder> {
        use std::os::unix::fs::MetadataExt as _;
        let user = probe.metadata()?.uid();
        if !is_own(&fs::metadata(path)?, user) {
            return Err(io::Error::other(
                "it must belong to the user of this process, and nobody else may write to it: `chmod 700` it, or name another one",
            ));
        }
        Ok(Folder { path: path.to_owned(), user })
    }

    #[cfg(not(unix))]
    fn of(path: &Path, _probe: &File) -> io::Result<Folder> {
        Ok(Folder { path: path.to_owned() })
    }

    /// What is stored under a key, and what became of looking for it.
    ///
    /// `pieces` is how many there must be.
    pub fn read(&self, key: &[u8], pieces: usize) -> (CacheLookup, Option<Stored>) {
        match self.contents(key) {
            Ok(Some(bytes)) => match parsed(bytes, key, pieces) {
                Some(stored) => (CacheLookup::Hit, Some(stored)),
                None => (CacheLookup::Rejected, None),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => (CacheLookup::Miss, None),
            Ok(None) | Err(_) => (CacheLookup::Rejected, None),
        }
    }

    /// Stores pieces under a key. A cache that cannot be written to is one that is not there: nobody is told.
    pub fn write(&self, key: &[u8], pieces: &[Vec<u8>]) {
        let Ok((name, mut file)) = temporary(&self.path) else { return };
        let written = file.write_all(&encoded(key, pieces)).and_then(|()| fs::rename(&name, self.file(key)));
        if written.is_err() {
            // What is there already stays, and this is all that can be done about the other one.
            let _ = fs::remove_file(&name);
        }
    }

    /// The file of a key.
    pub(super) fn file(&self, key: &[u8]) -> PathBuf {
        self.path.join(format!("{}.code", Sha1::from(key).digest()))
    }

    /// The bytes of a file; none of one that is nothing to be read, or not this user's.
    fn contents(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let name = self.file(key);
        // Opening a pipe would wait for somebody who writes to it.
        if !fs::symlink_metadata(&name)?.is_file() {
            return Ok(None);
        }
        let file = File::open(&name)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > LONGEST || !self.owns(&metadata) {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        file.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    #[cfg(unix)]
    fn owns(&self, metadata: &fs::Metadata) -> bool {
        is_own(metadata, self.user)
    }

    #[cfg(not(unix))]
    fn owns(&self, _metadata: &fs::Metadata) -> bool {
        true
    }
}

/// Whether it belongs to a user, and nobody else may write to it.
#[cfg(unix)]
fn is_own(metadata: &fs::Metadata, user: u32) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    const OTHERS_WRITE: u32 = 0o022;
    metadata.uid() == user && metadata.mode() & OTHERS_WRITE == 0
}

fn create(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A new file under a name that no process and no thread uses at the same time.
fn temporary(folder: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = folder.join(format!(".{}-{count}.part", std::process::id()));
        match options.open(&name) {
            Ok(file) => return Ok((name, file)),
            // One that a process with this number has left behind.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

pub(super) fn encoded(key: &[u8], pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer(MAGIC.to_vec());
    writer.bytes(key);
    writer.number(pieces.len());
    pieces.iter().for_each(|piece| writer.bytes(piece));
    let digest = Sha1::from(&writer.0).digest().bytes();
    writer.0.extend_from_slice(&digest);
    writer.0
}

/// The pieces of a file, if it is whole and has this key.
fn parsed(bytes: Vec<u8>, key: &[u8], pieces: usize) -> Option<Stored> {
    let (contents, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
    if Sha1::from(contents).digest().bytes() != digest {
        return None;
    }
    let mut reader = Reader(contents);
    if reader.take(MAGIC.len())? != MAGIC || reader.bytes()? != key || reader.number()? != pieces {
        return None;
    }
    let mut found = Vec::with_capacity(pieces);
    for _ in 0..pieces {
        let piece = reader.bytes()?;
        let end = contents.len() - reader.0.len();
        found.push(end - piece.len()..end);
    }
    reader.0.is_empty().then_some(())?;
    Some(Stored { bytes, pieces: found })
}
