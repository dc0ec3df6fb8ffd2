//! What is generated.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Expr, Fields, Generics, ItemStruct, Path, Type, parse_quote, parse_quote_spanned};

use super::attr;
use super::bound;
use super::model::{ModuleField, ModuleStruct, Role, Takes};
use crate::tokens::{find_self, generated, has_ident, located_at};

pub(super) fn module(module: &ModuleStruct<'_>) -> TokenStream {
    let generics = bound::with_bounds(module);
    let bodies = ModuleBodies::of(module);
    let mut tokens = item(module).into_token_stream();
    let derived: &[&str] = if derives(module) { &["Clone"] } else { &[] };
    // Only with setup fields do `new` and the setters need a module: they build those fields.
    let own = if module.has_setup() { &generics } else { &module.item.generics };
    tokens.extend(inherent(module, own, &bodies));
    tokens.extend(traits(&Head::of(module, &generics), derived, &bodies));
    tokens
}

/// Whether the compiler's own derive of `Clone` does: it asks for `T: Clone` where only a field's type must be, and knows
/// neither that copies share setup fields nor that the user has deprecated a field. Its `PartialEq` would warn of functions.
fn derives(module: &ModuleStruct<'_>) -> bool {
    module.item.generics.type_params().next().is_none() && !module.has_setup() && !module.has_deprecations()
}

/// The user's struct without the attributes that only the macro knows.
pub(super) fn without_helpers(item: &ItemStruct) -> ItemStruct {
    let mut item = item.clone();
    item.attrs.retain(|attr| !attr::is_helper(attr));
    for field in &mut item.fields {
        field.attrs.retain(|attr| !attr::is_helper(attr));
    }
    item
}

fn item(module: &ModuleStruct<'_>) -> ItemStruct {
    let p = private(&module.krate);
    let mut item = without_helpers(module.item);
    let skip: Option<Attribute> = module.derives.serde.then(|| parse_quote!(#[serde(skip)]));
    for (field, model) in item.fields.iter_mut().zip(&module.fields) {
        if let Role::Setup(_) = model.role {
            let ty = model.ty;
            field.ty = parse_quote_spanned!(model.on_type=> #p::Setup<#ty>);
            field.attrs.extend(skip.clone().filter(|_| !is_skipped(&field.attrs)));
        }
    }
    let fields = match item.fields {
        Fields::Named(fields) => fields.named.into_iter().collect(),
        Fields::Unit | Fields::Unnamed(_) => Vec::new(),
    };
    let slot = quote_spanned!(Span::mixed_site()=> #[doc(hidden)] #skip pub __slot: #p::Slot);
    item.fields = Fields::Named(parse_quote!({ #(#fields,)* #slot }));
    item.semi_token = None;
    let at = Span::mixed_site();
    if derives(module) {
        item.attrs.insert(0, parse_quote_spanned!(at=> #[derive(::core::clone::Clone)]));
    }
    if !item.attrs.iter().any(|attr| attr.path().is_ident("must_use")) {
        item.attrs.push(parse_quote_spanned!(at=> #[must_use]));
    }
    item
}

/// Whether serde is told to skip the field: it refuses to be told twice.
fn is_skipped(attrs: &[Attribute]) -> bool {
    let mut serde = attrs.iter().filter(|attr| attr.path().is_ident("serde"));
    serde.any(|attr| has_ident(attr.meta.to_token_stream(), &|ident| ident == "skip"))
}

/// What the functions do; their parameters are named in [`inherent`] and [`traits`].
pub(super) struct ModuleBodies {
    pub(super) new: TokenStream,
    /// One for each field that has a setter.
    pub(super) setters: Vec<TokenStream>,
    pub(super) clone: TokenStream,
    pub(super) eq: TokenStream,
    pub(super) debug: TokenStream,
    pub(super) slot: TokenStream,
    pub(super) attach: TokenStream,
    pub(super) fields: TokenStream,
    /// The methods that only a module with setup fields has.
    pub(super) setup: TokenStream,
    /// The attribute for warnings that are about the user's struct, not about what is generated.
    pub(super) allow: TokenStream,
}

impl ModuleBodies {
    fn of(module: &ModuleStruct<'_>) -> ModuleBodies {
        let p = private(&module.krate);
        let at = Span::mixed_site();
        let (built, derived) = (module.has_setup(), derives(module));
        ModuleBodies {
            new: new(module, &p),
            setters: module.settable().map(|field| setter(field, &p, built)).collect(),
            clone: if derived { TokenStream::new() } else { clone(module, &p) },
            eq: eq(module, &p),
            debug: quote_spanned!(at=> #p::debug(self, f)),
            slot: quote_spanned!(at=> &self.__slot),
            attach: attach(module, &p),
            fields: fields(module),
            setup: setup(module, &p),
            allow: module.allowed(),
        }
    }
}

/// `new` and the setters.
pub(super) fn inherent(module: &ModuleStruct<'_>, generics: &Generics, bodies: &ModuleBodies) -> TokenStream {
    let at = Span::mixed_site();
    let (ident, vis, p) = (&module.item.ident, &module.item.vis, private(&module.krate));
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let name = ident.unraw();
    let doc = match (module.parameters().next(), module.settable().next()) {
        (Some(_), Some(_)) => {
            format!("Creates a `{name}` from its required fields; every other field has a default.")
        }
        (Some(_), None) => format!("Creates a `{name}` from its required fields."),
        (None, Some(_)) => format!("Creates a `{name}`; every field has a default."),
        (None, None) => format!("Creates a `{name}`."),
    };
    // Required fields are arguments of `new`, in order; each of the others has a setter that returns the module.
    let parameters = module.parameters().map(|field| parameter(field, &p));
    let setters = module.settable().zip(&bodies.setters).map(|(field, body)| {
        let ModuleField { cfgs, docs, .. } = field;
        // One that nobody calls is no dead code of the user's.
        let ident = generated(field.ident);
        let parameter = (!matches!(field.role, Role::Flag)).then(|| parameter_alone(field, &p));
        let sets = (!field.is_documented()).then(|| format!("Sets `{}`.", field.key));
        let doc: String = sets.into_iter().chain(default_doc(field)).collect();
        let doc = (!doc.is_empty()).then_some(doc).into_iter();
        quote_spanned! {at=>
            #(#cfgs)* #(#docs)* #(#[doc = #doc])*
            #[inline]
            #vis fn #ident(mut self, #parameter) -> Self { #body }
        }
    });
    let ModuleBodies { new, allow, .. } = bodies;
    quote_spanned! {at=>
        #[automatically_derived]
        #allow
        impl #impl_generics #ident #ty_generics #where_clause {
            #[doc = #doc]
            #[inline]
            #vis fn new(#(#parameters),*) -> Self { #new }
            #(#setters)*
        }
    }
}

/// The paragraph about a default that is an expression.
fn default_doc(field: &ModuleField<'_>) -> Option<String> {
    let Role::Default(Some(expr)) = &field.role else { return None };
    let spaced = expr.to_token_stream().to_string();
    let text =
        [(" :: ", "::"), (" (", "("), ("( ", "("), (" )", ")"), (" . ", "."), (" ,", ","), ("- ", "-")]
            .into_iter()
            .fold(spaced, |text, (spaced, tight)| text.replace(spaced, tight));
    Some(format!("\n\nDefault: `{text}`."))
}

/// What the implementations of traits begin with.
pub(super) struct Head<'a> {
    pub(super) krate: &'a Path,
    pub(super) ident: &'a Ident,
    pub(super) name: &'a str,
    pub(super) generics: &'a Generics,
    pub(super) derives_hash: bool,
}

impl<'a> Head<'a> {
    pub(super) fn of(module: &'a ModuleStruct<'_>, generics: &'a Generics) -> Head<'a> {
        let (krate, derives_hash) = (&module.krate, module.derives.hash);
        Head { krate, ident: &module.item.ident, name: &module.name, generics, derives_hash }
    }
}

/// The implementations of `Clone`, `PartialEq`, `Debug` and `Module`, except those that are there already.
pub(super) fn traits(head: &Head<'_>, there: &[&str], bodies: &ModuleBodies) -> TokenStream {
    let at = Span::mixed_site();
    let Head { krate, ident, name, generics, derives_hash } = head;
    let p = private(krate);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let ModuleBodies { clone, eq, debug, slot, attach, fields, setup, allow, .. } = bodies;
    let derived = [
        (
            "Clone",
            quote_spanned!(at=> ::core::clone::Clone),
            quote_spanned!(at=> #[inline] fn clone(&self) -> Self { #clone }),
        ),
        (
            "PartialEq",
            quote_spanned!(at=> ::core::cmp::PartialEq),
            quote_spanned!(at=> #[inline] fn eq(&self, other: &Self) -> ::core::primitive::bool { #eq }),
        ),
        (
            "Debug",
            quote_spanned!(at=> ::core::fmt::Debug),
            quote_spanned!(at=> #[inline] fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result { #debug }),
        ),
    ];
    let derived = derived.into_iter().filter(|(name, ..)| !there.contains(name)).map(|(name, path, body)| {
        // Lints advise to derive `Eq`, too, where there seems to be a derive, and not to derive `Hash` where there is none.
        let derived =
            (name != "PartialEq" || *derives_hash).then(|| quote_spanned!(at=> #[automatically_derived]));
        quote_spanned! {at=>
            #derived
            #allow
            impl #impl_generics #path for #ident #ty_generics #where_clause { #body }
        }
    });
    // As with derives, `#[inline]`: nothing is compiled in a crate that does not use it.
    quote_spanned! {at=>
        #(#derived)*
        #[automatically_derived]
        #allow
        impl #impl_generics #krate::Module for #ident #ty_generics #where_clause {
            const NAME: &'static ::core::primitive::str = #name;
            #[inline]
            fn __slot(&self) -> &#p::Slot { #slot }
            #[inline]
            fn __attach(&mut self, slot: #p::Slot) { #attach }
            #[inline]
            fn __fields(&self, visit: #p::VisitFields<'_>) { #fields }
            #setup
        }
    }
}

fn new(module: &ModuleStruct<'_>, p: &TokenStream) -> TokenStream {
    let at = Span::mixed_site();
    let values = module.fields.iter().map(|field| {
        let ModuleField { ident, cfgs, .. } = field;
        let value = match &field.role {
            Role::Required | Role::Submodule if field.takes == Takes::Itself => {
                return quote_spanned!(at=> #(#cfgs)* #ident);
            }
            Role::Required | Role::Submodule => converted(field, p, ident),
            Role::Default(None) => quote_spanned!(field.on_type=> ::core::default::Default::default()),
            Role::Default(Some(text)) if attr::is_text(text) => converted(field, p, text),
            Role::Default(Some(expr)) => expr.to_token_stream(),
            Role::Flag => quote_spanned!(field.on_type=> false),
            Role::Setup(_) => quote_spanned!(at=> #p::Setup::unset()),
        };
        quote_spanned!(at=> #(#cfgs)* #ident: #value)
    });
    let built = quote_spanned!(at=> Self { #(#values,)* __slot: #p::Slot::unbound() });
    if module.has_setup() { quote_spanned!(at=> #p::rebuilt(#built)) } else { built }
}

fn setter(field: &ModuleField<'_>, p: &TokenStream, rebuild: bool) -> TokenStream {
    let at = Span::mixed_site();
    let ident = field.ident;
    let value = match field.role {
        Role::Flag => quote_spanned!(field.on_type=> true),
        _ => converted(field, p, ident),
    };
    let end = if rebuild { quote_spanned!(at=> #p::rebuilt(self)) } else { quote_spanned!(at=> self) };
    quote_spanned!(at=> self.#ident = #value; #end)
}

fn parameter(field: &ModuleField<'_>, p: &TokenStream) -> TokenStream {
    let cfgs = &field.cfgs;
    let parameter = parameter_alone(field, p);
    quote!(#(#cfgs)* #parameter)
}

fn parameter_alone(field: &ModuleField<'_>, p: &TokenStream) -> TokenStream {
    let at = field.on_type;
    let ModuleField { ident, ty, .. } = field;
    let ty = match field.takes {
        Takes::Itself => ty.to_token_stream(),
        Takes::Into => quote_spanned!(at=> impl ::core::convert::Into<#ty>),
        Takes::Text => quote_spanned!(at=> impl #p::IntoText<#ty>),
    };
    quote_spanned!(Span::mixed_site()=> #ident: #ty)
}

/// The field's value from what its parameter takes.
fn converted(field: &ModuleField<'_>, p: &TokenStream, given: impl ToTokens) -> TokenStream {
    match field.takes {
        Takes::Itself => given.to_token_stream(),
        Takes::Into => quote_spanned!(field.on_type=> ::core::convert::Into::into(#given)),
        Takes::Text => quote_spanned!(field.on_type=> #p::IntoText::into_text(#given)),
    }
}

fn clone(module: &ModuleStruct<'_>, p: &TokenStream) -> TokenStream {
    let at = Span::mixed_site();
    let values = module.fields.iter().map(|field| {
        let ModuleField { ident, cfgs, .. } = field;
        let value = respanned(field);
        let clone = match field.role {
            Role::Setup(_) => quote_spanned!(at=> #p::Setup::share(&self.#ident)),
            _ => quote_spanned!(field.on_type=> ::core::clone::Clone::clone(&self.#value)),
        };
        quote_spanned!(at=> #(#cfgs)* #ident: #clone)
    });
    quote_spanned!(at=> Self { #(#values,)* __slot: #p::Slot::clone(&self.__slot) })
}

fn eq(module: &ModuleStruct<'_>, p: &TokenStream) -> TokenStream {
    let at = Span::mixed_site();
    let each = module.configuration().map(|field| {
        let (cfgs, value, p) = (&field.cfgs, respanned(field), located_at(p, field.on_type));
        let equal = quote_spanned!(field.on_type=> #p::is_equal(&self.#value, &other.#value));
        quote_spanned!(at=> #(#cfgs)* if !#equal { return false; })
    });
    let other = module.configuration().next().is_none().then(|| quote_spanned!(at=> let _ = other;));
    quote_spanned!(at=> #other #(#each)* true)
}

fn attach(module: &ModuleStruct<'_>, p: &TokenStream) -> TokenStream {
    let at = Span::mixed_site();
    let bindings = module.submodules().map(|field| {
        let (cfgs, key, value) = (&field.cfgs, &field.key, respanned(field));
        let binding = quote_spanned!(field.on_type=> #p::bind_child(&self.__slot, &mut self.#value, #key));
        quote_spanned!(at=> #(#cfgs)* #binding;)
    });
    let defer = module.has_setup().then(|| quote_spanned!(at=> #p::defer(self);));
    quote_spanned!(at=> self.__slot = slot; #(#bindings)* #defer)
}

fn fields(module: &ModuleStruct<'_>) -> TokenStream {
    let at = Span::mixed_site();
    let each = module.configuration().map(|field| {
        let (cfgs, key, value) = (&field.cfgs, &field.key, respanned(field));
        let value = quote_spanned!(field.on_type=> &self.#value);
        quote_spanned!(at=> #(#cfgs)* (#key, #value))
    });
    quote_spanned!(at=> visit(&[#(#each),*]))
}

fn setup(module: &ModuleStruct<'_>, p: &TokenStream) -> TokenStream {
    if !module.has_setup() {
        return TokenStream::new();
    }
    let at = Span::mixed_site();
    // The user's expressions speak of `self`, which is hygienic: a `macro_rules!` may have passed them on.
    let mut written = module.setups().filter_map(|(_, expr)| find_self(expr.to_token_stream()));
    let this = written.next().unwrap_or_else(|| Ident::new("self", Span::call_site()));
    let krate = &module.krate;
    let evaluate = module.setups().map(|(field, expr)| {
        let ModuleField { ident, key, ty, cfgs, .. } = field;
        let body = fallible(expr, ty);
        let make = Ident::new("field", field.on_type);
        quote_spanned!(at=> #(#cfgs)* setup.#make(&#this.#ident, #key, || -> #krate::Result<#ty> { #body });)
    });
    let visit = module
        .setups()
        .map(|(ModuleField { ident, cfgs, .. }, _)| quote_spanned!(at=> #(#cfgs)* visit(&mut self.#ident);));
    quote_spanned! {at=>
        #[inline]
        fn __setup(&#this, setup: &mut #p::SetupPass<'_>) { #(#evaluate)* }
        #[inline]
        fn __setups(&mut self, visit: &mut dyn ::core::ops::FnMut(&mut dyn #p::AnySetup)) { #(#visit)* }
    }
}

/// The setup expression as a `Result`.
fn fallible(expr: &Expr, ty: &Type) -> TokenStream {
    if is_fallible(expr) {
        return expr.to_token_stream();
    }
    // By way of a variable, as a type that does not fit is then explained by the field's.
    quote_spanned!(Span::mixed_site()=> let value: #ty = #expr; ::core::result::Result::Ok(value))
}

/// Whether the expression is a call such as `self.param(…)`, which need not be followed by `?`.
fn is_fallible(expr: &Expr) -> bool {
    const FALLIBLE: [&str; 9] = [
        "existing_variable",
        "make_rng",
        "param",
        "param_of",
        "param_with",
        "perturb",
        "perturb_in",
        "variable",
        "variable_with",
    ];
    match expr {
        Expr::Paren(inner) => is_fallible(&inner.expr),
        Expr::Group(inner) => is_fallible(&inner.expr),
        Expr::MethodCall(call) => {
            matches!(&*call.receiver, Expr::Path(receiver) if receiver.path.is_ident("self"))
                && FALLIBLE.iter().any(|method| call.method == method)
        }
        _ => false,
    }
}

/// The field's name for an expression on which a message should be on the field's type.
fn respanned(field: &ModuleField<'_>) -> Ident {
    let mut ident = field.ident.clone();
    ident.set_span(ident.span().located_at(field.on_type));
    ident
}

fn private(krate: &Path) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> #krate::__private)
}
