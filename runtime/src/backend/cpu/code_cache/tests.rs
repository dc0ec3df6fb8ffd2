use std::fs;
use std::hash::Hash as _;

use super::*;
use crate::core::CacheLookup;

fn pieces() -> Vec<Vec<u8>> {
    vec![vec![1, 2, 3], Vec::new(), vec![7; 30]]
}

fn read(folder: &Folder, key: &[u8]) -> (CacheLookup, Option<Vec<Vec<u8>>>) {
    let (lookup, stored) = folder.read(key, 3);
    (lookup, stored.map(|stored| stored.pieces().map(<[u8]>::to_vec).collect()))
}

#[test]
fn what_is_stored_under_a_key_comes_back_under_that_key_only() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(&place.path().join("new/folder")).unwrap();
    assert_eq!(read(&folder, b"key"), (CacheLookup::Miss, None));
    folder.write(b"key", &pieces());
    assert_eq!(read(&folder, b"key"), (CacheLookup::Hit, Some(pieces())));
    assert_eq!(read(&folder, b"other"), (CacheLookup::Miss, None));
    // A file under the name of another key, as if their digests were equal.
    fs::copy(folder.file(b"key"), folder.file(b"other")).unwrap();
    assert_eq!(read(&folder, b"other"), (CacheLookup::Rejected, None));
    assert_eq!(folder.read(b"key", 2).0, CacheLookup::Rejected, "another number of kernels");
}

#[test]
fn no_file_that_is_cut_off_or_damaged_is_read() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    folder.write(b"key", &pieces());
    let (file, whole) = (folder.file(b"key"), fs::read(folder.file(b"key")).unwrap());
    let rejected = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        assert_eq!(read(&folder, b"key"), (CacheLookup::Rejected, None));
    };
    for end in 0..whole.len() {
        rejected(&whole[..end]);
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            rejected(&damaged);
        }
    }
    rejected(&[&whole[..], &[0]].concat());
    folder.write(b"key", &pieces());
    assert_eq!(read(&folder, b"key"), (CacheLookup::Hit, Some(pieces())), "it is replaced");
    let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn numbers_in_a_file_with_a_right_digest_are_not_believed() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    // A piece that is longer than the file.
    let mut contents = folder::encoded(b"key", &pieces());
    contents.truncate(contents.len() - 20 - 20);
    let digest = sha1_smol::Sha1::from(&contents).digest().bytes();
    contents.extend_from_slice(&digest);
    fs::write(folder.file(b"key"), contents).unwrap();
    assert_eq!(read(&folder, b"key"), (CacheLookup::Rejected, None));
}

#[cfg(unix)]
#[test]
fn folders_and_files_that_others_may_write_to_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("cache");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let folder = Folder::open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    folder.write(b"key", &pieces());
    let file = folder.file(b"key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for others in [0o620, 0o602] {
        mode(&file, others);
        assert_eq!(read(&folder, b"key"), (CacheLookup::Rejected, None));
    }
    // What is no file is not opened: a link, or a folder.
    let elsewhere = place.path().join("elsewhere");
    mode(&file, 0o600);
    fs::rename(&file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    assert_eq!(read(&folder, b"key"), (CacheLookup::Rejected, None));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_eq!(read(&folder, b"key"), (CacheLookup::Rejected, None));
    for others in [0o770, 0o707] {
        mode(&path, others);
        let error = Folder::open(&path).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("chmod 700")));
    }
    mode(&path, 0o755);
    assert!(Folder::open(&path).is_ok(), "others may read it");
    assert!(Folder::open(&elsewhere).is_err(), "it is a file");
}

#[test]
fn keys_say_what_is_computed_for_what_and_by_what() {
    let key = |level, numbers: &[u32]| super::key(level, |mut key| numbers.hash(&mut key));
    assert_eq!(key(Level::Avx2, &[1, 2]), key(Level::Avx2, &[1, 2]));
    assert_ne!(key(Level::Avx2, &[1, 2]), key(Level::Avx512, &[1, 2]));
    assert_ne!(key(Level::Avx2, &[1, 2]), key(Level::Avx2, &[1, 3]));
    let text = key(Level::Avx2, &[]);
    let has = |part: &str| text.windows(part.len()).any(|window| window == part.as_bytes());
    assert!(has(env!("CARGO_PKG_VERSION")) && has(env!("FLAXEN_SOURCES")) && has(std::env::consts::ARCH));
    assert!(has(simd::extensions()));
}

#[test]
fn a_variable_that_names_no_folder_turns_nothing_on() {
    assert!(matches!(named(None), Cache::Off));
    assert!(matches!(named(Some(OsStr::new(""))), Cache::Off));
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "text").unwrap();
    assert!(matches!(named(Some(file.as_os_str())), Cache::Off));
    assert!(matches!(named(Some(place.path().as_os_str())), Cache::In(_)));
}
