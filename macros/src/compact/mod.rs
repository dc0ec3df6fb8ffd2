//! `#[compact]`.

mod arguments;
mod bind_child;
mod expand;
mod fallback;
mod model;
mod tails;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;

use crate::errors::Errors;

pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = model::Options::read(args, &mut errors);
    let method = match model::Method::read(item.clone(), &mut errors) {
        Ok(method) => method,
        Err(error) => {
            errors.push(error);
            return fallback::method(item, errors);
        }
    };
    match method.checked(&mut errors) {
        Some(checked) if errors.is_empty() => expand::method(&method, &checked, &options),
        _ => fallback::method(item, errors),
    }
}
