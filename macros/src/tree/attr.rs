//! The grammar of `#[tree(…)]`.

use proc_macro2::TokenTree;
use syn::meta::ParseNestedMeta;
use syn::parse::ParseStream;
use syn::{Attribute, LitStr, Path, Result, Token};

use crate::errors::Errors;

/// The path of Flaxen, where the struct says one.
pub(super) fn of_struct(attrs: &[Attribute], errors: &mut Errors) -> Option<Path> {
    let mut krate = None;
    each_option(attrs, errors, |option| {
        if option.path.is_ident("crate") {
            refuse_second(option, krate.is_some(), "crate")?;
            krate = Some(path(option.value()?)?);
            Ok(())
        } else if option.path.is_ident("static") {
            Err(option.error("`static` belongs on a field"))
        } else {
            Err(unknown(option, "a struct takes `crate = path`"))
        }
    });
    krate
}

/// Whether the field is static.
pub(super) fn of_field(attrs: &[Attribute], errors: &mut Errors) -> bool {
    let mut is_static = false;
    each_option(attrs, errors, |option| {
        if option.path.is_ident("static") {
            refuse_second(option, is_static, "static")?;
            is_static = true;
            if ends(option.input) { Ok(()) } else { Err(option.error("`static` takes no value")) }
        } else if option.path.is_ident("crate") {
            Err(option.error("`crate` belongs on the struct"))
        } else {
            Err(unknown(option, "a field takes `static`"))
        }
    });
    is_static
}

/// Goes on after an option in error, so that the next one is checked, too.
fn each_option(
    attrs: &[Attribute],
    errors: &mut Errors,
    mut option: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("tree")) {
        let parsed = attr.parse_nested_meta(|meta| {
            if let Err(error) = option(&meta) {
                errors.push(error);
                while !ends(meta.input) {
                    meta.input.parse::<TokenTree>()?;
                }
            }
            Ok(())
        });
        if let Err(error) = parsed {
            errors.push(error);
        }
    }
}

fn ends(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

fn path(input: ParseStream<'_>) -> Result<Path> {
    if input.peek(LitStr) {
        return Err(input.error("expected a path, not a string: `crate = my::path`"));
    }
    input.call(Path::parse_mod_style)
}

fn refuse_second(option: &ParseNestedMeta<'_>, seen: bool, name: &str) -> Result<()> {
    if seen { Err(option.error(format_args!("`{name}` is given twice"))) } else { Ok(()) }
}

fn unknown(option: &ParseNestedMeta<'_>, allowed: &str) -> syn::Error {
    let path: Vec<_> = option.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    option.error(format_args!("unknown option `{}`; {allowed}", path.join("::")))
}
