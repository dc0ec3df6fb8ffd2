//! The checks that concern more than one attribute's grammar.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{Attribute, Generics};

use crate::errors::Errors;

/// What a module has methods for: a setter of that name would hide the method.
pub(super) const RESERVED: [&str; 39] = [
    "apply",
    "bind",
    "call",
    "child",
    "child_named",
    "clone",
    "copy",
    "eq",
    "existing_variable",
    "fmt",
    "get_variable",
    "has_rng",
    "has_variable",
    "init",
    "init_with_output",
    "is_bound",
    "is_initializing",
    "is_mutable_collection",
    "lazy_init",
    "make_rng",
    "module_paths",
    "name",
    "new",
    "param",
    "param_of",
    "param_with",
    "path",
    "perturb",
    "perturb_in",
    "put_variable",
    "scope",
    "share_scope",
    "sow",
    "sow_with",
    "tabulate",
    "type_name",
    "unbind",
    "variable",
    "variables",
];

/// Whether no field, and so no setter, has that name.
pub(crate) fn is_reserved(ident: &Ident) -> bool {
    let name = ident.unraw().to_string();
    name.starts_with("__") || RESERVED.contains(&name.as_str())
}

pub(super) fn generics(generics: &Generics, errors: &mut Errors) {
    for lifetime in generics.lifetimes() {
        errors.at(lifetime, "a module owns what it holds: a struct with a lifetime cannot be one");
    }
}

pub(super) fn field(field: &syn::Field, ident: &Ident, errors: &mut Errors) {
    if is_reserved(ident) {
        let name = ident.unraw().to_string();
        let why = if name.starts_with("__") {
            "names that begin with `__` are for generated code"
        } else {
            "every module has a method of that name"
        };
        errors.at(ident, format_args!("`{name}` is reserved: {why}; call the field something else"));
    }
    if let Some((_, default)) = &field.default {
        errors.at(default, "a default is an attribute of the field: `#[module(default = expr)]`");
    }
}

/// What the derives below the macro implement.
#[derive(Default)]
pub(super) struct Derives {
    /// Traits that the macro implements, too; each is an error.
    pub(super) ours: Vec<&'static str>,
    pub(super) serde: bool,
    pub(super) hash: bool,
}

pub(super) fn attributes(attrs: &[Attribute], errors: &mut Errors) -> Derives {
    let mut derives = Derives::default();
    for attr in attrs {
        if attr.path().segments.last().is_some_and(|segment| segment.ident == "module") {
            errors.at(attr.path(), "`#[module]` is given twice: put all its options into one");
        } else if attr.path().is_ident("derive") {
            derive(attr, &mut derives, errors);
        }
    }
    derives
}

fn derive(attr: &Attribute, derives: &mut Derives, errors: &mut Errors) {
    // A list that does not parse is the compiler's to report.
    let _ = attr.parse_nested_meta(|derive| {
        let Some(last) = derive.path.segments.last() else { return Ok(()) };
        if let Some(ours) = ["Clone", "Debug", "PartialEq"].into_iter().find(|ours| last.ident == ours) {
            derives.ours.push(ours);
            errors.push(derive.error(format_args!("`#[module]` implements `{ours}` already: remove it")));
        }
        derives.serde |= last.ident == "Serialize" || last.ident == "Deserialize";
        derives.hash |= last.ident == "Hash";
        Ok(())
    });
}
