//! Names that fields cannot have are those of a module's methods.

use std::collections::BTreeSet;
use std::path::Path;

use syn::{Item, ItemTrait, TraitItem};

use super::super::valid::RESERVED;

/// A trait of the runtime's module room.
fn trait_named(name: &str) -> ItemTrait {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src/module/mod.rs");
    let source = std::fs::read_to_string(&path).expect("the runtime is beside its macros");
    let file = syn::parse_file(&source).expect("the runtime's source");
    let mut traits = file.items.into_iter().filter_map(|item| match item {
        Item::Trait(item) if item.ident == name => Some(item),
        _ => None,
    });
    traits.next().expect("the trait is there")
}

fn methods(of: &ItemTrait) -> impl Iterator<Item = String> {
    of.items.iter().filter_map(|item| match item {
        TraitItem::Fn(method) => Some(method.sig.ident.to_string()),
        _ => None,
    })
}

#[test]
fn the_names_of_all_methods_that_a_module_has_are_reserved_and_no_others() {
    let mut expected: BTreeSet<String> = ["Module", "Layer"]
        .iter()
        .flat_map(|name| methods(&trait_named(name)).collect::<Vec<_>>())
        .filter(|method| !method.starts_with("__"))
        .collect();
    // The constructor, and what the macro implements beside the trait: `Clone`, `PartialEq` and `Debug`.
    expected.extend(["new", "clone", "eq", "fmt"].map(str::to_owned));
    let reserved: BTreeSet<String> = RESERVED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(reserved, expected);
    assert_eq!(reserved.len(), RESERVED.len(), "a name stands there twice");
}
