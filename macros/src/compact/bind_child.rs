//! Modules that are called where they are built, and those that a `let` or a loop holds, become children.

use std::collections::HashSet;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    AngleBracketedGenericArguments, Block, Expr, ExprBlock, ExprConst, ExprForLoop, ExprMethodCall,
    ExprRepeat, Item, Local, Macro, Stmt, Token, Type, UnOp, parse2,
};

use super::arguments;
use super::model::Options;
use super::tails;
use crate::tokens::located_at;

/// The body in which what a `let` or a loop holds is `bind_child(self, built)`, and each `built.call(…)` or `built.run(…)` is `bind_child(self, built).call(…)`, where `built` is what makes a value: a call,
/// with any setters and `?`, a block, a `match`. Whether the value is a module, its type says: what is none is left as it is.
///
/// A body without any, or one that does not parse, is what it was, token by token.
pub(super) fn children(body: &Group, options: &Options, this: Token![self]) -> Body {
    let tokens = TokenTree::from(body.clone()).into();
    let Ok(mut block) = parse2::<Block>(TokenStream::clone(&tokens)) else {
        return Body { tokens, binds: false };
    };
    let named_later = tails::named_later(&block);
    let mut children = BindChildren { options, this, named_later, bound: false };
    children.visit_block_mut(&mut block);
    let binds = children.bound;
    Body { tokens: if binds { block.into_token_stream() } else { tokens }, binds }
}

/// A method's body with its braces.
pub(super) struct Body {
    pub(super) tokens: TokenStream,
    /// Whether anything in it is bound, if it is a module.
    pub(super) binds: bool,
}

pub(super) struct BindChildren<'a> {
    options: &'a Options,
    this: Token![self],
    /// The names of modules that are named where they are passed to `child_named`.
    named_later: HashSet<Ident>,
    pub(super) bound: bool,
}

impl BindChildren<'_> {
    fn receiver(&mut self, receiver: &mut Expr) {
        match receiver {
            // Parentheses are needed around no `match`, and the compiler warns of them.
            Expr::Paren(inner) if !is_place(&inner.expr) => {
                *receiver = (*inner.expr).clone();
                self.receiver(receiver);
            }
            Expr::Group(inner) => self.receiver(&mut inner.expr),
            Expr::Reference(inner) => self.receiver(&mut inner.expr),
            Expr::Paren(inner) => self.receiver(&mut inner.expr),
            built if is_place(built) || is_bound(built) => {}
            built => {
                *built = self.child(built);
                self.bound = true;
            }
        }
    }

    /// Binds what an expression builds, where it builds it.
    fn built(&mut self, expr: &mut Expr) {
        let mut bound = false;
        tails::builders(expr, &mut |built| {
            *built = self.child(built);
            bound = true;
        });
        self.bound |= bound;
    }

    /// As [`built`](Self::built), in the body of a closure.
    fn built_anew(&mut self, body: &mut Expr) {
        let mut bound = false;
        tails::builders(body, &mut |built| {
            if tails::is_new(built) {
                *built = self.child(built);
                bound = true;
            }
        });
        self.bound |= bound;
    }

    /// As if the user had written it: of an expression that begins in an expansion, the compiler says that it is the
    /// attribute, and puts its suggestions there.
    fn child(&self, built: &Expr) -> Expr {
        let at = built.span();
        let inner = Span::mixed_site().located_at(at);
        let this = located_at(self.this, at);
        let p = self.options.private(inner);
        let is_value = makes_a_value(built);
        let arm = if is_value {
            quote_spanned!(inner=> built => #p::Built(&built).__child_binder()(#this, built))
        } else {
            quote_spanned!(inner=> built => #p::Built(built).__bind_child(#this))
        };
        let built = match built {
            // A block of a single expression is that expression; any other, matched upon, is something to warn of.
            Expr::Block(ExprBlock { block, label: None, attrs }) if attrs.is_empty() => {
                match &block.stmts[..] {
                    [Stmt::Expr(only, None)] => only.to_token_stream(),
                    _ => quote_spanned!(inner=> ::core::convert::identity(#built)),
                }
            }
            Expr::Block(_) | Expr::Unsafe(_) => quote_spanned!(inner=> ::core::convert::identity(#built)),
            _ => built.to_token_stream(),
        };
        let reference = (!is_value).then(|| quote_spanned!(at=> &));
        Expr::Verbatim(quote_spanned!(at=> match #reference #built { #arm }))
    }
}

impl VisitMut for BindChildren<'_> {
    fn visit_expr_method_call_mut(&mut self, call: &mut ExprMethodCall) {
        visit_mut::visit_expr_method_call_mut(self, call);
        if call.method == "call" || call.method == "run" {
            self.receiver(&mut call.receiver);
        }
        // `(0..n).map(|_| Dense::new(4)).collect()`, whatever is made of it.
        if call.method == "map"
            && let [Expr::Closure(closure)] = &mut call.args.iter_mut().collect::<Vec<_>>()[..]
        {
            self.built_anew(&mut closure.body);
        }
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        visit_mut::visit_local_mut(self, local);
        let is_named_here = tails::name_of(local).is_some_and(|name| !self.named_later.contains(name));
        if is_named_here && let Some(init) = &mut local.init {
            self.built(&mut init.expr);
        }
    }

    fn visit_expr_for_loop_mut(&mut self, each: &mut ExprForLoop) {
        visit_mut::visit_expr_for_loop_mut(self, each);
        if matches!(*each.expr, Expr::Array(_) | Expr::Macro(_)) {
            self.built(&mut each.expr);
        }
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        arguments::visit(mac, self);
    }

    /// Where there is another `self`, or none.
    fn visit_item_mut(&mut self, _: &mut Item) {}

    fn visit_expr_const_mut(&mut self, _: &mut ExprConst) {}

    fn visit_expr_repeat_mut(&mut self, array: &mut ExprRepeat) {
        self.visit_expr_mut(&mut array.expr);
    }

    fn visit_type_mut(&mut self, _: &mut Type) {}

    fn visit_angle_bracketed_generic_arguments_mut(&mut self, _: &mut AngleBracketedGenericArguments) {}
}

/// Whether the expression is something that is there already, or surely no module.
fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Paren(inner) => is_place(&inner.expr),
        Expr::Group(inner) => is_place(&inner.expr),
        Expr::Unary(unary) => matches!(unary.op, UnOp::Deref(_)),
        _ => matches!(
            expr,
            Expr::Path(_)
                | Expr::Field(_)
                | Expr::Index(_)
                | Expr::Lit(_)
                | Expr::Closure(_)
                | Expr::Array(_)
                | Expr::Tuple(_)
                | Expr::Range(_)
        ),
    }
}

/// Whether it is written whose child the module is.
pub(super) fn is_bound(expr: &Expr) -> bool {
    let is_child = |name: &Ident| name == "child" || name == "child_named";
    match expr {
        Expr::MethodCall(call) => is_child(&call.method),
        Expr::Call(call) => {
            let Expr::Path(function) = &*call.func else { return false };
            function.path.segments.last().is_some_and(|last| is_child(&last.ident))
        }
        _ => false,
    }
}

/// Whether a macro's value may be taken; that of another may be a place expression, which has to stay.
fn makes_a_value(expr: &Expr) -> bool {
    let Expr::Macro(expr) = expr else { return true };
    expr.mac.path.segments.last().is_some_and(|name| name.ident == "sequential")
}
