//! What the texts of errors recommend exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Names of Python, NumPy and PyTorch, of Rust, and of what stands for a name of the user's.
const OF_OTHERS: [&str; 10] =
    ["path", "load", "new", "save_file", "savez", "state_dict", "contiguous", "resolve_conj", "Some", "Ok"];

/// The sources of the library without tests.
fn sources() -> Vec<String> {
    fn gather(folder: &Path, sources: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(&path, sources);
            } else if !path.ends_with("tests.rs") {
                let source = fs::read_to_string(path).unwrap();
                sources.push(source.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = Vec::new();
    gather(&root.join("runtime/src"), &mut sources);
    gather(&root.join("macros/src"), &mut sources);
    sources
}

/// The literals of texts in a source, and the source without them and without comments.
fn texts(source: &str) -> (Vec<String>, String) {
    let (mut texts, mut code) = (Vec::new(), String::new());
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|&c| c != '\n').is_some() {},
            '\'' => {
                // A character, or a lifetime, which has no end.
                let mut ahead = chars.clone();
                let first = ahead.next();
                if first == Some('\\') || ahead.next() == Some('\'') {
                    chars.next();
                    if first == Some('\\') {
                        chars.next();
                    }
                    while chars.next_if(|&c| c != '\'').is_some() {}
                    chars.next();
                }
            }
            '"' => {
                let mut text = String::new();
                while let Some(c) = chars.next_if(|&c| c != '"') {
                    match c {
                        '\\' if chars.next_if_eq(&'\n').is_some() => {
                            while chars.next_if(|c| c.is_whitespace()).is_some() {}
                        }
                        '\\' => text.extend(chars.next()),
                        c => text.push(c),
                    }
                }
                chars.next();
                texts.push(text);
                code.push_str("\"\"");
            }
            c => code.push(c),
        }
    }
    (texts, code)
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What is written as a path (`Rngs::none`), a call (`eval_shape(..)`) or an attribute (`#[setup(..)]`).
fn recommended(text: &str) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    for word in text.split(|c: char| !is_of_a_name(c) && !":!(".contains(c)) {
        let (word, is_call) = match word.split_once('(') {
            Some((word, _)) => (word, true),
            None => (word, false),
        };
        let word = word.trim_matches(':');
        let parts: Vec<&str> = word.split("::").filter(|part| part.chars().all(is_of_a_name)).collect();
        if parts.len() > 1
            || is_call
                && !word.is_empty()
                && parts.iter().all(|part| part.starts_with(|c: char| c.is_ascii_lowercase()))
        {
            found.push(parts);
        }
    }
    found
}

#[test]
fn what_texts_recommend_exists() {
    let (mut recommendations, mut code, mut owners) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    owners.extend(["Self", "flaxen"].map(str::to_owned));
    for source in sources() {
        let (texts, rest) = texts(&source);
        // A text for people has words.
        recommendations.extend(texts.into_iter().filter(|text| text.contains(' ') && text.contains('`')));
        let words: Vec<&str> =
            rest.split(|c: char| !is_of_a_name(c)).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            if ["struct", "enum", "trait", "mod", "type"].contains(&pair[0]) {
                owners.insert(pair[1].to_owned());
            }
            let is_definition =
                ["fn", "pub", "struct", "trait", "mod", "macro_rules", "type"].contains(&pair[0]);
            // Tables define methods, and their names stand beside those of their twins.
            let is_in_a_table = pair[1].strip_prefix("try_") == Some(pair[0]);
            if is_definition {
                code.insert(pair[1].to_owned());
            } else if is_in_a_table {
                code.insert(pair[0].to_owned());
            }
        }
        // Variants and options begin lines.
        for line in rest.lines() {
            code.extend(line.trim().split(|c: char| !is_of_a_name(c)).next().map(str::to_owned));
        }
    }
    let exists = |parts: &[&str]| {
        let Some((last, owner)) = parts.split_last() else { return true };
        OF_OTHERS.contains(last) || code.contains(*last) && owner.iter().all(|part| owners.contains(*part))
    };
    let all =
        recommendations.iter().flat_map(|text| recommended(text).into_iter().map(move |parts| (text, parts)));
    let unknown: BTreeSet<String> = all
        .filter(|(_, parts)| !exists(parts))
        .map(|(text, parts)| format!("{} in: {text}", parts.join("::")))
        .collect();
    assert!(unknown.is_empty(), "{}", unknown.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_path_that_does_not_exist_is_noticed() {
    assert_eq!(
        recommended("lift it (`lift::grad`), or call `model.apply(..)`"),
        [vec!["lift", "grad"], vec!["apply"]]
    );
}
