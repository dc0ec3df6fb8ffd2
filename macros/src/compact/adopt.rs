//! Modules that are called where they are built become children.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprCall, ExprConst, ExprMethodCall, Item, Macro, Result, Token, parse2};

use super::model::Options;
use crate::module::is_reserved;
use crate::tokens::located_at;

/// The body in which each `Type::new(…).call(…)` is `Module::child(self, Type::new(…)).call(…)`.
///
/// A body without any, or one that does not parse, is what it was, token by token.
pub(super) fn children(body: &Group, options: &Options, this: Token![self]) -> TokenStream {
    let tokens = TokenTree::from(body.clone()).into();
    let Ok(mut block) = parse2::<Block>(TokenStream::clone(&tokens)) else { return tokens };
    let mut adopt = Adopt { options, this, adopted: false };
    adopt.visit_block_mut(&mut block);
    if adopt.adopted { block.into_token_stream() } else { tokens }
}

struct Adopt<'a> {
    options: &'a Options,
    this: Token![self],
    adopted: bool,
}

impl VisitMut for Adopt<'_> {
    fn visit_expr_method_call_mut(&mut self, call: &mut ExprMethodCall) {
        visit_mut::visit_expr_method_call_mut(self, call);
        if call.method == "call" && is_built(&call.receiver) {
            // Parentheses are needed around no argument, and the compiler warns of them.
            let receiver = unparenthesized(&call.receiver);
            // All of it as if the user had written it: of an expression that begins in an expansion, the compiler says
            // that it is the attribute, and puts its suggestions there.
            let at = receiver.span();
            let (krate, this) = (self.options.krate(at), located_at(self.this, at));
            *call.receiver = Expr::Verbatim(quote_spanned!(at=> #krate::Module::child(#this, #receiver)));
            self.adopted = true;
        }
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        let outer = std::mem::take(&mut self.adopted);
        if let Ok(mut arguments) = Punctuated::<Expr, Separator>::parse_terminated.parse2(mac.tokens.clone())
        {
            for argument in &mut arguments {
                self.visit_expr_mut(argument);
            }
            if self.adopted {
                mac.tokens = arguments.into_token_stream();
            }
        }
        self.adopted |= outer;
    }

    /// Where there is another `self`, or none.
    fn visit_item_mut(&mut self, _: &mut Item) {}

    fn visit_expr_const_mut(&mut self, _: &mut ExprConst) {}
}

fn unparenthesized(expr: &Expr) -> &Expr {
    if let Expr::Paren(inner) = expr { unparenthesized(&inner.expr) } else { expr }
}

/// Between the expressions of a macro call such as `vec![x, y]` and `vec![x; 2]`.
enum Separator {
    Comma(Token![,]),
    Semi(Token![;]),
}

impl Parse for Separator {
    fn parse(input: ParseStream<'_>) -> Result<Separator> {
        if input.peek(Token![;]) {
            input.parse().map(Separator::Semi)
        } else {
            input.parse().map(Separator::Comma)
        }
    }
}

impl ToTokens for Separator {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Separator::Comma(comma) => comma.to_tokens(tokens),
            Separator::Semi(semi) => semi.to_tokens(tokens),
        }
    }
}

/// Whether the expression is `Type::new(…)` or alike, with any setters.
fn is_built(expr: &Expr) -> bool {
    match expr {
        Expr::Paren(inner) => is_built(&inner.expr),
        Expr::Group(inner) => is_built(&inner.expr),
        // A module's own methods, such as `init`, answer with something else than the module.
        Expr::MethodCall(setter) => !is_reserved(&setter.method) && is_built(&setter.receiver),
        Expr::Call(call) => is_constructor(call),
        _ => false,
    }
}

/// Whether the function is named as a type's own; a variant of an enum is named as a type.
fn is_constructor(call: &ExprCall) -> bool {
    let Expr::Path(function) = &*call.func else { return false };
    let starts_upper = |name: String| name.starts_with(char::is_uppercase);
    let mut names = function.path.segments.iter().rev().map(|segment| &segment.ident);
    let Some(name) = names.next() else { return false };
    let of_a_type = function.qself.is_some() || names.next().is_some_and(|ty| starts_upper(ty.to_string()));
    let is_adopted = name == "child" || name == "child_named";
    of_a_type && !is_adopted && !starts_upper(name.to_string())
}
