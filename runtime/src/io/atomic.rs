//! Atomic replacement: files that appear whole or not at all, by renaming a temporary file.

use std::fs::{self, Metadata};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

use super::{leftovers, regular};

/// As many links as Linux follows.
const LINKS: usize = 40;

/// Writes a file under a temporary name in its folder, flushes it to the disk, and gives it its name.
///
/// A link stays a link: what it points to is replaced. So does a regular file with its mode and group, and its owner as far as
/// this process may give files away; nothing else is replaced.
pub(super) fn write(path: &Path, contents: impl FnOnce(&mut fs::File) -> Result<()>) -> Result<()> {
    let target = target(path)?;
    let old = old(&target)?;
    let folder = folder(&target);
    leftovers::remove(&folder);
    let mut file = leftovers::create(&folder, old.is_some())?;
    contents(file.as_file_mut())?;
    if let Some(old) = &old {
        copy_access(file.as_file(), old)?;
    }
    file.as_file().sync_all()?;
    // That took its time.
    if let Some(now) = metadata(&target)? {
        regular::check(now.file_type())?;
    }
    file.persist(&target).map_err(|error| error.error)?;
    sync(&folder)
}

/// Where a chain of symbolic links ends, whether or not there is something.
fn target(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        match metadata(&target)? {
            // A relative one begins in the link's folder.
            Some(metadata) if metadata.is_symlink() => target = folder(&target).join(fs::read_link(&target)?),
            _ => return Ok(target),
        }
    }
    Err(Error::other("its symbolic links lead in a circle"))
}

/// What is there itself, a link for instance.
fn metadata(path: &Path) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file that is to be replaced, if there is one and it may be written.
fn old(target: &Path) -> Result<Option<Metadata>> {
    let Some(metadata) = metadata(target)? else { return Ok(None) };
    regular::check(metadata.file_type())?;
    // To replace it, only the folder would be asked.
    regular::options().write(true).open(target)?;
    Ok(Some(metadata))
}

/// Makes a new file as accessible as the old one.
#[cfg(unix)]
fn copy_access(file: &fs::File, old: &Metadata) -> Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // Only root gives files away, but a group can be given by its members.
        fchown(file, Some(old.uid()), Some(old.gid()))
            .or_else(|_| fchown(file, None, Some(old.gid())))
            .map_err(|error| Error::other(format!("its group cannot be kept, {error}: remove it first")))?;
    }
    file.set_permissions(old.permissions())
}

#[cfg(not(unix))]
fn copy_access(_: &fs::File, _: &Metadata) -> Result<()> {
    Ok(())
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Flushes the names in a folder: the file's bytes are of no use without.
#[cfg(unix)]
fn sync(folder: &Path) -> Result<()> {
    match fs::File::open(folder).and_then(|folder| folder.sync_all()) {
        // The file is there, in a folder that may be written but not read, or of a system without such a flush.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

#[cfg(not(unix))]
fn sync(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }

    fn save(path: &Path, text: &str) -> Result<()> {
        write(path, |file| file.write_all(text.as_bytes()))
    }

    #[test]
    fn what_fails_half_way_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        save(&path, "old").unwrap();
        let failed = write(&path, |file| {
            file.write_all(b"ne")?;
            Err(Error::other("no space left"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a"]);
        save(&path, "new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn what_a_killed_save_left_is_removed_and_what_a_running_one_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for name in [".flaxen-killed.tmp", ".flaxen-notes", "b.tmp"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        fs::create_dir(folder.path().join(".flaxen-folder.tmp")).unwrap();
        write(&path, |file| {
            save(&folder.path().join("other"), "of another thread")?;
            file.write_all(b"while the other one is saved")
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"while the other one is saved");
        assert_eq!(names(folder.path()), [".flaxen-folder.tmp", ".flaxen-notes", "a", "b.tmp", "other"]);
    }

    #[test]
    fn many_threads_save_in_one_folder_at_once() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let path = folder.path().join((thread % 3).to_string());
                scope.spawn(move || (0..20).for_each(|i| save(&path, &i.to_string()).unwrap()));
            }
        });
        assert_eq!(names(folder.path()), ["0", "1", "2"]);
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().permissions().mode() & 0o7777
        }

        #[test]
        fn a_new_file_can_be_read_by_whom_the_mask_allows_and_an_old_one_by_whom_it_could_be() {
            let folder = tempfile::tempdir().unwrap();
            let (plain, ours) = (folder.path().join("plain"), folder.path().join("ours"));
            fs::write(&plain, b"").unwrap();
            save(&ours, "").unwrap();
            assert_eq!(mode(&ours), mode(&plain));
            for bits in [0o600, 0o640, 0o666, 0o755] {
                fs::set_permissions(&ours, fs::Permissions::from_mode(bits)).unwrap();
                save(&ours, "").unwrap();
                assert_eq!(mode(&ours), bits);
            }
        }

        #[test]
        fn the_owner_of_a_file_stays_its_owner() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("theirs");
            save(&path, "").unwrap();
            // Only root can give files away to try it.
            let (user, group) = match std::os::unix::fs::chown(&path, Some(65534), Some(65534)) {
                Ok(()) => (65534, 65534),
                Err(_) => fs::metadata(&path).map(|m| (m.uid(), m.gid())).unwrap(),
            };
            save(&path, "new").unwrap();
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (user, group));
        }

        #[test]
        fn links_stay_links_and_what_they_point_to_is_written() {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::create_dir(at("inner")).unwrap();
            // To the next, relative to where it is; the last one points to nothing yet.
            symlink("inner/second", at("first")).unwrap();
            symlink("../target", at("inner/second")).unwrap();
            for text in ["made", "replaced"] {
                save(&at("first"), text).unwrap();
                assert_eq!(fs::read(at("target")).unwrap(), text.as_bytes());
            }
            assert!(fs::symlink_metadata(at("first")).unwrap().is_symlink());
            assert!(fs::symlink_metadata(at("inner/second")).unwrap().is_symlink());
            symlink("there", at("here")).unwrap();
            symlink("here", at("there")).unwrap();
            assert!(save(&at("here"), "").unwrap_err().to_string().contains("circle"));
            assert_eq!(names(folder.path()), ["first", "here", "inner", "target", "there"]);
        }

        #[test]
        fn folders_pipes_sockets_and_devices_are_neither_replaced_nor_opened() {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::create_dir(at("folder")).unwrap();
            assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
            let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
            // Root makes a device of its own, and could lose the common one; others cannot do it harm.
            let mknod = std::process::Command::new("mknod").arg(at("device")).args(["c", "1", "3"]).output();
            let own = mknod.is_ok_and(|output| output.status.success());
            symlink(if own { "device" } else { "/dev/null" }, at("link")).unwrap();
            let what = ["a folder", "a pipe", "a socket", "a device"];
            for (name, what) in ["folder", "pipe", "socket", "link"].into_iter().zip(what) {
                let kind = || fs::metadata(at(name)).unwrap().file_type();
                let before = kind();
                for error in [save(&at(name), "").unwrap_err(), regular::open(&at(name)).unwrap_err()] {
                    assert_eq!(error.to_string(), format!("it is {what}, not a regular file"));
                }
                assert_eq!(kind(), before);
            }
            let names = names(folder.path()).into_iter().filter(|name| name != "device");
            assert_eq!(names.collect::<Vec<_>>(), ["folder", "link", "pipe", "socket"]);
        }
    }
}
