//! The page `guide::coming_from_jax` says what its table says, and the table has what programs use.
//!
//! After a change of `runtime/src/guide/coming_from_jax.tsv`, make the page anew by `FLAXEN_BLESS=1`. That ours exist is what
//! `cargo doc` checks, whose warnings are errors.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The names that were counted, and how often they are used.
const COUNTED: (usize, usize) = (527, 40116);

/// How much of what is used must be there, in percent.
const LEAST: f64 = 97.0;

const SECTIONS: [(&str, &str); 9] = [
    ("jax.numpy", "jnp"),
    ("jax.lax", "lax"),
    ("jax.nn", "nn"),
    ("jax.random", "random"),
    ("jax.image", "image"),
    ("jax.tree_util", "tree_util"),
    ("jax.scipy", "scipy"),
    ("jax.ops", "ops"),
    ("optax", "optax"),
];

struct Row {
    name: String,
    uses: usize,
    status: String,
    ours: Vec<String>,
    note: String,
}

impl Row {
    /// As programs write it.
    fn short_name(&self) -> String {
        for (module, short) in SECTIONS {
            if let Some(rest) = self.name.strip_prefix(module) {
                return format!("{short}{rest}");
            }
        }
        self.name.clone()
    }

    fn is_there(&self) -> bool {
        self.status == "have" || self.status == "write"
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src/guide")
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(folder().join("coming_from_jax.tsv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("name\tuses\tstatus\tours\tnote"));
    let mut rows: Vec<Row> = lines
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, uses, status, ours, note] = fields[..] else { panic!("five fields: {line}") };
            Row {
                name: name.to_owned(),
                uses: uses.parse().unwrap_or_else(|_| panic!("a number of uses: {line}")),
                status: status.to_owned(),
                ours: ours.split_whitespace().map(str::to_owned).collect(),
                note: note.to_owned(),
            }
        })
        .collect();
    rows.sort_by_key(|row| (row.name.to_lowercase(), row.name.clone()));
    rows
}

/// The part of what is used that is there, in percent; what is left out does not count.
fn coverage(rows: &[Row]) -> f64 {
    let uses = |test: &dyn Fn(&Row) -> bool| -> usize {
        rows.iter().filter(|row| test(row)).map(|row| row.uses).sum()
    };
    100.0 * uses(&Row::is_there) as f64 / uses(&|row| row.status != "left out") as f64
}

/// A link that rustdoc checks. An item may say what kind it is: `jit()`, `macro@Tree`.
fn link(ours: &str) -> String {
    let (kind, path) =
        ours.split_once('@').map_or((String::new(), ours), |(kind, path)| (format!("{kind}@"), path));
    format!("[`{}`]({kind}crate::{path})", path.trim_end_matches("()"))
}

fn page(rows: &[Row]) -> String {
    let mut out = format!(
        "The names of JAX and optax that programs use, and what they are here.\n\n\
         Counted over 24 public code bases of Linen and its official examples; devices, shardings and what only concerns Python \
         are [left out](#left-out). By uses, {:.1} % of the names are there. What is not, with the number of uses:\n\n",
        coverage(rows)
    );
    let missing: Vec<&Row> = rows.iter().filter(|row| row.status == "missing").collect();
    for row in &missing {
        let note = if row.note.is_empty() { String::new() } else { format!(": {}", row.note) };
        writeln!(out, "- `{}` ({}){note}", row.short_name(), row.uses).unwrap();
    }
    if missing.is_empty() {
        out.push_str("nothing.\n");
    }
    out.push_str(
        "\nMethods of [`Tensor`](crate::Tensor) panic on arguments that do not fit, at the line of the caller; each has a twin that \
         returns a [`Result`](crate::Result), as `try_reshape` is to `reshape`. Functions of a dtype end in `_of`.\n",
    );
    for (module, short) in SECTIONS {
        writeln!(out, "\n# `{module}`\n\n| JAX | here |\n|---|---|").unwrap();
        let inside = format!("{module}.");
        for row in rows.iter().filter(|row| row.is_there() && row.name.starts_with(&inside)) {
            let links: Vec<String> = row.ours.iter().map(|ours| link(ours)).collect();
            let both = if links.is_empty() || row.note.is_empty() { "" } else { "; " };
            let name = format!("{short}{}", &row.name[module.len()..]);
            writeln!(out, "| `{name}` | {}{both}{} |", links.join(", "), row.note).unwrap();
        }
    }
    out.push_str("\n# Left out\n\n| JAX | why |\n|---|---|\n");
    for row in rows.iter().filter(|row| row.status == "left out") {
        writeln!(out, "| `{}` | {} |", row.short_name(), row.note).unwrap();
    }
    out
}

#[test]
fn the_page_is_made_of_the_table() {
    let path = folder().join("coming_from_jax.md");
    let made = page(&rows());
    if std::env::var_os("FLAXEN_BLESS").is_some() {
        fs::write(&path, made).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert!(kept == made, "make the page anew by FLAXEN_BLESS=1");
}

#[test]
fn every_name_that_was_counted_has_one_row_that_says_where_it_is() {
    let rows = rows();
    let mut seen = BTreeSet::new();
    for row in &rows {
        let Row { name, status, ours, note, .. } = row;
        assert!(seen.insert(name), "{name} twice");
        assert!(SECTIONS.iter().any(|(module, _)| name.starts_with(module)), "{name} is of no module");
        match status.as_str() {
            "have" => assert!(!ours.is_empty(), "{name}: which?"),
            "write" | "left out" => {
                assert!(ours.is_empty() && !note.is_empty(), "{name}: a note, and no item");
            }
            "missing" => assert!(ours.is_empty(), "{name} is missing, or is it?"),
            other => panic!("{name}: have, write, left out or missing, not {other}"),
        }
    }
    let counted = rows.iter().filter(|row| row.uses > 0);
    let found = (counted.clone().count(), counted.map(|row| row.uses).sum::<usize>());
    assert_eq!(found, COUNTED, "names that were counted, and their uses");
}

#[test]
fn what_programs_use_is_there() {
    let covered = coverage(&rows());
    assert!(covered >= LEAST, "{covered:.2} %");
}

#[test]
fn ours_are_words_of_the_sources() {
    let mut words = BTreeSet::new();
    read_words(&folder().join(".."), &mut words);
    let mut unknown = BTreeMap::new();
    for row in rows() {
        for ours in &row.ours {
            let path = ours.trim_end_matches("()");
            let last = path.rsplit(['@', ':']).next().unwrap();
            if !words.contains(last) {
                unknown.insert(row.name.clone(), ours.clone());
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn read_words(folder: &Path, words: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_words(&path, words);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                let parts = line.split(|c: char| !c.is_alphanumeric() && c != '_');
                words.extend(parts.map(str::to_owned));
            }
        }
    }
}

/// What people type into the search of the documentation who know NumPy, PyTorch or Flax; there under that name, or as an alias of ours.
const SEARCHED: &str = "abs allclose arange argmax argmin argsort array asarray astype bmm broadcast_to cat clamp clip concatenate \
    cumsum detach einsum equal expand expand_dims flatten flip full full_like gather greater index_add index_select isclose isnan less \
    linspace logsumexp masked_fill matmul maximum mean mm moveaxis multiply narrow ndim numel ones one_hot outer pad permute pow \
    repeat_interleave reshape roll rsqrt scatter sigmoid softmax sort split sqrt square squeeze stack std subtract sum swapaxes take \
    tanh tile tolist topk transpose tril triu unbind unsqueeze var view where zeros";

#[test]
fn names_of_numpy_and_torch_are_found_by_the_search_of_the_documentation() {
    let mut text = String::new();
    for room in ["ops", "numpy", "core/tensor"] {
        read_all(&folder().join("..").join(room), &mut text);
    }
    let is_there = |name: &str| {
        let forms = [
            format!("doc(alias = \"{name}\")"),
            format!("pub fn {name}("),
            format!("pub fn {name}<"),
            format!(" {name} try_{name} "),
            format!(" {name} try_{name}("),
        ];
        forms.iter().any(|form| text.contains(form))
    };
    let missing: Vec<&str> = SEARCHED.split_whitespace().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "give the methods that do this a `#[doc(alias = …)]`: {missing:?}");
}

fn read_all(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, text);
        } else {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}
