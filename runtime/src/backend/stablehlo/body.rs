//! The body of a function while it is written: lines of text, and the types of the values that they define.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Write;

use super::functions::Functions;
use super::types::{Type, listed};
use super::value::Value;
use crate::error::Result;

/// What values of a function are written to.
///
/// Values are `Copy` and hold a reference to it, so that formulas are written as formulas.
pub(super) struct Body<'m> {
    /// Functions that this one calls.
    pub(super) functions: &'m Functions,
    text: RefCell<String>,
    /// Name and type of each value.
    values: RefCell<Vec<(String, Type)>>,
    /// Names that are taken.
    names: Cell<usize>,
    depth: Cell<usize>,
    /// What stands behind each operation, about where it is from.
    location: RefCell<String>,
    /// The constants of the regions that are open, which each has for itself.
    constants: RefCell<Vec<HashMap<String, u32>>>,
}

impl<'m> Body<'m> {
    pub(super) fn new(functions: &'m Functions) -> Body<'m> {
        Body {
            functions,
            text: RefCell::default(),
            values: RefCell::default(),
            names: Cell::new(0),
            depth: Cell::new(2),
            location: RefCell::default(),
            constants: RefCell::new(vec![HashMap::new()]),
        }
    }

    /// The lines that were written.
    pub(super) fn into_text(self) -> String {
        self.text.into_inner()
    }

    fn fresh(&self) -> usize {
        self.names.replace(self.names.get() + 1)
    }

    fn define(&self, name: String, of: Type) -> Value<'_> {
        let mut values = self.values.borrow_mut();
        values.push((name, of));
        Value::new(self, values.len() as u32 - 1)
    }

    pub(super) fn name_of(&self, id: u32) -> String {
        self.values.borrow()[id as usize].0.clone()
    }

    pub(super) fn type_of(&self, id: u32) -> Type {
        self.values.borrow()[id as usize].1.clone()
    }

    /// A value that is defined elsewhere: an argument of a function or region.
    pub(super) fn argument(&self, of: Type) -> Value<'_> {
        self.define(format!("%{}", self.fresh()), of)
    }

    /// Says where the operations of `write` are from: the path of a module, and what they are there.
    pub(super) fn located<R>(&self, path: Option<&str>, name: &str, write: impl FnOnce() -> R) -> R {
        if !self.functions.locations {
            return write();
        }
        let all: Vec<&str> = path.into_iter().filter(|path| !path.is_empty()).chain([name]).collect();
        let before = self.location.replace(format!(" loc({})", quoted(&all.join("/"))));
        let made = write();
        self.location.replace(before);
        made
    }

    fn line(&self, line: &str) {
        let mut text = self.text.borrow_mut();
        let _ = writeln!(text, "{}{line}{}", "  ".repeat(self.depth.get()), self.location.borrow());
    }

    /// Writes the end of a function or region, which has no location of its own.
    pub(super) fn finish(&self, name: &str, outs: &[Value<'_>]) {
        let types: Vec<String> = outs.iter().map(|out| out.ty().to_string()).collect();
        let types = if types.is_empty() { String::new() } else { format!(" : {}", types.join(", ")) };
        let args = names(outs);
        let space = if outs.is_empty() { "" } else { " " };
        let mut text = self.text.borrow_mut();
        let _ = writeln!(text, "{}{name}{space}{args}{types}", "  ".repeat(self.depth.get()));
    }

    /// Writes an operation whose operands and results all have one type.
    pub(super) fn uniform<'b>(&'b self, op: &str, args: &[Value<'b>]) -> Value<'b> {
        let of = args[0].ty();
        debug_assert!(
            args.iter().all(|arg| arg.ty() == of),
            "{op} of {:?}",
            args.iter().map(Value::ty).collect::<Vec<_>>()
        );
        let name = format!("%{}", self.fresh());
        self.line(&format!("{name} = stablehlo.{op} {} : {of}", names(args)));
        self.define(name, of)
    }

    /// Writes an operation in MLIR's generic form, with attributes in braces and regions.
    pub(super) fn generic<'b>(
        &'b self,
        op: &str,
        args: &[Value<'b>],
        attributes: &str,
        regions: &[String],
        outs: Vec<Type>,
    ) -> Vec<Value<'b>> {
        let number = self.fresh();
        let results = match outs.len() {
            0 => String::new(),
            1 => format!("%{number} = "),
            several => format!("%{number}:{several} = "),
        };
        let inputs: Vec<Type> = args.iter().map(Value::ty).collect();
        let attributes = if attributes.is_empty() { String::new() } else { format!(" {{{attributes}}}") };
        let regions = if regions.is_empty() { String::new() } else { format!(" ({})", regions.join(", ")) };
        let made = if outs.len() == 1 { outs[0].to_string() } else { listed(&outs) };
        let (args, inputs) = (names(args), listed(&inputs));
        self.line(&format!("{results}\"{op}\"({args}){regions}{attributes} : {inputs} -> {made}"));
        let several = outs.len() > 1;
        let each = outs.into_iter().enumerate();
        each.map(|(at, of)| {
            let name = if several { format!("%{number}#{at}") } else { format!("%{number}") };
            self.define(name, of)
        })
        .collect()
    }

    /// As [`generic`](Body::generic), of an operation of StableHLO without regions that gives one value.
    pub(super) fn op<'b>(&'b self, op: &str, args: &[Value<'b>], attributes: &str, out: Type) -> Value<'b> {
        self.generic(&format!("stablehlo.{op}"), args, attributes, &[], vec![out])[0]
    }

    /// Writes a constant, or finds it among those of the region.
    pub(super) fn constant_text(&self, dense: &str, of: &Type) -> Value<'_> {
        let line = format!("stablehlo.constant dense<{dense}> : {of}");
        let known = self.constants.borrow().last().and_then(|constants| constants.get(&line).copied());
        if let Some(id) = known {
            return Value::new(self, id);
        }
        let name = format!("%{}", self.fresh());
        self.line(&format!("{name} = {line}"));
        let value = self.define(name, of.clone());
        if let Some(constants) = self.constants.borrow_mut().last_mut() {
            constants.insert(line, value.id());
        }
        value
    }

    /// Returns the text of a region with these arguments, which what `write` returns ends.
    ///
    /// # Errors
    /// What `write` returns.
    pub(super) fn region<'b>(
        &'b self,
        args: &[Type],
        write: impl FnOnce(&[Value<'b>]) -> Result<Vec<Value<'b>>>,
    ) -> Result<String> {
        let before = self.text.take();
        let args: Vec<Value<'b>> = args.iter().map(|of| self.argument(of.clone())).collect();
        self.constants.borrow_mut().push(HashMap::new());
        self.depth.set(self.depth.get() + 1);
        let outs = write(&args);
        if let Ok(outs) = &outs {
            self.finish("stablehlo.return", outs);
        }
        self.depth.set(self.depth.get() - 1);
        self.constants.borrow_mut().pop();
        let inner = self.text.replace(before);
        outs?;
        let list: Vec<String> = args.iter().map(|arg| format!("{}: {}", arg.name(), arg.ty())).collect();
        let indent = "  ".repeat(self.depth.get());
        let header =
            if list.is_empty() { String::new() } else { format!("{indent}^bb0({}):\n", list.join(", ")) };
        Ok(format!("{{\n{header}{inner}{indent}}}"))
    }
}

/// The names of values, as lists of operands have them.
pub(super) fn names(values: &[Value<'_>]) -> String {
    let all: Vec<String> = values.iter().map(Value::name).collect();
    all.join(", ")
}

/// Text in quotation marks, as MLIR reads it: bytes that are not plain are written in hexadecimal.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | 0..=0x1F | 0x7F.. => {
                let _ = write!(out, "\\{byte:02X}");
            }
            plain => out.push(plain.into()),
        }
    }
    out.push('"');
    out
}
