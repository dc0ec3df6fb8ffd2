//! Who panics and who returns: what makes tensors of tensors panics in the midst of expressions, and has a twin that returns;
//! everything else that can fail returns. CONTRIBUTING.md has the rule.

use std::fs;
use std::path::{Path, PathBuf};

/// Where expressions of tensors are made; the lower rooms are no part of the public surface.
const EXPRESSIONS: [&str; 9] =
    ["array", "backend/cpu", "core", "kernels", "nn/losses", "numpy", "ops", "random", "transport"];

/// The others that panic, and why.
const OTHERS: [(&str, &str); 14] = [
    ("module/setup.rs", "is `Deref` of a field that `#[setup]` makes; `try_get` returns"),
    ("nn/activation.rs", "is arithmetic under the names that Flax has for it"),
    ("optim/extra.rs", "only with a tensor of a transform that has returned, as arithmetic does"),
    ("parallel/zero.rs", "is `GradientTransformation::init`, which cannot fail for any other"),
    ("scope/variable.rs", "is a read in the midst of expressions; `try_get` returns"),
    ("transform/apply_at.rs", "is an indexed update, and has a twin"),
    ("tree/structure.rs", "has a twin"),
    ("variables/boxed.rs", "only with values nested deeper than any program nests them"),
    ("variables/collections.rs", "only with values nested deeper than any program nests them"),
    ("variables/convert.rs", "is a trait of `std`; `Dict::of` returns"),
    ("variables/depth.rs", "is not public"),
    ("variables/dict.rs", "builds a literal, or is `Index`; `try_with` and `at` return"),
    ("variables/flatten.rs", "has a twin"),
    ("variables/value.rs", "has a twin"),
];

fn sources() -> Vec<(String, String)> {
    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src");
    let mut found = Vec::new();
    files(&root, &mut found);
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn is_expression(file: &str) -> bool {
    EXPRESSIONS.iter().any(|room| file.starts_with(&format!("{room}/")))
}

#[test]
fn only_expressions_of_tensors_panic() {
    let sources = sources();
    let found: Vec<&str> = sources
        .iter()
        .filter(|(file, text)| !is_expression(file) && text.contains("/// # Panics"))
        .map(|(file, _)| file.as_str())
        .collect();
    for file in &found {
        assert!(
            OTHERS.iter().any(|(other, _)| other == file),
            "runtime/src/{file} has a function that panics: let it return a `Result`, or say here why it cannot"
        );
    }
    for (file, _) in OTHERS {
        assert!(found.contains(&file), "runtime/src/{file} no longer panics: take it off the list");
    }
}

#[test]
fn what_panics_on_tensors_has_a_twin_that_returns() {
    let sources = sources();
    let all: String = sources.iter().map(|(_, text)| text.as_str()).collect();
    let mut alone = Vec::new();
    for (file, text) in sources.iter().filter(|(file, _)| is_expression(file)) {
        if ["array/", "backend/", "kernels/", "transport/"].iter().any(|room| file.starts_with(room)) {
            continue;
        }
        let mut panics = false;
        for line in text.lines().map(str::trim) {
            if line == "/// # Panics" {
                panics = true;
            }
            let Some(name) = line.strip_prefix("pub fn ").filter(|_| panics) else {
                continue;
            };
            panics = false;
            let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let has_twin =
                all.contains(&format!("fn try_{name}(")) || all.contains(&format!("fn try_{name}<"));
            let is_pair = all.contains(&format!("{name} / try_{name}("));
            if !(name.is_empty() || has_twin || is_pair || WITHOUT_TWIN.contains(&name.as_str())) {
                alone.push(format!("`{name}` of runtime/src/{file} panics, and there is no `try_{name}`"));
            }
        }
    }
    assert!(alone.is_empty(), "{}", alone.join("\n"));
}

/// Constants, which fail only where memory or numbers of axes end, and reads that fail only with a value of a transform that has returned.
const WITHOUT_TWIN: [&str; 19] = [
    "abstract_value",
    "eye",
    "eye_of",
    "full",
    "full_of",
    "linspace_of",
    "mask",
    "one_hot_of",
    "ones",
    "ones_like",
    "ones_of",
    "stop_gradient",
    "tri",
    "tril_indices",
    "triu_indices",
    "weights",
    "zeros",
    "zeros_like",
    "zeros_of",
];
