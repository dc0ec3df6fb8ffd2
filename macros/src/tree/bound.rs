//! The bounds that the fields ask for.

use std::collections::BTreeSet;

use proc_macro2::Ident;
use quote::{ToTokens, quote};
use syn::{Generics, Type, WherePredicate, parse_quote};

use super::model::{TreeField, TreeStruct};
use crate::tokens::mentions;

/// The generics of the struct, with a bound for each field whose type mentions a type parameter.
///
/// The bound is on the field's type, which asks neither too much (`PhantomData<T>` needs no `T: Tree`) nor too little.
pub(super) fn with_bounds(tree: &TreeStruct<'_>) -> Generics {
    let mut generics = tree.generics.clone();
    let predicates: Vec<_> = tree.fields.iter().flat_map(|field| bounds(tree, field)).collect();
    if !predicates.is_empty() {
        let mut seen = BTreeSet::new();
        let new = predicates.into_iter().filter(|bound| seen.insert(bound.to_token_stream().to_string()));
        generics.make_where_clause().predicates.extend(new);
    }
    generics
}

fn bounds(tree: &TreeStruct<'_>, field: &TreeField<'_>) -> Vec<WherePredicate> {
    let krate = &tree.krate;
    let bound = if field.is_static {
        quote!(
            ::core::cmp::PartialEq
                + ::core::clone::Clone
                + ::core::fmt::Debug
                + ::core::marker::Send
                + ::core::marker::Sync
                + 'static
        )
    } else {
        quote!(#krate::tree::Tree)
    };
    let mentioned =
        tree.generics.type_params().map(|param| &param.ident).filter(|&ident| mentions(field.ty, ident));
    if mentions_itself(tree, field.ty) {
        // `Vec<Node<T>>: Tree` as a condition of `Node<T>: Tree` would be a circle.
        mentioned.map(|ident| parse_quote!(#ident: #bound)).collect()
    } else {
        let ty = field.ty;
        mentioned.take(1).map(|_| parse_quote!(#ty: #bound)).collect()
    }
}

fn mentions_itself(tree: &TreeStruct<'_>, ty: &Type) -> bool {
    mentions(ty, &tree.ident) || mentions(ty, &Ident::new("Self", tree.ident.span()))
}
