//! The bounds that the fields ask for.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Generics, WherePredicate, parse_quote_spanned};

use super::model::{ModuleField, ModuleStruct, Role};
use crate::tokens::mentions;

/// The generics of the struct, with a bound for each field whose type mentions a type parameter.
///
/// The bound is on the field's type, which asks neither too much (`PhantomData<T>` is no module) nor too little.
pub(super) fn with_bounds(module: &ModuleStruct<'_>) -> Generics {
    let mut generics = module.item.generics.clone();
    if generics.type_params().next().is_none() {
        return generics;
    }
    let predicates: Vec<_> = module.fields.iter().flat_map(|field| bounds(module, field)).collect();
    if !predicates.is_empty() {
        let mut seen = BTreeSet::new();
        let new = predicates.into_iter().filter(|bound| seen.insert(bound.to_token_stream().to_string()));
        generics.make_where_clause().predicates.extend(new);
    }
    generics
}

fn bounds(module: &ModuleStruct<'_>, field: &ModuleField<'_>) -> Vec<WherePredicate> {
    let at = field.on_type;
    let ty = field.ty;
    let generics = &module.item.generics;
    let mentioned = generics.type_params().map(|param| &param.ident).filter(|ident| mentions(ty, ident));
    if mentions_itself(module, field) {
        // `Vec<Node<T>>: Clone` as a condition of `Node<T>: Clone` would be a circle.
        let bound = of_a_value(&field.role, at);
        mentioned.map(|ident| parse_quote_spanned!(at=> #ident: #bound)).collect()
    } else {
        let bound = of_a_field(module, &field.role, at);
        if field.cfgs.is_empty() {
            mentioned.take(1).map(|_| parse_quote_spanned!(at=> #ty: #bound)).collect()
        } else {
            // The type of a field that is configured out need not exist.
            mentioned.map(|ident| parse_quote_spanned!(at=> #ident: #bound)).collect()
        }
    }
}

fn of_a_field(module: &ModuleStruct<'_>, role: &Role, at: Span) -> TokenStream {
    let krate = &module.krate;
    let value = of_a_value(role, at);
    match role {
        Role::Required | Role::Default(_) | Role::Flag => value,
        Role::Submodule | Role::Setup(_) => quote_spanned!(at=> #krate::__private::Child + #value),
    }
}

fn of_a_value(role: &Role, at: Span) -> TokenStream {
    let eq = (!matches!(role, Role::Setup(_))).then(|| quote_spanned!(at=> + ::core::cmp::PartialEq));
    quote_spanned! {at=>
        ::core::clone::Clone + ::core::fmt::Debug #eq + ::core::marker::Send + ::core::marker::Sync + 'static
    }
}

fn mentions_itself(module: &ModuleStruct<'_>, field: &ModuleField<'_>) -> bool {
    let ident = &module.item.ident;
    mentions(field.ty, ident) || mentions(field.ty, &Ident::new("Self", ident.span()))
}
