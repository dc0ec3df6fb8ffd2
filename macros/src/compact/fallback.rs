//! What is generated beside an error.

use proc_macro2::TokenStream;

use crate::errors::Errors;
use crate::tokens::without_attributes;

/// The user's method as it stands: uncaptured, but there for those who call it.
pub(super) fn method(item: TokenStream, errors: Errors) -> TokenStream {
    let mut tokens = without_attributes(item, &["compact"]);
    tokens.extend(errors.into_tokens());
    tokens
}
