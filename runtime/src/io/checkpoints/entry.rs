//! What is in a folder of checkpoints.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};

use super::Format;
use crate::error::Error;
use crate::io::{msgpack, npz, safetensors};
use crate::tree::Tree;

/// A checkpoint.
pub(super) struct Entry {
    pub(super) step: u64,
    pub(super) path: PathBuf,
    /// None for a folder.
    pub(super) format: Option<Format>,
}

impl Entry {
    /// Restores it in the structure of a template.
    pub(super) fn restore<T: Tree>(&self, template: &T) -> crate::error::Result<T> {
        match self.format {
            Some(Format::Msgpack) => msgpack::restore(&self.path, template),
            Some(Format::Safetensors) => safetensors::restore(&self.path, template),
            Some(Format::Npz) => npz::restore(&self.path, template),
            None => Err(self.is_folder()),
        }
    }

    /// What is said of a folder.
    pub(super) fn is_folder(&self) -> Error {
        Error::file(
            &self.path.display().to_string(),
            "it is a folder, as Orbax writes checkpoints, not a file: restore it in Python and save it again as \
             `flaxen::guide::from_orbax` says, or move it away",
        )
    }
}

/// The checkpoints in a folder whose names have a prefix; none in one that is not there.
pub(super) fn all(folder: &Path, prefix: &str) -> Result<Vec<Entry>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Some((step, format)) = parsed(&entry.file_name(), prefix) else { continue };
        let path = entry.path();
        // What a link leads to; one that leads nowhere is nothing.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let format = if metadata.is_dir() { None } else { Some(format) };
        found.push(Entry { step, path, format });
    }
    Ok(found)
}

/// The step and format that a name says, which is a whole number behind the prefix and an ending.
fn parsed(name: &OsStr, prefix: &str) -> Option<(u64, Format)> {
    let rest = name.to_str()?.strip_prefix(prefix)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, ending) = rest.split_at(digits);
    let format = Format::ALL.into_iter().find(|format| format.ending() == ending)?;
    Some((number.parse().ok()?, format))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_checkpoints_are_a_prefix_a_whole_number_and_an_ending() {
        let parsed = |name: &str| parsed(OsStr::new(name), "checkpoint_");
        assert_eq!(parsed("checkpoint_0"), Some((0, Format::Msgpack)));
        assert_eq!(parsed("checkpoint_0120"), Some((120, Format::Msgpack)));
        assert_eq!(parsed("checkpoint_7.safetensors"), Some((7, Format::Safetensors)));
        assert_eq!(parsed("checkpoint_7.npz"), Some((7, Format::Npz)));
        let others = ["tmp", "", "7.tmp", "-1", "1.5", "1e5", "+1", "7.npz.npz", "99999999999999999999"];
        for name in others {
            assert_eq!(parsed(&format!("checkpoint_{name}")), None, "{name}");
        }
        assert_eq!(parsed("other_7"), None);
        assert_eq!(parsed(".flaxen-7.tmp"), None);
    }
}
