//! Modules as text.

use std::fmt;

use super::Module;

/// What a field `Option<String>` is set from.
#[diagnostic::on_unimplemented(
    message = "a text or an `Option<String>` is expected, found `{Self}`",
    note = "pass a `&str`, a `String`, `Some(String)` or `None`"
)]
pub trait IntoText {
    /// The text.
    fn into_text(self) -> Option<String>;
}

impl IntoText for &str {
    fn into_text(self) -> Option<String> {
        Some(self.to_owned())
    }
}

impl IntoText for String {
    fn into_text(self) -> Option<String> {
        Some(self)
    }
}

impl IntoText for &String {
    fn into_text(self) -> Option<String> {
        Some(self.clone())
    }
}

impl IntoText for Option<String> {
    fn into_text(self) -> Option<String> {
        self
    }
}

/// `Dense { features: 3, use_bias: true }`.
pub fn debug<M: Module>(module: &M, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = f.debug_struct(module.type_name());
    module.__fields(&mut |name, value| {
        text.field(name, value);
    });
    text.finish()
}

/// As Flax prints modules: fields, then submodules where the module is bound.
pub(super) fn repr<M: Module>(module: &M) -> String {
    let mut fields = String::new();
    module.__fields(&mut |name, value| {
        let value = format!("{value:?}");
        fields.push_str(&format!("    {name} = {value}\n"));
    });
    let mut children = String::new();
    if let Some(instance) = module.__slot().instance() {
        for child in instance.children() {
            let name = child.own_scope().name().unwrap_or_default().to_owned();
            children.push_str(&format!("    {name} = {}()\n", child.class()));
        }
    }
    let mut text = format!("{}(", module.type_name());
    if !fields.is_empty() {
        text.push_str("\n    # attributes\n");
        text.push_str(&fields);
    }
    if !children.is_empty() {
        if fields.is_empty() {
            text.push('\n');
        }
        text.push_str("    # children\n");
        text.push_str(&children);
    }
    text.push(')');
    text
}
