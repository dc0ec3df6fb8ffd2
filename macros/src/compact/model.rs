//! What was written, checked.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{
    Attribute, FnArg, LitStr, Pat, Path, Receiver, ReceiverKind, Result, ReturnType, Safety, Signature,
    Token, Type, Visibility,
};

use crate::errors::Errors;
use crate::options;
use crate::tokens::{keyword, located_at, ungrouped};

/// The arguments of the macro.
pub(super) struct Options {
    krate: Option<Path>,
    /// Whether the children's paths have the method's name.
    pub(super) name_scope: bool,
}

impl Options {
    pub(super) fn read(args: TokenStream, errors: &mut Errors) -> Options {
        let (mut krate, mut name_scope) = (None, false);
        options::of_macro(args, errors, |option| {
            if option.path.is_ident("crate") {
                options::refuse_second(option, krate.is_some(), "crate")?;
                krate = Some(options::krate(option)?);
                Ok(())
            } else if option.path.is_ident("name_scope") {
                options::refuse_second(option, name_scope, "name_scope")?;
                name_scope = true;
                options::refuse_value(option, "name_scope")
            } else {
                Err(options::unknown(option, "a compact method takes `name_scope` and `crate = path`"))
            }
        });
        Options { krate, name_scope }
    }

    /// Where Flaxen is, written with a span of the user's code or the expansion.
    pub(super) fn krate(&self, at: Span) -> TokenStream {
        match &self.krate {
            Some(path) => located_at(path, at),
            None => quote_spanned!(at=> ::flaxen),
        }
    }

    /// Where what expansions name is.
    pub(super) fn private(&self, at: Span) -> TokenStream {
        let krate = self.krate(at);
        quote_spanned!(at=> #krate::__private)
    }
}

/// A function whose body is left as tokens: what is half typed there passes through untouched.
pub(super) struct Method {
    pub(super) attrs: Vec<Attribute>,
    pub(super) vis: Visibility,
    pub(super) sig: Signature,
    pub(super) body: Option<Group>,
}

/// The parts of a method that only a right one has.
pub(super) struct Checked<'a> {
    pub(super) receiver: Token![self],
    pub(super) ret: &'a Type,
    pub(super) body: &'a Group,
}

/// A parameter with a name.
pub(super) struct Input<'a> {
    pub(super) ident: &'a Ident,
    pub(super) cfgs: Vec<&'a Attribute>,
}

impl Parse for Method {
    fn parse(input: ParseStream<'_>) -> Result<Method> {
        let (attrs, vis) = (input.call(Attribute::parse_outer)?, input.parse()?);
        let sig = input.parse()?;
        let rest: TokenStream = input.parse()?;
        Ok(Method { attrs, vis, sig, body: block(rest) })
    }
}

/// The first block; one that came through a `macro_rules!` as `$body:block` is in a group without delimiters.
fn block(tokens: TokenStream) -> Option<Group> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => block(group.stream()),
        _ => None,
    })
}

impl Method {
    /// # Errors
    /// If it is no function, or its signature does not parse.
    pub(super) fn read(item: TokenStream, errors: &mut Errors) -> Result<Method> {
        if !is_function(item.clone()) {
            let message =
                "`#[compact]` goes on a method of a module: `fn call(&self, x: &Tensor) -> Result<Tensor>`";
            return Err(syn::Error::new(keyword(item), message));
        }
        let method: Method = syn::parse2(item)?;
        for attr in &method.attrs {
            if attr.path().is_ident("compact") {
                errors.at(attr.path(), "`#[compact]` is given twice");
            }
        }
        Ok(method)
    }

    pub(super) fn checked(&self, errors: &mut Errors) -> Option<Checked<'_>> {
        // All mistakes at once, so nothing returns before the end.
        let Signature { constness, asyncness, safety, ident, paren_token, output, .. } = &self.sig;
        for (keyword, found) in [
            ("const", constness.as_ref().map(ToTokens::to_token_stream)),
            ("async", asyncness.as_ref().map(ToTokens::to_token_stream)),
            ("unsafe", matches!(safety, Safety::Unsafe(_)).then(|| safety.to_token_stream())),
        ] {
            if let Some(found) = found {
                errors.at(
                    found,
                    format_args!("a compact method cannot be `{keyword}`: its body runs as a closure"),
                );
            }
        }
        let receiver = self.receiver(errors);
        let ret = match output {
            ReturnType::Type(_, ret) => {
                // An alias may be a `Result`, which only the compiler can tell.
                if is_surely_no_result(ret) {
                    errors.at(ret, "`#[compact]` needs a `Result` as return type: `-> Result<Tensor>`");
                }
                Some(&**ret)
            }
            ReturnType::Default => {
                let message = "`#[compact]` needs a return type: `-> Result<Tensor>`";
                errors.push(syn::Error::new(paren_token.span.close(), message));
                None
            }
        };
        if self.body.is_none() {
            errors.at(
                ident,
                "`#[compact]` goes on a method with a body: put it where the method is implemented",
            );
        }
        Some(Checked { receiver: receiver?, ret: ret?, body: self.body.as_ref()? })
    }

    fn receiver(&self, errors: &mut Errors) -> Option<Token![self]> {
        let Some(receiver) = self.sig.receiver() else {
            errors.at(&self.sig.ident, "`#[compact]` needs a method: add `&self`");
            return None;
        };
        if !is_shared(receiver) {
            let message = "a compact method takes `&self`: a call changes variables, never the module";
            errors.at(receiver, message);
        }
        Some(receiver.self_token)
    }

    /// The parameters that can be looked at; one that is taken apart has no name.
    pub(super) fn inputs(&self) -> impl Iterator<Item = Input<'_>> {
        self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Receiver(_) => None,
            FnArg::Typed(input) => match &*input.pat {
                Pat::Ident(pat) if pat.subpat.is_none() => Some(Input {
                    ident: &pat.ident,
                    cfgs: input.attrs.iter().filter(|attr| is_condition(attr)).collect(),
                }),
                _ => None,
            },
        })
    }
}

/// Whether the attribute may say that there is no such parameter.
fn is_condition(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr")
}

fn is_shared(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
        ReceiverKind::Typed(_, ty) => {
            matches!(ungrouped(ty), Type::Reference(ty) if ty.mutability.is_none())
        }
        _ => false,
    }
}

/// Whether the type is spelled as one that is no `Result`; of all others the compiler knows better.
fn is_surely_no_result(ty: &Type) -> bool {
    const OTHERS: [&str; 7] = ["Option", "Self", "Tensor", "Vec", "bool", "f32", "usize"];
    match ungrouped(ty) {
        Type::Path(ty) => {
            ty.path.segments.last().is_some_and(|last| OTHERS.iter().any(|name| last.ident == name))
        }
        Type::Macro(_) => false,
        _ => true,
    }
}

/// Whether `fn` is where it should be, or nothing yet.
fn is_function(item: TokenStream) -> bool {
    let start = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        while input.peek(Token![const])
            || input.peek(Token![async])
            || input.peek(Token![unsafe])
            || input.peek(Token![extern])
            || input.peek(LitStr)
        {
            input.parse::<TokenTree>()?;
        }
        let is_function = input.is_empty() || input.peek(Token![fn]);
        input.parse::<TokenStream>()?;
        Ok(is_function)
    };
    start.parse2(item).unwrap_or(true)
}
