//! `#[module]`.

mod attr;
mod bound;
mod conditions;
mod expand;
mod fallback;
mod model;
#[cfg(test)]
mod tests;
mod valid;

use proc_macro2::TokenStream;
use syn::Item;

use crate::errors::Errors;

pub(crate) use valid::is_reserved;

pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2(item.clone()) {
        Ok(Item::Struct(item)) => {
            if let Some(tokens) = conditions::resolve(&args, &item) {
                return tokens;
            }
            let mut errors = Errors::default();
            let module = model::ModuleStruct::from_syn(args, &item, &mut errors);
            if errors.is_empty() { expand::module(&module) } else { fallback::module(&module, errors) }
        }
        Ok(other) => fallback::other(args, &other, item),
        Err(error) => fallback::half_typed(item, error),
    }
}
