//! Modules that a `let` or a loop holds: which expressions build them.
//!
//! As in Flax, a module is named where it is built. What is only an argument of another constructor is that module's own
//! submodule, and stays as it is. What a closure builds is named where the closure is called: by its call, or by the `let` that holds it.

use std::collections::HashSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprCall, ExprMethodCall, Ident, Local, Pat, Stmt, Token};

use super::bind_child::is_bound;
use crate::module::is_reserved;

/// Methods whose result's type is known only by what becomes of it, so that it cannot be asked whether it is a module.
const OF_ANY_TYPE: [&str; 9] =
    ["call", "collect", "into", "parse", "product", "run", "sum", "try_into", "unwrap_or_default"];

/// Calls `bind` for each expression that builds what `expr` is: its tails, through branches, blocks and lists.
pub(super) fn builders(expr: &mut Expr, bind: &mut dyn FnMut(&mut Expr)) {
    match expr {
        Expr::Paren(inner) => builders(&mut inner.expr, bind),
        Expr::Group(inner) => builders(&mut inner.expr, bind),
        Expr::If(branches) => {
            if let Some((_, otherwise)) = &mut branches.else_branch {
                tail(&mut branches.then_branch, bind);
                builders(otherwise, bind);
            }
        }
        Expr::Match(arms) => arms.arms.iter_mut().for_each(|arm| builders(&mut arm.body, bind)),
        Expr::Block(block) if block.label.is_none() => tail(&mut block.block, bind),
        Expr::Array(list) => list.elems.iter_mut().for_each(|element| builders(element, bind)),
        Expr::Tuple(list) => list.elems.iter_mut().for_each(|element| builders(element, bind)),
        Expr::Macro(list) if list.mac.path.is_ident("vec") => elements(&mut list.mac.tokens, bind),
        Expr::Macro(list) if list.mac.path.segments.last().is_some_and(|name| name.ident == "sequential") => {
            bind(expr);
        }
        // `build(..)?`, whose error is the method's.
        Expr::Try(tried) if is_builder(&tried.expr) => bind(expr),
        built if is_builder(built) => bind(built),
        _ => {}
    }
}

fn tail(block: &mut Block, bind: &mut dyn FnMut(&mut Expr)) {
    if let Some(Stmt::Expr(last, None)) = block.stmts.last_mut() {
        builders(last, bind);
    }
}

/// The elements of `vec![a, b]`; those of `vec![a; n]` are clones of one.
fn elements(tokens: &mut TokenStream, bind: &mut dyn FnMut(&mut Expr)) {
    let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
    let has_count =
        tokens.clone().into_iter().any(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ';'));
    if has_count {
        return;
    }
    if let Ok(mut list) = syn::parse::Parser::parse2(parser, tokens.clone()) {
        let mut bound = false;
        for element in &mut list {
            builders(element, &mut |expr| {
                bound = true;
                bind(expr);
            });
        }
        if bound {
            *tokens = quote::ToTokens::into_token_stream(list);
        }
    }
}

/// Whether the expression is a call that may build a module: `Type::new(..)` with setters, `helper(..)`, `self.helper(..)`.
fn is_builder(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => !is_bound(expr) && is_constructor(call),
        Expr::MethodCall(call) if is_bound(expr) || OF_ANY_TYPE.iter().any(|name| call.method == name) => {
            false
        }
        Expr::MethodCall(call) if is_self(&call.receiver) => is_helper(call),
        Expr::MethodCall(call) => is_builder(&call.receiver),
        Expr::Paren(inner) => is_builder(&inner.expr),
        Expr::Group(inner) => is_builder(&inner.expr),
        _ => false,
    }
}

/// A function or an associated function; not a variant, nor what is of any type.
fn is_constructor(call: &ExprCall) -> bool {
    let Expr::Path(function) = &*call.func else { return false };
    let Some(last) = function.path.segments.last() else { return false };
    let name = last.ident.unraw().to_string();
    let first = name.chars().next();
    first.is_some_and(|first| first.is_lowercase() || first == '_') && name != "default"
}

/// Whether it is `Type::new(..)` with setters, as modules are built, or `sequential![..]`.
pub(super) fn is_new(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => {
            let Expr::Path(function) = &*call.func else { return false };
            function.path.segments.len() > 1
                && function.path.segments.last().is_some_and(|last| last.ident == "new")
        }
        Expr::MethodCall(call) => is_new(&call.receiver),
        Expr::Paren(inner) => is_new(&inner.expr),
        Expr::Group(inner) => is_new(&inner.expr),
        Expr::Try(inner) => is_new(&inner.expr),
        Expr::Macro(_) => true,
        _ => false,
    }
}

fn is_helper(call: &ExprMethodCall) -> bool {
    call.turbofish.is_none() && !is_reserved(&call.method)
}

fn is_self(expr: &Expr) -> bool {
    matches!(expr, Expr::Path(path) if path.path.is_ident("self"))
}

/// The name that a `let` gives to one value, unless it may be given another one later.
pub(super) fn name_of(local: &Local) -> Option<&Ident> {
    match &local.pat {
        Pat::Ident(name) if name.mutability.is_none() && name.by_ref.is_none() && name.subpat.is_none() => {
            Some(&name.ident)
        }
        _ => None,
    }
}

/// The names of modules that become others before they are called: those that are passed to `child` or `child_named`, which give them
/// names of their own (of a list's elements, the names of a loop), lifted, or cloned.
pub(super) fn named_later(block: &Block) -> HashSet<Ident> {
    let mut named = NamedLater(HashSet::new());
    // What only looks would be another feature of `syn`, as large as this one.
    named.visit_block_mut(&mut block.clone());
    named.0
}

struct NamedLater(HashSet<Ident>);

impl NamedLater {
    fn insert<'a>(&mut self, arguments: impl IntoIterator<Item = &'a Expr>) {
        let names = arguments.into_iter().filter_map(|argument| match argument {
            Expr::Path(path) => path.path.get_ident().cloned(),
            _ => None,
        });
        self.0.extend(names);
    }
}

impl VisitMut for NamedLater {
    fn visit_expr_method_call_mut(&mut self, call: &mut ExprMethodCall) {
        visit_mut::visit_expr_method_call_mut(self, call);
        if call.method == "child" || call.method == "child_named" {
            self.insert(&call.args);
        } else if call.method == "clone" {
            self.insert([&*call.receiver]);
        }
    }

    fn visit_expr_call_mut(&mut self, call: &mut ExprCall) {
        visit_mut::visit_expr_call_mut(self, call);
        let Expr::Path(function) = &*call.func else { return };
        if function.path.segments.iter().any(|part| LIFTS.iter().any(|lift| part.ident == lift)) {
            self.insert(&call.args);
        }
    }
}

/// What makes a module of another one, which has no name then.
const LIFTS: [&str; 9] =
    ["FoldRngs", "Jit", "MapVariables", "Remat", "RematScan", "Scan", "Vmap", "WhileLoop", "lift"];
