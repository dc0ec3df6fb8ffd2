//! Tools of the unit tests.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;

/// Source text that two expansions have in common when they are the same program, a statement a line.
///
/// # Panics
/// If the tokens are no Rust items.
pub(crate) fn text(items: TokenStream) -> String {
    let file: syn::File = syn::parse2(items).expect("an expansion is a list of items");
    file.to_token_stream().to_string().replace("; ", ";\n").replace("{ ", "{\n")
}

/// The texts of the `compile_error!`s in an expansion.
pub(crate) fn messages(items: TokenStream) -> Vec<String> {
    let file: syn::File = syn::parse2(items).expect("an expansion is a list of items");
    let errors = file.items.into_iter().filter_map(|item| match item {
        syn::Item::Macro(item) if item.mac.path.segments.last()?.ident == "compile_error" => {
            Some(item.mac.tokens)
        }
        _ => None,
    });
    errors.map(|text| syn::parse2::<syn::LitStr>(text).expect("an error has a text").value()).collect()
}

/// What an editor sends while `tokens` are being typed: each prefix, with its open brackets closed.
pub(crate) fn prefixes(tokens: TokenStream) -> Vec<TokenStream> {
    let mut all = vec![TokenStream::new()];
    let mut so_far = TokenStream::new();
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            for inner in prefixes(group.stream()) {
                let mut prefix = so_far.clone();
                prefix.extend([TokenTree::from(Group::new(group.delimiter(), inner))]);
                all.push(prefix);
            }
        }
        so_far.extend([token]);
        all.push(so_far.clone());
    }
    all
}
