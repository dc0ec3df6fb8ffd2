//! Modules as text.

use std::fmt;

use super::{Module, Slot};

/// What a field `Option<String>` is set from; a field of another type that somebody has called so, from itself.
#[diagnostic::on_unimplemented(
    message = "a text or an `Option<String>` is expected, found `{Self}`",
    note = "pass a `&str`, a `String`, `Some(String)` or `None`"
)]
pub trait IntoText<T> {
    /// The text.
    fn into_text(self) -> T;
}

impl<T> IntoText<T> for T {
    fn into_text(self) -> T {
        self
    }
}

impl IntoText<Option<String>> for &str {
    fn into_text(self) -> Option<String> {
        Some(self.to_owned())
    }
}

impl IntoText<Option<String>> for String {
    fn into_text(self) -> Option<String> {
        Some(self)
    }
}

impl IntoText<Option<String>> for &String {
    fn into_text(self) -> Option<String> {
        Some(self.clone())
    }
}

/// Whether two fields are equal.
///
/// Not by the operator: where the type is known to be that of a function, the compiler warns of comparing it.
pub fn is_equal<T: PartialEq>(a: &T, b: &T) -> bool {
    a == b
}

/// `Dense { features: 3, use_bias: true }`, and with `{:#?}` as Flax prints modules: fields, then submodules where the
/// module is bound.
pub fn debug<M: Module>(module: &M, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // Compiled anew for each module, so there is no more of it than the module's own part.
    print(f, module.type_name(), module.__slot(), &|visit| module.__fields(visit))
}

/// What is called with the names and the values of the fields.
pub type VisitFields<'v> = &'v mut dyn FnMut(&[(&'static str, &dyn fmt::Debug)]);

/// Calls its argument with the fields.
type Fields<'a> = dyn Fn(VisitFields<'_>) + 'a;

fn print(f: &mut fmt::Formatter<'_>, class: &str, slot: &Slot, fields: &Fields<'_>) -> fmt::Result {
    if f.alternate() {
        return f.write_str(&lines(class, slot, fields));
    }
    let mut text = f.debug_struct(class);
    fields(&mut |fields| {
        for (name, value) in fields {
            text.field(name, value);
        }
    });
    text.finish()
}

fn lines(class: &str, slot: &Slot, fields: &Fields<'_>) -> String {
    let mut attributes = Vec::new();
    fields(&mut |fields| {
        for (name, value) in fields {
            // What is nested is indented with the field it is in.
            let value = format!("{value:#?}").replace('\n', "\n    ");
            attributes.push(format!("    {name} = {value}\n"));
        }
    });
    let children = slot.instance().map(|instance| instance.children()).unwrap_or_default();
    let children = children.iter().filter_map(|child| {
        let name = child.scope().name()?.to_owned();
        Some(format!("    {name} = {}\n", child.class()))
    });
    let part = |title: &str, lines: Vec<String>| {
        if lines.is_empty() { String::new() } else { format!("    # {title}\n{}", lines.concat()) }
    };
    let parts = part("attributes", attributes) + &part("children", children.collect());
    let newline = if parts.is_empty() { "" } else { "\n" };
    format!("{class}({newline}{parts})")
}
