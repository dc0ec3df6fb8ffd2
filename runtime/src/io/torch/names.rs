//! The names of the tensors in an object that was saved.

use std::collections::BTreeMap;

use super::super::pickle::{Id, Node, Object, Pickle};
use super::archive::Archive;
use super::stored::{StoredTensor, tensor_of};

/// Dicts within dicts; those of models and optimizers have less than twenty.
const DEPTH: usize = 64;
/// Objects that are meant several times have a name each time: so many names there are for each object, and some more.
const NAMES: usize = 4;
const MORE_NAMES: usize = 1 << 12;
/// Bytes of a name.
const LONGEST: usize = 1 << 10;
/// Entries of dicts that are looked through for the parts of a module.
const LOOKED_AT: usize = 1 << 26;

/// What was found: tensors, or what is wrong with them, by name; and names of objects that only Python makes.
#[derive(Default)]
pub(super) struct Named {
    pub tensors: BTreeMap<String, Result<StoredTensor, String>>,
    pub refused: BTreeMap<String, String>,
    visited: usize,
    looked_at: usize,
}

/// Everything below the root, with the keys on the way to it joined by dots.
pub(super) fn named(archive: &Archive) -> Result<Named, String> {
    let mut named = Named::default();
    named.visit(archive, "", archive.pickle.root, 0)?;
    Ok(named)
}

impl Named {
    fn visit(&mut self, archive: &Archive, name: &str, id: Id, depth: usize) -> Result<(), String> {
        self.visited += 1;
        if depth > DEPTH || self.visited > NAMES * archive.pickle.len() + MORE_NAMES {
            return Err("its objects lie too deep in each other, or are too many".to_owned());
        }
        if name.len() > LONGEST {
            return Err(format!("a name in it has {} bytes", name.len()));
        }
        if let Some(tensor) = tensor_of(archive, id) {
            // The root itself, if nothing but a tensor was saved.
            let name = if name.is_empty() { super::file::ALONE } else { name };
            self.tensors.insert(name.to_owned(), tensor);
            return Ok(());
        }
        let pickle = &archive.pickle;
        if let Some(entries) = pickle.entries(id) {
            for &(key, value) in entries {
                // Keys that are no names have nothing that one could ask for.
                if let Some(key) = key_name(pickle, key) {
                    self.visit(archive, &joined(name, &key), value, depth + 1)?;
                }
            }
            return Ok(());
        }
        if let Some(items) = pickle.items(id) {
            for (index, &item) in items.iter().enumerate() {
                self.visit(archive, &joined(name, &index.to_string()), item, depth + 1)?;
            }
            return Ok(());
        }
        if let Node::Object(object) = pickle.node(id) {
            return self.object(archive, name, object, depth);
        }
        Ok(())
    }

    /// Modules have their tensors in attributes; what other objects are, only their classes know.
    fn object(&mut self, archive: &Archive, name: &str, object: &Object, depth: usize) -> Result<(), String> {
        let pickle = &archive.pickle;
        let class = class_of(pickle, object);
        let entries = object.state.and_then(|state| pickle.entries(state)).map_or(0, <[_]>::len);
        self.looked_at = self.looked_at.saturating_add(entries);
        if self.looked_at > LOOKED_AT {
            return Err("its modules have too many attributes".to_owned());
        }
        match object.state {
            // A module that was saved whole.
            Some(state) if pickle.get(state, "_modules").is_some() => {
                for part in ["_parameters", "_buffers", "_modules"] {
                    if let Some(part) = pickle.get(state, part) {
                        self.visit(archive, name, part, depth + 1)?;
                    }
                }
                Ok(())
            }
            // A module of `torch.jit`, whose attributes are its parameters and submodules.
            Some(state) if class.is_some_and(|class| class.starts_with("__torch__.")) => {
                self.visit(archive, name, state, depth + 1)
            }
            _ => {
                let class = class.unwrap_or("a function without a name");
                if !HARMLESS.contains(&class) {
                    self.refused.insert(name.to_owned(), class.to_owned());
                }
                Ok(())
            }
        }
    }
}

/// Objects of settings and counters beside weights, of which nothing is lost here.
const HARMLESS: [&str; 9] = [
    "argparse.Namespace",
    "collections.Counter",
    "datetime.datetime",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "pathlib.PosixPath",
    "torch.device",
    "torch.Size",
    "__builtin__.set",
];

/// The class of an object: what would have been called, or what `copyreg` would have made one of.
fn class_of<'a>(pickle: &'a Pickle, object: &Object) -> Option<&'a str> {
    match pickle.called(object)? {
        "copyreg._reconstructor" | "copy_reg._reconstructor" | "copyreg.__newobj__" => {
            pickle.args(object).first().and_then(|&class| pickle.global(class))
        }
        class => Some(class),
    }
}

fn key_name(pickle: &Pickle, key: Id) -> Option<String> {
    match pickle.node(key) {
        Node::Text(text) => Some(text.clone()),
        Node::Int(int) => Some(int.to_string()),
        Node::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

fn joined(name: &str, key: &str) -> String {
    if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") }
}
