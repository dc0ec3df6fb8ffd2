//! MNIST's file format, IDX: a magic number, sizes, then bytes; plain or gzipped.
//!
//! The magic number is two zeros, the kind of the elements (8 is bytes) and the number of axes; sizes are 32 bits, the highest
//! byte first (Yann LeCun, *The MNIST database of handwritten digits*).

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::bufread::MultiGzDecoder;
use flaxen::prelude::*;

const BYTES: u8 = 8;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// More than any set of digits has, and little enough for the memory of a laptop.
const MOST_BYTES: u64 = 1 << 30;
/// Smaller images are nothing after two pools, larger ones are no digits.
const SIDES: std::ops::RangeInclusive<usize> = 4..=512;

/// Finds a file of MNIST, under any of the names it is distributed with: `train-images-idx3-ubyte`, with a dot in place of
/// the second hyphen, and each with `.gz` behind it.
pub fn find(folder: &Path, part: &str, what: &str, axes: usize) -> Result<PathBuf> {
    let names: Vec<String> = ["-", "."]
        .iter()
        .flat_map(|dot| ["", ".gz"].map(|end| format!("{part}-{what}{dot}idx{axes}-ubyte{end}")))
        .collect();
    let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("`{}` has no file `{}`", folder.display(), names.join("`, `")))
}

/// Reads a file of images: `U8[count, height, width, 1]`.
pub fn images(path: &Path) -> Result<Tensor> {
    let read = || {
        let (sizes, pixels) = read(path, "images")?;
        let [count, height, width] = sizes;
        ensure!(
            SIDES.contains(&height) && SIDES.contains(&width),
            "images of {height} × {width} pixels are no digits: sides are from {} to {}",
            SIDES.start(),
            SIDES.end()
        );
        Ok(Tensor::from_vec(pixels, [count, height, width, 1]))
    };
    read().with_context(|| format!("`{}`", path.display()))
}

/// Reads a file of labels: `I32[count]`.
pub fn labels(path: &Path) -> Result<Tensor> {
    let read = || {
        let ([_], labels) = read::<1>(path, "labels")?;
        if let Some(at) = labels.iter().position(|&label| label > 9) {
            bail!("the label {} at index {at} is no digit from 0 to 9", labels[at]);
        }
        Ok(Tensor::from(labels.into_iter().map(i32::from).collect::<Vec<i32>>()))
    };
    read().with_context(|| format!("`{}`", path.display()))
}

/// Reads sizes and bytes.
fn read<const AXES: usize>(path: &Path, what: &str) -> Result<([usize; AXES], Vec<u8>)> {
    let open = || File::open(path).context("cannot be opened");
    let mut start = Vec::new();
    open()?.take(2).read_to_end(&mut start).context("cannot be read")?;
    let file = BufReader::new(open()?);
    if start == GZIP { parse(MultiGzDecoder::new(file), what) } else { parse(file, what) }
}

fn parse<const AXES: usize>(mut from: impl Read, what: &str) -> Result<([usize; AXES], Vec<u8>)> {
    let mut word = || -> Result<[u8; 4]> {
        let mut word = [0; 4];
        from.read_exact(&mut word).context("ends before its sizes, or is damaged")?;
        Ok(word)
    };
    let (magic, expected) = (word()?, [0, 0, BYTES, AXES as u8]);
    ensure!(
        magic == expected,
        "is no IDX file of {what}: it begins with {magic:02x?}, and such a file with {expected:02x?}"
    );
    let mut sizes = [0; AXES];
    for size in &mut sizes {
        *size = u32::from_be_bytes(word()?) as usize;
    }
    let count = sizes.iter().try_fold(1u64, |product, &size| product.checked_mul(size as u64));
    let count = count.filter(|count| (1..=MOST_BYTES).contains(count)).with_context(|| {
        format!("the sizes {sizes:?} are absurd: expected 1 to {MOST_BYTES} bytes in all")
    })?;

    // Memory grows with what is read: the sizes are only a claim.
    let mut bytes = Vec::new();
    from.take(count + 1).read_to_end(&mut bytes).context("is damaged")?;
    let found = bytes.len() as u64;
    ensure!(found >= count, "is truncated: the sizes {sizes:?} are {count} bytes, and there are {found}");
    ensure!(found == count, "goes on behind the {count} bytes of its sizes {sizes:?}");
    Ok((sizes, bytes))
}

#[cfg(test)]
mod tests;
