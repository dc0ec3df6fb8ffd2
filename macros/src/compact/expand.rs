//! What is generated.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::bind_child;
use super::model::{Checked, Input, Method, Options};
use crate::tokens::has_ident;

pub(super) fn method(method: &Method, checked: &Checked<'_>, options: &Options) -> TokenStream {
    let Method { attrs, vis, sig, .. } = method;
    let Checked { receiver, ret, body } = checked;
    let at = Span::mixed_site();
    let p = options.private(at);
    let name = sig.ident.unraw().to_string();
    let enter = if options.name_scope { "enter_scope" } else { "enter" };
    let enter = Ident::new(enter, at);
    let inputs: Vec<_> = method.inputs().map(|input| observe(&input, &p)).collect();
    let (call, observe) = if inputs.is_empty() {
        (quote_spanned!(at=> __call), None)
    } else {
        (quote_spanned!(at=> mut __call), Some(quote_spanned!(at=> if __call.is_observed() { #(#inputs)* })))
    };
    let is_opaque = has_ident(ret.to_token_stream(), &|ident| ident == "impl");
    let body = bind_child::children(body, options, *receiver);
    // Nameless traits, so that nothing in the body means something else.
    let traits =
        (!is_opaque || observe.is_some() || body.binds).then(|| quote_spanned!(at=> use #p::autoref::*;));
    let body = body.tokens;
    let on_ret = at.located_at(ret.span());
    let run = Ident::new("run", on_ret);
    let end = if is_opaque {
        // A closure cannot say that it returns an `impl Trait`.
        quote_spanned!(at=> __call.#run(&#p::Output::opaque(), move || #body))
    } else {
        let output = quote_spanned!(on_ret=> (&#p::AutorefReturn::<#ret>::NEW).__output());
        // What cannot be written to in the closure is what `&self` does not let change.
        let closure = quote_spanned!(at.located_at(receiver.span())=> move || -> #ret #body);
        quote_spanned!(at=> __call.#run(&#output, #closure))
    };
    quote_spanned! {at=>
        #(#attrs)* #vis #sig {
            #traits
            let #call = #p::Call::#enter(#receiver, #name);
            #observe
            #end
        }
    }
}

fn observe(input: &Input<'_>, p: &TokenStream) -> TokenStream {
    let Input { ident, cfgs } = input;
    let name = ident.unraw().to_string();
    // Named so because the body does not use it.
    let allow = name.starts_with('_').then(|| quote!(#[allow(clippy::used_underscore_binding)]));
    quote_spanned! {Span::mixed_site()=>
        #(#cfgs)* #allow
        __call.input(#name, (&&&#p::Autoref(&#ident)).__observe());
    }
}
