//! Questions that are answered by looking at tokens.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Meta, Type, Visibility};

/// Whether a type mentions a name.
///
/// By tokens, as types may be macro calls: a name too many is only a bound that holds anyway.
pub(crate) fn mentions(ty: &Type, ident: &Ident) -> bool {
    has_ident(ty.to_token_stream(), &|found| found == ident)
}

/// Whether one of the identifiers and keywords is asked for.
pub(crate) fn has_ident(tokens: TokenStream, is_asked_for: &dyn Fn(&Ident) -> bool) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(found) => is_asked_for(&found),
        TokenTree::Group(group) => has_ident(group.stream(), is_asked_for),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The first `self` that is written.
pub(crate) fn find_self(tokens: TokenStream) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(found) if found == "self" => Some(found),
        TokenTree::Group(group) => find_self(group.stream()),
        _ => None,
    })
}

/// The type within parentheses, and within the invisible brackets of what came through a `macro_rules!` as `$ty:ty`.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(ty) => ungrouped(&ty.elem),
        Type::Paren(ty) => ungrouped(&ty.elem),
        ty => ty,
    }
}

/// An identifier of the user's, with its span, as one of the expansion's own: the compiler then knows that lints about it are
/// not for the user. Names of items mean what they meant; a variable's would not.
pub(crate) fn generated(ident: &Ident) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(Span::mixed_site().located_at(ident.span()));
    ident
}

/// What the user allows for an item and its parts, to be allowed where the expansion repeats them.
pub(crate) fn allowed<'a>(attrs: impl Iterator<Item = &'a Attribute>) -> TokenStream {
    let lints = attrs.filter_map(|attr| match &attr.meta {
        Meta::List(list) if list.path.is_ident("allow") || list.path.is_ident("expect") => Some(&list.tokens),
        _ => None,
    });
    lints.map(|lints| quote_spanned!(Span::mixed_site()=> #[allow(#lints)])).collect()
}

/// Where an item says what it is: behind its attributes and its visibility.
pub(crate) fn keyword(item: TokenStream) -> Span {
    let start = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        let span = input.span();
        input.parse::<TokenStream>()?;
        Ok(span)
    };
    start.parse2(item).unwrap_or_else(|_| Span::call_site())
}

/// Moves tokens to another span, while they keep meaning what they mean.
pub(crate) fn located_at(tokens: impl ToTokens, at: Span) -> TokenStream {
    let tokens = tokens.to_token_stream().into_iter().map(|mut token| {
        token.set_span(token.span().located_at(at));
        token
    });
    tokens.collect()
}

/// The tokens without the attributes `#[helper]` and `#[helper(…)]`, at any depth.
///
/// Beside an error, a helper attribute left behind would be the next error: nobody knows it but its macro.
pub(crate) fn without_attributes(tokens: TokenStream, helpers: &[&str]) -> TokenStream {
    let mut kept = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let token = match token {
            TokenTree::Punct(pound) if pound.as_char() == '#' => {
                if tokens.next_if(|next| is_attribute(next, helpers)).is_some() {
                    continue;
                }
                TokenTree::Punct(pound)
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_attributes(group.stream(), helpers));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            other => other,
        };
        kept.extend([token]);
    }
    kept
}

/// Whether the token is the `[helper …]` of an attribute.
fn is_attribute(token: &TokenTree, helpers: &[&str]) -> bool {
    let TokenTree::Group(group) = token else { return false };
    let first = group.stream().into_iter().next().map(|first| first.to_string());
    group.delimiter() == Delimiter::Bracket && first.is_some_and(|first| helpers.contains(&first.as_str()))
}
