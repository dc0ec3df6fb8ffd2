//! Functions beside `main`: each is written once, however often it is called.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::body::Body;
use super::types::Type;
use super::value::Value;
use crate::error::Result;

/// The functions of a module, but for `main`.
#[derive(Default)]
pub(super) struct Functions {
    /// Name and types of the results, by what was asked for.
    known: RefCell<HashMap<String, (String, Vec<Type>)>>,
    text: RefCell<String>,
    count: Cell<usize>,
    /// Whether operations say in which module of the model they are.
    pub(super) locations: bool,
    /// Within how many decompositions is written.
    pub(super) depth: Cell<usize>,
}

impl Functions {
    /// None yet; `locations` tells whether operations say where they are from.
    pub(super) fn new(locations: bool) -> Functions {
        Functions { locations, ..Functions::default() }
    }

    /// The text of all.
    pub(super) fn into_text(self) -> String {
        self.text.into_inner()
    }
}

impl Body<'_> {
    /// Calls the function that `write` writes the body of, at the first call with this name and these types.
    ///
    /// # Errors
    /// What `write` returns.
    pub(super) fn call<'b>(
        &'b self,
        name: &str,
        args: &[Value<'b>],
        write: impl for<'x> FnOnce(&'x Body<'x>, &[Value<'x>]) -> Result<Vec<Value<'x>>>,
    ) -> Result<Vec<Value<'b>>> {
        let types: Vec<Type> = args.iter().map(Value::ty).collect();
        let key = format!("{name}{types:?}");
        self.call_keyed(key, name, args, write)
    }

    /// As [`call`](Body::call), for a function that is known by a key of its own.
    pub(super) fn call_keyed<'b>(
        &'b self,
        key: String,
        name: &str,
        args: &[Value<'b>],
        write: impl for<'x> FnOnce(&'x Body<'x>, &[Value<'x>]) -> Result<Vec<Value<'x>>>,
    ) -> Result<Vec<Value<'b>>> {
        let known = self.functions.known.borrow().get(&key).cloned();
        let (name, outs) = match known {
            Some(known) => known,
            None => {
                let types: Vec<Type> = args.iter().map(Value::ty).collect();
                let made = self.functions.write(name, &types, write)?;
                self.functions.known.borrow_mut().insert(key, made.clone());
                made
            }
        };
        Ok(self.generic("func.call", args, &format!("callee = @{name}"), &[], outs))
    }

    /// As [`call`](Body::call), of a function with one result.
    pub(super) fn call1<'b>(
        &'b self,
        name: &str,
        args: &[Value<'b>],
        write: impl for<'x> FnOnce(&'x Body<'x>, &[Value<'x>]) -> Result<Value<'x>>,
    ) -> Result<Value<'b>> {
        Ok(self.call(name, args, |body, args| Ok(vec![write(body, args)?]))?[0])
    }
}

impl Functions {
    fn write(
        &self,
        name: &str,
        args: &[Type],
        write: impl for<'x> FnOnce(&'x Body<'x>, &[Value<'x>]) -> Result<Vec<Value<'x>>>,
    ) -> Result<(String, Vec<Type>)> {
        let name = format!("{name}_{}", self.count.replace(self.count.get() + 1));
        let body = Body::new(self);
        let (header, types) = {
            let body = &body;
            let args: Vec<Value<'_>> = args.iter().map(|of| body.argument(of.clone())).collect();
            let outs = write(body, &args)?;
            body.finish("return", &outs);
            let list: Vec<String> = args.iter().map(|arg| format!("{}: {}", arg.name(), arg.ty())).collect();
            let types: Vec<Type> = outs.iter().map(Value::ty).collect();
            let results = super::types::listed(&types);
            (format!("  func.func private @{name}({}) -> {results} {{\n", list.join(", ")), types)
        };
        let text = format!("{header}{}  }}\n", body.into_text());
        self.text.borrow_mut().push_str(&text);
        Ok((name, types))
    }
}
