//! What is generated beside an error.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::expand::{TreeBodies, implementation};
use super::model::TreeStruct;
use crate::errors::Errors;

/// An empty implementation: without it, every use of the type as a tree would be one more error.
pub(super) fn tree(tree: &TreeStruct<'_>, errors: Errors) -> TokenStream {
    let at = Span::mixed_site();
    let bodies = TreeBodies {
        walk: quote_spanned!(at=> let _ = visit;),
        into_leaves: quote_spanned!(at=> let _ = leaves;),
        donate: None,
        build: quote_spanned!(at=> let _ = from; ::core::unreachable!()),
    };
    let mut tokens = implementation(tree, tree.generics, &bodies);
    tokens.extend(errors.into_tokens());
    tokens
}
