//! Modules that are called in the arguments of macros.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::visit_mut::VisitMut;
use syn::{Expr, Ident, Macro, Result, Token};

use super::bind_child::BindChildren;

/// Macros whose arguments are text rather than program.
const OF_TEXT: [&str; 4] = ["concat", "quote", "quote_spanned", "stringify"];

/// Visits all expressions of a macro call, with whatever else stands between them: patterns, guards, names.
///
/// Without any module that is called where it is built, the arguments are what they were, token by token.
pub(super) fn visit(mac: &mut Macro, children: &mut BindChildren<'_>) {
    if mac.path.segments.last().is_some_and(|name| OF_TEXT.iter().any(|of_text| name.ident == of_text)) {
        return;
    }
    let outer = std::mem::take(&mut children.bound);
    let visited = tokens(mac.tokens.clone(), children);
    if children.bound {
        mac.tokens = visited;
    }
    children.bound |= outer;
}

/// From left to right, the longest expressions there are; where none begins, a token, and what is in its brackets.
fn tokens(arguments: TokenStream, children: &mut BindChildren<'_>) -> TokenStream {
    let whole = arguments.clone();
    let parser = |input: ParseStream<'_>| {
        let mut visited = TokenStream::new();
        while !input.is_empty() {
            if begins_an_item(input) {
                item(input, &mut visited)?;
                continue;
            }
            let expression = input.fork();
            if let Ok(mut expr) = expression.parse::<Expr>() {
                syn::parse::discouraged::Speculative::advance_to(input, &expression);
                children.visit_expr_mut(&mut expr);
                expr.to_tokens(&mut visited);
                continue;
            }
            visited.extend([match input.parse()? {
                TokenTree::Group(group) => within(&group, tokens(group.stream(), children)).into(),
                other => other,
            }]);
        }
        Ok(visited)
    };
    parser.parse2(arguments).unwrap_or(whole)
}

fn within(group: &Group, tokens: TokenStream) -> Group {
    let mut visited = Group::new(group.delimiter(), tokens);
    visited.set_span(group.span());
    visited
}

/// Whether what follows has a `self` of its own, or none.
fn begins_an_item(input: ParseStream<'_>) -> bool {
    let is_named = input.peek2(Ident);
    let has_name_alone = [
        input.peek(Token![fn]),
        input.peek(Token![mod]),
        input.peek(Token![trait]),
        input.peek(Token![const]),
        input.peek(Token![static]),
    ];
    is_named && has_name_alone.contains(&true) || input.peek(Token![impl])
}

/// Passes an item on, up to its body's end.
fn item(input: ParseStream<'_>, visited: &mut TokenStream) -> Result<()> {
    while !input.is_empty() {
        let token: TokenTree = input.parse()?;
        let is_end = match &token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(punct) => punct.as_char() == ';',
            _ => false,
        };
        visited.extend([token]);
        if is_end {
            break;
        }
    }
    Ok(())
}
