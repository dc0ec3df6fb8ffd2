//! The persistent compilation cache: the machine code of programs in a folder, so that the next process does not assemble it again.
//!
//! A program is always traced, as a closure cannot be recognised by anything but what it does, and the passes over its graph are as fast
//! as reading their result would be; what is worth storing is what the assembler makes of the kernels. A file holds that of all
//! kernels of a program, under a name that is the digest of its key: what the kernels compute, for the processor, by this
//! build. The file repeats the whole key, so that equal digests of unequal keys do no harm, and ends with a digest of
//! all before, so that a file that is cut off or damaged is noticed. Such a file is replaced. Files appear whole, by renaming, and are not
//! flushed: what a crash leaves of one has another digest.
//!
//! A digest tells damage, not malice: whoever can write to the folder can have this process run what they like, as whoever
//! can write to its executable can. So the folder must be the user's own and writable by nobody else, and so must each file.

mod encoding;
mod folder;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

pub(crate) use encoding::{Reader, Writer};
use folder::Folder;

use crate::error::{Error, Result};
use crate::kernels::simd::{self, Level};

/// Names the folder, where no call of [`set`] has.
const VARIABLE: &str = "FLAXEN_CACHE_DIR";

/// The cache that is used.
enum Cache {
    /// The variable was not looked at yet.
    Unknown,
    Off,
    In(Arc<Folder>),
}

static CACHE: RwLock<Cache> = RwLock::new(Cache::Unknown);

/// Stores machine code in a folder from now on.
pub(crate) fn set(path: &Path) -> Result<()> {
    let folder = open(path)?;
    *CACHE.write().unwrap_or_else(PoisonError::into_inner) = Cache::In(Arc::new(folder));
    Ok(())
}

/// Stores nothing from now on.
pub(crate) fn turn_off() {
    *CACHE.write().unwrap_or_else(PoisonError::into_inner) = Cache::Off;
}

/// The folder that is used, if any.
pub(crate) fn current() -> Option<Arc<Folder>> {
    match &*CACHE.read().unwrap_or_else(PoisonError::into_inner) {
        Cache::In(folder) => return Some(folder.clone()),
        Cache::Off => return None,
        Cache::Unknown => {}
    }
    let mut cache = CACHE.write().unwrap_or_else(PoisonError::into_inner);
    if let Cache::Unknown = &*cache {
        *cache = named(std::env::var_os(VARIABLE).as_deref());
    }
    match &*cache {
        Cache::In(folder) => Some(folder.clone()),
        Cache::Off | Cache::Unknown => None,
    }
}

/// What the variable says; there is nobody to return an error to.
fn named(path: Option<&OsStr>) -> Cache {
    let Some(path) = path.filter(|path| !path.is_empty()) else { return Cache::Off };
    match open(Path::new(path)) {
        Ok(folder) => Cache::In(Arc::new(folder)),
        Err(error) => {
            eprintln!("flaxen: nothing is cached, although {VARIABLE} is set: {error}");
            Cache::Off
        }
    }
}

fn open(path: &Path) -> Result<Folder> {
    Folder::open(path).map_err(|error| {
        Error::argument("compilation_cache", format!("{} cannot be the folder: {error}", path.display()))
    })
}

/// The key of kernels: what they compute, which `describe` hashes; for which processor; and by which build.
///
/// Nothing is hashed here, but written down: two keys are equal only if all that makes them is.
pub(crate) fn key(level: Level, describe: impl FnOnce(&mut dyn Hasher)) -> Vec<u8> {
    let mut key = Key(Writer::default());
    let build = concat!(env!("CARGO_PKG_VERSION"), " ", env!("FLAXEN_SOURCES"));
    (build, std::env::consts::ARCH, level, simd::extensions()).hash(&mut key);
    describe(&mut key);
    key.0.0
}

/// Writes down what it is to hash.
struct Key(Writer);

impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        self.0.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("a key is read whole")
    }
}
