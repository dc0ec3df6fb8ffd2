//! Attributes that depend on the configuration, which the compiler expands only after an attribute macro has run.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, ItemStruct, Meta, Token, parse_quote};

use super::attr;
use crate::errors::Errors;

/// The struct as it is where the first condition holds and as it is where not, for the compiler to choose: then the macro
/// runs again. None if there is no `cfg_attr`.
pub(super) fn resolve(args: &TokenStream, item: &ItemStruct) -> Option<TokenStream> {
    let condition = attributes(item).find_map(Conditional::read)?.condition;
    let options = attr::of_struct(args.clone(), &mut Errors::default());
    let krate = options.krate.unwrap_or_else(|| parse_quote!(::flaxen));
    let (holds, fails) = (chosen(item, &condition, true), chosen(item, &condition, false));
    Some(quote_spanned! {Span::mixed_site()=>
        #[cfg(#condition)]
        #[#krate::__private::module(#args)]
        #holds
        #[cfg(not(#condition))]
        #[#krate::__private::module(#args)]
        #fails
    })
}

fn attributes(item: &ItemStruct) -> impl Iterator<Item = &Attribute> {
    item.attrs.iter().chain(item.fields.iter().flat_map(|field| &field.attrs))
}

/// The struct with the attributes that a condition brings, or without.
fn chosen(item: &ItemStruct, condition: &TokenStream, holds: bool) -> ItemStruct {
    let mut item = item.clone();
    choose(&mut item.attrs, condition, holds);
    for field in &mut item.fields {
        choose(&mut field.attrs, condition, holds);
    }
    item
}

fn choose(attrs: &mut Vec<Attribute>, condition: &TokenStream, holds: bool) {
    let condition = condition.to_string();
    let chosen = std::mem::take(attrs).into_iter().flat_map(|attr| match Conditional::read(&attr) {
        Some(found) if found.condition.to_string() == condition => {
            if holds {
                found.attributes
            } else {
                Vec::new()
            }
        }
        _ => vec![attr],
    });
    attrs.extend(chosen);
}

/// `#[cfg_attr(condition, attributes)]`.
struct Conditional {
    condition: TokenStream,
    attributes: Vec<Attribute>,
}

impl Conditional {
    fn read(attr: &Attribute) -> Option<Conditional> {
        let Meta::List(list) = &attr.meta else { return None };
        if !list.path.is_ident("cfg_attr") {
            return None;
        }
        let mut tokens = list.tokens.clone().into_iter();
        let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
        let condition: TokenStream = tokens.by_ref().take_while(|token| !is_comma(token)).collect();
        // What does not parse is the compiler's to report.
        let metas = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens.collect()).ok()?;
        let written = |meta: Meta| Attribute { meta, ..attr.clone() };
        let attributes = metas.into_iter().map(written).collect();
        (!condition.is_empty()).then_some(Conditional { condition, attributes })
    }
}
