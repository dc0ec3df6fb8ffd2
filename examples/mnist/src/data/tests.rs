use super::*;

fn texts(digits: &Digits) -> Vec<String> {
    let pixels: Vec<u8> = digits.images.to_vec().expect("pixels");
    let labels: Vec<i32> = digits.labels.to_vec().expect("labels");
    pixels.chunks(SIDE * SIDE).zip(labels).map(|(image, label)| format!("{image:?} {label}")).collect()
}

#[test]
fn the_ordered_split_keeps_the_end_of_the_file_for_testing() -> Result<()> {
    let data = embedded(Split::Ordered, 0)?;
    assert_eq!(data.train.images.shape(), [1437, 8, 8, 1]);
    assert_eq!(data.test.images.shape(), [360, 8, 8, 1]);
    // The first and the last digits of the file, as its text has them.
    assert_eq!(data.train.labels.to_vec::<i32>()?[..4], [0, 1, 2, 3]);
    assert_eq!(data.test.labels.to_vec::<i32>()?[356..], [0, 8, 9, 8]);
    assert_eq!(data.train.images.to_vec::<u8>()?[..8], [0, 0, 5, 13, 9, 1, 0, 0]);
    Ok(())
}

#[test]
fn a_shuffled_split_has_each_digit_once_and_depends_on_the_seed() -> Result<()> {
    let all = |data: &Dataset| {
        let mut all = texts(&data.train);
        all.extend(texts(&data.test));
        all.sort();
        all
    };
    let ordered = embedded(Split::Ordered, 0)?;
    let (first, again, other) =
        (embedded(Split::Shuffled, 1)?, embedded(Split::Shuffled, 1)?, embedded(Split::Shuffled, 2)?);
    assert_eq!(all(&first), all(&ordered));
    assert_eq!(texts(&first.test), texts(&again.test));
    assert_ne!(texts(&first.test), texts(&other.test));
    Ok(())
}

#[test]
fn batches_are_numbers_from_0_to_1() -> Result<()> {
    let data = embedded(Split::Ordered, 0)?;
    let (images, labels) = data.train.batch(&data.train.indices(1430, 64));
    assert_eq!((images.shape(), labels.shape()), (&[7, 8, 8, 1][..], &[7][..]));
    let (least, most) = (images.min().item::<f32>()?, images.max().item::<f32>()?);
    assert_eq!((least, most), (0.0, 1.0));
    Ok(())
}

#[test]
fn bad_lines_are_named() {
    let message = |text: &str| format!("{:#}", parse(text).expect_err("a bad line"));
    assert_eq!(message("1,2,3"), "line 1 has 3 numbers, not 64 pixels and a label");
    let pixels = "0,".repeat(64);
    assert_eq!(message(&format!("{pixels}1\n{pixels}10")), "line 2: the label 10 is no digit");
    assert_eq!(
        message(&format!("{pixels}x")),
        "line 1: `x` is no number from 0 to 255: invalid digit found in string"
    );
    assert_eq!(message(&format!("17,{}1", "0,".repeat(63))), "line 1 has a pixel brighter than 16");
}

/// A folder with files of MNIST: so many images of a size, and so many labels, for each part.
fn folder(parts: [(&str, [u32; 3], u32); 2]) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let write = |name: String, sizes: &[u32]| {
        let count = sizes.iter().product::<u32>() as usize;
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        bytes.resize(bytes.len() + count, 7);
        std::fs::write(folder.path().join(name), bytes)
    };
    for (part, images, labels) in parts {
        write(format!("{part}-images-idx3-ubyte"), &images)?;
        write(format!("{part}-labels-idx1-ubyte"), &[labels])?;
    }
    Ok(folder)
}

fn mnist_error(parts: [(&str, [u32; 3], u32); 2]) -> Result<String> {
    Ok(format!("{:#}", mnist(folder(parts)?.path()).expect_err("files that do not fit")))
}

#[test]
fn the_files_of_mnist_are_a_data_set() -> Result<()> {
    let folder = folder([("train", [5, 28, 28], 5), ("t10k", [2, 28, 28], 2)])?;
    let data = mnist(folder.path())?;
    assert_eq!(data.train.images.shape(), [5, 28, 28, 1]);
    assert_eq!((data.train.len(), data.test.len()), (5, 2));
    assert_eq!(data.test.labels.to_vec::<i32>()?, [7, 7]);
    let (images, _) = data.test.batch(&data.test.indices(0, 1));
    assert_eq!(images.max().item::<f32>()?, 7.0 / 255.0);
    Ok(())
}

#[test]
fn files_of_mnist_that_do_not_fit_are_errors() -> Result<()> {
    let text = mnist_error([("train", [5, 28, 28], 4), ("t10k", [2, 28, 28], 2)])?;
    assert!(text.contains("train-images-idx3-ubyte` has 5 images"), "{text}");
    assert!(text.contains("train-labels-idx1-ubyte` has 4 labels"), "{text}");
    let text = mnist_error([("train", [5, 28, 28], 5), ("t10k", [2, 8, 8], 2)])?;
    assert!(text.contains("of [28, 28] pixels, and those to test on of [8, 8]"), "{text}");
    let text = mnist_error([("train", [5, 28, 28], 5), ("test", [2, 28, 28], 2)])?;
    assert!(text.contains("has no file `t10k-images-idx3-ubyte`"), "{text}");
    Ok(())
}
