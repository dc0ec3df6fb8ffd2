//! The rooms of `runtime/src` and `kernels/src` stand on each other as CONTRIBUTING.md lists them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rooms in the order of CONTRIBUTING.md's table, its only copy: a row for each.
fn rooms() -> Vec<String> {
    let text = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let room = |line: &str| Some(line.strip_prefix("| `runtime/src/")?.split_once("/`")?.0.to_owned());
    text.lines().filter_map(room).collect()
}

/// Those of `kernels/src`, which are in one row.
fn rooms_of_kernels() -> Vec<String> {
    let text = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let row = text.lines().find_map(|line| line.strip_prefix("| `kernels/src/`")).unwrap();
    let list = row.rsplit(": ").next().unwrap();
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The code of a file, line by line, without comments, and without unit tests, which may use whatever there is.
fn code(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut is_test = false;
    for (at, line) in text.lines().enumerate() {
        // Formatted as it is, a module of tests ends at the next brace in the first column.
        let is_block = |next: &str| next.ends_with('{') && !next.starts_with("use ");
        if line == "#[cfg(test)]" && text.lines().nth(at + 1).is_some_and(is_block) {
            is_test = true;
        }
        if !is_test {
            lines.push((at + 1, line.split("//").next().unwrap_or_default()));
        }
        if line == "}" {
            is_test = false;
        }
    }
    lines
}

/// A file's code with `crate::` for the other ways to the root: as many `super::` as it is deep, and the crate's own name.
fn from_the_root(code: &str, depth: usize) -> String {
    let up = "super::".repeat(depth);
    let named = code.replace(&up, "crate::").replace("crate::super::", "crate::");
    named
        .replace("::flaxen::", "crate::")
        .replace(" flaxen::", " crate::")
        .replace(" crate as ", " crate::* as ")
}

/// How many modules a file is below the root.
fn depth(path: &Path) -> usize {
    path.components().count() - usize::from(path.ends_with("mod.rs"))
}

/// What follows each `crate::` of a piece of code: the names of rooms, or of items at the root, and `*` for all of them.
fn imports(code: &str) -> Vec<String> {
    let name = |text: &str| match text.strip_prefix('*') {
        Some(_) => "*".to_owned(),
        None if text.starts_with("self") => "*".to_owned(),
        None => text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>(),
    };
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(name(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut item = String::new();
                for c in list.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => found.push(name(std::mem::take(&mut item).trim())),
                        _ if depth == 0 => item.push(c),
                        _ => {}
                    }
                }
                found.push(name(item.trim()));
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// The rooms that items at the crate's root come from: `pub use nn::init` makes `crate::init` mean `nn`.
fn reexports(lib: &str) -> HashMap<String, String> {
    let mut rooms = HashMap::new();
    for statement in
        lib.split("pub use ").skip(1).filter_map(|rest| rest.split_once(';')).map(|(use_, _)| use_)
    {
        let Some((room, items)) = statement.split_once("::") else { continue };
        for item in items.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|item| !item.is_empty())
        {
            rooms.entry(item.to_owned()).or_insert_with(|| room.to_owned());
        }
    }
    rooms
}

#[test]
fn every_folder_is_a_room_of_the_list() {
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let entries = |folder| fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let folders = entries("runtime/src").filter(|path| path.is_dir()).map(stem).collect();
    assert_eq!(sorted(folders), sorted(rooms()));
    let modules = entries("kernels/src").map(stem).filter(|name| name != "lib").collect();
    assert_eq!(sorted(modules), sorted(rooms_of_kernels()));
}

#[test]
fn a_room_imports_only_rooms_that_stand_before_it() {
    let (imported, mut wrong) = check_imports("runtime/src", &rooms());
    assert!(imported > 1000, "imports are found: {imported}");
    let (imported, more) = check_imports("kernels/src", &rooms_of_kernels());
    assert!(imported > 3, "imports are found: {imported}");
    wrong.extend(more);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The number of imports, and those that point the wrong way.
fn check_imports(source: &str, rooms: &[String]) -> (usize, Vec<String>) {
    let source = root().join(source);
    let order: HashMap<&str, usize> = rooms.iter().enumerate().map(|(i, room)| (room.as_str(), i)).collect();
    let reexports = reexports(&fs::read_to_string(source.join("lib.rs")).unwrap());
    let mut upwards = Vec::new();
    let mut imported = 0;
    for room in rooms {
        let file = source.join(format!("{room}.rs"));
        for path in if file.exists() { vec![file] } else { rust_files(&source.join(room)) } {
            let text = fs::read_to_string(&path).unwrap();
            // Files of tests are declared so by their parents; by their names they are known here.
            let name = path.file_stem().unwrap().to_str().unwrap();
            if name == "tests" || name.ends_with("_tests") {
                continue;
            }
            let code = code(&text);
            // An import may go over several lines, so the code is read as one text.
            let (mut whole, mut starts) = (String::new(), Vec::new());
            let mut depth = depth(path.strip_prefix(&source).unwrap());
            let mut is_inside = false;
            for (number, line) in code {
                starts.push((whole.len(), number));
                // Within a module in the file itself, the root is one farther.
                if line.contains("mod ") && line.ends_with('{') && !line.starts_with(' ') {
                    (depth, is_inside) = (depth + 1, true);
                } else if line == "}" && is_inside {
                    (depth, is_inside) = (depth - 1, false);
                }
                whole.push_str(&from_the_root(line, depth));
                whole.push('\n');
            }
            for (at, _) in whole.match_indices("crate::") {
                let end = whole[at..].find(';').map_or(whole.len(), |end| at + end);
                let line =
                    starts.iter().rev().find(|(start, _)| *start <= at).map_or(0, |(_, number)| *number);
                let statement = &whole[at..end];
                let first = statement
                    .match_indices("crate::")
                    .nth(1)
                    .map_or(statement, |(next, _)| &statement[..next]);
                for name in imports(first) {
                    let target = reexports.get(&name).map_or(name.as_str(), String::as_str);
                    let target = if order.contains_key(name.as_str()) { name.as_str() } else { target };
                    let why = match order.get(target) {
                        Some(&stands) if stands > order[room.as_str()] => "stands after it",
                        None if !["flaxen_macros", "flaxen_kernels"].contains(&target) => {
                            "is no room, nor an item of one"
                        }
                        _ => {
                            imported += 1;
                            continue;
                        }
                    };
                    let file = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
                    upwards.push(format!("{file}:{line}: `{room}` imports `{target}`, which {why}"));
                }
            }
        }
    }
    (imported, upwards)
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let long: Vec<String> = ["runtime/src", "kernels/src"]
        .into_iter()
        .flat_map(|source| rust_files(&root().join(source)))
        .map(|path| (fs::read_to_string(&path).unwrap().lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .map(|(lines, path)| {
            format!("{}:{}: more than {LONGEST_FILE} lines: {lines}", path.display(), LONGEST_FILE + 1)
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn imports_are_read_in_all_their_forms() {
    assert_eq!(imports("use crate::tree;"), ["tree"]);
    assert_eq!(imports("use crate::{tree::{self, Tree}, ops, Tensor};"), ["tree", "ops", "Tensor"]);
    assert_eq!(imports("let x = crate::ops::full(crate::Aval::new());"), ["ops", "Aval"]);
    assert_eq!(imports("use flaxen_crate::x;"), [""; 0]);
    assert_eq!(imports("use crate::*; use crate::{self as all, ops};"), ["*", "*", "ops"]);
}

#[test]
fn all_ways_to_the_root_are_known() {
    let depth_of = |path: &str| depth(Path::new(path));
    assert_eq!(
        ["ops/mod.rs", "ops/pad.rs", "ops/conv/mod.rs", "ops/conv/plan.rs"].map(depth_of),
        [1, 2, 2, 3]
    );
    assert_eq!(from_the_root("use super::super::{ops, nn};", 2), "use crate::{ops, nn};");
    assert_eq!(from_the_root("    use super::super::super::nn;", 2), "    use crate::nn;");
    assert_eq!(from_the_root("use super::super::nn;", 3), "use super::super::nn;");
    assert_eq!(from_the_root("use flaxen::nn;", 2), "use crate::nn;");
    assert_eq!(from_the_root("let x = ::flaxen::nn::Dense::new(1);", 2), "let x = crate::nn::Dense::new(1);");
    assert_eq!(imports(&from_the_root("use crate as all;", 1)), ["*"]);
}
