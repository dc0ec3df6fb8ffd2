//! The grammar of `#[module(…)]`, `#[submodule]` and `#[setup(…)]`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::meta::ParseNestedMeta;
use syn::parse::ParseBuffer;
use syn::{Attribute, Expr, Lit, LitStr, Meta, Path, Result};

use super::model::Role;
use crate::errors::Errors;
use crate::options;

/// The attributes that only this macro knows.
pub(super) const HELPERS: [&str; 3] = ["module", "submodule", "setup"];

const OF_STRUCT: &str = "a struct takes `crate = path` and `name = \"Name\"`";
const OF_FIELD: &str = "a field takes `default`, `default = expr`, `flag` and `into`";
const AN_EXPRESSION: &str = "expected one expression: `#[setup(Dense::new(self.features))]`";

pub(super) fn is_helper(attr: &Attribute) -> bool {
    HELPERS.iter().any(|helper| attr.path().is_ident(helper))
}

/// The arguments of the macro.
#[derive(Default)]
pub(super) struct StructOptions {
    /// The path of Flaxen.
    pub(super) krate: Option<Path>,
    /// What the module is called where it is not called as its type.
    pub(super) name: Option<String>,
}

pub(super) fn of_struct(args: TokenStream, errors: &mut Errors) -> StructOptions {
    let mut options = StructOptions::default();
    options::of_macro(args, errors, |option| {
        if option.path.is_ident("crate") {
            options::refuse_second(option, options.krate.is_some(), "crate")?;
            options.krate = Some(options::krate(option)?);
            Ok(())
        } else if option.path.is_ident("name") {
            options::refuse_second(option, options.name.is_some(), "name")?;
            options.name = Some(name(option)?);
            Ok(())
        } else if option.path.is_ident("default") || option.path.is_ident("into") {
            Err(option.error(format_args!("`{}` belongs on a field", option.path.to_token_stream())))
        } else {
            Err(attribute_of_its_own(option).unwrap_or_else(|| options::unknown(option, OF_STRUCT)))
        }
    });
    options
}

fn name(option: &ParseNestedMeta<'_>) -> Result<String> {
    let Ok(literal) = option.value().and_then(ParseBuffer::parse::<LitStr>) else {
        return Err(option.error("expected a string: `name = \"Conv\"`"));
    };
    let name = literal.value();
    if name.is_empty() || name.contains('/') {
        let message = "a module's name is a part of a path: it is not empty and has no `/`";
        return Err(syn::Error::new_spanned(literal, message));
    }
    Ok(name)
}

/// What a field's attributes say.
#[derive(Default)]
pub(super) struct FieldOptions {
    role: Option<Role>,
    into: Option<Path>,
}

impl FieldOptions {
    pub(super) fn role(&mut self) -> Role {
        self.role.take().unwrap_or(Role::Required)
    }

    pub(super) fn is_into(&self) -> bool {
        self.into.is_some()
    }

    fn set_role(&mut self, role: Role, tokens: impl ToTokens, errors: &mut Errors) {
        let found = role.spelling();
        match self.role.as_ref().map(Role::spelling) {
            None => self.role = Some(role),
            Some(first) if first == found => errors.at(tokens, format_args!("{found} is given twice")),
            Some(first) => {
                errors.at(tokens, format_args!("{found} cannot stand beside {first}: a field has one role"));
            }
        }
    }
}

pub(super) fn of_field(attrs: &[Attribute], errors: &mut Errors) -> FieldOptions {
    let mut options = FieldOptions::default();
    for attr in attrs {
        if attr.path().is_ident("module") {
            module(attr, &mut options, errors);
        } else if attr.path().is_ident("submodule") {
            if !matches!(attr.meta, Meta::Path(_)) {
                errors.at(&attr.meta, "`#[submodule]` takes no arguments: `new` is given the module; one that is built here is `#[setup(expr)]`");
            }
            options.set_role(Role::Submodule, attr.path(), errors);
        } else if attr.path().is_ident("setup") {
            options.set_role(Role::Setup(setup(attr, errors)), attr.path(), errors);
        }
    }
    if let (Some(into), Some(role)) = (&options.into, &options.role)
        && !matches!(role, Role::Required | Role::Default(_))
    {
        let role = role.spelling();
        let message = format!(
            "`into` cannot stand beside {role}: it is for required fields and for fields with a default"
        );
        errors.at(into, message);
    }
    options
}

fn module(attr: &Attribute, found: &mut FieldOptions, errors: &mut Errors) {
    if !matches!(&attr.meta, Meta::List(list) if !list.tokens.is_empty()) {
        errors.at(&attr.meta, format_args!("expected an option; {OF_FIELD}"));
        return;
    }
    let mut roles = Vec::new();
    options::of_attr(attr, errors, |option| {
        if option.path.is_ident("default") {
            roles.push((option.path.clone(), Role::Default(None)));
            let value = default(option)?;
            if let Some((_, role)) = roles.last_mut() {
                *role = Role::Default(value);
            }
            Ok(())
        } else if option.path.is_ident("flag") {
            roles.push((option.path.clone(), Role::Flag));
            options::refuse_value(option, "flag")
        } else if option.path.is_ident("into") {
            options::refuse_second(option, found.into.is_some(), "into")?;
            found.into = Some(option.path.clone());
            options::refuse_value(option, "into")
        } else if option.path.is_ident("crate") || option.path.is_ident("name") {
            Err(option.error(format_args!("`{}` belongs on the struct", option.path.to_token_stream())))
        } else {
            Err(attribute_of_its_own(option).unwrap_or_else(|| options::unknown(option, OF_FIELD)))
        }
    });
    for (path, role) in roles {
        found.set_role(role, path, errors);
    }
}

fn default(option: &ParseNestedMeta<'_>) -> Result<Option<Expr>> {
    if options::ends(option.input) {
        return Ok(None);
    }
    let input = option.value().map_err(|_| option.error("a default is written `default = expr`"))?;
    if options::ends(input) {
        return Err(option.error("expected an expression: `default = 0.1`"));
    }
    input.parse().map(Some)
}

/// The expression, or an empty one beside an error.
fn setup(attr: &Attribute, errors: &mut Errors) -> Expr {
    let read = match &attr.meta {
        Meta::List(list) if !list.tokens.is_empty() => {
            attr.parse_args::<Expr>().map_err(|error| syn::Error::new(error.span(), AN_EXPRESSION))
        }
        other => Err(syn::Error::new_spanned(other, AN_EXPRESSION)),
    };
    read.unwrap_or_else(|error| {
        errors.push(error);
        Expr::Verbatim(TokenStream::new())
    })
}

/// For `#[module(submodule)]`, which other libraries' macros teach to write.
fn attribute_of_its_own(option: &ParseNestedMeta<'_>) -> Option<syn::Error> {
    let spelling = [("submodule", "#[submodule]"), ("setup", "#[setup(expr)]")]
        .into_iter()
        .find_map(|(name, spelling)| option.path.is_ident(name).then_some((name, spelling)));
    let (name, spelling) = spelling?;
    Some(option.error(format_args!("`{name}` is a field's own attribute: write `{spelling}`")))
}

/// Whether the expression is a string literal.
pub(super) fn is_text(expr: &Expr) -> bool {
    match expr {
        Expr::Group(inner) => is_text(&inner.expr),
        Expr::Paren(inner) => is_text(&inner.expr),
        Expr::Lit(literal) => matches!(literal.lit, Lit::Str(_)),
        _ => false,
    }
}
