//! The grammar of `#[tree(…)]`.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Path, Result};

use crate::errors::Errors;
use crate::options;

/// The path of Flaxen, where the struct says one.
pub(super) fn of_struct(attrs: &[Attribute], errors: &mut Errors) -> Option<Path> {
    let mut krate = None;
    each_option(attrs, errors, |option| {
        if option.path.is_ident("crate") {
            options::refuse_second(option, krate.is_some(), "crate")?;
            krate = Some(options::krate(option)?);
            Ok(())
        } else if option.path.is_ident("static") {
            Err(option.error("`static` belongs on a field"))
        } else {
            Err(options::unknown(option, "a struct takes `crate = path`"))
        }
    });
    krate
}

/// Whether the field is static.
pub(super) fn of_field(attrs: &[Attribute], errors: &mut Errors) -> bool {
    let mut is_static = false;
    each_option(attrs, errors, |option| {
        if option.path.is_ident("static") {
            options::refuse_second(option, is_static, "static")?;
            is_static = true;
            options::refuse_value(option, "static")
        } else if option.path.is_ident("crate") {
            Err(option.error("`crate` belongs on the struct"))
        } else {
            Err(options::unknown(option, "a field takes `static`"))
        }
    });
    is_static
}

fn each_option(
    attrs: &[Attribute],
    errors: &mut Errors,
    mut option: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("tree")) {
        options::of_attr(attr, errors, &mut option);
    }
}
