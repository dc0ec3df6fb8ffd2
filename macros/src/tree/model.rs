//! What was written, checked.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Fields, Generics, Member, Path, Type, parse_quote};

use super::attr;
use crate::errors::Errors;
use crate::tokens::{allowed, generated};

/// A struct that becomes a tree.
pub(super) struct TreeStruct<'a> {
    pub(super) ident: Ident,
    pub(super) generics: &'a Generics,
    /// What the user allows for the struct and its fields.
    pub(super) allowed: TokenStream,
    /// Where Flaxen is.
    pub(super) krate: Path,
    /// In the order of declaration; none if the input is no struct.
    pub(super) fields: Vec<TreeField<'a>>,
}

pub(super) struct TreeField<'a> {
    pub(super) member: Member,
    /// The name as users say it, without `r#`; a tuple struct has none.
    pub(super) key: Option<String>,
    pub(super) ty: &'a Type,
    pub(super) is_static: bool,
}

impl<'a> TreeStruct<'a> {
    /// Reads as much as there is: a mistake goes to `errors`, and what it concerns is left out.
    pub(super) fn from_syn(input: &'a DeriveInput, errors: &mut Errors) -> TreeStruct<'a> {
        for lifetime in input.generics.lifetimes() {
            errors.at(lifetime, "a tree owns its tensors: a struct with a lifetime cannot be one");
        }
        let krate = attr::of_struct(&input.attrs, errors).unwrap_or_else(|| parse_quote!(::flaxen));
        let fields = match &input.data {
            Data::Struct(data) => fields(&data.fields, errors),
            Data::Enum(data) => {
                errors.at(data.enum_token, not_a_struct("enum"));
                Vec::new()
            }
            Data::Union(data) => {
                errors.at(data.union_token, not_a_struct("union"));
                Vec::new()
            }
        };
        let (ident, generics) = (unless_deprecated(&input.ident, &input.attrs), &input.generics);
        TreeStruct { ident, generics, allowed: allowed(attributes(input)), krate, fields }
    }

    /// What the type is called in its structure.
    pub(super) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }
}

fn fields<'a>(fields: &'a Fields, errors: &mut Errors) -> Vec<TreeField<'a>> {
    let read = |(member, field): (Member, &'a syn::Field)| TreeField {
        member: match member {
            Member::Named(ident) => Member::Named(unless_deprecated(&ident, &field.attrs)),
            Member::Unnamed(index) => Member::Unnamed(index),
        },
        key: field.ident.as_ref().map(|ident| ident.unraw().to_string()),
        ty: &field.ty,
        is_static: attr::of_field(&field.attrs, errors),
    };
    fields.members().zip(fields).map(read).collect()
}

/// The user's identifier; that of something deprecated as the expansion's own, as its deprecation is no news there.
fn unless_deprecated(ident: &Ident, attrs: &[Attribute]) -> Ident {
    if attrs.iter().any(|attr| attr.path().is_ident("deprecated")) { generated(ident) } else { ident.clone() }
}

fn attributes(input: &DeriveInput) -> impl Iterator<Item = &Attribute> {
    let fields = match &input.data {
        Data::Struct(data) => Some(&data.fields),
        Data::Enum(_) | Data::Union(_) => None,
    };
    input.attrs.iter().chain(fields.into_iter().flatten().flat_map(|field| &field.attrs))
}

fn not_a_struct(what: &str) -> String {
    format!(
        "`Tree` can be derived for a struct only; implement it by hand, or put the {what} in a `#[tree(static)]` field"
    )
}
