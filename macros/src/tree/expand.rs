//! What is generated.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Generics, Path};

use super::bound;
use super::model::{TreeField, TreeStruct};

pub(super) fn tree(tree: &TreeStruct<'_>) -> TokenStream {
    let (name, count) = (tree.name(), tree.fields.len());
    let krate = &tree.krate;
    let walks = tree.fields.iter().map(|field| walk(krate, field));
    let with_leaves = || tree.fields.iter().filter(|field| !field.is_static);
    let leaves = with_leaves().map(|field| into_leaves(krate, field));
    let donation = with_leaves().map(|field| donate(krate, field));
    let builds = tree.fields.iter().map(|field| build(krate, field));
    let at = Span::mixed_site();
    let bodies = TreeBodies {
        walk: quote_spanned!(at=> visit(#krate::tree::Token::Node(#krate::tree::NodeKind::Struct(#name), #count)); #(#walks)*),
        into_leaves: if with_leaves().next().is_none() {
            quote_spanned!(at=> let _ = leaves;)
        } else {
            quote_spanned!(at=> #(#leaves)*)
        },
        donate: with_leaves().next().map(|_| quote_spanned!(at=> #(#donation)*)),
        build: quote_spanned!(at=> from.expect(#krate::tree::NodeKind::Struct(#name), #count)?; ::core::result::Result::Ok(Self { #(#builds),* })),
    };
    implementation(tree, &bound::with_bounds(tree), &bodies)
}

/// The bodies of the methods; their parameters are `visit`, `leaves`, `donation` and `from`.
pub(super) struct TreeBodies {
    pub(super) walk: TokenStream,
    pub(super) into_leaves: TokenStream,
    /// None for what the trait does by itself.
    pub(super) donate: Option<TokenStream>,
    pub(super) build: TokenStream,
}

pub(super) fn implementation(tree: &TreeStruct<'_>, generics: &Generics, bodies: &TreeBodies) -> TokenStream {
    let TreeStruct { ident, krate, allowed, .. } = tree;
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let TreeBodies { walk, into_leaves, donate, build } = bodies;
    let donate = donate.iter().map(|body| {
        quote_spanned!(Span::mixed_site()=> fn donate(self, donation: &mut #krate::tree::Donation) { #body })
    });
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        #allowed
        impl #impl_generics #krate::tree::Tree for #ident #ty_generics #where_clause {
            fn walk<'__a>(&'__a self, visit: &mut dyn ::core::ops::FnMut(#krate::tree::Token<'__a>)) {
                #walk
            }
            fn into_leaves(self, leaves: &mut ::std::vec::Vec<#krate::Tensor>) {
                #into_leaves
            }
            #(#donate)*
            fn build(from: &mut #krate::tree::Builder<'_>) -> #krate::Result<Self> {
                #build
            }
        }
    }
}

fn walk(krate: &Path, field: &TreeField<'_>) -> TokenStream {
    let TreeField { member, ty, .. } = field;
    let at = Span::mixed_site();
    let key = field.key.iter().map(|key| quote_spanned!(at=> visit(#krate::tree::Token::Key(#key));));
    let value = if field.is_static {
        let value = quote_spanned!(on_type(field)=> &self.#member);
        quote_spanned!(at=> visit(#krate::tree::Token::Static(#value));)
    } else {
        quote_spanned!(at=> <#ty as #krate::tree::Tree>::walk(&self.#member, visit);)
    };
    quote_spanned!(at=> #(#key)* #value)
}

fn into_leaves(krate: &Path, TreeField { member, ty, .. }: &TreeField<'_>) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> <#ty as #krate::tree::Tree>::into_leaves(self.#member, leaves);)
}

fn donate(krate: &Path, TreeField { member, ty, .. }: &TreeField<'_>) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> <#ty as #krate::tree::Tree>::donate(self.#member, donation);)
}

fn build(krate: &Path, field: &TreeField<'_>) -> TokenStream {
    let TreeField { member, ty, .. } = field;
    let at = Span::mixed_site();
    let value = if field.is_static {
        quote_spanned!(at=> from.fixed::<#ty>()?)
    } else {
        quote_spanned!(at=> <#ty as #krate::tree::Tree>::build(from)?)
    };
    if field.key.is_some() {
        quote_spanned!(at=> #member: { from.key()?; #value })
    } else {
        quote_spanned!(at=> #member: #value)
    }
}

/// Puts rustc's message on the field's type, while names keep resolving as in the rest of the expansion.
fn on_type(field: &TreeField<'_>) -> Span {
    Span::mixed_site().located_at(field.ty.span())
}
