//! `#[derive(Tree)]`.

mod attr;
mod bound;
mod expand;
mod fallback;
mod model;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let tree = model::TreeStruct::from_syn(&input, &mut errors);
    if errors.is_empty() { expand::tree(&tree) } else { fallback::tree(&tree, errors) }
}
