//! What the grammars of all options have in common.

use proc_macro2::{TokenStream, TokenTree};
use syn::meta::ParseNestedMeta;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, LitStr, Path, Result, Token};

use crate::errors::Errors;

/// Reads the options of an attribute on part of an item, such as `#[tree(static)]`.
///
/// It goes on after an option in error, so that the next one is checked, too.
pub(crate) fn of_attr(
    attr: &Attribute,
    errors: &mut Errors,
    mut option: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>,
) {
    let parsed = attr.parse_nested_meta(|meta| go_on(&meta, option(&meta), errors));
    if let Err(error) = parsed {
        errors.push(error);
    }
}

/// Reads the arguments of an attribute macro, such as `#[module(name = "Conv")]`.
pub(crate) fn of_macro(
    args: TokenStream,
    errors: &mut Errors,
    mut option: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>,
) {
    let parsed = syn::meta::parser(|meta| go_on(&meta, option(&meta), errors)).parse2(args);
    if let Err(error) = parsed {
        errors.push(error);
    }
}

fn go_on(option: &ParseNestedMeta<'_>, read: Result<()>, errors: &mut Errors) -> Result<()> {
    if let Err(error) = read {
        errors.push(error);
        while !ends(option.input) {
            option.input.parse::<TokenTree>()?;
        }
    }
    Ok(())
}

/// Whether nothing follows that belongs to the option.
pub(crate) fn ends(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

/// The path in `crate = path`.
pub(crate) fn krate(option: &ParseNestedMeta<'_>) -> Result<Path> {
    let input = option.value()?;
    if input.peek(LitStr) {
        return Err(input.error("expected a path, not a string: `crate = my::path`"));
    }
    input.call(Path::parse_mod_style)
}

pub(crate) fn refuse_value(option: &ParseNestedMeta<'_>, name: &str) -> Result<()> {
    if ends(option.input) { Ok(()) } else { Err(option.error(format_args!("`{name}` takes no value"))) }
}

pub(crate) fn refuse_second(option: &ParseNestedMeta<'_>, seen: bool, name: &str) -> Result<()> {
    if seen { Err(option.error(format_args!("`{name}` is given twice"))) } else { Ok(()) }
}

/// The error for an option that nobody knows; `allowed` lists what there is.
pub(crate) fn unknown(option: &ParseNestedMeta<'_>, allowed: &str) -> syn::Error {
    let path: Vec<_> = option.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    option.error(format_args!("unknown option `{}`; {allowed}", path.join("::")))
}
