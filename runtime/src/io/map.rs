//! Memory-mapped files.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::Result;
use std::ops::Deref;

/// The bytes of a file, brought in as they are looked at.
pub(super) struct MemoryMap(memmap2::Mmap);

impl MemoryMap {
    pub(super) fn of(file: &File) -> Result<MemoryMap> {
        // SAFETY: the mapping is read-only and private to this value. That nobody writes to or truncates the file meanwhile is
        // asked of the callers of `safetensors::File::map` and `torch::File::map`; our own writers never change a file in
        // place but rename a new one over it, which leaves the mapped one as it was.
        unsafe { memmap2::Mmap::map(file) }.map(MemoryMap)
    }
}

impl Deref for MemoryMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_the_bytes_of_the_file_even_after_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"first").unwrap();
        let map = MemoryMap::of(&File::open(&path).unwrap()).unwrap();
        super::super::atomic::write(&path, |file| std::io::Write::write_all(file, b"2")).unwrap();
        assert_eq!(&*map, b"first");
    }
}
