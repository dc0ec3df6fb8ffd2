use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// A file in a folder that is gone with it.
fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("some-file");
    std::fs::write(&path, bytes).expect("a file");
    (folder, path)
}

fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut all = vec![0, 0, BYTES, sizes.len() as u8];
    all.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    all.extend(bytes);
    all
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
}

fn image_error(bytes: &[u8]) -> String {
    let (_folder, path) = file(bytes);
    let text = format!("{:#}", images(&path).expect_err("a malformed file"));
    assert!(text.starts_with(&format!("`{}`: ", path.display())), "{text} does not begin with the file");
    text
}

fn label_error(bytes: &[u8]) -> String {
    let (_folder, path) = file(bytes);
    let text = format!("{:#}", labels(&path).expect_err("a malformed file"));
    assert!(text.starts_with(&format!("`{}`: ", path.display())), "{text} does not begin with the file");
    text
}

#[test]
fn plain_and_gzipped_files_read_alike() -> Result<()> {
    let pixels: Vec<u8> = (0..2 * 4 * 5).collect();
    let plain = idx(&[2, 4, 5], &pixels);
    for bytes in [gzipped(&plain), plain] {
        let (_folder, path) = file(&bytes);
        let images = images(&path)?;
        assert_eq!(images.shape(), [2, 4, 5, 1]);
        assert_eq!(images.to_vec::<u8>()?, pixels);
    }
    let (_folder, path) = file(&idx(&[3], &[9, 0, 4]));
    assert_eq!(labels(&path)?.to_vec::<i32>()?, [9, 0, 4]);
    Ok(())
}

#[test]
fn files_are_found_under_each_name_they_are_distributed_with() -> Result<()> {
    for name in ["train-labels-idx1-ubyte", "train-labels.idx1-ubyte.gz"] {
        let folder = tempfile::tempdir()?;
        let text = format!("{:#}", find(folder.path(), "train", "labels", 1).expect_err("nothing there"));
        assert!(text.contains("has no file `train-labels-idx1-ubyte`"), "{text}");
        std::fs::write(folder.path().join(name), [])?;
        assert_eq!(find(folder.path(), "train", "labels", 1)?, folder.path().join(name));
    }
    Ok(())
}

#[test]
fn another_kind_of_file_is_an_error() {
    let text = image_error(b"PNG and so on");
    assert!(text.contains("is no IDX file of images: it begins with [50, 4e, 47, 20]"), "{text}");
    let text = label_error(&idx(&[1, 4, 4], &[0; 16]));
    assert!(text.contains("is no IDX file of labels"), "{text}");
}

#[test]
fn truncated_files_are_errors_at_every_length() {
    let whole = idx(&[2, 4, 4], &[7; 32]);
    for length in 0..whole.len() {
        let text = image_error(&whole[..length]);
        let expected = if length < 16 { "ends before its sizes" } else { "is truncated" };
        assert!(text.contains(expected), "{length} bytes: {text}");
    }
    let whole = gzipped(&whole);
    for length in 2..whole.len() {
        image_error(&whole[..length]);
    }
}

#[test]
fn bytes_behind_the_end_are_an_error() {
    let text = image_error(&idx(&[1, 4, 4], &[0; 17]));
    assert!(text.contains("goes on behind the 16 bytes"), "{text}");
}

#[test]
fn labels_beyond_9_are_errors() {
    let text = label_error(&idx(&[3], &[0, 10, 2]));
    assert!(text.contains("the label 10 at index 1 is no digit"), "{text}");
}

#[test]
fn absurd_sizes_are_errors_and_take_no_memory() {
    for sizes in [[u32::MAX; 3], [1 << 20, 1 << 10, 1 << 10], [0, 28, 28]] {
        let text = image_error(&idx(&sizes, &[]));
        assert!(text.contains("are absurd"), "{text}");
    }
    let text = image_error(&idx(&[1, 2, 8], &[0; 16]));
    assert!(text.contains("images of 2 × 8 pixels are no digits"), "{text}");
}

#[test]
fn a_gzip_file_that_never_ends_is_read_no_further_than_its_sizes() {
    let text = image_error(&gzipped(&idx(&[1, 4, 4], &vec![0; 1 << 24])));
    assert!(text.contains("goes on behind"), "{text}");
}

#[test]
fn a_damaged_gzip_file_is_an_error() {
    let mut bytes = gzipped(&idx(&[4, 8, 8], &(0..=255).collect::<Vec<u8>>()));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    image_error(&bytes);
}
