//! What was written, checked.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, Fields, GenericArgument, Generics, ItemStruct, Path, PathArguments, Type, parse_quote,
};

use super::{attr, valid};
use crate::errors::Errors;
use crate::tokens::{allowed, mentions, ungrouped};

/// A struct that becomes a module.
pub(super) struct ModuleStruct<'a> {
    pub(super) item: &'a ItemStruct,
    /// Where Flaxen is.
    pub(super) krate: Path,
    /// What automatic names begin with.
    pub(super) name: String,
    /// In the order of declaration.
    pub(super) fields: Vec<ModuleField<'a>>,
    pub(super) derives: valid::Derives,
}

pub(super) struct ModuleField<'a> {
    pub(super) ident: &'a Ident,
    /// The name as users say it, without `r#`.
    pub(super) key: String,
    pub(super) ty: &'a Type,
    /// Puts rustc's message on the field's type, while names keep resolving as in the rest of the expansion.
    pub(super) on_type: Span,
    pub(super) role: Role,
    pub(super) takes: Takes,
    /// The attributes that everything generated for the field repeats.
    pub(super) cfgs: Vec<&'a Attribute>,
    /// The attributes that the field's setter repeats, beside those.
    pub(super) docs: Vec<&'a Attribute>,
}

/// What a field is for.
pub(super) enum Role {
    Required,
    /// With the expression, or `Default::default()`.
    Default(Option<Expr>),
    /// A `bool` that is false until its setter, which takes nothing, makes it true.
    Flag,
    Submodule,
    Setup(Expr),
}

/// What the parameter of `new`, or the setter, takes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Takes {
    /// The field's type.
    Itself,
    /// What converts into the field's type.
    Into,
    /// A text or an `Option` of one, for an `Option<String>`: of a `&str` no `Option<String>` can be made by `Into`.
    Text,
}

impl Role {
    pub(super) fn spelling(&self) -> &'static str {
        match self {
            Role::Required => "a required field",
            Role::Default(_) => "`default`",
            Role::Flag => "`flag`",
            Role::Submodule => "`#[submodule]`",
            Role::Setup(_) => "`#[setup]`",
        }
    }
}

impl<'a> ModuleStruct<'a> {
    /// Reads as much as there is: a mistake goes to `errors`, and what it concerns is left out.
    pub(super) fn from_syn(args: TokenStream, item: &'a ItemStruct, errors: &mut Errors) -> ModuleStruct<'a> {
        let options = attr::of_struct(args, errors);
        valid::generics(&item.generics, errors);
        let derives = valid::attributes(&item.attrs, errors);
        let fields = match &item.fields {
            Fields::Named(fields) => fields
                .named
                .iter()
                .filter_map(|field| ModuleField::from_syn(field, &item.generics, errors))
                .collect(),
            Fields::Unit => Vec::new(),
            Fields::Unnamed(fields) => {
                errors.at(
                    fields,
                    "a module's fields have names, as its variables do: `struct Foo { features: usize }`",
                );
                Vec::new()
            }
        };
        ModuleStruct {
            item,
            krate: options.krate.unwrap_or_else(|| parse_quote!(::flaxen)),
            name: options.name.unwrap_or_else(|| item.ident.unraw().to_string()),
            fields,
            derives,
        }
    }

    /// Whether the struct or a field is deprecated: what is generated uses it.
    pub(super) fn has_deprecations(&self) -> bool {
        self.attributes().any(|attr| attr.path().is_ident("deprecated"))
    }

    /// The attribute for warnings that are about the user's struct, not about what is generated.
    pub(super) fn allowed(&self) -> TokenStream {
        let deprecated =
            self.has_deprecations().then(|| quote_spanned!(Span::mixed_site()=> #[allow(deprecated)]));
        let allowed = allowed(self.attributes());
        quote_spanned!(Span::mixed_site()=> #deprecated #allowed)
    }

    fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.item.attrs.iter().chain(self.item.fields.iter().flat_map(|field| &field.attrs))
    }

    pub(super) fn has_setup(&self) -> bool {
        self.setups().next().is_some()
    }

    /// The fields that are built from the others, with their expressions.
    pub(super) fn setups(&self) -> impl Iterator<Item = (&ModuleField<'a>, &Expr)> {
        self.fields.iter().filter_map(|field| match &field.role {
            Role::Setup(expr) => Some((field, expr)),
            _ => None,
        })
    }

    /// The fields that make the module what it is: all but the ones built from them.
    pub(super) fn configuration(&self) -> impl Iterator<Item = &ModuleField<'a>> {
        self.fields.iter().filter(|field| !matches!(field.role, Role::Setup(_)))
    }

    /// The fields that `new` asks for.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &ModuleField<'a>> {
        self.fields.iter().filter(|field| matches!(field.role, Role::Required | Role::Submodule))
    }

    /// The fields that have a setter; beside an error, one with a reserved name has none.
    pub(super) fn settable(&self) -> impl Iterator<Item = &ModuleField<'a>> {
        let has_default = |field: &&ModuleField<'_>| matches!(field.role, Role::Default(_) | Role::Flag);
        self.fields.iter().filter(has_default).filter(|field| !valid::is_reserved(field.ident))
    }

    pub(super) fn submodules(&self) -> impl Iterator<Item = &ModuleField<'a>> {
        self.fields.iter().filter(|field| matches!(field.role, Role::Submodule))
    }
}

impl<'a> ModuleField<'a> {
    fn from_syn(field: &'a syn::Field, generics: &Generics, errors: &mut Errors) -> Option<ModuleField<'a>> {
        let ident = field.ident.as_ref()?;
        let mut options = attr::of_field(&field.attrs, errors);
        valid::field(field, ident, errors);
        let with = |names: &[&str]| {
            let is_asked_for = |attr: &&Attribute| names.iter().any(|name| attr.path().is_ident(name));
            field.attrs.iter().filter(is_asked_for).collect()
        };
        Some(ModuleField {
            ident,
            key: ident.unraw().to_string(),
            ty: &field.ty,
            on_type: Span::mixed_site().located_at(field.ty.span()),
            role: options.role(),
            takes: if options.is_into() { Takes::Into } else { takes(&field.ty, generics) },
            cfgs: with(&["cfg"]),
            docs: with(&["doc", "deprecated"]),
        })
    }
}

impl ModuleField<'_> {
    pub(super) fn is_documented(&self) -> bool {
        self.docs.iter().any(|attr| attr.path().is_ident("doc"))
    }
}

/// By the spelling of the type; a type under another name is taken as it is.
fn takes(ty: &Type, generics: &Generics) -> Takes {
    if is_named(ty, "String").is_some() {
        return Takes::Into;
    }
    let Some(PathArguments::AngleBracketed(arguments)) = is_named(ty, "Option") else { return Takes::Itself };
    let Some(GenericArgument::Type(inner)) = arguments.args.first() else { return Takes::Itself };
    if is_named(inner, "String").is_some() {
        Takes::Text
    } else if generics.type_params().any(|param| mentions(inner, &param.ident)) {
        // The parameter is often known from the argument alone, which a conversion would hide.
        Takes::Itself
    } else {
        Takes::Into
    }
}

/// The generic arguments of a type that is spelled `name`, `std::…::name` or alike.
fn is_named<'a>(ty: &'a Type, name: &str) -> Option<&'a PathArguments> {
    let Type::Path(ty) = ungrouped(ty) else { return None };
    let (first, last) = (ty.path.segments.first()?, ty.path.segments.last()?);
    let is_bare = ty.path.segments.len() == 1 && ty.path.leading_colon.is_none();
    let is_full =
        ty.path.segments.len() == 3 && ["std", "core", "alloc"].iter().any(|root| first.ident == root);
    (ty.qself.is_none() && (is_bare || is_full) && last.ident == name).then_some(&last.arguments)
}
