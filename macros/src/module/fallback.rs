//! What is generated beside an error.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Fields, Generics, Item, WherePredicate, parse_quote};

use super::attr::{self, HELPERS};
use super::expand::{Head, ModuleBodies, inherent, traits, without_helpers};
use super::model::ModuleStruct;
use super::{bound, valid};
use crate::errors::Errors;
use crate::tokens::{keyword, without_attributes};

/// The user's struct, and stubs of what would be generated: without them, every use of it would be one more error.
pub(super) fn module(module: &ModuleStruct<'_>, errors: Errors) -> TokenStream {
    let mut item = without_helpers(module.item);
    for field in &mut item.fields {
        field.default = None;
    }
    let mut tokens = item.into_token_stream();
    let bodies = stubs(module.settable().count());
    let generics = owned(bound::with_bounds(module));
    if !matches!(module.item.fields, Fields::Unnamed(_)) {
        tokens.extend(inherent(module, &module.item.generics, &bodies));
    }
    tokens.extend(traits(&Head::of(module, &generics), &module.derives.ours, &bodies));
    tokens.extend(errors.into_tokens());
    tokens
}

/// What is no struct, with the error on its keyword or name.
pub(super) fn other(args: TokenStream, item: &Item, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = attr::of_struct(args, &mut errors);
    let (ident, generics, attrs) = match item {
        Item::Enum(item) => {
            errors.at(item.enum_token, not_a_struct("enum"));
            (&item.ident, &item.generics, &item.attrs)
        }
        Item::Union(item) => {
            errors.at(item.union_token, not_a_struct("union"));
            (&item.ident, &item.generics, &item.attrs)
        }
        _ => {
            errors.push(misplaced(item));
            let errors = errors.into_tokens();
            return quote_spanned!(Span::call_site()=> #tokens #errors);
        }
    };
    let krate = options.krate.unwrap_or_else(|| parse_quote!(::flaxen));
    let name = options.name.unwrap_or_else(|| ident.unraw().to_string());
    let generics = owned(generics.clone());
    let head = Head { krate: &krate, ident, name: &name, generics: &generics, derives_hash: false };
    let mut all = without_attributes(tokens, &HELPERS);
    all.extend(traits(&head, &implemented(attrs), &stubs(0)));
    all.extend(errors.into_tokens());
    all
}

/// What does not parse, which the compiler reports, too.
pub(super) fn half_typed(tokens: TokenStream, error: syn::Error) -> TokenStream {
    let mut all = without_attributes(tokens, &HELPERS);
    all.extend(error.into_compile_error());
    all
}

fn not_a_struct(what: &str) -> String {
    format!("a module is a struct with named fields: put the {what} in a field of one")
}

fn misplaced(item: &Item) -> syn::Error {
    let on_methods = "`#[module]` goes on the struct; a method of it takes `#[compact]`";
    match item {
        Item::Fn(item) => syn::Error::new_spanned(&item.sig.ident, on_methods),
        Item::Impl(item) => syn::Error::new_spanned(item.impl_token, on_methods),
        _ => {
            let message = "`#[module]` goes on a struct: its fields are the configuration";
            syn::Error::new(keyword(item.to_token_stream()), message)
        }
    }
}

/// Which of our traits the derives implement.
fn implemented(attrs: &[Attribute]) -> Vec<&'static str> {
    valid::attributes(attrs, &mut Errors::default()).ours
}

/// With what every module must be, as the fields of a type in error may not say so.
fn owned(mut generics: Generics) -> Generics {
    let types: Vec<Ident> = generics.type_params().map(|param| param.ident.clone()).collect();
    let lifetimes: Vec<_> = generics.lifetimes().map(|param| param.lifetime.clone()).collect();
    if types.is_empty() && lifetimes.is_empty() {
        return generics;
    }
    let predicates = &mut generics.make_where_clause().predicates;
    predicates.extend(types.iter().map(|ident| -> WherePredicate {
        parse_quote!(#ident: ::core::marker::Send + ::core::marker::Sync + 'static)
    }));
    predicates
        .extend(lifetimes.iter().map(|lifetime| -> WherePredicate { parse_quote!(#lifetime: 'static) }));
    generics
}

fn stubs(setters: usize) -> ModuleBodies {
    let stub = quote_spanned!(Span::mixed_site()=> ::core::unreachable!());
    ModuleBodies {
        new: stub.clone(),
        setters: vec![stub.clone(); setters],
        clone: stub.clone(),
        eq: stub.clone(),
        debug: stub.clone(),
        slot: stub.clone(),
        attach: stub.clone(),
        fields: stub,
        setup: TokenStream::new(),
        allow: quote_spanned!(Span::mixed_site()=> #[allow(deprecated, unused_variables)]),
    }
}
