//! What a file is read from: bytes in memory, or a file, of which small parts are read ahead, and the values of arrays into the
//! memory that they stay in.

use super::super::source::Source;

/// Bytes that are read ahead: names, numbers and what is in front of arrays lie close together.
const WINDOW: usize = 4096;

const TRUNCATED: &str = "it ends too early";

/// Bytes that are read from front to end.
pub(super) struct Input<'a> {
    from: Origin<'a>,
    at: usize,
    /// Nothing is read from there on.
    end: usize,
}

enum Origin<'a> {
    Memory(&'a [u8]),
    File {
        source: &'a Source,
        /// Part of the file, and where it begins.
        window: Vec<u8>,
        start: usize,
    },
}

impl<'a> Input<'a> {
    pub(super) fn memory(bytes: &'a [u8]) -> Input<'a> {
        Input { from: Origin::Memory(bytes), at: 0, end: bytes.len() }
    }

    /// The first `len` bytes of a file.
    pub(super) fn file(source: &'a Source, len: usize) -> Input<'a> {
        Input { from: Origin::File { source, window: Vec::new(), start: 0 }, at: 0, end: len }
    }

    /// Where the next byte is.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to where it was.
    pub(super) fn back_to(&mut self, at: usize) {
        self.at = at;
    }

    /// How many bytes there are still.
    pub(super) fn left(&self) -> usize {
        self.end - self.at
    }

    /// Lets only the next `len` bytes be read, and returns what [`extended`](Input::extended) takes.
    pub(super) fn limited(&mut self, len: usize) -> Result<usize, String> {
        let end = self.after(len)?;
        Ok(std::mem::replace(&mut self.end, end))
    }

    /// Lets all be read again that there was before [`limited`](Input::limited).
    pub(super) fn extended(&mut self, end: usize) {
        self.end = end;
    }

    /// Where as many bytes end, if there are so many.
    fn after(&self, len: usize) -> Result<usize, String> {
        if len > self.left() { Err(TRUNCATED.to_owned()) } else { Ok(self.at + len) }
    }

    /// Passes over bytes.
    pub(super) fn skip(&mut self, len: usize) -> Result<(), String> {
        self.at = self.after(len)?;
        Ok(())
    }

    pub(super) fn fill(&mut self, out: &mut [u8]) -> Result<(), String> {
        let after = self.after(out.len())?;
        match &mut self.from {
            Origin::Memory(bytes) => out.copy_from_slice(&bytes[self.at..after]),
            Origin::File { source, window, start } => {
                let failed = |error: std::io::Error| format!("cannot be read: {error}");
                if out.len() >= WINDOW {
                    source.read(self.at as u64, out).map_err(failed)?;
                } else {
                    if self.at < *start || after > *start + window.len() {
                        window.resize(WINDOW.min(self.end - self.at), 0);
                        *start = self.at;
                        if let Err(error) = source.read(self.at as u64, window) {
                            window.clear();
                            return Err(failed(error));
                        }
                    }
                    out.copy_from_slice(&window[self.at - *start..after - *start]);
                }
            }
        }
        self.at = after;
        Ok(())
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// So many bytes; a length is believed only as far as there are bytes.
    pub(super) fn take(&mut self, len: usize) -> Result<Vec<u8>, String> {
        self.after(len)?;
        let mut bytes = vec![0; len];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_its_bytes_in_memory_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..3 * WINDOW + 7).map(|i| (i * 31 % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let source = Source::open(&path).unwrap();
        let (mut file, mut memory) = (Input::file(&source, bytes.len()), Input::memory(&bytes));
        // Lengths below, at and above what is read ahead.
        for len in [1, 5, WINDOW - 1, 3, WINDOW, 2, WINDOW + 1, 1] {
            assert_eq!(file.take(len), memory.take(len));
        }
        let at = file.at();
        assert!(file.take(bytes.len()).is_err() && file.at() == at, "nothing is taken of what is not there");
        file.back_to(10);
        assert_eq!(file.array::<3>().unwrap(), bytes[10..13]);
        let end = file.limited(4).unwrap();
        assert!(file.skip(5).is_err() && file.skip(4).is_ok() && file.left() == 0);
        file.extended(end);
        assert_eq!(file.left(), bytes.len() - 17);
    }
}
