//! The runner of golden cases refuses what it cannot read, and fails where something differs or nothing was compared.

use std::fs;
use std::path::{Path, PathBuf};

use flaxen_tests::golden::own_folder;
use flaxen_tests::runner::{Summary, run_folder, run_folder_with};
use serde_json::{Value as Json, json};

/// A new folder of its own for a test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("golden_{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn manifest(name: &str) -> Json {
    serde_json::from_slice(&fs::read(own_folder().join(format!("{name}.json"))).unwrap()).unwrap()
}

/// Copies one of our cases, with another manifest.
fn copy(case: &str, to: &Path, name: &str, change: impl FnOnce(&mut Json)) {
    let mut manifest = manifest(case);
    change(&mut manifest);
    fs::write(to.join(format!("{name}.json")), manifest.to_string()).unwrap();
    let arrays = own_folder().join(format!("{case}.safetensors"));
    if arrays.exists() {
        fs::copy(arrays, to.join(format!("{name}.safetensors"))).unwrap();
    }
}

fn run(folder: &Path) -> Summary {
    let mut reported = Vec::new();
    let summary = run_folder(folder, |line| reported.push(line.to_owned())).unwrap();
    assert_eq!(reported, summary.lines);
    summary
}

/// The line of the only case of a folder, which fails.
fn failure(folder: &Path) -> String {
    let summary = run(folder);
    assert_eq!(summary.counts, [0, 1, 0], "{:?}", summary.lines);
    assert_eq!(summary.failures(), summary.lines);
    summary.lines[0].clone()
}

#[test]
fn a_folder_that_is_not_there_or_empty_is_an_error_that_names_it() {
    let empty = folder("empty");
    for (path, why) in [(empty.join("nowhere"), "No such file"), (empty.clone(), "has none")] {
        let error = run_folder(&path, |_| {}).unwrap_err();
        assert!(error.contains(&path.display().to_string()) && error.contains(why), "{error}");
    }
}

#[test]
fn every_case_has_a_line_and_the_last_line_counts_them() {
    let folder = folder("lines");
    copy("dense_basic", &folder, "dense_basic", |_| {});
    copy("dense_basic", &folder, "novel", |manifest| manifest["kind"] = json!("novel"));
    copy("optimizer_adam", &folder, "adam", |manifest| manifest["settings"]["optimizer"] = json!("sgd(.1)"));
    let summary =
        run_folder_with(&folder, |_| {}, |case| (case.name() == "novel").then_some("what comes next"));
    let summary = summary.unwrap();
    let [adam, dense, novel] = &summary.lines[..] else { panic!("{:?}", summary.lines) };
    assert!(adam.starts_with("failed adam: state0 "), "{adam}");
    assert_eq!(novel, "unsupported novel: the kind `novel`; what comes next will bring it");
    assert_eq!(dense, "passed dense_basic");
    assert_eq!(summary.closing(), "1 passed, 1 failed, 1 skipped");
}

#[test]
fn the_worst_array_and_its_error_are_named() {
    let folder = folder("worst");
    copy("pooling", &folder, "pooling", |manifest| {
        manifest["expect"]["cases"][0]["kwargs"]["strides"] = json!([1, 1]);
    });
    assert!(failure(&folder).contains("out/0"), "{}", failure(&folder));
    copy("pooling", &folder, "pooling", |manifest| manifest["expect"]["cases"][0]["fn"] = json!("max_pool"));
    let line = failure(&folder);
    assert!(line.contains("out/0[") && line.contains("times the tolerance"), "{line}");
}

#[test]
fn what_is_unsupported_and_not_in_the_table_fails() {
    let folder = folder("unsupported");
    copy("dense_basic", &folder, "case", |manifest| manifest["kind"] = json!("novel"));
    assert!(failure(&folder).contains("not in the table of unsupported cases: the kind `novel`"));
    copy("dense_basic", &folder, "case", |manifest| {
        manifest["settings"]["module"]["args"]["novel"] = json!(1);
    });
    assert!(failure(&folder).contains("Dense(novel=1)"));
    copy("seed0_cnn", &folder, "case", |_| {});
    assert!(failure(&folder).contains("there is no program `case`"));
}

/// Copies a case of training with another source.
fn with_source(folder: &Path, from: &str, to: &str) {
    copy("more_model_mixer", folder, "case", |manifest| {
        let source = manifest["settings"]["source"].as_str().unwrap();
        assert!(source.contains(from));
        manifest["settings"]["source"] = json!(source.replace(from, to));
    });
}

#[test]
fn what_a_source_says_and_nobody_knows_is_named() {
    let folder = folder("sources");
    for (from, to, why) in [
        ("nn.gelu(y)", "nn.novel(y)", "the function `nn.novel` is unknown"),
        ("nn.gelu(y)", "novel(y)", "the name `novel` is unknown"),
        ("nn.LayerNorm()", "nn.LayerNorm(novel=1)", "LayerNorm(novel=1)"),
        ("jnp.mean(x, axis=1)", "jnp.mean(x, novel=1)", "the argument novel=1 is unknown"),
        ("return nn.Dense", "return nn.Dense(", "the source cannot be read: line"),
        ("class Mixer(", "class Other(", "the module Mixer"),
        ("y = nn.gelu(y)", "while True: y = y", "a loop without an end"),
    ] {
        with_source(&folder, from, to);
        let line = failure(&folder);
        assert!(line.contains(why), "{to}: {line}");
    }
}

#[test]
fn a_source_of_another_model_fails() {
    let folder = folder("other_source");
    with_source(&folder, "nn.gelu(y)", "nn.silu(y)");
    assert!(failure(&folder).contains("step0/grads/"), "{}", failure(&folder));
    with_source(&folder, "name='token_mixing'", "name='tokens'");
    assert!(failure(&folder).contains("tokens"), "{}", failure(&folder));
    with_source(&folder, "2 * self.hidden_dim", "3 * self.hidden_dim");
    assert!(failure(&folder).contains("/MixerBlock_0/channel_mixing/Dense_0"), "{}", failure(&folder));
}

#[test]
fn a_case_of_the_table_that_passes_must_leave_it() {
    let folder = folder("stale");
    copy("dense_basic", &folder, "case", |_| {});
    let summary = run_folder_with(&folder, |_| {}, |_| Some("what comes next")).unwrap();
    assert_eq!(summary.counts, [0, 1, 0]);
    assert!(summary.lines[0].contains("though the table"), "{:?}", summary.lines);
}

#[test]
fn arrays_that_nothing_is_compared_with_fail() {
    let folder = folder("unread");
    copy("seed3_mymod", &folder, "case", |manifest| manifest["kind"] = json!("functional"));
    let line = failure(&folder);
    assert!(line.contains("nothing was compared") && line.contains("init/params/whatever"), "{line}");
    copy("tabulate", &folder, "case", |manifest| manifest["kind"] = json!("prng"));
    fs::remove_file(folder.join("case.safetensors")).unwrap();
    assert!(failure(&folder).contains("has no arrays"));
}

#[test]
fn malformed_manifests_fail_with_the_path_and_the_reason() {
    let folder = folder("malformed");
    let path = folder.join("case.json");
    for (text, why) in [
        ("{\"kind\": ", "EOF"),
        ("[]", "no object"),
        ("{}", "no `kind`"),
        ("{\"kind\": \"layer\", \"format\": 2}", "format 2, expected 1"),
        ("{\"kind\": \"layer\", \"arrays\": {\"x\": {\"shape\": []}}}", "case.safetensors"),
        ("{\"kind\": \"layer\"}", "settings.call"),
        ("{\"kind\": \"optimizer\"}", "no arrays"),
        ("{\"kind\": \"scenarios\"}", "expect.scenarios"),
    ] {
        fs::write(&path, text).unwrap();
        let line = failure(&folder);
        assert!(line.starts_with("failed case: ") && line.contains(why), "{text}: {line}");
    }
    fs::write(&path, "{\"kind\": \"layer\"}").unwrap();
    fs::write(folder.join("case.safetensors"), "short").unwrap();
    assert!(failure(&folder).contains("case.safetensors"));
    copy("dense_basic", &folder, "case", |manifest| manifest["arrays"]["out"]["shape"] = json!([1]));
    assert!(failure(&folder).contains("`out` is f32"), "{}", failure(&folder));
}

#[test]
fn a_case_that_the_index_lists_must_be_there() {
    let folder = folder("index");
    fs::write(folder.join("index.json"), "[{\"name\": \"lost\"}]").unwrap();
    assert!(failure(&folder).contains("lost.json"));
    fs::write(folder.join("index.json"), "{}").unwrap();
    assert!(run_folder(&folder, |_| {}).unwrap_err().contains("is no list"));
}
