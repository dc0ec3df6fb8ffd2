//! Images of digits with their labels, and which of them are for training.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use flaxen::prelude::*;

use crate::idx;

/// 1,797 digits from the UCI Machine Learning Repository; see the `NOTICE` beside the file.
const DIGITS: &[u8] = include_bytes!("../data/digits.csv.gz");
const SIDE: usize = 8;
const WHITE: u8 = 16;
const TEST_COUNT: usize = 360;

/// Which of the embedded digits are for testing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Split {
    /// The last 360 of the file, by people who wrote few or none of the others: the honest measure
    Ordered,
    /// Any 360, chosen by the seed: the same people wrote both parts, which is easier
    Shuffled,
}

/// Images and the digits they show.
#[derive(Clone, Debug)]
pub struct Digits {
    /// `U8[count, height, width, 1]`.
    pub images: Tensor,
    /// `I32[count]`, from 0 to 9.
    pub labels: Tensor,
    /// The number that stands for white.
    pub white: u8,
}

impl Digits {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.size()
    }

    /// Those at the given indices, `I32[..]`: images as numbers from 0 to 1, and labels.
    pub fn batch(&self, indices: &Tensor) -> (Tensor, Tensor) {
        let images = self.images.take(indices, 0).cast(DType::F32) / f32::from(self.white);
        (images, self.labels.take(indices, 0))
    }

    /// The indices from `start` on, at most `count` of them.
    pub fn indices(&self, start: usize, count: usize) -> Tensor {
        Tensor::arange(start as i32, self.len().min(start + count) as i32, 1)
    }

    fn at(&self, indices: &[i32]) -> Digits {
        let indices = Tensor::from(indices);
        Digits {
            images: self.images.take(&indices, 0),
            labels: self.labels.take(&indices, 0),
            white: self.white,
        }
    }
}

/// What a network is trained on, and what it is tested on.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// A name for people, by which a checkpoint knows its data, too.
    pub name: String,
    pub train: Digits,
    pub test: Digits,
}

impl Dataset {
    /// So many of the digits, from the beginning of each part.
    pub fn beginning(&self, train_count: usize, test_count: usize) -> Dataset {
        let first = |digits: &Digits, count: usize| {
            digits.at(&(0..digits.len().min(count) as i32).collect::<Vec<_>>())
        };
        Dataset {
            name: format!("{}, the beginning", self.name),
            train: first(&self.train, train_count),
            test: first(&self.test, test_count),
        }
    }
}

/// The digits that are part of this program.
pub fn embedded(split: Split, seed: u64) -> Result<Dataset> {
    let mut text = String::new();
    GzDecoder::new(DIGITS).read_to_string(&mut text).context("the embedded digits")?;
    let all = parse(&text).context("the embedded digits")?;
    let count = all.len();
    let (name, indices) = match split {
        Split::Ordered => ("ordered", (0..count as i32).collect()),
        Split::Shuffled => {
            // The others of the three keys are for the training.
            let [order, _, _] = key(seed).split();
            ("shuffled", random::permutation(&order, count).to_vec::<i32>()?)
        }
    };
    let (train, test) = indices.split_at(count - TEST_COUNT);
    let name = format!("UCI digits, {name} split");
    Ok(Dataset { name, train: all.at(train), test: all.at(test) })
}

/// The four files of MNIST in a folder.
pub fn mnist(folder: &Path) -> Result<Dataset> {
    let part = |name: &str| -> Result<Digits> {
        let (images, labels) = (idx::find(folder, name, "images", 3)?, idx::find(folder, name, "labels", 1)?);
        let digits = Digits { images: idx::images(&images)?, labels: idx::labels(&labels)?, white: u8::MAX };
        let (image_count, label_count) = (digits.images.shape()[0], digits.len());
        ensure!(
            image_count == label_count,
            "`{}` has {image_count} images, and `{}` has {label_count} labels: they are not of one set",
            images.display(),
            labels.display()
        );
        Ok(digits)
    };
    let (train, test) = (part("train")?, part("t10k")?);
    let (train_size, test_size) = (&train.images.shape()[1..3], &test.images.shape()[1..3]);
    ensure!(
        train_size == test_size,
        "images to train on in `{}` are of {train_size:?} pixels, and those to test on of {test_size:?}",
        folder.display()
    );
    Ok(Dataset { name: "MNIST".to_owned(), train, test })
}

/// Lines of 64 pixels and a label.
fn parse(text: &str) -> Result<Digits> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (line, number) in text.lines().zip(1..) {
        let row: Vec<u8> = line
            .split(',')
            .map(|field| {
                field
                    .trim()
                    .parse()
                    .with_context(|| format!("line {number}: `{field}` is no number from 0 to 255"))
            })
            .collect::<Result<_>>()?;
        let Some((&label, image)) = row.split_last().filter(|(_, image)| image.len() == SIDE * SIDE) else {
            anyhow::bail!("line {number} has {} numbers, not {} pixels and a label", row.len(), SIDE * SIDE);
        };
        ensure!(label < 10, "line {number}: the label {label} is no digit");
        ensure!(image.iter().all(|&pixel| pixel <= WHITE), "line {number} has a pixel brighter than {WHITE}");
        pixels.extend_from_slice(image);
        labels.push(i32::from(label));
    }
    let count = labels.len();
    ensure!(count > TEST_COUNT, "{count} digits are too few to keep {TEST_COUNT} for testing");
    Ok(Digits {
        images: Tensor::from_vec(pixels, [count, SIDE, SIDE, 1]),
        labels: Tensor::from(labels),
        white: WHITE,
    })
}

#[cfg(test)]
mod tests;
